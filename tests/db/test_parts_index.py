"""The search by a fragment: what it finds, and the index that PostgreSQL has for it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import QuerySet

from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain, DomainAlias
from provisioning.models import Node
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def plan_of(rows: QuerySet[Account] | QuerySet[Domain] | QuerySet[DomainAlias]) -> str:
    """As with many rows: with few, looking at each of them is the better plan."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for way in ("seqscan", "indexscan", "indexonlyscan"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    return str(rows.explain())


def test_a_fragment_of_an_account_is_found_by_the_index() -> None:
    """The expression of the search and that of the index are the same, to the letter."""
    plan = plan_of(Account.objects.search("kow"))
    assert ("account_parts" in plan) == (connection.vendor == "postgresql"), plan


def test_a_fragment_of_a_domain_is_found_by_the_index(firma: Domain, console: Actor) -> None:
    domain_actions.add_domain_alias(firma, name="firma-sklep.test", by=console)
    for rows, index in (
        (Domain.objects.search("firm").order_by(), "domain_name_parts"),
        (DomainAlias.objects.filter(name__contains="firm").order_by(), "domain_alias_name_parts"),
    ):
        plan = plan_of(rows)
        assert (index in plan) == (connection.vendor == "postgresql"), plan


def test_address_and_name_are_not_one_word(firma: Domain, console: Actor) -> None:
    from accounts import actions

    actions.add_account(domain=firma, localpart="jan", password=PASSWORD, name="Jan", by=console)
    assert Account.objects.search("testJan").count() == 0
    assert Account.objects.search("test Jan").count() == 0


def test_a_domain_is_found_by_every_name_it_has(node: Node, console: Actor) -> None:
    domain = domain_actions.add_domain(name="żółw.test", by=console)
    domain_actions.add_domain_alias(domain, name="zolw-sklep.test", by=console)
    domain_actions.add_domain(name="inna.test", by=console)
    for fragment in ("żółw.test", "ŻÓŁW.test", domain.name, domain.name[:9].upper(), "SKLEP", "lw-s"):
        assert list(Domain.objects.search(fragment)) == [domain], fragment
    assert Domain.objects.search("sklepy").count() == 0
