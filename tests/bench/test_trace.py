"""The message trace: reading a big log into PostgreSQL, and finding in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings

from accounts.actor import Actor
from maillog.access import Sight, sight_of
from maillog.figures import SPANS, figures_of
from maillog.models import Entry
from maillog.retention import forget
from maillog.trace import Question, find
from tests.bench import maillines
from tests.bench.figures import Report, milliseconds, stopwatch

# QMAILUX_BENCH_LINES=10000000 takes a quarter of an hour.
LINES = int(os.environ.get("QMAILUX_BENCH_LINES", "1000000"))
ASKED = 30


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "mail.log"
    maillines.write_log(path, LINES)
    return path


def test_reading_into_postgresql(database: None, database_url: str, log: Path, report: Report) -> None:
    counted = _seconds(lambda: _run("wc", "-l", str(log)))
    bare = _seconds(lambda: _bare_loop(log))
    summed = _seconds(lambda: _run("pflogsumm", str(log)))
    with stopwatch() as watch:
        said, megabytes = _ingest(database_url, log)
    assert said.startswith(f"{LINES} lines read, 0 not understood")
    rate = LINES / watch.seconds
    report.add(
        f"trace: {LINES:,} lines read, joined and stored",
        f"{rate:,.0f} lines/s",
        limit=f"pflogsumm {LINES / summed:,.0f} lines/s",
        ratio=rate / (LINES / summed),
        goal=">= 1, better 2",
    )
    report.add(
        "trace: the same beside a bare line loop of Python",
        f"{rate:,.0f} lines/s",
        limit=f"{LINES / bare:,.0f} lines/s (wc -l {LINES / counted:,.0f})",
        ratio=rate / (LINES / bare),
        goal="-",
    )
    report.add(
        "trace: processor time of our own process",
        f"{watch.cpu_seconds / LINES * 1e6:.1f} us a line",
        goal="PostgreSQL's comes on top",
    )
    report.add("trace: most memory of a reading process", f"{megabytes:,.0f} MB", goal="< 500 MB")


def test_finding_a_recipient(database: None, log: Path, report: Report) -> None:
    total = Entry.objects.count()
    step = max(1, total // ASKED)
    sampled = Entry.objects.filter(pk__in=range(1, total, step)).exclude(recipient="")
    asked = list(sampled.values_list("recipient", flat=True))
    by_grep = _seconds(lambda: _run("rg", "-c", "-F", asked[0], str(log)))
    sight = sight_of(Actor.console())
    for name, questions in {
        "recipient": [Question(recipient=address) for address in asked],
        "address begins with": [Question(words=(address[:9],)) for address in asked],
        "domain": [Question(words=(f"@{address.partition('@')[2]}",)) for address in asked],
        "network": [Question(client=f"{number + 11}.7.0.0/16") for number in range(ASKED)],
        "subject word": [Question(subject=str(number * 1000 + 7)) for number in range(ASKED)],
        "newest": [Question()] * ASKED,
        "newest refusals": [Question(verdict="rejected")] * ASKED,
    }.items():
        seconds = [_seconds(partial(_first_page, question, sight)) for question in questions]
        middle = sorted(seconds)[len(seconds) // 2]
        report.add(
            f"trace: {name}, {total:,} entries",
            milliseconds(seconds),
            limit=f"ripgrep twice {by_grep * 2000:,.0f} ms",
            ratio=middle / (by_grep * 2),
            goal="<= 0.2",
        )


def test_the_summary_of_a_day(database: None, log: Path, report: Report) -> None:
    """All of the log lies within a day."""
    newest = Entry.objects.latest("began_at").began_at
    summed = _seconds(lambda: _run("pflogsumm", str(log)))
    seconds = [_seconds(partial(figures_of, SPANS["day"], now=newest)) for _time in range(5)]
    report.add(
        f"trace: the figures of a day, {Entry.objects.count():,} entries",
        milliseconds(seconds),
        limit=f"pflogsumm {summed:.1f} s",
        ratio=sorted(seconds)[2] / summed,
        goal="<= 0.05",
    )


def test_forgetting_one_day_of_ten(database: None, log: Path, report: Report) -> None:
    """As if the log were of ten days. Last, for the others count what it deletes."""
    total = Entry.objects.count()
    oldest, newest = Entry.objects.earliest("began_at").began_at, Entry.objects.latest("began_at").began_at
    limit = oldest + (newest - oldest) / 10
    for what, entries_before in (("raw lines", oldest), ("entries", limit)):
        forgetting = partial(forget, lines_before=limit, entries_before=entries_before, folder=log.parent)
        with stopwatch() as watch:
            found = forgetting()
        report.add(
            f"trace: {what} of one day of ten forgotten, {total:,} entries",
            f"{watch.seconds:.2f} s",
            limit=f"{(found.lines or found.entries) / watch.seconds:,.0f} a second",
            goal="cheap",
        )
        assert found.lines or found.entries
    assert not Entry.objects.filter(last_at__lt=limit).exists()


def _first_page(question: Question, sight: Sight) -> list[Entry]:
    return list(find(question, sight)[:51])


def _ingest(database_url: str, log: Path) -> tuple[str, float]:
    """What the command said, and the most memory it had."""
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "QMAILUX_HOME": str(settings.QMAILUX_HOME),
        "DJANGO_SETTINGS_MODULE": "qmailux_site.settings",
    }
    argv = [sys.executable, "manage.py", "logs", "ingest", str(log)]
    process = subprocess.Popen(
        argv, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return said, usage.ru_maxrss / 1024


def _bare_loop(log: Path) -> int:
    with log.open(encoding="utf-8", errors="replace") as file:
        return sum(1 for _line in file)


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
