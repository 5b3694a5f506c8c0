"""What sealed secrets cost: everything compared with a DKIM key in every domain, and one key changed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from accounts.actor import Actor
from domains import dkim_actions
from domains.models import DkimKey, Domain
from provisioning.apply import Applier
from provisioning.authority import ensure_certificate
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.secrets import ensure_sealing_key
from qmailux_site.sealing import Opener, Purpose, seal
from tests.bench import population
from tests.bench.figures import Report, milliseconds, stopwatch

# The first apply writes a file for each, and each write looks through the folder: 50,000 take long.
DOMAINS = int(os.environ.get("BENCH_DKIM_DOMAINS", "2000"))
ROUNDS = 10


class CountingOpener(Opener):
    count = 0

    def open(self, sealed: str, *, purpose: Purpose) -> str:
        self.count += 1
        return super().open(sealed, purpose=purpose)


@pytest.fixture(scope="module")
def machine(database: None) -> Iterator[tuple[Node, Layout]]:
    """A new machine, and a database with a key that signs in every domain: the same one, sealed for each."""
    home = Path(tempfile.mkdtemp(prefix="qxb-"))
    home.chmod(0o755)
    layout = Layout(home=home, bind="127.0.0.1", offset=8000, hostname="mx.qmailux.test")
    for folder in (layout.secrets, layout.run, layout.log, layout.node):
        folder.mkdir()
    ensure_certificate(layout)
    ensure_sealing_key(settings.QMAILUX_LAYOUT)
    node = population.empty()
    domains = population.add_domains(0, DOMAINS, node)
    private, public = dkim_actions.new_pair()
    keys = [DkimKey(domain=domain, selector="s1", public_key=public, state="signing") for domain in domains]
    for key in keys:
        key.sealed_key = seal(private, purpose=key.purpose)
    DkimKey.objects.bulk_create(keys, population.ROWS_A_STATEMENT)
    yield node, layout
    shutil.rmtree(home)


def test_apply_all_with_a_key_in_every_domain(machine: tuple[Node, Layout], report: Report) -> None:
    for name, goal in (("from nothing", "each is opened once"), ("again", "nothing is opened")):
        opener = CountingOpener(settings.QMAILUX_LAYOUT.sealing_keys)
        with stopwatch() as watch:
            _applier(machine, opener).apply_all(confirm_deletions=True)
        report.add(
            f"apply --all {name}, {DOMAINS:,} domains with DKIM",
            f"{watch.seconds:.2f} s, {opener.count:,} opened",
            goal=goal,
        )


def test_one_key_changes(machine: tuple[Node, Layout], report: Report) -> None:
    seconds = []
    for number in range(ROUNDS):
        domain = Domain.objects.get(name=f"d{number:05}.bench.test")
        dkim_actions.force_signing(dkim_actions.add_key(domain, by=Actor.console()), by=Actor.console())
        with stopwatch() as watch:
            _applier(machine, Opener(settings.QMAILUX_LAYOUT.sealing_keys)).apply_pending()
        seconds.append(watch.seconds)
    report.add("one DKIM key changed, applied", milliseconds(seconds), goal="as before there were seals")


def _applier(machine: tuple[Node, Layout], opener: Opener) -> Applier:
    node, layout = machine
    return Applier(node, LocalHost(layout), layout, opener=opener)
