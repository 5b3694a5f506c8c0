"""The spam check and teaching beside the bare parts on the same cores, and what an idle learner costs."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from accounts.models import Account
from provisioning.hosts.local import LocalHost
from provisioning.learning import Learner
from provisioning.models import Node
from provisioning.spam import folder_of, scan_name
from provisioning.spamd import Spamd
from provisioning.spamstore import make_mailbox_folder
from tests.bench import bare, population
from tests.bench.figures import Report, stopwatch
from tests.mail.instance import wait_until
from tests.mail.wire import letter
from tests.stack.instance import Instance

ROUNDS = 3
MESSAGES = 100
TAUGHT = 60
MAILBOXES = 10_000
WATCHED_SECONDS = 60
LEARN_FOLDERS = (".Naucz spam", ".Oducz spam")
WORDS = "Zebranie wspolnoty mieszkaniowej, protokol uchwala remont dachu zarzadca sprawozdanie budynek "


@pytest.fixture(scope="module")
def people(running: Instance) -> list[Account]:
    """Ten domains of a thousand accounts."""
    node = population.empty()
    population.add_accounts(population.add_domains(0, 10, node), MAILBOXES)
    running.manage("apply", "--all", "--confirm-deletions")
    return list(Account.objects.with_mailbox().order_by("pk")[:MAILBOXES])


def messages(name: str, count: int) -> list[bytes]:
    return [letter(f"{name} {number}", f"{WORDS * 20} {name} {number}").encode() for number in range(count)]


def _stored(running: Instance, account: Account) -> int:
    folder = running.layout.mail / account.home / "Maildir"
    return sum(1 for part in ("new", "cur") for _file in (folder / part).glob("*"))


def _bare_scans(running: Instance, account: Account, texts: list[bytes]) -> float:
    """As many at a time as spamd has children, with spamc as Sieve does."""
    argv = ["spamc", "-x", "-U", str(running.layout.spam_socket), "-u", scan_name(account)]

    def scan(text: bytes) -> None:
        subprocess.run(argv, input=text, stdout=subprocess.DEVNULL, check=True)

    with stopwatch() as watch, ThreadPoolExecutor(5) as pool:
        list(pool.map(scan, texts))
    return len(texts) / watch.seconds


def _deliveries(running: Instance, account: Account, count: int) -> float:
    before = _stored(running, account)
    started = time.perf_counter()
    bare.accept(running.layout.port("smtp"), [account.address], messages=count, connections=4)
    wait_until(lambda: _stored(running, account) >= before + count, seconds=300)
    return count / (time.perf_counter() - started)


def test_scanned_deliveries(running: Instance, people: list[Account], report: Report) -> None:
    rates: list[float] = []
    limits: list[float] = []
    texts = messages("skan", MESSAGES)
    for _round in range(ROUNDS):
        rates.append(_deliveries(running, people[0], MESSAGES))
        limits.append(_bare_scans(running, people[0], texts))
    pairs = [ours / limit for ours, limit in zip(rates, limits, strict=True)]
    report.add(
        "scanned deliveries",
        f"{statistics.median(rates):.1f} a second",
        limit=f"bare spamd {statistics.median(limits):.1f} a second",
        ratio=statistics.median(pairs),
        goal=">= 0.90",
    )


def test_taught_messages(running: Instance, people: list[Account], report: Report) -> None:
    node = Node.objects.get(kind=Node.Kind.LOCAL)
    host = LocalHost(running.layout)
    learner = Learner(node=node, host=host, layout=running.layout)
    spamd = Spamd(running.layout.spam_socket)
    rates: list[float] = []
    limits: list[float] = []
    for turn in range(ROUNDS):
        taught, told = people[10 + turn], people[20 + turn]
        _put(running, taught, messages(f"nauka {turn}", TAUGHT))
        with stopwatch() as ours:
            assert learner.learn(taught) == TAUGHT
        rates.append(TAUGHT / ours.seconds)
        make_mailbox_folder(host, folder_of(told))
        with stopwatch() as bare_tell:
            for text in messages(f"goly {turn}", TAUGHT):
                spamd.learn(text, "spam", scan_name(told))
        limits.append(TAUGHT / bare_tell.seconds)
    pairs = [ours / limit for ours, limit in zip(rates, limits, strict=True)]
    report.add(
        "messages taught",
        f"{statistics.median(rates):.1f} a second",
        limit=f"bare TELL {statistics.median(limits):.1f} a second",
        ratio=statistics.median(pairs),
        goal=">= 0.80",
    )


def _put(running: Instance, account: Account, texts: list[bytes]) -> None:
    argv = ["doveadm", "-c", str(running.layout.etc / "dovecot" / "dovecot.conf"), "save"]
    for text in texts:
        subprocess.run([*argv, "-u", account.address, "-m", "Naucz spam"], input=text, check=True)


def test_a_learner_where_nobody_teaches(running: Instance, people: list[Account], report: Report) -> None:
    """Of one core, over a minute: the looks into the spool, and the sweep's share."""
    for account in people:
        for folder in LEARN_FOLDERS:
            for part in ("cur", "new", "tmp"):
                (running.layout.mail / account.home / "Maildir" / folder / part).mkdir(
                    parents=True, exist_ok=True
                )
    node = Node.objects.get(kind=Node.Kind.LOCAL)
    with stopwatch() as sweep:
        Learner(node=node, host=LocalHost(running.layout), layout=running.layout).sweep()
    pid = _learner_pid()
    began, before = time.perf_counter(), _cpu_seconds(pid)
    wait_until(lambda: time.perf_counter() - began >= WATCHED_SECONDS, seconds=WATCHED_SECONDS + 10)
    watching = (_cpu_seconds(pid) - before) / (time.perf_counter() - began)
    share = watching + sweep.cpu_seconds / 600
    report.add(
        f"a learner, {len(people)} mailboxes, nobody teaches",
        f"{share:.2%} of a core",
        limit=f"a sweep takes {sweep.cpu_seconds:.2f} s, each 10 minutes",
        goal="< 0.5 %",
    )


def _learner_pid() -> int:
    home = os.environ["QMAILUX_HOME"].encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"learn" in words and b"--watch" in words and home in environment:
            return int(process.name)
    raise AssertionError("no learner of this instance runs")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
