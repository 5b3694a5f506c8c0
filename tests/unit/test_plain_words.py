"""The trace of somebody who knows mailboxes: no term of servers in any choice or sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.utils import translation

from maillog import plainly, timeline
from maillog.models import Direction, Handling, Mechanism
from maillog.parse import parse
from maillog.reasons import own_reason

CASES = Path(__file__).resolve().parents[1] / "files" / "maillog"
TERMS = re.compile(
    r"message-id|queue|kolej[kc]|helo|dnsbl|\bspf\b|dmarc|relay|grey|szar[aeą]|pipelin|block ?list|noqueue"
    r"|smtp|imap|lmtp|tls|milter|postfix|dovecot|\bmx\b|\d\.\d\.\d ",
    re.IGNORECASE,
)

SENT = (
    "Nov 25 08:00:00 mx postfix/smtp[1]: 4jZJhy2LxNz0001: to=<x@y.example>, "
    "relay=mx.y.example[192.0.2.1]:25, delay=1, delays=1/0/0/0,"
)


def choices() -> list[str]:
    lists = (plainly.KINDS, plainly.VERDICTS, plainly.MECHANISMS, plainly.HANDLINGS, plainly.DIRECTIONS)
    return [str(label) for labels in lists for label in labels.values()]


@pytest.mark.parametrize("language", ["en", "pl"])
def test_choices_name_nothing_of_a_server(language: str) -> None:
    with translation.override(language):
        assert [label for label in choices() if TERMS.search(label)] == []


def test_every_reason_handling_and_direction_has_plain_words() -> None:
    assert set(plainly.MECHANISMS) == set(Mechanism)
    assert set(plainly.HANDLINGS) == set(Handling)
    assert set(plainly.DIRECTIONS) == set(Direction)


@pytest.mark.parametrize("language", ["en", "pl"])
def test_no_line_of_a_log_is_told_in_terms_of_a_server(language: str) -> None:
    lines = [line for path in CASES.glob("*.log") for line in path.read_text("utf-8", "replace").splitlines()]
    with translation.override(language):
        told = [plainly.words_in_plain(parse(line))[0] for line in lines]
    assert len([words for words in told if words]) > 20
    assert [words for words in told if TERMS.search(words)] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "Nov 25 08:00:00 mx postfix/mx/smtpd[1]: NOQUEUE: reject: RCPT from unknown[203.0.113.7]: "
            "554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using zen.example; "
            "from=<x@y.example> to=<ala@firma.test> proto=ESMTP helo=<h>",
            "refused: the sender's server is known for spam",
        ),
        (
            f"{SENT} dsn=4.2.2, status=deferred (host mx.y.example said: 452 4.2.2 mailbox full)",
            "not delivered to x@y.example yet (mailbox full), there will be another try",
        ),
        (
            f"{SENT} dsn=5.1.1, status=bounced (host mx.y.example said: 550 5.1.1 User unknown)",
            "refused for x@y.example: nobody has this address",
        ),
        (
            f"{SENT} dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 12345)",
            "handed to the mail server of x@y.example",
        ),
        ("Nov 25 08:00:00 mx postfix/cleanup[8]: 4jZJhy2LxNz0001: message-id=<7@klient.example>", ""),
        ("Nov 25 08:00:00 mx postfix/qmgr[9]: 4jZJhy2LxNz0001: removed", ""),
    ],
)
def test_sentences_for_the_owner_of_a_mailbox(line: str, words: str) -> None:
    assert plainly.words_in_plain(parse(line))[0] == words


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "lock of the whole server: no mail leaves"),
        ("pl", "blokada całego serwera: poczta nie wychodzi"),
    ],
)
@pytest.mark.parametrize(
    "reply",
    [
        "deferred transport",
        "client TLS configuration problem",
        "delivery temporarily suspended: client TLS configuration problem",
    ],
)
def test_what_a_locked_server_holds_back_is_told_as_its_lock(language: str, words: str, reply: str) -> None:
    event = parse(f"{SENT} dsn=4.7.5, status=deferred ({reply})")
    with translation.override(language):
        for told in (plainly.words_in_plain(event)[0], timeline.words_of(event)[0]):
            assert words in told
            assert "TLS" not in told
            assert "transport" not in told


@pytest.mark.parametrize(
    "reply",
    [
        "host mx.y.example[192.0.2.1] said: 451 client TLS configuration problem (in reply to RCPT)",
        "host mx.y.example[192.0.2.1] said: 451 local data error while talking to me",
        "connect to mx.y.example[192.0.2.1]:25: Connection refused",
    ],
)
def test_another_servers_words_are_not_taken_for_our_own_state(reply: str) -> None:
    assert own_reason(reply) == ""


def test_a_missing_login_at_a_smarthost_is_told_with_what_to_do() -> None:
    with translation.override("en"):
        said = own_reason("local data error while talking to smtp.isp.example[192.0.2.1]")
    assert said == "the password for the smarthost is missing: it must be set anew"
