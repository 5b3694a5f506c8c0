"""The cast (STYLE 35) and what every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import translation

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.models import Node

PASSWORD = "Zielona-Papuga-7"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Sentences are compared in English; a page that another test opened may have left its language
    active.
    """
    with translation.override("en"):
        yield


@pytest.fixture
def console() -> Actor:
    return Actor.console()


@pytest.fixture
def node(db: None) -> Node:
    return Node.objects.get_or_create(name="local")[0]


@pytest.fixture
def firma(node: Node, console: Actor) -> Domain:
    return domain_actions.add_domain(name="firma.test", by=console)


@pytest.fixture
def obca(node: Node, console: Actor) -> Domain:
    return domain_actions.add_domain(name="obca.test", by=console)


@pytest.fixture
def ala(firma: Domain, console: Actor) -> Account:
    """A user."""
    return actions.add_account(domain=firma, localpart="ala", password=PASSWORD, name="Ala Żak", by=console)


@pytest.fixture
def pola(firma: Domain, console: Actor) -> Account:
    """Postmaster of firma.test."""
    account = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, by=console)
    domain_actions.set_managers(firma, addresses=[account.address], by=console)
    return account


@pytest.fixture
def obcy(obca: Domain, console: Actor) -> Account:
    """Postmaster of obca.test, who must see nothing of firma.test."""
    account = actions.add_account(domain=obca, localpart="obcy", password=PASSWORD, by=console)
    domain_actions.set_managers(obca, addresses=[account.address], by=console)
    return account


@pytest.fixture
def root(node: Node, console: Actor) -> Account:
    """The superadmin."""
    return actions.add_operator(address="root@localhost", password=PASSWORD, is_superuser=True, by=console)
