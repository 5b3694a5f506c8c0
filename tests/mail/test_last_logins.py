"""Last logins: of mailbox and panel, with address and protocol."""

from __future__ import annotations

import smtplib

import pytest
from django.test import Client
from django.urls import reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, LastLogin
from provisioning.last_logins import read_last_logins
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import CLIENT_ADDRESS, Wire

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


def test_a_login_that_only_sends_is_noted(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    with wire.submission() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        wire.smtp_login(client, jan.address, "wrong password")
    assert protocols(plane, jan) == set()
    with wire.submission() as client:
        wire.smtp_login(client, jan.address, PASSWORD)
    wait_until(lambda: protocols(plane, jan) == {"smtp"}, what="the login noted")
    page = logged_in(jan).get(reverse("home")).content.decode()
    assert "SMTP</dt>" in page
    assert jan.last_logins.get().address in page


def test_last_use_of_each_app_password_is_shown(wire: Wire, plane: MailInstance, jan: Account) -> None:
    owner = Actor(real=jan, channel="panel")
    _phone, first = actions.add_app_password(jan, name="Telefon", by=owner)
    _laptop, second = actions.add_app_password(jan, name="Laptop", by=owner)
    plane.apply()
    with wire.imap(jan.address, first), wire.pop3(jan.address, PASSWORD):
        wait_until(lambda: protocols(plane, jan) == {"imap", "pop3"}, what="both logins noted")
    used = dict(jan.app_passwords.values_list("name", "last_used_protocol"))
    assert used == {"Telefon": "imap", "Laptop": ""}
    phone = jan.app_passwords.get(name="Telefon")
    assert phone.last_used_at is not None
    page = logged_in(jan).get(reverse("app-passwords")).content.decode()
    assert phone.last_used_address in page
    with wire.submission() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        wire.smtp_login(client, jan.address, second[:-1] + "?")
    with wire.submission() as client:
        wire.smtp_login(client, jan.address, PASSWORD)
    wait_until(lambda: "smtp" in protocols(plane, jan), what="the login to send")
    assert jan.app_passwords.get(name="Laptop").last_used_at is None


def test_last_use_of_an_app_password_that_only_sends_is_shown(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    owner = Actor(real=jan, channel="panel")
    printer, password = actions.add_app_password(jan, name="Drukarka", by=owner)
    _laptop, _other = actions.add_app_password(jan, name="Laptop", by=owner)
    plane.apply()
    wire.submit(jan.address, password, jan.address, jan.address)
    wait_until(lambda: "smtp" in protocols(plane, jan), what="the login to send")
    printer.refresh_from_db()
    assert (printer.last_used_protocol, printer.last_used_address) == ("smtp", CLIENT_ADDRESS)
    assert jan.app_passwords.get(name="Laptop").last_used_at is None
    page = logged_in(jan).get(reverse("app-passwords")).content.decode()
    assert f'SMTP, <span class="address">{CLIENT_ADDRESS}' in page
