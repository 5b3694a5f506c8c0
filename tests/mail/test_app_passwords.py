"""App passwords over the wire: they open the mail plane, each alone, and stop at once."""

from __future__ import annotations

import imaplib
import poplib
import smtplib

import pytest
from django_otp.oath import totp

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter, panel_accepts


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def owner(jan: Account) -> Actor:
    return Actor(real=jan, channel="panel")


def mail_logins(wire: Wire, login: str, password: str) -> dict[str, bool]:
    """In which protocols of mail the password works."""
    return {
        "imap": wire.imap_login_command(login, password) == "OK",
        "pop3": _fetches(wire, login, password),
        "smtp": _submits(wire, login, password),
    }


def _fetches(wire: Wire, login: str, password: str) -> bool:
    try:
        with wire.pop3(login, password):
            return True
    except poplib.error_proto:
        return False


def _submits(wire: Wire, login: str, password: str) -> bool:
    with wire.submission() as client:
        try:
            wire.smtp_login(client, login, password)
        except smtplib.SMTPAuthenticationError:
            return False
        return True


def test_app_password_opens_mail_but_not_the_panel(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor
) -> None:
    _made, first = actions.add_app_password(jan, name="Telefon", by=owner)
    _made, second = actions.add_app_password(jan, name="Laptop", by=owner)
    plane.apply()
    for password in (first, second, PASSWORD):
        assert all(mail_logins(wire, jan.address, password).values()), password
    assert not panel_accepts(jan.address, first)
    assert panel_accepts(jan.address, PASSWORD)


def test_revoked_app_password_stops_at_once_and_alone(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor
) -> None:
    phone, first = actions.add_app_password(jan, name="Telefon", by=owner)
    _laptop, second = actions.add_app_password(jan, name="Laptop", by=owner)
    plane.apply()
    assert all(mail_logins(wire, jan.address, first).values())
    actions.revoke_app_password(phone, by=owner)
    plane.apply()
    assert not any(mail_logins(wire, jan.address, first).values())
    assert all(mail_logins(wire, jan.address, second).values())


def test_app_password_is_its_owners_and_exact(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor, firma: Domain, console: Actor
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    _made, password = actions.add_app_password(jan, name="Telefon", by=owner)
    plane.apply()
    assert not any(mail_logins(wire, ola.address, password).values())
    for wrong in (password[:8], password[:-1], password[:8] + "x" * 16, password + "x"):
        assert not any(mail_logins(wire, jan.address, wrong).values()), wrong


def test_locked_account_refuses_its_app_password(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor, console: Actor
) -> None:
    _made, password = actions.add_app_password(jan, name="Telefon", by=owner)
    plane.apply()
    assert all(mail_logins(wire, jan.address, password).values())
    actions.lock_account(jan, by=console)
    plane.apply()
    assert not any(mail_logins(wire, jan.address, password).values())


def test_everything_made_anew_has_the_app_passwords(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor
) -> None:
    _made, password = actions.add_app_password(jan, name="Telefon", by=owner)
    plane.applier().apply_all(confirm_deletions=True)
    assert all(mail_logins(wire, jan.address, password).values())


def test_second_factor_leaves_the_mail_plane_to_app_passwords(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor
) -> None:
    _made, password = actions.add_app_password(jan, name="Telefon", by=owner)
    device = actions.begin_second_factor(jan, by=owner)
    code = f"{totp(device.bin_key, step=device.step):06d}"
    plane.apply()
    opened_before = wire.imap(jan.address, PASSWORD).__enter__()
    actions.turn_on_second_factor(jan, code=code, by=owner)
    plane.apply()
    wait_until(lambda: _is_cut(opened_before), what="the session of the main password to end")
    assert not any(mail_logins(wire, jan.address, PASSWORD).values())
    assert all(mail_logins(wire, jan.address, password).values())
    wire.deliver(jan.address, text=letter("Drugi składnik"))
    wait_until(lambda: wire.subjects(jan.address, password) == ["Drugi składnik"])
    actions.turn_off_second_factor(jan, by=owner)
    plane.apply()
    assert all(mail_logins(wire, jan.address, PASSWORD).values())


def test_revoked_app_password_ends_open_sessions_and_a_new_one_none(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor
) -> None:
    phone, password = actions.add_app_password(jan, name="Telefon", by=owner)
    plane.apply()
    session = wire.imap(jan.address, password)
    client = session.__enter__()
    actions.add_app_password(jan, name="Laptop", by=owner)
    plane.apply()
    assert client.noop()[0] == "OK"
    actions.revoke_app_password(phone, by=owner)
    plane.apply()
    wait_until(lambda: _is_cut(client), what="the session to end")


def _is_cut(client: imaplib.IMAP4) -> bool:
    try:
        client.noop()
    except (imaplib.IMAP4.abort, OSError):
        return True
    return False
