"""The mail plane does not notice that database, broker and panel are gone.

Ends the database: so it runs as the last one.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from django.db import connections

from provisioning import stack
from tests.bench import clients, population
from tests.bench.figures import Report
from tests.stack.instance import Instance

SECONDS = 8.0
ROUNDS = 3
ADDRESS = "konto00001@d00001.bench.test"


def test_lookups_and_logins_without_a_database(running: Instance, database_url: str, report: Report) -> None:
    folder = Path(unquote(urlsplit(database_url).hostname or ""))
    if not (folder / "data" / "postmaster.pid").exists():
        pytest.skip("not our own PostgreSQL: it is not ended here")
    node = population.empty()
    population.add_accounts(population.add_domains(0, 100, node), 10_000)
    running.manage("apply", "--all", "--confirm-deletions")
    before = [_rates(running) for _round in range(ROUNDS)]
    _stop_everything(running, folder)
    after = [_rates(running) for _round in range(ROUNDS)]
    for number, what in enumerate(("recipient lookups", "IMAP logins")):
        with_it, without_it = (max(rates[number] for rates in taken) for taken in (before, after))
        report.add(
            f"{what}, database stopped",
            f"{without_it:.0f} a second",
            limit=f"with it {with_it:.0f} a second",
            ratio=without_it / with_it,
            goal="within 5 %",
        )


def _rates(running: Instance) -> tuple[float, float]:
    return (
        clients.lookups_a_second(running, ADDRESS, seconds=SECONDS / 2),
        clients.logins_a_second(running, ADDRESS, seconds=SECONDS / 2),
    )


def _stop_everything(running: Instance, folder: Path) -> None:
    stack.stop_programs(running.layout, "beat", "logs", "web", "worker", "node-worker", "redis")
    connections.close_all()
    pg_ctl = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1]
    as_postgres = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    subprocess.run(
        [*as_postgres, str(pg_ctl), "-D", str(folder / "data"), "-m", "immediate", "-w", "stop"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
