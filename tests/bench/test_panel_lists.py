"""Lists of the panel through nginx and gunicorn: 100,000 accounts, and 50,000 domains beside 100."""

from __future__ import annotations

import http.client
import os
import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Concat
from django.test import Client
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.listing import FILTERS, ORDERS
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from domains.numbers import recount
from qmailux_site.pages import ROWS_A_PAGE
from tests.bench import population
from tests.bench.figures import Report, milliseconds, percentile, stopwatch
from tests.conftest import PASSWORD
from tests.mail.instance import wait_until
from tests.mail.wire import client_context
from tests.stack.instance import Instance

# Smaller for a quick look, such as BENCH_ACCOUNTS=2000 BENCH_DOMAINS=300.
ACCOUNTS = int(os.environ.get("BENCH_ACCOUNTS", "100000"))
DOMAINS = int(os.environ.get("BENCH_DOMAINS", "50000"))
FEW_DOMAINS = 100
LOOKS = 100
Look = Callable[[str], tuple[float, str]]


def looking(running: Instance, person: Account) -> Look:
    """One connection, as a browser keeps it; the person is logged in."""
    client = Client()
    client.force_login(person, backend="accounts.backends.AddressBackend")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    port = running.layout.port("https")
    web = http.client.HTTPSConnection("127.0.0.1", port, context=client_context())

    def look(path: str) -> tuple[float, str]:
        with stopwatch() as watch:
            web.request("GET", path, headers={"Cookie": cookies})
            answer = web.getresponse()
            body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {answer.headers.get('Location')}"
        return watch.seconds, body.decode()

    return look


def samples(look: Look, path: str, count: int = LOOKS) -> list[float]:
    look(path)
    return [look(path)[0] for _look in range(count)]


@pytest.fixture(scope="module")
def crowd(running: Instance) -> tuple[Domain, Account]:
    """A tenth in one domain, the others spread over 99; names, sizes and logins of their own."""
    node = population.empty()
    domains = population.add_domains(0, FEW_DOMAINS, node)
    population.add_accounts(domains[:1], ACCOUNTS // 10)
    population.add_accounts(domains[1:], ACCOUNTS - ACCOUNTS // 10)
    Account.objects.update(
        name=Concat(Value("Jan Kowalski "), F("localpart")),
        used_bytes=F("id") * 7919 % (1 << 30),
        logged_in_at=timezone.now(),
    )
    person = actions.add_account(domain=domains[0], localpart="pola", password=PASSWORD, by=Actor.console())
    domain_actions.set_managers(domains[0], addresses=[person.address], by=Actor.console())
    recount([domain.pk for domain in domains])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return domains[0], person


def test_accounts_list(running: Instance, crowd: tuple[Domain, Account], report: Report) -> None:
    domain, person = crowd
    look, path = looking(running, person), f"/domain/{domain.name}/accounts/"
    first = samples(look, path)
    report.add(f"accounts list, {ACCOUNTS:,} accounts", milliseconds(first), goal="p50 < 60, p95 < 90 ms")
    last = samples(look, f"{path}?after={_last_key(domain)}")
    ratio = percentile(last, 50) / percentile(first, 50)
    report.add("its last page", milliseconds(last), limit="the first page", ratio=ratio, goal="<= 1.1")
    for what, text, goal in (("many", "kowal", "< 80 ms"), ("few", "konto00077", "< 50 ms")):
        report.add(f"search with {what} hits", milliseconds(samples(look, f"{path}?q={text}")), goal=goal)
    for name in FILTERS:
        seconds = samples(look, f"{path}?filter={name}", LOOKS // 5)
        report.add(f"filter {name}", milliseconds(seconds), goal="as the list")
    for name in ORDERS:
        seconds = samples(look, f"{path}?sort=-{name}", LOOKS // 5)
        report.add(f"order -{name}", milliseconds(seconds), goal="as the list")


@pytest.mark.parametrize("name", ORDERS)
def test_each_order_is_answered_by_an_index(name: str, crowd: tuple[Domain, Account]) -> None:
    """Deep in the list too: neither a sort nor a scan of the table."""
    domain, _person = crowd
    rows, order = Account.objects.filter(domain=domain), ORDERS[name]
    middle = order.sorted(rows)[rows.count() // 2]
    for asked in (rows, order.beyond(rows, [getattr(middle, column) for column in order.columns])):
        plan = explained(order.sorted(asked)[: ROWS_A_PAGE + 1])
        assert "Index" in plan, plan
        assert "Seq Scan" not in plan, plan
        # By the address alone, which is unique in the domain, its number has nothing left to sort.
        assert not re.search(r"(?<!Incremental )Sort  \(cost", plan), plan


def test_many_domains_beside_few(running: Instance, crowd: tuple[Domain, Account], report: Report) -> None:
    domain, _person = crowd
    root = actions.add_operator(
        address="bench-root@localhost", password=PASSWORD, is_superuser=True, by=Actor.console()
    )
    look = looking(running, root)
    pages = {
        "domain list": "/domains/",
        "search of domains": "/domains/?q=d00077",
        "a domain's home": f"/domain/{domain.name}/",
    }
    wait_until(population.is_counted, seconds=60, what="the numbers of the domains")
    few = {name: samples(look, path) for name, path in pages.items()}
    population.add_domains(FEW_DOMAINS, DOMAINS, domain.node)
    wait_until(population.is_counted, seconds=600, what="the numbers of the domains")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for name, path in pages.items():
        many = samples(look, path)
        report.add(
            f"{name}, {DOMAINS:,} domains",
            milliseconds(many),
            limit=f"{FEW_DOMAINS}: {milliseconds(few[name])}",
            ratio=percentile(many, 50) / percentile(few[name], 50),
            goal="<= 1.2",
        )


def _last_key(domain: Domain) -> str:
    """So that the page ends with the last account."""
    rows = Account.objects.filter(domain=domain).order_by("-localpart")[ROWS_A_PAGE : ROWS_A_PAGE + 1]
    return ORDERS["address"].key_of(rows[0]).replace(" ", "%20")


def explained(rows: QuerySet[Account]) -> str:
    return rows.explain()
