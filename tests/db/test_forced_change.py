"""A password set by somebody else is changed at the first login to the panel; all other sessions end."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
NEW = "Zupelnie-Inne-3"
HANDED_OVER = "Od-Poli-Dla-Ali-5"


def change_own(client: Client, current: str, password: str = NEW) -> None:
    values = {"current": current, "password": password, "repeated": password}
    client.post(reverse("password"), values)


def test_password_from_the_postmaster_leads_to_the_password_page(ala: Account, pola: Account) -> None:
    actions.change_password(ala, password=HANDED_OVER, by=Actor(real=pola, channel="panel"))
    client = logged_in(ala)
    assert client.get(reverse("home")).headers["Location"] == reverse("password")
    assert client.get(reverse("password")).status_code == 200
    change_own(client, HANDED_OVER)
    assert client.get(reverse("home")).status_code == 200


def test_account_made_by_the_postmaster_changes_its_first_password(firma: Domain, pola: Account) -> None:
    postmaster = Actor(real=pola, channel="panel")
    ola = actions.add_account(domain=firma, localpart="ola", password=HANDED_OVER, by=postmaster)
    assert logged_in(ola).get(reverse("mail-programs")).headers["Location"] == reverse("password")


def test_own_change_asks_nothing_more(ala: Account) -> None:
    actions.change_password(ala, password=NEW, by=Actor(real=ala, channel="panel"))
    assert logged_in(ala).get(reverse("home")).status_code == 200


def test_changed_password_ends_every_session_but_the_own(ala: Account) -> None:
    here, elsewhere = logged_in(ala), logged_in(ala)
    change_own(here, PASSWORD)
    assert here.get(reverse("home")).status_code == 200
    assert elsewhere.get(reverse("home")).status_code == 302


def strength_shown(account: Account, password: str) -> str:
    url = reverse("password-strength")
    return logged_in(account).post(url, {"password": password}).content.decode()


def test_strength_is_shown_and_a_refusal_says_why(ala: Account) -> None:
    ala.language = "en"
    ala.save()
    assert 'value="0"' in strength_shown(ala, "krotkie")
    assert "8" in strength_shown(ala, "krotkie")
    assert 'value="4"' in strength_shown(ala, "Cztery zielone papugi jedza obiad")
    assert "papugi" not in strength_shown(ala, "Cztery zielone papugi jedza obiad")
