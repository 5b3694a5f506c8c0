"""Last logins: of mailbox and panel, with address and protocol."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account, LastLogin
from provisioning.last_logins import read_last_logins
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire

__all__ = ["plain_static"]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def protocols(plane: MailInstance, account: Account) -> set[str]:
    read_last_logins(plane.node(), plane.host)
    return set(account.last_logins.values_list("protocol", flat=True))


def test_logins_to_the_mailbox_are_noted_with_protocol_and_address(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    plane.apply()
    assert wire.imap_login_command(jan.address, "wrong password") == "NO"
    assert protocols(plane, jan) == set()
    with wire.imap(jan.address, PASSWORD), wire.pop3(jan.address, PASSWORD):
        wait_until(lambda: protocols(plane, jan) == {"imap", "pop3"}, what="both logins noted")
    page = logged_in(jan).get(reverse("home")).content.decode()
    assert "IMAP" in page
    assert jan.last_logins.get(protocol="imap").address in page
    assert read_last_logins(plane.node(), plane.host) == 0


def test_login_to_the_panel_is_noted(plane: MailInstance, jan: Account) -> None:
    Client().post(reverse("login"), {"username": jan.address, "password": "wrong password"})
    assert not jan.last_logins.exists()
    Client().post(reverse("login"), {"username": jan.address, "password": PASSWORD})
    assert jan.last_logins.get().protocol == LastLogin.PANEL
