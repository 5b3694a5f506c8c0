"""Used space and messages: counted by Dovecot, read in bulk, shown with the time."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, MailboxUsage
from provisioning.usage import count_usage
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

__all__ = ["plain_static"]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def counted(plane: MailInstance, account: Account) -> tuple[int, int]:
    count_usage(plane.node(), plane.host)
    usage = MailboxUsage.objects.filter(account=account).first()
    return (usage.message_count, usage.used_bytes) if usage else (0, 0)


def test_count_follows_what_arrives_and_goes(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    for subject in ("raz", "dwa"):
        wire.deliver(jan.address, text=letter(subject))
    wait_until(lambda: counted(plane, jan)[0] == 2, what="two messages counted")
    with wire.imap(jan.address, PASSWORD) as client:
        client.select("INBOX")
        rows = client.fetch("1:2", "(RFC822.SIZE)")[1]
        total = sum(int(size) for size in re.findall(r"RFC822\.SIZE (\d+)", str(rows)))
        assert counted(plane, jan) == (2, total)
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
    wait_until(lambda: counted(plane, jan)[0] == 1, what="one message counted")


def test_renamed_account_keeps_its_count(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    plane.apply()
    wire.deliver(jan.address, text=letter("raz"))
    wait_until(lambda: counted(plane, jan)[0] == 1)
    assert jan.domain is not None
    renamed = actions.rename_account(jan, domain=jan.domain, localpart="janek", by=console)
    plane.apply()
    wire.deliver(renamed.address, text=letter("dwa"))
    wait_until(lambda: counted(plane, renamed)[0] == 2, what="the new address's count")


def test_home_shows_the_count_and_its_time(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    assert "jeszcze nie policzono" in logged_in(jan).get(reverse("home")).content.decode()
    wire.deliver(jan.address, text=letter("raz"))
    wait_until(lambda: counted(plane, jan)[0] == 1)
    page = logged_in(jan).get(reverse("home")).content.decode()
    assert "1 wiadomość" in page
    assert "<meter" in page or not jan.quota_bytes
    assert "policzono <time" in page
