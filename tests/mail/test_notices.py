"""The owner is told by mail of every change of what opens the mailbox."""

from __future__ import annotations

import dataclasses
from email.message import EmailMessage

import pytest
from django.conf import settings
from django_otp.oath import totp

from accounts import actions, notices
from accounts.actor import Actor
from accounts.models import Account, Notice
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def owner(jan: Account, console: Actor) -> Actor:
    actions.edit_account(jan, language="en", by=console)
    jan.refresh_from_db()
    return Actor(real=jan, channel="panel", address="192.0.2.7")


def letters(wire: Wire, account: Account, password: str, count: int) -> list[EmailMessage]:
    notices.send_waiting()
    wait_until(lambda: len(wire.subjects(account.address, password)) == count, what=f"{count} letters")
    return wire.messages(account.address, password)


def test_owner_is_told_of_a_changed_password_and_from_where(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor
) -> None:
    new = "Zupelnie-Inne-3"
    actions.change_password(jan, password=new, by=owner)
    plane.apply()
    (letter,) = letters(wire, jan, new, 1)
    assert letter["Subject"] == "Your password was changed."
    text = letter.get_content()
    assert "192.0.2.7" in text
    assert new not in text
    assert not Notice.objects.exists()


def test_owner_is_told_of_app_passwords_and_second_factor(
    wire: Wire, plane: MailInstance, jan: Account, owner: Actor
) -> None:
    made, secret = actions.add_app_password(jan, name="Żółty „telefon”", by=owner)
    device = actions.begin_second_factor(jan, by=owner)
    actions.turn_on_second_factor(jan, code=f"{totp(device.bin_key, step=device.step):06d}", by=owner)
    actions.turn_off_second_factor(jan, by=owner)
    actions.revoke_app_password(made, by=owner)
    plane.apply()
    found = letters(wire, jan, PASSWORD, 4)
    assert {str(letter["Subject"]) for letter in found} == {
        "The app password “Żółty „telefon”” was made.",
        "Two-step login was turned on.",
        "Two-step login was turned off.",
        "The app password “Żółty „telefon”” was revoked.",
    }
    assert not any(secret in letter.as_string() for letter in found)


def test_notice_waits_while_the_mail_plane_is_down(
    plane: MailInstance, jan: Account, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on the port of another offset."""
    from accounts.tasks import send_notices

    actions.change_password(jan, password="Zupelnie-Inne-3", by=owner)
    nobody_there = dataclasses.replace(settings.QMAILUX_LAYOUT, bind="127.255.255.254")
    monkeypatch.setattr(settings, "QMAILUX_LAYOUT", nobody_there)
    send_notices()
    assert Notice.objects.filter(account=jan).count() == 1
