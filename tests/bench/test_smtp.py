"""How fast mail is taken, beside a Postfix that does nothing but take it."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.render.postfix import QUOTA_ROOM
from tests.bench import bare, population
from tests.bench.figures import Report
from tests.mail.instance import wait_until
from tests.stack.instance import Instance

ROUNDS = 5
MESSAGES = 250
# Each is scanned: a round takes what spamd takes.
SCANNED_MESSAGES = 25
SENDERS = 4


@pytest.fixture
def plain_postfix(running: Instance) -> Iterator[bare.BarePostfix]:
    folder = Path(tempfile.mkdtemp(prefix="qxp-"))
    folder.chmod(0o755)
    server = bare.BarePostfix(running.layout, folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def recipients(running: Instance) -> list[str]:
    """In one domain of a thousand."""
    node = population.empty()
    population.add_accounts(population.add_domains(0, 1000, node), 100_000)
    running.manage("apply", "--all", "--confirm-deletions")
    found = [f"konto{number:05}@d00005.bench.test" for number in range(SENDERS)]
    wait_until(lambda: _are_known_to_have_room(running, found), seconds=300)
    return found


def _are_known_to_have_room(running: Instance, recipients: list[str]) -> bool:
    """As mailboxes are a few minutes after they were made (bin/quota-room)."""
    maps, folder = running.layout.maps, running.layout.etc / "postfix"
    asked = f"pipemap:{{lmdb:{maps}/mailboxes,lmdb:{maps}/{QUOTA_ROOM}}}"
    done = subprocess.run(
        ["postmap", "-c", str(folder), "-q", "-", asked],
        input="".join(f"{address}\n" for address in recipients),
        capture_output=True,
        text=True,
        check=False,
    )
    return len(done.stdout.splitlines()) == len(recipients)


def test_acceptance(
    running: Instance, recipients: list[str], plain_postfix: bare.BarePostfix, report: Report
) -> None:
    """In turns, so that both meet the same machine; each waits until the other's mail has been stored.

    First without protections, as the bare one is; then as a new instance has them.
    """
    names = [
        kind["name"] for kind in json.loads(running.manage("protection", "list", "--json")) if kind["on"]
    ]
    switch(running, "disable", names)
    what = "without protections"
    _compare(running, recipients, plain_postfix, report, what=what, messages=MESSAGES, goal=">= 0.95")
    switch(running, "enable", names)
    what = f"{len(names)} protections"
    goal = "what protections cost"
    _compare(running, recipients, plain_postfix, report, what=what, messages=SCANNED_MESSAGES, goal=goal)


def switch(running: Instance, verb: str, names: list[str]) -> None:
    for name in names:
        running.manage("protection", verb, name)
    wait_until(population.is_live, seconds=60)


def _compare(
    running: Instance,
    recipients: list[str],
    plain_postfix: bare.BarePostfix,
    report: Report,
    *,
    what: str,
    messages: int,
    goal: str,
) -> None:
    servers = {"ours": running.layout.port("smtp"), "bare": plain_postfix.port}
    queues = (running.layout.queue, plain_postfix.queue)
    rates: dict[str, list[float]] = {name: [] for name in servers}
    for _round in range(ROUNDS):
        for name, port in servers.items():
            rates[name].append(bare.accept(port, recipients, messages=messages, connections=2))
            wait_until(lambda: not any(map(_waiting, queues)), seconds=180)
    ours, theirs = (statistics.median(rates[name]) for name in ("ours", "bare"))
    pairs = [a / b for a, b in zip(rates["ours"], rates["bare"], strict=True)]
    report.add(
        f"SMTP acceptance, {what}, {SENDERS} x 2 connections",
        f"{ours:.0f} a second",
        limit=f"bare Postfix {theirs:.0f} a second",
        ratio=statistics.median(pairs),
        goal=goal,
    )


def _waiting(queue: Path) -> bool:
    return any(path.is_file() for name in ("incoming", "active") for path in (queue / name).rglob("*"))
