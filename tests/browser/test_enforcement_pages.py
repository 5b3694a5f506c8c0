"""The pages of what is enforced, as tests/browser/test_pages.py looks at the others."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from accounts import actions as account_actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from enforcement import actions
from enforcement.models import Block, Certificate
from tests.browser.looks import LOOKS, Look, Place, see_all
from tests.mail.other_authority import OtherAuthority, new_key, pem, pem_of_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])


@pytest.fixture
def places(people: dict[str, Account]) -> list[Place]:
    """What the superadmin looks at, under which name."""
    console = Actor.console()
    domain = Domain.objects.get()
    soon = timezone.now() + timedelta(days=2)
    account_actions.lock_account(people["ola"], reason="Nie płaci", until=soon, by=console)
    domain_actions.lock_domain(domain, reason="Wysyłała spam " * 10, by=console)
    actions.lock_server(reason="Przegląd maszyn w serwerowni", until=soon, by=console)
    actions.require_encryption(domain, starts_at=soon, by=console)
    actions.require_encryption(people["ola"], by=console)
    actions.set_remote_encryption(domain="bank.example", level="secure", by=console)
    number = _certificates(domain)
    incident = actions.stop_sending(people["ola"], reason="Dziwne załączniki " * 8, by=console)
    _blocks(people["ola"])
    return [
        ("root", "/server/blocks/", "blocks"),
        ("root", "/server/certificates/", "certificates"),
        ("root", f"/server/certificates/{number}/", "certificate"),
        ("root", f"/server/certificates/{number}/delete/", "certificate-delete"),
        ("root", f"/domain/{domain.name}/certificates/", "domain-certificates"),
        ("root", f"/incidents/{incident.pk}/", "incident"),
        ("root", "/server/incidents/", "incidents"),
        ("root", f"/domain/{domain.name}/incidents/", "domain-incidents"),
        ("root", f"/domain/{domain.name}/accounts/{people['ola'].pk}/brake/", "account-brake"),
        ("root", "/server/encryption/", "encryption"),
        ("root", f"/domain/{domain.name}/encryption/", "domain-encryption"),
        ("root", "/server/locks/", "locks"),
        ("root", f"/domain/{domain.name}/", "domain-locked"),
        ("root", f"/domain/{domain.name}/lock/", "domain-lock"),
        ("root", f"/domain/{domain.name}/accounts/{people['ola'].pk}/", "account-locked"),
    ]


def _blocks(guessed: Account) -> None:
    """By hand and by itself, of both families, with and without an end."""
    until = timezone.now() + timedelta(minutes=15)
    console, server = Actor.console(), Actor.task()
    actions.add_block(network="192.0.2.0/24", reason="Wysyła spam od tygodnia " * 5, by=console)
    actions.add_block(network="2001:db8:1234:5678::/64", reason="Skanuje", until=until, by=console)
    Block.objects.update(hits=12345, last_hit_at=timezone.now())
    reason = "20 złych haseł w 10 minut"
    actions.add_block(
        network="192.0.2.7", service="imap", login=guessed.address, reason=reason, until=until, by=server
    )


def _certificates(domain: Domain) -> int:
    """One in use, one that waits for its answer (whose number it is), one that failed."""
    name = f"mail.{domain.name}"
    key, other = new_key(), OtherAuthority()
    leaf = other.issue(name, f"imap.{domain.name}", key=key)
    console = Actor.console()
    actions.upload_certificate(chain=pem(leaf, other.middle, other.root), key=pem_of_key(key), by=console)
    failed = actions.order_certificate(kind="acme", names=[name], by=console)
    reason = "urn:ietf:params:acme:error:dns :: no valid A records found for " + name
    Certificate.objects.filter(pk=failed.pk).update(state="failed", error=f"{reason}\n" * 3)
    waiting = actions.order_certificate(kind="signed", names=[name], by=console)
    request = "-----BEGIN CERTIFICATE REQUEST-----\n" + ("MIIBOzCB4gIBADAX" * 4 + "\n") * 6
    Certificate.objects.filter(pk=waiting.pk).update(state="waiting", request=request)
    return waiting.pk


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_pages_of_what_is_enforced_hold_at_every_width_and_in_both_languages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], places: list[Place], look: Look
) -> None:
    see_all(browser, live_server.url, people, places, look)
