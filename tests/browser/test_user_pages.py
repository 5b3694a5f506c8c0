"""Recovery, SMS with their gateways, and a domain's protections, as tests/browser/test_pages.py looks at the
others.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from accounts import actions
from accounts.actions import recovery
from accounts.actor import Actor
from accounts.models import Account
from accounts.notifying import SmsGateway, SmsMessage
from accounts.smstrials import run_trials
from domains import actions as domain_actions
from provisioning.models import AppliedRevision, Change
from tests.browser.looks import LOOKS, Look, Place, Visit, see_all, visit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])

# Each tells on its own when what was saved is live.
WITH_LIFE = (
    "/",
    "/password/",
    "/forwarding/",
    "/autoresponder/",
    "/filters/",
    "/spam/",
    "/notifications/",
)
CUT_OFF = """[...document.querySelectorAll(".qr path")].map((path) => [
    path.getBoundingClientRect(), path.closest("svg").getBoundingClientRect()
]).filter(([part, whole]) => part.right > whole.right + 1 || part.bottom > whole.bottom + 1)"""
HEIGHT = 'document.querySelector("main").getBoundingClientRect().height'
REASON = "mx.example: postmap: fatal: open accounts.lmdb: " + "no space left, " * 9 + "given up"
GATEWAY = "http://127.0.0.1:9/?to={digits}&text={text}"


@pytest.fixture
def gateway(people: dict[str, Account]) -> SmsGateway:
    """Without one the page for SMS has nothing to set."""
    settings = SmsGateway(name="Bramka", url=GATEWAY, body_kind="none")
    return actions.save_gateway(settings, by=Actor.console())


@pytest.fixture
def places(people: dict[str, Account], gateway: SmsGateway) -> list[Place]:
    """Who looks at what, under which name."""
    pola = people["pola"]
    by = Actor(real=pola, channel="panel")
    stored = actions.set_recovery_address(pola, address="bardzo.dlugi.adres@poczta-domowa.example", by=by)
    recovery.note_confirmation_sent(stored, code="12345678", by=Actor.task())
    actions.confirm_recovery_address(pola, code="12345678", by=by)
    actions.set_recovery_address(pola, address="nowy@poczta.example", by=by)
    console = Actor.console()
    actions.save_gateway(SmsGateway(name="Poczta", kind="mail", recipient="{digits}@sms.example"), by=console)
    actions.try_gateway(gateway, number="+48601234567", by=console)
    run_trials(SmsGateway.Kind.HTTP)
    assert pola.domain is not None
    domain_actions.edit_domain(pola.domain, settings={"max_sms": 9, "max_account_sms": 22}, by=console)
    pola.refresh_from_db()
    actions.set_notification_number(pola, number="+48601234567", by=by)
    code = SmsMessage.objects.get().text[:6]
    actions.confirm_notification_number(pola, code=code, by=by)
    actions.set_notification_number(pola, number="+48601234568", by=by)
    for state, error in (("sent", ""), ("failed", "answered 503"), ("no_quota", "")):
        SmsMessage.objects.create(
            account=pola, kind="mail", state=state, number="+48601234567", error=error, attempts=5
        )
    secret = recovery.new_link_secret()
    recovery.note_link_sent(pola, secret=secret, network_address="", by=Actor.task())
    return [
        ("", "/forgotten/", "forgotten"),
        ("", "/forgotten/code/", "forgotten-code"),
        ("", f"/forgotten/link/{secret}/", "forgotten-password"),
        ("", "/forgotten/link/old/", "forgotten-over"),
        ("pola", "/recovery/", "recovery"),
        ("pola", "/notifications/", "notifications"),
        ("root", "/server/sms-gateways/", "sms-gateways"),
        ("pola", f"/domain/{pola.domain.name}/protections/", "domain-protections"),
    ]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_user_pages_hold_at_every_width_and_in_both_languages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], places: list[Place], look: Look
) -> None:
    see_all(browser, live_server.url, people, places, look, status="410")


@pytest.mark.usefixtures("gateway")
def test_nothing_moves_when_a_change_goes_live_or_a_result_comes(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    with visit(browser, live_server.url, people, "pola", Look(390, "light", "pl")) as visited:
        for path in WITH_LIFE:
            _go_live(visited, path)
        _get_result(visited, people["pola"])


def test_the_code_to_scan_is_whole(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    with visit(browser, live_server.url, people, "pola", Look(390, "dark", "pl")) as visited:
        visited.goto("/second-factor/")
        assert visited.page.evaluate(CUT_OFF) == []


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("saved_ago", [timedelta(0), timedelta(days=100)], ids=["now", "long-ago"])
def test_nothing_moves_when_a_change_fails_and_its_reason_is_a_click_away(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], saved_ago: timedelta
) -> None:
    Change.objects.update(created_at=timezone.now() - saved_ago)
    with visit(browser, live_server.url, people, "pola", Look(360, "light", "pl")) as visited:
        for path in WITH_LIFE:
            _fail(visited, path)


def _fail(visited: Visit, path: str) -> None:
    Change.objects.update(error="")
    visited.goto(path)
    visited.page.wait_for_selector(".life.pending")
    height = visited.page.evaluate(HEIGHT)
    Change.objects.update(error=REASON)
    visited.page.wait_for_selector(".life.failed")
    visited.is_still(path)
    assert visited.page.evaluate(HEIGHT) == height, path
    reason = visited.page.locator(".life .why")
    assert not reason.is_visible()
    visited.page.locator(".life summary").click()
    assert "nic nie przepadło" in reason.inner_text()
    visited.goto(path)
    assert visited.page.locator(".life .why").is_visible(), "known from the start, it is shown at once"


def _go_live(visited: Visit, path: str) -> None:
    visited.goto(path)
    visited.page.wait_for_selector(".life.pending")
    changes = list(Change.objects.all())
    for change in changes:
        AppliedRevision.objects.update_or_create(
            node=change.node, scope=change.scope, defaults={"applied_at": timezone.now()}
        )
    Change.objects.all().delete()
    visited.page.wait_for_selector(".life.live")
    visited.is_still(path)
    Change.objects.bulk_create(changes)


def _get_result(visited: Visit, account: Account) -> None:
    trial = actions.ask_for_trial(account, message="", by=Actor(real=account, channel="panel"))
    visited.goto("/filters/try/")
    trial.results = [{"subject": "Faktura", "fired": ["Faktury"]}] * 10
    trial.done_at = timezone.now()
    trial.save()
    visited.page.wait_for_selector("#trial .badge.good")
    visited.is_still("result")
