"""The folder SPAM keeps mail for so many days, whether its owner ever logs in or not.

The moment of a save is Dovecot's own and cannot be set: so the sweep is told what time it is.
"""

from __future__ import annotations

import datetime
import subprocess
import time
from collections.abc import Callable

import pytest

from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_spam_preference
from domains.models import Domain
from provisioning.daemons import dovecot_conf
from provisioning.spam_expiry import expire_spam
from tests.mail.instance import MailInstance, wait_until

Sweep = Callable[[float], None]


def save(plane: MailInstance, account: Account, subject: str, folder: str) -> float:
    """By the machine's own tool, for a user who never logs in; returns when."""
    doveadm = ["doveadm", "-c", str(dovecot_conf(plane.layout))]
    message = f"From: x@obcy.example\nSubject: {subject}\nDate: Mon, 01 Jan 2001 10:00:00 +0000\n\nx\n"
    subprocess.run(
        [*doveadm, "save", "-u", account.address, "-m", folder], input=message.encode(), check=True
    )
    return time.time()


def subjects(plane: MailInstance, account: Account, folder: str) -> list[str]:
    doveadm = ["doveadm", "-c", str(dovecot_conf(plane.layout)), "-f", "tab"]
    argv = [*doveadm, "fetch", "-u", account.address, "hdr.subject", "mailbox", folder]
    found = subprocess.run(argv, capture_output=True, text=True, check=True)
    return sorted(found.stdout.splitlines()[1:])


@pytest.fixture
def sweep(plane: MailInstance) -> Sweep:
    """As it would run so many days after a moment."""

    def run(moment: float) -> None:
        now = datetime.datetime.fromtimestamp(moment, datetime.UTC)
        expire_spam(plane.node(), plane.host, plane.layout, now=now)

    return run


def days(count: int) -> float:
    return count * 86400


def test_29_days_are_kept_and_31_are_not(plane: MailInstance, sweep: Sweep, jan: Account) -> None:
    plane.apply()
    saved_at = save(plane, jan, "spam", "SPAM")
    save(plane, jan, "inny folder", "Trash")
    sweep(saved_at + days(29))
    assert subjects(plane, jan, "SPAM") == ["spam"]
    sweep(saved_at + days(31))
    assert subjects(plane, jan, "SPAM") == []
    assert subjects(plane, jan, "Trash") == ["inny folder"]


def test_what_was_moved_in_later_counts_from_then_and_what_was_moved_out_stays(
    plane: MailInstance, sweep: Sweep, jan: Account
) -> None:
    plane.apply()
    doveadm = ["doveadm", "-c", str(dovecot_conf(plane.layout)), "move", "-u", jan.address]
    saved_at = save(plane, jan, "potem", "INBOX")
    save(plane, jan, "dawno", "SPAM")
    save(plane, jan, "wyjeta", "Trash")
    wait_until(lambda: time.time() > saved_at + 3, what="a later second")
    subprocess.run([*doveadm, "SPAM", "mailbox", "INBOX", "all"], check=True)
    subprocess.run([*doveadm, "INBOX", "mailbox", "Trash", "all"], check=True)
    sweep(saved_at + 2 + days(30))
    assert subjects(plane, jan, "SPAM") == ["potem"]
    assert subjects(plane, jan, "INBOX") == ["wyjeta"]


def test_a_domain_has_its_own_number_of_days(
    plane: MailInstance, sweep: Sweep, jan: Account, firma: Domain, console: Actor
) -> None:
    set_spam_preference(firma, thresholds=None, is_scanned=None, spam_days=7, by=console)
    plane.apply()
    saved_at = save(plane, jan, "spam", "SPAM")
    sweep(saved_at + days(6))
    assert subjects(plane, jan, "SPAM") == ["spam"]
    sweep(saved_at + days(8))
    assert subjects(plane, jan, "SPAM") == []
