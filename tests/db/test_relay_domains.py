"""Domains of other servers: what is refused, at the page and the command, and that nothing changes then."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains import address_actions, relay_actions
from domains.models import Domain
from provisioning.models import Node
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]

pytestmark = pytest.mark.django_db
HUB = "mx.daleko.example"


@pytest.fixture
def relay(node: Node, console: Actor) -> Domain:
    return domain_actions.add_domain(name="relay.example", by=console)


@pytest.mark.parametrize(
    ("written", "host", "port", "shown"),
    [
        (" MX.Daleko.example. ", "mx.daleko.example", 25, "mx.daleko.example"),
        ("mx.daleko.example:2525", "mx.daleko.example", 2525, "mx.daleko.example:2525"),
        ("198.51.100.7:26", "198.51.100.7", 26, "198.51.100.7:26"),
        ("żółw.example", "xn--w-uga1v8h.example", 25, "xn--w-uga1v8h.example"),
        ("2001:DB8::7", "2001:db8::7", 25, "[2001:db8::7]"),
        ("[2001:db8::7]:2525", "2001:db8::7", 2525, "[2001:db8::7]:2525"),
    ],
)
def test_what_names_a_server(
    written: str, host: str, port: int, shown: str, relay: Domain, console: Actor
) -> None:
    fresh = relay_actions.pass_on(relay, to=written, by=console)
    assert (fresh.relay_host, fresh.relay_port, fresh.relay_server) == (host, port, shown)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "mx",
            "mx.daleko.example:0",
            "mx.daleko.example:65536",
            "mx.daleko.example:smtp",
            "a b.example",
        ),
        *("mx.daleko.example]:25, smtp:[x.example", "[2001:db8::7]25:1"),
    ],
)
def test_what_names_none_is_refused_and_nothing_changes(written: str, relay: Domain, console: Actor) -> None:
    with pytest.raises(ActionRefused) as refused:
        relay_actions.pass_on(relay, to=written, by=console)
    assert refused.value.field == "to"
    relay.refresh_from_db()
    assert not relay.is_relay


def test_this_server_is_no_other_server(relay: Domain, console: Actor) -> None:
    address_actions.add_address(
        address="198.51.100.7", hostname="mail.firma.example", node=relay.node, is_present=True, by=console
    )
    for own in (settings.QMAILUX_LAYOUT.hostname, "mail.firma.example", "198.51.100.7:26"):
        with pytest.raises(ActionRefused, match="circle"):
            relay_actions.pass_on(relay, to=own, by=console)


def test_a_domain_with_accounts_stays_here(firma: Domain, ala: Account, console: Actor) -> None:
    with pytest.raises(ActionRefused, match="accounts"):
        relay_actions.pass_on(firma, to=HUB, by=console)
    with pytest.raises(CommandError, match="accounts"):
        call_command("domain", "relay", firma.name, "--to", HUB)


def test_no_account_comes_into_a_relay_domain(
    relay: Domain, firma: Domain, ala: Account, console: Actor
) -> None:
    stale = Domain.objects.get(pk=relay.pk)
    relay_actions.pass_on(relay, to=HUB, by=console)
    with pytest.raises(ActionRefused, match="passed on"):
        actions.add_account(domain=stale, localpart="jan", password=PASSWORD, by=console)
    with pytest.raises(ActionRefused, match="passed on"):
        actions.rename_account(ala, domain=stale, localpart="ala", by=console)
    assert not Account.objects.filter(domain=relay).exists()


def test_the_page_says_what_is_wrong_and_keeps_what_was_typed(relay: Domain, root: Account) -> None:
    client = logged_in(root)
    answer = client.post(
        reverse("domain-relay", args=[relay.name]), {"to": "mx.daleko.example:99999", "recipients": "listed"}
    )
    text = answer.content.decode()
    assert 'value="mx.daleko.example:99999"' in text
    assert "65535" in text
    client.post(reverse("domain-relay", args=[relay.name]), {"to": HUB, "recipients": "listed"})
    assert HUB in client.get(reverse("domain", args=[relay.name])).content.decode()
    assert list(AuditEvent.objects.filter(action="domain.relayed").values_list("target", flat=True)) == [
        relay.name
    ]
