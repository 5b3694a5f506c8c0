"""A password set by somebody else is changed at the first login to the panel; all other sessions end."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.actor import Actor
from accounts.bulk import check_file
from accounts.models import Account
from accounts.switchedon import switches_of
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.structure.test_permissions import RULE

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


@pytest.mark.parametrize(
    ("rule", "by_person", "by_console"),
    [("never", False, False), ("people", True, False), ("always", True, True)],
)
def test_the_servers_rule_says_whose_passwords_must_be_changed(
    rule: str, by_person: bool, by_console: bool, pola: Account, firma: Domain, settings: Settings
) -> None:
    settings.QMAILUX_PASSWORD_CHANGE = rule
    postmaster, console = Actor(real=pola, channel="panel"), Actor.console()
    for by, expected in ((postmaster, by_person), (console, by_console)):
        made = actions.add_account(domain=firma, localpart=f"x-{by.channel}", password=HANDED_OVER, by=by)
        assert made.must_change_password is expected
        actions.change_password(made, password=NEW, by=by)
        assert made.must_change_password is expected
        (checked,) = check_file(b"address\nnowy@firma.test\n", by=by)
        assert checked.account.must_change_password is expected
    actions.change_password(pola, password=NEW, by=postmaster)
    assert not pola.must_change_password


def test_the_first_page_says_what_is_switched_on(ala: Account, firma: Domain) -> None:
    owner = Actor(real=ala, channel="panel")
    assert [switch.is_on for switch in switches_of(ala)] == [False] * 4
    actions.set_forwarding(ala, targets=["ala@daleko.example"], keeps_copy=True, by=owner)
    actions.set_autoresponder(
        ala,
        is_on=True,
        subject="Urlop",
        text="Wracam",
        starts_on=None,
        ends_on=None,
        interval_hours=24,
        by=owner,
    )
    actions.add_filter(ala, RULE, by=owner)
    assert [switch.is_on for switch in switches_of(ala)] == [True, True, True, False]
    page = logged_in(ala).get(reverse("home")).content.decode()
    assert "ala@daleko.example" in page
    assert reverse("notifications") in page
