"""Allow and deny lists as people set them, judged by a real spamd.

The user wins over the domain, that over the server, and within one owner the narrower pattern.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import add_sender_entries, remove_sender_entry
from antispam.actions.owner import Owner
from antispam.models import SenderListEntry
from antispam.patterns import sender_pattern
from domains.models import Domain
from provisioning.spam import scan_name
from tests.mail.instance import MailInstance

ALLOW, DENY = SenderListEntry.Kind.ALLOW, SenderListEntry.Kind.DENY
Judge = Callable[..., float]


@pytest.fixture
def judge(plane: MailInstance, jan: Account) -> Judge:
    """The score that jan's spamd gives to mail from these senders, after what waits was applied."""

    def score(sender: str, *, envelope: str = "env@neutral.example", headers: str = "") -> float:
        plane.apply()
        message = (
            f"Return-Path: <{envelope}>\r\n{headers}From: {sender}\r\nTo: {jan.address}\r\nSubject: hej\r\n"
            "Date: Wed, 25 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1234567890.abc@a.example>\r\n\r\nhej\r\n"
        )
        done = subprocess.run(
            ["spamc", "-x", "-R", "-U", str(plane.layout.spam_socket), "-u", scan_name(jan)],
            input=message.encode(),
            capture_output=True,
            check=True,
        )
        return float(done.stdout.split(b"/")[0])

    return score


def put(owner: Owner, kind: SenderListEntry.Kind, *patterns: str, by: Actor) -> None:
    add_sender_entries(owner, kind=kind, patterns=[sender_pattern(text) for text in patterns], by=by)


@pytest.mark.parametrize(
    ("entry", "hit", "missed"),
    [
        ("Spam@Example.NET", ["spam@example.net"], ["x@example.net"]),
        ("example.net", ["spam@example.net"], ["x@sub.example.net", "x@notexample.net"]),
        ("@example.net", ["spam@example.net"], ["x@sub.example.net", "x@notexample.net"]),
        ("*.example.net", ["x@sub.example.net"], ["x@example.net", "x@notexample.net"]),
        ('"Sklep" <oferty@example.net>', ["oferty@example.net"], ["x@example.net"]),
        ("żółw.example", ["x@xn--w-uga1v8h.example"], ["x@zolw.example"]),
    ],
)
def test_SPM_02_what_is_shown_is_what_works(
    judge: Judge, jan: Account, console: Actor, entry: str, hit: list[str], missed: list[str]
) -> None:
    put(jan, DENY, entry, by=console)
    assert [judge(sender) > 50 for sender in hit] == [True] * len(hit)
    assert [judge(sender) < 50 for sender in missed] == [True] * len(missed)


def test_SPM_05_the_users_list_wins_over_the_domains_and_that_over_the_servers(
    judge: Judge, jan: Account, firma: Domain, console: Actor, plane: MailInstance
) -> None:
    sender = "spam@example.net"
    put(None, DENY, sender, by=console)
    assert judge(sender) > 50
    put(firma, ALLOW, "*@example.net", by=console)
    assert judge(sender) < -50
    put(jan, DENY, "*@*.net", by=console)
    assert judge(sender) > 50
    remove_sender_entry(None, pattern=sender, by=console)
    remove_sender_entry(firma, pattern="*@example.net", by=console)
    remove_sender_entry(jan, pattern="*@*.net", by=console)
    assert -50 < judge(sender) < 50


def test_SPM_05_the_narrower_pattern_of_one_owner_wins(judge: Judge, jan: Account, console: Actor) -> None:
    put(jan, ALLOW, "*@example.net", by=console)
    put(jan, DENY, "spam@example.net", by=console)
    assert judge("spam@example.net") > 50
    assert judge("other@example.net") < -50


def test_SPM_05_from_and_envelope_are_compared_and_reply_to_is_not(
    judge: Judge, jan: Account, console: Actor
) -> None:
    put(jan, DENY, "spam@example.net", by=console)
    assert judge("spam@example.net") > 50
    assert judge("x@neutral.example", envelope="spam@example.net") > 50
    assert judge("x@neutral.example", headers="Reply-To: spam@example.net\r\n") < 50
    assert judge("x@neutral.example", headers="Sender: spam@example.net\r\n") < 50


def test_an_entry_that_moves_to_the_other_list_leaves_the_first(
    judge: Judge, jan: Account, console: Actor
) -> None:
    put(jan, DENY, "spam@example.net", by=console)
    put(jan, ALLOW, "spam@example.net", by=console)
    assert judge("spam@example.net") < -50
