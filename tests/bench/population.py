"""Large databases, made past the actions: what is measured comes after."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.db import connection
from django.db.models import F

from accounts.models import Account, TakenAddress
from audit.guard import take_off_guard
from domains.models import Domain, TakenDomainName
from provisioning.models import Change, Node, Scope
from provisioning.querysets import SINGLE_CHANGE_KEYS
from tests.conftest import PASSWORD

ROWS_A_STATEMENT = 5000


def empty() -> Node:
    """An empty database with the local node."""
    take_off_guard(connection)
    call_command("flush", interactive=False, verbosity=0)
    return Node.objects.create(name="local")


def add_domains(first: int, last: int, node: Node) -> list[Domain]:
    """d<number>.bench.test, first to last - 1."""
    names = [f"d{number:05}.bench.test" for number in range(first, last)]
    TakenDomainName.objects.bulk_create([TakenDomainName(name=name) for name in names], ROWS_A_STATEMENT)
    Scope.objects.bulk_create([Scope(name=name, revision=1) for name in names], ROWS_A_STATEMENT)
    return Domain.objects.bulk_create([Domain(name=name, node=node) for name in names], ROWS_A_STATEMENT)


def add_accounts(domains: list[Domain], count: int) -> None:
    """So many in all, spread evenly; they share one password (tests.conftest.PASSWORD)."""
    stored = make_password(PASSWORD)
    for start in range(0, count, ROWS_A_STATEMENT):
        accounts = [
            Account(
                domain=domain,
                localpart=localpart,
                address=f"{localpart}@{domain.name}",
                password=stored,
                quota_bytes=1 << 30,
            )
            for number in range(start, min(start + ROWS_A_STATEMENT, count))
            for localpart in [f"konto{number // len(domains):05}"]
            for domain in [domains[number % len(domains)]]
        ]
        TakenAddress.objects.bulk_create([TakenAddress(address=account.address) for account in accounts])
        Account.objects.bulk_create(accounts)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the database does by itself within a minute


def write_csv(path: Path, domains: list[Domain], count: int, *, prefix: str) -> None:
    """A file for `account import` with ready hashes."""
    stored = make_password(PASSWORD).removeprefix("argon2")
    size = len(domains)
    rows = (f'{prefix}{n // size:05}@{domains[n % size].name},"{stored}"' for n in range(count))
    path.write_text("address,password_hash\n" + "\n".join(rows) + "\n", encoding="ascii")


def import_waits() -> bool:
    """Whether changes of many accounts are not applied yet; there may be single ones at any moment."""
    return Change.objects.filter(key_count__gt=SINGLE_CHANGE_KEYS).exists()


def is_counted() -> bool:
    """Whether every domain has its kept numbers: the workers count them in the background."""
    return not Scope.objects.filter(revision__gt=F("counted_revision")).exists()


def is_live() -> bool:
    return not Change.objects.exists()
