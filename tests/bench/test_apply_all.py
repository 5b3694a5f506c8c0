"""apply --all: a new machine from the database, and then nothing to do."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def _new_machine() -> Iterator[Layout]:
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
def test_apply_all(database: None, tmp_path: Path, report: Report, accounts: int) -> None:
    """Also of a database with no account: then it is the settings, whose tests are the parts' own."""
    node = population.empty()
    with _new_machine() as layout, stopwatch() as settings:
        assert not _applier(node, layout).apply_all().is_empty
    population.add_accounts(population.add_domains(0, 1000, node), accounts)
    with _new_machine() as layout:
        applier = _applier(node, layout)
        with stopwatch() as first:
            assert not applier.apply_all().is_empty
        with stopwatch() as second:
            assert applier.apply_all().is_empty
        limit = bare.write_again(layout, tmp_path)
    most = 3 if accounts <= 100_000 else 30
    for name, seconds, watch, goal in (
        ("apply --all from nothing, no account", settings.seconds, settings, "-"),
        (f"apply --all from nothing, {accounts:,} accounts", first.seconds, first, f"<= 1.5, under {most} s"),
        ("the same beyond that of no account", first.seconds - settings.seconds, None, "<= 1.5"),
        (f"apply --all again, {accounts:,} accounts", second.seconds, second, "under 1 s, nothing written"),
    ):
        processor = f" (cpu {watch.cpu_seconds:.2f})" if watch else ""
        report.add(
            name,
            f"{seconds:.2f} s{processor}",
            limit=f"sqlite + postmap {limit.seconds:.2f} s",
            ratio=seconds / limit.seconds,
            goal=goal,
        )


def _applier(node: Node, layout: Layout) -> Applier:
    return Applier(node=node, host=LocalHost(layout), layout=layout)
