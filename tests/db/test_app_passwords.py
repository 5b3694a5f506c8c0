"""Who may make and revoke app passwords, and what the pages show."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, AppPassword
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]


def owner_of(account: Account) -> Actor:
    return Actor(real=account, channel="panel")


def test_app_password_is_shown_once(ala: Account) -> None:
    client = logged_in(ala)
    first = client.post(reverse("app-passwords"), {"name": " Telefon  Ali "}).content.decode()
    stored = AppPassword.objects.get()
    assert stored.name == "Telefon Ali"
    assert f"<code>{stored.selector}" in first
    assert stored.selector not in client.get(reverse("app-passwords")).content.decode()


def test_app_password_of_a_taken_name_is_refused_at_the_field(ala: Account) -> None:
    actions.add_app_password(ala, name="Telefon", by=owner_of(ala))
    answer = logged_in(ala).post(reverse("app-passwords"), {"name": "Telefon"})
    assert "Hasło aplikacji o tej nazwie już istnieje." in answer.content.decode()
    assert ala.app_passwords.count() == 1


def test_only_the_owner_makes_an_app_password(ala: Account, pola: Account, obcy: Account) -> None:
    for person in (pola, obcy):
        with pytest.raises(NotAllowed):
            actions.add_app_password(ala, name="Telefon", by=owner_of(person))


def test_postmaster_revokes_and_a_stranger_finds_nothing(ala: Account, pola: Account, obcy: Account) -> None:
    made, _shown = actions.add_app_password(ala, name="Telefon", by=owner_of(ala))
    url = reverse("app-password-revoke", args=[made.pk])
    assert logged_in(obcy).post(url).status_code == 404
    assert ala.app_passwords.count() == 1
    assert logged_in(pola).post(url).status_code == 302
    assert ala.app_passwords.count() == 0


def test_number_of_app_passwords_is_limited(ala: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.actions.app_passwords.MOST_APP_PASSWORDS", 1)
    actions.add_app_password(ala, name="Telefon", by=owner_of(ala))
    with pytest.raises(ActionRefused, match="at most 1"):
        actions.add_app_password(ala, name="Laptop", by=owner_of(ala))
