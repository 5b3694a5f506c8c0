"""The panel's second factor: asked after the password, with recovery codes, never skipped."""

from __future__ import annotations

import base64
import time

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, LastLogin
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]


def current_code(account: Account, *, steps_ahead: int = 0) -> str:
    """What the phone shows; ``steps_ahead`` because a code is good once."""
    device = TOTPDevice.objects.get(user=account)
    return f"{totp(device.bin_key, step=device.step, t0=-device.step * steps_ahead):06d}"


def turned_on(account: Account) -> list[str]:
    owner = Actor(real=account, channel="panel")
    actions.begin_second_factor(account, by=owner)
    return actions.turn_on_second_factor(account, code=current_code(account), by=owner)


def after_password(account: Account, password: str = PASSWORD) -> Client:
    client = Client()
    client.post(reverse("login"), {"username": account.address, "password": password})
    return client


def is_inside(client: Client) -> bool:
    return client.get(reverse("password")).status_code == 200


def test_password_alone_is_not_enough(ala: Account) -> None:
    turned_on(ala)
    client = after_password(ala)
    assert not is_inside(client)
    assert client.get(reverse("login-code")).status_code == 200


def test_code_of_the_phone_opens_the_panel(ala: Account) -> None:
    turned_on(ala)
    client = after_password(ala)
    client.post(reverse("login-code"), {"code": current_code(ala, steps_ahead=1)})
    assert is_inside(client)


def test_wrong_code_opens_nothing(ala: Account) -> None:
    turned_on(ala)
    client = after_password(ala)
    right = current_code(ala, steps_ahead=1)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    answer = client.post(reverse("login-code"), {"code": wrong})
    assert "wrong or has run out" in answer.content.decode()
    assert not is_inside(client)


def test_recovery_code_opens_the_panel_once(ala: Account) -> None:
    code = turned_on(ala)[0]
    first, second = after_password(ala), after_password(ala)
    first.post(reverse("login-code"), {"code": code.upper()})
    second.post(reverse("login-code"), {"code": code})
    assert is_inside(first)
    assert not is_inside(second)


def test_code_page_without_the_password_leads_to_the_door(ala: Account) -> None:
    codes = turned_on(ala)
    client = after_password(ala, "wrong password")
    answer = client.post(reverse("login-code"), {"code": codes[0]})
    assert answer.status_code == 302
    assert not is_inside(client)


def test_half_a_login_ends_with_its_time(ala: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = turned_on(ala)
    client = after_password(ala)
    late = time.time() + 601
    monkeypatch.setattr("accounts.views.second_factor.time.time", lambda: late)
    client.post(reverse("login-code"), {"code": codes[0]})
    assert not is_inside(client)


def test_changed_password_ends_half_a_login(ala: Account, console: Actor) -> None:
    codes = turned_on(ala)
    client = after_password(ala)
    actions.change_password(ala, password="Zupelnie-Inne-3", by=console)
    client.post(reverse("login-code"), {"code": codes[0]})
    assert not is_inside(client)


def test_turning_on_needs_a_right_code_and_counts_wrong_ones(ala: Account) -> None:
    owner = Actor(real=ala, channel="panel")
    actions.begin_second_factor(ala, by=owner)
    with pytest.raises(ActionRefused, match="wrong"):
        actions.turn_on_second_factor(ala, code="abc", by=owner)
    assert TOTPDevice.objects.get(user=ala).throttling_failure_count == 1
    ala.refresh_from_db()
    assert ala.second_factor_at is None


def test_turning_off_asks_the_password(ala: Account) -> None:
    turned_on(ala)
    client = logged_in(ala)
    client.post(reverse("second-factor-off"), {"current": "wrong password"})
    ala.refresh_from_db()
    assert ala.second_factor_at is not None
    client.post(reverse("second-factor-off"), {"current": PASSWORD})
    ala.refresh_from_db()
    assert ala.second_factor_at is None


def test_page_shows_the_code_to_scan_and_then_the_recovery_codes(ala: Account) -> None:
    client = logged_in(ala)
    page = client.get(reverse("second-factor")).content.decode()
    assert "<svg" in page
    key = page.partition('<code class="key">')[2].partition("<")[0].replace(" ", "")
    assert base64.b32decode(key) == TOTPDevice.objects.get(user=ala).bin_key
    assert "style=" not in page
    answer = client.post(reverse("second-factor"), {"code": current_code(ala)}).content.decode()
    assert answer.count("<code>") == 10


def test_page_names_the_mail_programs_that_will_need_an_app_password(ala: Account) -> None:
    now, own = timezone.now(), settings.QMAILUX_LAYOUT.own_address
    for protocol, address in (("imap", "192.0.2.7"), ("smtp", "192.0.2.8"), ("panel", "192.0.2.9")):
        LastLogin.objects.create(account=ala, protocol=protocol, address=address, at=now)
    LastLogin.objects.create(account=ala, protocol="sieve", address=own, at=now)
    page = logged_in(ala).get(reverse("second-factor")).content.decode()
    assert "192.0.2.7" in page
    assert "192.0.2.8" in page
    # The panel is none, and the webmail of this server gets in by the panel.
    assert "192.0.2.9" not in page
    assert f">{own}<" not in page


def test_nobody_else_turns_it_on_and_a_stranger_not_off(ala: Account, pola: Account, obcy: Account) -> None:
    postmaster, stranger = (Actor(real=person, channel="panel") for person in (pola, obcy))
    with pytest.raises(NotAllowed):
        actions.begin_second_factor(ala, by=postmaster)
    turned_on(ala)
    with pytest.raises(NotAllowed):
        actions.turn_off_second_factor(ala, by=stranger)
    actions.turn_off_second_factor(ala, by=postmaster)
    ala.refresh_from_db()
    assert ala.second_factor_at is None


def test_the_postmaster_turns_it_off_for_a_lost_phone(ala: Account, pola: Account) -> None:
    turned_on(ala)
    client = Client()
    client.force_login(pola, backend="accounts.backends.AddressBackend")
    page = reverse("account", args=["firma.test", ala.pk])
    address = reverse("account-second-factor-off", args=["firma.test", ala.pk])
    assert address in client.get(page).content.decode()
    client.post(address)
    ala.refresh_from_db()
    assert ala.second_factor_at is None
    assert address not in client.get(page).content.decode()
    assert is_inside(after_password(ala))
