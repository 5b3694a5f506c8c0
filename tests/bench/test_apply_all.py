"""apply --all: a new machine from the database, and then nothing to do."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.apply import Applier
from provisioning.authority import ensure_certificate
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.models import Node
from tests.bench import bare, population
from tests.bench.figures import Report, stopwatch

SIZES = [100_000, *([1_000_000] if os.environ.get("QMAILUX_BENCH_BIG") == "1" else [])]


@pytest.fixture
def new_machine() -> Iterator[Layout]:
    """A home with nothing in it but a certificate."""
    home = Path(tempfile.mkdtemp(prefix="qxb-"))
    home.chmod(0o755)
    layout = Layout(home=home, bind="127.0.0.1", offset=8000, hostname="mx.qmailux.test")
    for folder in (layout.secrets, layout.run, layout.log, layout.node):
        folder.mkdir()
    ensure_certificate(layout)
    yield layout
    shutil.rmtree(home)


@pytest.mark.parametrize("accounts", SIZES)
def test_apply_all(
    database: None, new_machine: Layout, tmp_path: Path, report: Report, accounts: int
) -> None:
    node = population.empty()
    population.add_accounts(population.add_domains(0, 1000, node), accounts)
    applier = _applier(node, new_machine)
    with stopwatch() as first:
        assert not applier.apply_all().is_empty
    with stopwatch() as second:
        assert applier.apply_all().is_empty
    limit = bare.write_again(new_machine, tmp_path)
    for name, taken, goal in (
        ("apply --all from nothing", first, f"<= 1.5, under {3 if accounts <= 100_000 else 30} s"),
        ("apply --all again", second, "under 1 s, nothing written"),
    ):
        report.add(
            f"{name}, {accounts:,} accounts",
            f"{taken.seconds:.2f} s (cpu {taken.cpu_seconds:.2f})",
            limit=f"sqlite + postmap {limit.seconds:.2f} s",
            ratio=taken.seconds / limit.seconds,
            goal=goal,
        )


def _applier(node: Node, layout: Layout) -> Applier:
    return Applier(node=node, host=LocalHost(layout), layout=layout)
