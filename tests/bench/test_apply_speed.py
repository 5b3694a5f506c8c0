"""Figures of apply beside the machine's own limit, measured in the same run. Prints; never fails on a time.

    provisioning/machine/with_postgres.sh .venv/bin/python -m pytest -s tests/bench
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.desired import all_entries
from provisioning.render.dovecot import SCHEMA
from tests.conftest import PASSWORD
from tests.mail.conftest import plane, running_plane
from tests.mail.instance import MailInstance
from tests.mail.wire import Wire

__all__ = ["plane", "running_plane"]

ACCOUNTS = int(os.environ.get("QMAILUX_BENCH_ACCOUNTS", "100000"))
DOMAINS = int(os.environ.get("QMAILUX_BENCH_DOMAINS", "1000"))
SAMPLES = 40


def say(what: str, figure: str) -> None:
    print(f"\n{what:62} {figure}", flush=True)


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    start = time.perf_counter()
    yield lambda: time.perf_counter() - start


def percentile(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100)[int(share * 100) - 1]


def fill(domains: int, accounts: int, stored: str) -> list[Domain]:
    console = Actor.console()
    made = [domain_actions.add_domain(name=f"b{number}.bench", by=console) for number in range(domains)]
    each = accounts // domains
    rows = [
        actions.NewAccount(domain, f"u{number}", stored) for domain in made for number in range(each)
    ]
    actions.add_accounts(rows, by=console)
    return made


def bare_limit(instance: MailInstance, folder: Path) -> float:
    """SQLite insert plus postmap of the very same rows, without any of our code."""
    wanted = all_entries(instance.layout.hostname).entries
    texts = {name: "".join(f"{k}\t{v}\n" for k, v in wanted[name].items()) for name in wanted if name not in ("account", "lock")}
    for name, text in texts.items():
        (folder / name).write_text(text)
    with timed() as seconds:
        bare = sqlite3.connect(folder / "bare.sqlite")
        bare.execute("PRAGMA journal_mode = WAL")
        bare.executescript(SCHEMA)
        bare.executemany("INSERT INTO account VALUES (?,?,?,?,?,?)", wanted["account"].values())
        bare.commit()
        for name in texts:
            subprocess.run(
                ["postmap", "-c", str(instance.layout.etc / "postfix"), f"lmdb:{folder / name}"], check=True
            )
        return seconds()


def test_speed_of_apply(plane: MailInstance, console: Actor, tmp_path: Path) -> None:
    say("machine", f"{os.cpu_count()} cores, {connection.vendor}, {DOMAINS} domains, {ACCOUNTS} accounts")
    first = domain_actions.add_domain(name="first.bench", by=console)
    ala = actions.add_account(domain=first, localpart="ala", password=PASSWORD, by=console)
    plane.applier().apply_all(confirm_deletions=True)
    small = _single_changes(plane, ala, console)

    with timed() as seconds:
        fill(DOMAINS, ACCOUNTS, ala.password)
        say("accounts into the database, one transaction", f"{seconds() * 1000 / ACCOUNTS:.3f} ms an account")
    with timed() as seconds:
        plane.apply()
        say("outbox to mail plane, in batches", f"{seconds() * 1000 / ACCOUNTS:.3f} ms an account")
    large = _single_changes(plane, ala, console)
    for what in small:
        say(f"{what}: p95 at 1 account / at {ACCOUNTS}", f"{small[what]:.1f} ms / {large[what]:.1f} ms")

    with timed() as seconds:
        outcome = plane.applier().apply_all()
        say("second apply --all, nothing to write", f"{seconds():.2f} s, wrote {'nothing' if outcome.is_empty else 'something'}")
    for store in plane.applier()._stores(("domains", "mailboxes", "aliases", "senders")):
        store.build({})  # type: ignore[attr-defined]  # a map store
    plane.host.change_rows("account", [], [str(row[0]) for row in plane.host.list_rows("account")])
    plane.host.change_rows("lock", [], [str(row[0]) for row in plane.host.list_rows("lock")])
    with timed() as seconds:
        plane.applier().apply_all(confirm_deletions=True)
        ours = seconds()
    limit = bare_limit(plane, tmp_path)
    say("apply --all from nothing / bare SQLite and postmap", f"{ours:.2f} s / {limit:.2f} s = {ours / limit:.2f}")


def _single_changes(plane: MailInstance, ala: Account, console: Actor) -> dict[str, float]:
    """Milliseconds from the commit until the mail plane obeys, p95, without the worker's nudge."""
    wire = Wire(plane.layout)
    password: list[float] = []
    account: list[float] = []
    for number in range(SAMPLES):
        actions.change_password(ala, password=f"Haslo-Numer-{number:04}-{ACCOUNTS}", by=console)
        with timed() as seconds:
            plane.apply()
            password.append(seconds() * 1000)
        assert ala.domain is not None
        name = f"n{number}-{time.time_ns()}"
        actions.add_account(domain=ala.domain, localpart=name, password_hash=ala.password, by=console)
        with timed() as seconds:
            plane.apply()
            assert wire.rcpt(f"{name}@{ala.domain.name}")[0] == 250
            account.append(seconds() * 1000)
    return {
        "new password applied": percentile(password, 0.95),
        "new account applied and accepted at RCPT": percentile(account, 0.95),
    }


@pytest.fixture
def console() -> Actor:
    return Actor.console()
