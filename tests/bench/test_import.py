"""Bulk import: from the CSV file to the mail plane."""

from __future__ import annotations

import os
from pathlib import Path

from accounts.actions import NewAccount
from accounts.bulk import CheckedRow, hash_passwords
from domains.models import Domain
from tests.bench import bare, population
from tests.bench.figures import Report, stopwatch
from tests.mail.instance import wait_until
from tests.stack.instance import Instance

ROWS = 20_000
HASHED_ROWS = 600


def test_import_with_ready_hashes(running: Instance, folder: Path, report: Report) -> None:
    node = population.empty()
    domains = population.add_domains(0, 200, node)
    running.manage("apply", "--all", "--confirm-deletions")
    empty = _milliseconds_an_account(running, folder, domains, "pierwszy")
    population.add_accounts(domains, 100_000 - ROWS)
    running.manage("apply", "--all", "--confirm-deletions")
    full = _milliseconds_an_account(running, folder, domains, "drugi")
    report.add(
        f"import of {ROWS:,} ready hashes, empty database",
        f"{empty:.2f} ms an account",
        goal="<= 2 ms, file to mail plane",
    )
    report.add(
        f"import of {ROWS:,} ready hashes, 100,000 accounts there",
        f"{full:.2f} ms an account",
        limit=f"empty: {empty:.2f} ms",
        ratio=full / empty,
        goal="<= 2 ms, same price",
    )


def test_import_with_own_hashing(running: Instance, report: Report) -> None:
    domain = Domain(name="haslo.bench.test")
    account = NewAccount(domain=domain, localpart="jan", password_hash="")
    rows = [CheckedRow(line, account, f"Tajne-{line:06}") for line in range(HASHED_ROWS)]
    before = bare.argon2_rate()
    with stopwatch() as watch:
        assert len(list(hash_passwords(rows, lambda _done, _total: None))) == HASHED_ROWS
    core = max(before, bare.argon2_rate())
    rate, cores = HASHED_ROWS / watch.seconds, os.cpu_count() or 1
    report.add(
        f"own hashing of {HASHED_ROWS} passwords",
        f"{rate:.0f} a second",
        limit=f"{cores} cores x {core:.0f} a second",
        ratio=rate / (cores * core),
        goal=">= 0.85",
    )


def _milliseconds_an_account(running: Instance, folder: Path, domains: list[Domain], prefix: str) -> float:
    path = folder / f"{prefix}.csv"
    population.write_csv(path, domains, ROWS, prefix=prefix)
    with stopwatch() as watch:
        running.manage("account", "import", str(path))
        wait_until(population.is_live, seconds=300)
    last = f"{prefix}{ROWS // len(domains) - 1:05}@{domains[-1].name}"
    assert running.wire.rcpt(last)[0] == 250
    return watch.seconds / ROWS * 1000
