"""One PostgreSQL and one running instance for all measurements. `make bench` prints a table at the end.

Nothing here fails for being slow; what fails did not work.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from tests.bench.figures import Report
from tests.stack.instance import CODE, Instance

WITH_POSTGRES = CODE / "provisioning" / "machine" / "with_postgres.sh"
_report = Report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _report.figures:
        terminalreporter.write_line(_report.summary())


@pytest.fixture(scope="session")
def report() -> Report:
    return _report


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """The PostgreSQL of the environment, or one that ends with the bench."""
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        yield os.environ["DATABASE_URL"]
        return
    holder = subprocess.Popen(
        [str(WITH_POSTGRES), "sh", "-c", 'echo "$DATABASE_URL"; exec cat'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    os.environ["DATABASE_URL"] = url = holder.stdout.readline().strip()
    yield url
    holder.stdin.close()
    holder.wait()


@pytest.fixture(scope="session")
def database(database_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The instance's own database, not a test's: other processes must see what is written."""
    for alias in ("default", "logs"):
        connections.settings[alias].update(dj_database_url.parse(database_url), OPTIONS={})
    settings.QMAILUX_LOGS_DATABASE = "default"
    with django_db_blocker.unblock():
        for alias in ("default", "logs"):
            # Made first, for one that was never used cannot be thrown away.
            assert connections[alias]
            del connections[alias]
        call_command("migrate", verbosity=0)
        yield
        connections.close_all()


@pytest.fixture(scope="session")
def running(database: None) -> Iterator[Instance]:
    """The whole stack, so that changes are applied by the real worker. Its load comes from one client."""
    os.environ["QMAILUX_PROTECTIONS_OFF"] += ",client-rates"
    instance = Instance(settings.QMAILUX_LAYOUT)
    instance.make()
    instance.up()
    yield instance
    instance.down()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Readable by all: import runs as root, postmap and Dovecot do not."""
    for path in (tmp_path, *list(tmp_path.parents)[:3]):
        if path != Path("/tmp"):
            path.chmod(0o755)
    return tmp_path
