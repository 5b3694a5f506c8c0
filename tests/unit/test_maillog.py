"""Log lines into events and entries: pure, total, and never fooled by what others write into a line."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from maillog import events, parse_postfix
from maillog import parse as parse_module
from maillog.draft import Draft, packed
from maillog.join import Joiner
from maillog.mechanisms import mechanism_of
from maillog.parse import parse, split_glued
from maillog.stamps import Stamps
from maillog.subjects import readable_subject

STORED = (
    "2026-06-01T10:00:02+0200 lmtp(jan@firma.test)<7><CXr/FALTBmsiDgAAo8VgIw>: Info: sieve: from=x@a.example "
    "msgid=<1@a.example> size=611 vsize=629 subject="
)
DELIVERED = (
    "Jun  1 10:00:02 mx postfix/lmtp[3]: 4jZJhy2LxNzKgMV: to=<jan@firma.test>, relay=mx[lmtp], "
    "delay=0.1, delays=0/0/0/0.1, dsn=2.0.0, status=sent "
    "(250 2.0.0 <jan@firma.test> CXr/FALTBmsiDgAAo8VgIw Saved)"
)
CASES = Path(__file__).resolve().parents[1] / "files" / "maillog"
WARSAW = ZoneInfo("Europe/Warsaw")
# The whole million is tests/bench/test_trace_fuzz.py.
FUZZ_LINES = 60_000


def case_lines(name: str) -> list[str]:
    return (CASES / name).read_text(encoding="utf-8").splitlines()


def joined(lines: list[str], *, now: datetime | None = None) -> list[Draft]:
    joiner = Joiner()
    reference = now.timestamp() if now else time.time()
    joiner.feed(lines, Stamps(WARSAW, reference))
    return joiner.take_changed()


def moment(stamps: Stamps, stamp: str) -> str:
    found = stamps.moment(stamp)
    return "" if found is None else datetime.fromtimestamp(found, WARSAW).isoformat()


def test_LOG_01_every_refusal_without_an_id_is_an_entry_of_its_own() -> None:
    drafts = joined(case_lines("LOG-01-noqueue.log"))
    told = [(draft.client, draft.mechanism, draft.helo) for draft in drafts]
    assert told == [
        (packed("2001:db8::25"), "dnsbl", "[IPv6:2001:db8::25]"),
        (packed("203.0.113.9"), "greylist", "host.example.net"),
        (packed("203.0.113.10"), "milter", "x y"),
        (packed("203.0.113.11"), "relay", "WIN-ABC"),
        (packed("203.0.113.12"), "password", ""),
        (packed("203.0.113.13"), "quota", "h"),
        (packed("203.0.113.14"), "pipelining", ""),
        (packed("2001:db8::26"), "protocol", "h"),
    ]
    assert "bl.example.net" in drafts[0].reason
    assert ('"a b"@example.net', "s") in set(drafts[2].parties())
    assert ("o'brien+x@example.com", "r") in set(drafts[2].parties())


def test_LOG_03_an_id_used_again_is_another_message() -> None:
    drafts = joined(case_lines("LOG-03-reused-id.log"))
    assert [(draft.message_id, draft.final_verdict(), draft.recipients) for draft in drafts] == [
        ("a@example.net", "delivered", ["anna@example.com"]),
        ("b@example.net", "unknown", ["x@example.org"]),
        ("c@mail.example.com", "queued", []),
    ]


def test_LOG_04_the_year_turns_between_two_lines() -> None:
    stamps = Stamps(WARSAW, datetime(2026, 1, 2, tzinfo=UTC).timestamp())
    assert moment(stamps, "Dec 31 23:59:58").startswith("2025-12-31T23:59:58")
    assert moment(stamps, "Jan  1 00:00:00").startswith("2026-01-01T00:00:00")


@pytest.mark.parametrize(
    ("read_on", "stamp", "expected"),
    [
        ((2026, 1, 2), "Dec 30 10:00:00", "2025-12-30"),
        ((2027, 1, 2), "Dec 30 10:00:00", "2026-12-30"),
        ((2026, 2, 28), "Feb 29 12:00:00", "2024-02-29"),
        ((2028, 3, 1), "Feb 29 12:00:00", "2028-02-29"),
        ((2028, 2, 20), "Feb 29 12:00:00", "2024-02-29"),
    ],
)
def test_LOG_04_no_line_is_of_the_future(read_on: tuple[int, int, int], stamp: str, expected: str) -> None:
    stamps = Stamps(WARSAW, datetime(*read_on, tzinfo=UTC).timestamp())
    assert moment(stamps, stamp).startswith(expected)


def test_LOG_04_the_file_as_it_stands() -> None:
    drafts = joined(case_lines("LOG-04-year-turn.log"), now=datetime(2026, 1, 2, tzinfo=UTC))
    assert datetime.fromtimestamp(drafts[0].began, WARSAW).year == 2025
    assert drafts[0].final_verdict() == "delivered"
    assert drafts[0].last - drafts[0].began == 3


def test_LOG_05_the_hour_that_comes_twice_and_the_one_that_does_not() -> None:
    stamps = Stamps(WARSAW, datetime(2026, 10, 26, tzinfo=UTC).timestamp())
    told = [
        moment(stamps, stamp)
        for stamp in (
            "Oct 25 02:59:59",
            "Oct 25 02:00:01",
            "2026-10-25T02:00:03.123456+01:00",
            "2026-10-25T01:00:04Z",
            "Mar 29 02:30:00",
            "Oct 25 10:05:00",
            "Oct 25 10:00:00",
            "Nov 31 14:99:16",
        )
    ]
    assert told == [
        "2026-10-25T02:59:59+02:00",
        "2026-10-25T02:00:01+01:00",
        "2026-10-25T02:00:03.123456+01:00",
        "2026-10-25T02:00:04+01:00",
        "",
        "2026-10-25T10:05:00+01:00",
        "2026-10-25T10:00:00+01:00",
        "",
    ]


def test_LOG_05_a_message_over_the_clock_change_is_one_and_runs_forward() -> None:
    drafts = joined(case_lines("LOG-05-dst.log"), now=datetime(2026, 10, 26, tzinfo=UTC))
    assert (drafts[0].final_verdict(), drafts[0].last - drafts[0].began) == ("delivered", 5)
    assert [draft.queue_id for draft in drafts] == ["8D8D8D8D8D", "9E9E9E9E9E", "AFAFAFAFAF", "B0B0B0B0B0"]


def test_LOG_06_fields_are_cut_at_their_position() -> None:
    by_id = {draft.queue_id: draft for draft in joined(case_lines("LOG-06-odd-ids.log"))}
    assert by_id["C1C1C1C1C1"].message_id == ""
    assert by_id["C2C2C2C2C2"].message_id == "a b@example.net"
    assert by_id["C3C3C3C3C3"].message_id.startswith("x>, to=<victim@example.com>, status=sent")
    assert not by_id["C3C3C3C3C3"].recipients
    assert by_id["C4C4C4C4C4"].message_id == "<script>alert(1)</script>@example.net"
    assert by_id["C5C5C5C5C5"].message_id.startswith("m" * 200)
    assert by_id["C6C6C6C6C6"].message_id == "żółw@example.net"
    assert by_id["C6C6C6C6C6"].sender == '"a, b> c"@example.net'
    assert by_id["C7C7C7C7C7"].final_subject() == "Faktura żółw 7/2026"
    assert by_id["C8C8C8C8C8"].final_subject() == "to=<x@example.com> from=<y@example.com> status=sent"
    assert not any(draft.recipients for draft in by_id.values())


@pytest.mark.parametrize(
    ("raw", "readable"),
    [
        ("zal =?utf-8?q?faktur=C4=85?=", "zal fakturą"),
        ("=?utf-8?q?za=C5=BC=C3=B3?=? =?utf-8?q?=C5=82cie?=", "zażółcie"),
        ("Oferta =?utf-8?q?na_dobry_po", "Oferta …"),
        ("=?no-such?q?a=C4=85?=", "aą"),
        ("=?utf-8?b?!!!?=", None),
        ("zwykły", "zwykły"),
    ],
)
def test_LOG_06_subjects_are_decoded_leniently(raw: str, readable: str | None) -> None:
    told = readable_subject(raw)
    assert told == readable if readable is not None else isinstance(told, str)


def test_LOG_08_a_typed_name_is_never_a_second_field() -> None:
    line = (
        "Jun  1 10:00:05 mail postfix/submission/smtpd[2105]: warning: unknown[203.0.113.12]: SASL PLAIN "
        "authentication failed: (reason unavailable), sasl_username=anna@example.com, "
        "sasl_username=jan@example.com"
    )
    (draft,) = joined([line])
    assert draft.login == "anna@example.com, sasl_username=jan@example.com"
    assert (draft.client, draft.service) == (packed("203.0.113.12"), "submission")
    assert list(draft.parties()) == [("anna@example.com, sasl_username=jan@example.com", "l")]


def test_LOG_08_a_recipient_that_looks_like_the_end_of_the_line_is_a_recipient() -> None:
    forged = '"x; from=<szef@firma.test> to=<ofiara@firma.test> proto=ESMTP helo=<a>"@firma.test'
    line = (
        "Jun  1 10:00:05 mx postfix/mx/smtpd[2]: NOQUEUE: reject: RCPT from unknown[203.0.113.12]: 550 5.1.1 "
        f"<{forged}>: Recipient address rejected: User unknown in virtual mailbox table; "
        f"from=<x@obcy.example> to=<{forged}> proto=ESMTP helo=<h>"
    )
    (draft,) = joined([line])
    assert (draft.sender, draft.recipients, draft.helo) == ("x@obcy.example", [forged.lower()], "h")


def test_LOG_09_known_forms_are_read_and_nothing_is_lost() -> None:
    by_id = {draft.queue_id: draft for draft in joined(case_lines("LOG-09-prefixes.log"))}
    assert (by_id["E1E1E1E1E1"].final_verdict(), by_id["E1E1E1E1E1"].is_closed) == ("delivered", True)
    assert (by_id["E2E2E2E2E2"].login, by_id["E2E2E2E2E2"].service) == ("anna@example.com", "smtps")
    assert (by_id["E2E2E2E2E2"].final_verdict(), by_id["E2E2E2E2E2"].is_closed) == ("delivered", True)
    assert any("repeated 3 times" in line for line in by_id["E2E2E2E2E2"].lines)
    assert by_id["E3E3E3E3E3"].final_verdict() == "deferred"


def test_LOG_09_glued_lines_come_apart() -> None:
    glued = case_lines("LOG-09-prefixes.log")[-1]
    assert [parse(line).kind for line in split_glued(glued)] == [events.REMOVED, events.REMOVED]


def test_LOG_09_unknown_lines_are_counted() -> None:
    joiner = Joiner()
    joiner.feed(["coś zupełnie innego", "Jun  1 10:00:05 mx"], Stamps(WARSAW, time.time()))
    assert (joiner.line_count, joiner.unknown_count) == (2, 2)


def test_dovecots_own_words_join_the_delivery_in_either_order() -> None:
    stored = (
        f"{STORED}a in session=1ms delivery=2ms: stored mail into mailbox 'Obce' in session=1ms "
        "delivery=41ms: fileinto action: stored mail into mailbox 'SPAM'"
    )
    for lines in ([stored, DELIVERED], [DELIVERED, stored]):
        (draft,) = joined(lines)
        assert (draft.folder, len(draft.lines), draft.final_verdict()) == ("SPAM", 2, "delivered")


def test_a_discarding_filter_is_no_delivery() -> None:
    """T4 of the field: says delivered, Sieve had discarded it."""
    discarded = (
        f"{STORED}a in session=1ms delivery=41ms: marked message to be discarded if not explicitly delivered "
        "(discard action)"
    )
    lines = [discarded, DELIVERED]
    (draft,) = joined(lines)
    assert draft.final_verdict() == "discarded"


@pytest.mark.parametrize(
    ("words", "mechanism"),
    [
        ("554 5.7.1 Service unavailable; Client host [192.0.2.66] blocked using bl1.test; Listed", "dnsbl"),
        ("5.7.1 Virus found: Eicar-Test-Signature.UNOFFICIAL", "virus"),
        ("5.7.1 attachment type not allowed", "attachment"),
        ("550 5.7.23 <jan@f.test>: Recipient address rejected: Message rejected due to: SPF fail", "spf"),
        (
            "550 5.2.1 <j@f.test>: Recipient address rejected: This mailbox is locked and takes no mail",
            "locked",
        ),
        ("552 5.2.2 <p@f.test> Quota exceeded (mailbox for user is full)", "quota"),
        ("450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.66]", "reverse-name"),
        ("504 5.5.2 <komputer>: Helo command rejected: need fully-qualified hostname", "helo"),
        ("554 5.7.1 <z[203.0.113.200]>: Client host rejected: blocked by operator", "blocked"),
        ("cokolwiek", ""),
    ],
)
def test_what_refused_is_named(words: str, mechanism: str) -> None:
    assert mechanism_of(words) == mechanism


def test_a_virus_found_at_the_end_of_the_message_closes_it() -> None:
    tail = "from=<a@good.example> to=<jan@firma.test> proto=ESMTP helo=<mx.good.example>"
    lines = [
        "Jun  1 10:00:01 mx postfix/mx/smtpd[2]: 4jZJhy2LxNzKgMV: client=mx.good.example[192.0.2.10]",
        "Jun  1 10:00:02 mx postfix/cleanup[3]: 4jZJhy2LxNzKgMV: milter-reject: END-OF-MESSAGE from "
        f"mx.good.example[192.0.2.10]: 5.7.1 Virus found: Eicar-Test-Signature.UNOFFICIAL; {tail}",
    ]
    (draft,) = joined(lines)
    assert (draft.final_verdict(), draft.mechanism, draft.is_closed) == ("rejected", "virus", True)
    assert (draft.sender, draft.recipients) == ("a@good.example", ["jan@firma.test"])


def test_a_client_that_is_too_fast_is_a_refusal() -> None:
    lines = [
        "Jun  1 10:00:01 mx postfix/mx/p3/smtpd[2]: connect from localhost[127.0.0.9]",
        "Jun  1 10:00:01 mx postfix/mx/p3/smtpd[2]: warning: Connection concurrency limit exceeded: 51 from "
        "localhost[127.0.0.9] for service smtp",
    ]
    (draft,) = joined(lines)
    assert (draft.kind, draft.final_verdict(), draft.mechanism) == ("refusal", "rejected", "client-rates")
    assert (draft.client, draft.service, draft.own_label) == (packed("127.0.0.9"), "mx", "p3")


def test_encryption_elsewhere_is_told_of_the_delivery_over_it() -> None:
    tls = (
        "Jun  1 10:00:01 mx postfix/out/p3/smtp[5]: Trusted TLS connection established to "
        "mx.example.net[192.0.2.7]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
    )

    def sent(queue_id: str, address: str) -> list[str]:
        begins = f"Jun  1 10:00:01 mx postfix/out/p3/smtp[5]: {queue_id}: to=<a@example.net>, "
        return [
            f"Jun  1 10:00:01 mx postfix/qmgr[1]: {queue_id}: from=<b@firma.test>, size=9, nrcpt=1 (queue)",
            f"{begins}relay=mx.example.net[{address}]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
            "status=sent (250 ok)",
        ]

    over, other = joined([tls, *sent("4jZJhy2LxNzKgMV", "192.0.2.7"), *sent("4jZJhy2LxNzKgMW", "192.0.2.8")])
    assert tls in over.lines
    assert tls not in other.lines
    assert over.own_label == "p3"


STARTED = "ClamAV update process started at Wed Nov 25 16:20:00 2026"


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (["daily.cvd database is up-to-date (version: 27456, sigs: 3, f-level: 90)"], "unchanged"),
        (
            ["daily.cld updated (version: 27457, sigs: 3)", "main.cvd database is up-to-date (version: 62)"],
            "updated",
        ),
        (["ERROR: Can't query current.cvd.clamav.net", "ERROR: Update failed."], "failed"),
        (["WARNING: x", "ERROR: mirror a is away", "daily.cld updated (version: 27457, sigs: 3)"], "updated"),
        ([], "queued"),
    ],
)
def test_updates_of_the_signatures_are_told_also_those_that_found_nothing(
    said: list[str], verdict: str
) -> None:
    lines = [f"Wed Nov 25 16:20:0{number} 2026 -> {text}" for number, text in enumerate([STARTED, *said])]
    (draft,) = joined(lines, now=datetime(2026, 11, 26, tzinfo=UTC))
    assert (draft.kind, draft.service, draft.final_verdict()) == ("update", "freshclam", verdict)
    assert draft.began == datetime(2026, 11, 25, 15, 20, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("is_first", [True, False])
def test_the_scanners_own_line_joins_before_or_after_the_refusal(is_first: bool) -> None:
    own = (
        "Mon Jun  1 10:00:02 2026 -> Message 4jZJhy2LxNzKgMV from <a@good.example> to <jan@firma.test> with "
        "subject 'x' message-id 'UNKNOWN' date 'UNKNOWN' infected by Eicar infected by Eicar-Test"
    )
    refusal = [
        "Jun  1 10:00:01 mx postfix/mx/smtpd[2]: 4jZJhy2LxNzKgMV: client=mx.good.example[192.0.2.10]",
        "Jun  1 10:00:02 mx postfix/cleanup[3]: 4jZJhy2LxNzKgMV: milter-reject: END-OF-MESSAGE from "
        "mx.good.example[192.0.2.10]: 5.7.1 Virus found: x; from=<a@good.example> to=<jan@firma.test> "
        "proto=ESMTP helo=<h>",
    ]
    (draft,) = joined([own, *refusal] if is_first else [*refusal, own])
    assert own in draft.lines
    assert parse(own).fields["virus"] == "Eicar-Test"


def test_a_line_is_read_the_same_whatever_was_read_before() -> None:
    """Also one that breaks off, after lines that begin as it does."""
    lines = [DELIVERED, *case_lines("LOG-01-noqueue.log"), *case_lines("LOG-09-prefixes.log")]
    broken_off = [line[:end] for line in lines for end in range(len(line) + 1)]
    forgets = [
        parse_module._stamps.clear,
        parse_module._postfix.clear,
        parse_module._tags.clear,
        parse_postfix._ids.clear,
    ]
    alone = []
    for line in broken_off:
        for forgets_all in forgets:
            forgets_all()
        alone.append(parse(line))
    assert [parse(line) for line in broken_off] == alone
    assert [parse(line) for line in reversed(broken_off)] == alone[::-1]


def test_a_part_of_a_million_mutated_lines_raises_nothing() -> None:
    assert_mutated_lines_raise_nothing(FUZZ_LINES)


def assert_mutated_lines_raise_nothing(count: int) -> None:
    chance = random.Random(7)
    stock = [line for path in sorted(CASES.glob("*.log")) for line in path.read_text("utf-8").splitlines()]
    pieces = [
        ": ",
        ", ",
        "; from=<",
        "> to=<",
        "=?utf-8?b?",
        "\0",
        "\ud800",
        "\r",
        "[",
        "]",
        '"',
        "\\",
        "status=",
        "<",
    ]
    joiner, stamps = Joiner(), Stamps(WARSAW, time.time())
    for number in range(count):
        line = chance.choice(stock)
        for _change in range(chance.randint(1, 4)):
            at, to = sorted((chance.randint(0, len(line)), chance.randint(0, len(line))))
            other = chance.choice(stock)
            line = chance.choice(
                (
                    line[:at] + line[to:],
                    line[:at] + chance.choice(pieces) + line[at:],
                    line[:at] + chr(chance.randint(0, 0x2FFF)) + line[at + 1 :],
                    line[:at] + other[chance.randint(0, len(other)) :],
                )
            )
        joiner.feed([line], stamps)
        if number % 500 == 0:
            for draft in joiner.take_changed():
                assert draft.final_verdict()
                list(draft.parties())
                draft.final_reason()
            joiner.forget_oldest(100)
    assert joiner.line_count >= count
