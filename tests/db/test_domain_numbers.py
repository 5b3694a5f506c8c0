"""Kept numbers of domains: right after every change, and read by the list without counting."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, MailboxUsage
from domains import actions as domain_actions
from domains.models import Domain
from domains.numbers import DomainNumbers, recount, recount_changed, server_numbers
from provisioning.models import Scope
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
MEBIBYTE = 1024 * 1024


def counted(domain: Domain) -> tuple[int, int, int]:
    recount_changed()
    numbers = DomainNumbers.objects.get(domain=domain)
    return numbers.account_count, numbers.alias_count, numbers.locked_count


def test_numbers_follow_every_change(firma: Domain, ala: Account, console: Actor) -> None:
    assert counted(firma) == (1, 0, 0)
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=[ala.address], by=console)
    rows = [actions.NewAccount(domain=firma, localpart=f"m{n}", password_hash=ala.password) for n in range(5)]
    actions.add_accounts(rows, by=console)
    actions.lock_account(ala, by=console)
    assert counted(firma) == (6, 1, 1)
    actions.delete_alias(alias, by=console)
    actions.delete_account(ala, by=console)
    assert counted(firma) == (5, 0, 0)


def test_only_what_changed_is_counted(firma: Domain, obca: Domain, console: Actor) -> None:
    recount_changed()
    assert recount_changed() == 0
    actions.add_account(domain=obca, localpart="nowa", password=PASSWORD, by=console)
    assert list(Scope.objects.filter(counted_revision__lt=1).values_list("name", flat=True)) == []
    assert recount_changed() == 1


def test_promised_used_and_unlimited(firma: Domain, ala: Account, console: Actor) -> None:
    actions.edit_account(ala, quota_bytes=300 * MEBIBYTE, by=console)
    free = actions.add_account(domain=firma, localpart="bez", password=PASSWORD, quota_bytes=0, by=console)
    MailboxUsage.objects.create(account=ala, used_bytes=7 * MEBIBYTE, message_count=3)
    MailboxUsage.objects.create(account=free, used_bytes=MEBIBYTE, message_count=1)
    recount([firma.pk])
    numbers = DomainNumbers.objects.get()
    assert (numbers.promised_bytes, numbers.used_bytes) == (300 * MEBIBYTE, 8 * MEBIBYTE)
    assert numbers.unlimited_count == 1


def test_sums_of_the_server(firma: Domain, obca: Domain, ala: Account, console: Actor) -> None:
    actions.add_account(domain=obca, localpart="nowa", password=PASSWORD, by=console)
    recount_changed()
    kept = server_numbers()
    assert (kept.domain_count, kept.account_count, kept.alias_count) == (2, 2, 0)


def test_deleted_domain_takes_its_numbers_along(obca: Domain, console: Actor) -> None:
    recount_changed()
    domain_actions.delete_domain(obca, by=console)
    recount_changed()
    assert not DomainNumbers.objects.exists()


def test_list_shows_kept_numbers_and_asks_no_account(root: Account, firma: Domain, ala: Account) -> None:
    MailboxUsage.objects.create(account=ala, used_bytes=5 * MEBIBYTE, message_count=3)
    recount_changed()
    client = logged_in(root)
    client.get("/domains/")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        page = client.get("/domains/").content.decode()
    assert "5\xa0MB" in page
    accounts = [query["sql"] for query in asked if 'FROM "accounts_account"' in query["sql"]]
    assert len(accounts) == 1, "the person alone"


def test_domain_that_was_not_counted_yet_is_listed(root: Account, firma: Domain) -> None:
    assert "firma.test" in logged_in(root).get("/domains/").content.decode()


@pytest.mark.django_db(databases=["default", "logs"])
def test_overview_says_when_more_is_promised_than_the_disk_holds(
    root: Account, firma: Domain, ala: Account, console: Actor
) -> None:
    from django.utils import timezone

    from provisioning.models import Node, NodeReport

    found = {
        "daemons": [
            {"name": "postfix", "fault": "", "log": ""},
            {"name": "spamd", "fault": "refused", "log": "x"},
        ],
        "queued": 4711,
        "disk": {"size": 100 * MEBIBYTE, "free": 5 * MEBIBYTE, "free_percent": 5},
        "certificates": [{"name": "certificate", "level": "ok", "text": "valid for 80 days"}],
        "signatures": {"version": "27456", "made_at": "2026-11-01T00:00:00+00:00"},
    }
    NodeReport.objects.create(node=Node.objects.get(), found=found, looked_at=timezone.now())
    actions.edit_account(ala, quota_bytes=300 * MEBIBYTE, by=console)
    recount_changed()
    page = logged_in(root).get("/server/").content.decode()
    for part in ("Quotas promise 300\xa0MB", "spamd", "refused", "4,711", "almost full", "valid for 80 days"):
        assert part in page
    actions.edit_account(ala, quota_bytes=30 * MEBIBYTE, by=console)
    recount_changed()
    assert "Quotas promise" not in logged_in(root).get("/server/").content.decode()
