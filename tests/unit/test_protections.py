"""The documented defaults are those of the code; what the logs say is read as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from antispam.counts import DOVECOT_LOG, MAIL_LOG, SPAMD_LOG, SYSLOG, stopped_in
from antispam.protections import KINDS, OF_DOMAINS, OF_RECIPIENTS, OFF_ONLY, PAST_WORDS, Past
from provisioning.render.postfix import RECIPIENT_PROTECTIONS

TABLE = Path(__file__).resolve().parents[2] / "docs" / "protections.md"


def test_the_table_in_the_docs_tells_order_stage_and_default() -> None:
    rows = rows_below("# Protections")
    documented = [(name, stage, state) for name, stage, state, _reason in rows]
    assert documented == [(kind.name, str(kind.stage), "on" if kind.is_on else "off") for kind in KINDS]
    assert all(reason for _name, _stage, _state, reason in rows)


def test_the_table_in_the_docs_tells_which_a_domain_may_have_otherwise() -> None:
    def possible(name: str) -> str:
        if name not in OF_DOMAINS:
            return "no"
        return "off" if name in OFF_ONLY else "on and off"

    rows = rows_below("## Per domain")
    assert [row[:2] for row in rows] == [[kind.name, possible(kind.name)] for kind in KINDS]
    assert all(why for _name, _possible, why in rows)
    assert RECIPIENT_PROTECTIONS == OF_RECIPIENTS


def test_the_table_in_the_docs_tells_what_goes_past_each() -> None:
    rows = rows_below("## What goes past them")
    assert [row[:2] for row in rows] == [[kind.name, str(kind.past)] for kind in KINDS]
    stopping = [kind.name for kind in KINDS if kind.past != Past.BOTH]
    assert [kind.name for kind in KINDS if kind.why_not] == stopping
    assert [name for name, _past, why in rows if why == "-" and name in stopping] == []
    assert set(PAST_WORDS) == set(Past)


def rows_below(heading: str) -> list[list[str]]:
    """Of the table in the part of that heading, without its head."""
    text = TABLE.read_text(encoding="utf-8").partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] != "name" and "---" not in row[0]]


LINES = [
    (
        MAIL_LOG,
        "dnsbl",
        "Nov 25 02:25:28 mx postfix/mx/smtpd[9]: NOQUEUE: reject: RCPT from x.example[192.0.2.66]: 554 5.7.1 "
        "Service unavailable; Client host [192.0.2.66] blocked using bl1.test; Listed; from=<a@b>",
    ),
    (
        MAIL_LOG,
        "clamav",
        "Nov 25 02:25:28 mx postfix/cleanup[522]: 4jZL5h56NczK8cb: milter-reject: END-OF-MESSAGE from "
        "x.example[192.0.2.10]: 5.7.1 Virus found: Eicar; from=<a@b> to=<c@d> proto=ESMTP helo=<e>",
    ),
    (
        SPAMD_LOG,
        "spamassassin",
        "Wed Nov 25 13:17:34 2026 [11366] info: spamd: identified spam (8.1/5.0) for a@b:106 in 0.1 seconds",
    ),
    (
        DOVECOT_LOG,
        "unscanned",
        "2026-11-25T14:35:00+0100 lmtp(a@b)<1><x>: Error: program exec:/q/bin/sieve/scan (7): "
        "Terminated with non-zero exit code 70",
    ),
    (
        SYSLOG,
        "outgoing-viruses",
        "2026-11-26T13:24:07.629815+01:00 vm outgoing-scan[5089]: 4jZwhR4QcRzKH4N: "
        "refused, virus Eicar; login=a@b",
    ),
    (
        SYSLOG,
        "outgoing-spam",
        "2026-11-26T13:24:07.629815+01:00 vm outgoing-scan[5089]: 4jZwhR4QcRzKH4N: "
        "held, spam 9.1/8.0 A,B; login=a@b",
    ),
    (
        SYSLOG,
        "outgoing-unscanned",
        "2026-11-26T13:24:07.629815+01:00 vm outgoing-scan[5089]: 4jZwhR4QcRzKH4N: "
        "passed without virus check: gone; login=a@b",
    ),
]


@pytest.mark.parametrize(("log", "name", "line"), LINES, ids=[name for _log, name, _line in LINES])
def test_a_line_counts_for_its_protection(log: str, name: str, line: str) -> None:
    assert stopped_in(log, [line, "something else"]) == {name: 1}


@pytest.mark.parametrize(
    ("user", "counted"),
    [("0123456789abcdef@01", {"spamassassin": 1, "spamassassin-network": 1}), ("outgoing", {})],
)
def test_what_people_send_is_not_counted_as_stopped_at_delivery(user: str, counted: dict[str, int]) -> None:
    head = "Wed Nov 25 13:17:34 2026 [11366] info: spamd: "
    lines = [
        f"{head}identified spam (8.1/5.0) for {user}:113 in 0.1 seconds, 274 bytes.",
        f"{head}result: Y  8 - MISSING_MID,RCVD_IN_SBL scantime=0.1,size=274,user={user},uid=113,mid=<x@y>",
    ]
    assert stopped_in(SPAMD_LOG, lines) == counted


def test_a_subject_that_reads_like_a_refusal_is_none() -> None:
    line = (
        "Nov 25 02:25:28 mx postfix/cleanup[522]: 4jZL: info: header Subject: x: reject: END-OF-MESSAGE from "
        "a: 5.7.1 Virus found: y from z[1]"
    )
    assert stopped_in(MAIL_LOG, [line]) == {}
