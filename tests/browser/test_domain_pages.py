"""The postmaster's pages of a domain with something in it: numbers, lists, limits (as test_pages.py)."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from accounts import actions
from accounts.actor import Actor
from accounts.leaving import Departure
from accounts.models import Account, Alias, BulkJob
from domains import actions as domain_actions
from domains import relay_actions
from domains.models import Domain
from domains.numbers import DomainDay
from tests.browser.looks import LOOKS, Look, Place, Visit, see_all, visit
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])

GIBIBYTE = 1024**3
READERS = ("hela", "audyt")


@pytest.fixture
def places(people: dict[str, Account]) -> list[Place]:
    """Who looks at what, under which name."""
    domain, console = Domain.objects.get(name="xn--w-uga1v8h.example"), Actor.console()
    today = timezone.localdate()
    DomainDay.objects.bulk_create(
        DomainDay(
            domain=domain,
            on=today - datetime.timedelta(days=days),
            used_bytes=(120 - days) * GIBIBYTE // 7,
        )
        for days in range(0, 80, 3)
    )
    actions.add_alias(domain=domain, localpart="*", targets=[people["pola"].address], by=console)
    relayed = domain_actions.add_domain(name="przekazywana.example", by=console)
    relay_actions.pass_on(relayed, to="poczta.daleko.example:2525", by=console)
    obca = domain_actions.add_domain(name="obca.example", by=console)
    actions.add_alias(domain=domain, localpart="stare", targets=[f"nikt@{obca.name}"], by=console)
    other = domain_actions.add_domain_alias(domain, name="bardzo-długa-inna-nazwa.example", by=console)
    for localpart, role in (("hela", "help_desk"), ("audyt", "auditor")):
        people[localpart] = actions.add_account(
            domain=domain, localpart=localpart, password=PASSWORD, by=console
        )
        actions.grant_role(people[localpart], role=role, domain=domain, by=console)
    settings = {"max_accounts": 40, "max_aliases": 1, "max_quota_bytes": 900 * GIBIBYTE}
    domain_actions.edit_domain(domain, settings=settings, by=console)
    root, gone = f"/domain/{domain.name}", _left(people)
    return [
        ("pola", f"{root}/", "domain"),
        ("pola", f"{root}/accounts/", "accounts"),
        ("pola", f"{root}/limits/", "limits"),
        ("pola", f"{root}/accounts/{people['ola'].pk}/leave/", "leave"),
        ("pola", f"{root}/accounts/{gone.pk}/", "account-left"),
        ("pola", f"{root}/aliases/", "aliases"),
        ("pola", f"{root}/aliases/add/", "alias-add"),
        ("pola", f"{root}/aliases/{Alias.objects.get(localpart='stare').pk}/", "alias"),
        ("pola", f"{root}/names/", "names"),
        ("pola", f"{root}/roles/", "roles"),
        ("root", f"{root}/names/", "names-root"),
        ("root", f"{root}/names/{other.pk}/delete/", "name-delete"),
        ("root", "/server/roles/", "server-roles"),
        ("root", f"{root}/", "domain-root"),
        ("root", f"{root}/limits/", "limits-root"),
        ("root", f"{root}/relay/", "relay"),
        ("root", f"{root}/smarthost/", "smarthost"),
        ("root", "/server/smarthost/", "server-smarthost"),
        ("root", f"/domain/{relayed.name}/", "domain-relayed"),
        *((who, f"{root}/", f"domain-{who}") for who in READERS),
        *((who, f"{root}/accounts/", f"accounts-{who}") for who in READERS),
        *((who, f"{root}/accounts/{people['ola'].pk}/", f"account-{who}") for who in READERS),
        *((who, f"{root}/aliases/", f"aliases-{who}") for who in READERS),
    ]


def _left(people: dict[str, Account]) -> Account:
    """With the longest address, half of the mail copied, and a trouble."""
    gone = Account.objects.get(localpart="c" * 64)
    actions.begin_departure(
        gone,
        colleague=people["pola"],
        subject="Nie ma mnie",
        text="Pisz do Poli.",
        ends_on=timezone.localdate() + datetime.timedelta(days=30),
        reason="umowa",
        by=Actor.console(),
    )
    Departure.objects.update(total_count=4321, copied_count=2000, error="doveadm: " + "x" * 200)
    return gone


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_pages_of_a_domain_hold_at_every_width_and_in_both_languages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], places: list[Place], look: Look
) -> None:
    see_all(browser, live_server.url, people, places, look)
    with visit(browser, live_server.url, people, "pola", look) as visited:
        _act_on_many(visited)


def _act_on_many(visited: Visit) -> None:
    """Ticks and the question; then passwords, as far as their worker would take them up."""
    page = visited.page
    path = f"/domain/{Domain.objects.get(name='xn--w-uga1v8h.example').name}/accounts/"
    for act in ("delete", "lock", "password"):
        visited.goto(path)
        page.check("[data-choose-all]")
        assert page.locator("input[name=chosen]:checked").count() == 5
        page.select_option("#act", act)
        page.click(".act-bar button")
        visited.see(f"act-{act}")
    page.click("main form button")
    visited.see("passwords-running")
    with page.expect_navigation():  # the page turns over by itself once the worker is done
        BulkJob.objects.update(state="done", done_count=5)
    page.wait_for_selector("form[action$='/passwords.csv'] button")
    visited.see("passwords-set")
