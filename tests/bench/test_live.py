"""From the commit of a single change until mail programs feel it, with databases of every size."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection

from accounts.models import Account
from domains.models import Domain
from tests.bench import clients, population
from tests.bench.figures import Report, milliseconds, percentile
from tests.conftest import PASSWORD
from tests.mail.instance import wait_until
from tests.stack.instance import CODE, Instance

ROUNDS = 40
LOGIN_OF_LIMIT = "konto00003"
_numbers = count()


@dataclass(frozen=True, slots=True)
class Samples:
    passwords: list[float]
    recipients: list[float]


@pytest.fixture(scope="module")
def small(running: Instance) -> Samples:
    """The figures at 1,000 accounts in 100 domains."""
    node = population.empty()
    population.add_accounts(population.add_domains(0, 100, node), 1000)
    _take_over(running)
    return _measure(running, Domain.objects.get(name="d00007.bench.test"))


def test_at_1_000_accounts(running: Instance, small: Samples, report: Report) -> None:
    _report(running, report, small, small, "1,000 accounts")


def test_while_100_000_accounts_are_imported(
    running: Instance, small: Samples, folder: Path, report: Report
) -> None:
    node = Domain.objects.all()[0].node
    domains = population.add_domains(100, 1000, node)
    quiet = Domain.objects.create(name="cicha.bench.test", node=node)
    population.add_accounts([quiet], 10)
    _take_over(running)
    population.write_csv(folder / "import.csv", domains, 99_000, prefix="nowy")
    process = subprocess.Popen(
        [sys.executable, str(CODE / "manage.py"), "account", "import", str(folder / "import.csv")],
        env=running.environment,
        stdout=subprocess.DEVNULL,
    )
    passwords: list[float] = []
    recipients: list[float] = []
    while process.poll() is None or population.import_waits():
        taken = _measure(running, quiet, rounds=1, is_quiet=False)
        passwords += taken.passwords
        recipients += taken.recipients
    assert process.returncode == 0
    report.add(
        f"new password by IMAP while importing 99,000 ({len(passwords)} changes)",
        f"{milliseconds(passwords)}, max {max(passwords):.1f} s",
        limit=f"at 1,000: {milliseconds(small.passwords)}",
        ratio=percentile(passwords, 95) / percentile(small.passwords, 95),
        goal="p95 under 1 s",
    )
    report.add(
        f"new account to RCPT while importing 99,000 ({len(recipients)} changes)",
        f"{milliseconds(recipients)}, max {max(recipients):.1f} s",
        limit=f"at 1,000: {milliseconds(small.recipients)}",
        ratio=percentile(recipients, 95) / percentile(small.recipients, 95),
        goal="p95 under 1 s",
    )


def test_at_100_000_accounts_in_1_000_domains(running: Instance, small: Samples, report: Report) -> None:
    taken = _measure(running, Domain.objects.get(name="cicha.bench.test"))
    _report(running, report, taken, small, "100,000 accounts, 1,000 domains")


def test_at_100_000_accounts_in_50_000_domains(running: Instance, small: Samples, report: Report) -> None:
    population.add_domains(1000, 50_000, Domain.objects.all()[0].node)
    _take_over(running)
    taken = _measure(running, Domain.objects.get(name="cicha.bench.test"))
    _report(running, report, taken, small, "100,000 accounts, 50,000 domains")


def _measure(running: Instance, domain: Domain, *, rounds: int = ROUNDS, is_quiet: bool = True) -> Samples:
    """Password changes of one account after the other, and as many new accounts. is_quiet: a password begins
    when all of the one before it is live, for it counts before the rest of its change.
    """
    stored = make_password(PASSWORD)
    account = _somebody(domain)
    account.set_password(PASSWORD)
    taken = Samples([], [])
    for number in range(rounds):
        if is_quiet:
            wait_until(population.is_live, seconds=60)
        taken.passwords.append(clients.seconds_to_new_password(running, account, number))
    for _round in range(rounds):
        localpart = f"swiezy{next(_numbers)}"
        taken.recipients.append(clients.seconds_to_recipient(running, domain, localpart, stored))
    return taken


def _somebody(domain: Domain) -> Account:
    """Anybody but the one whose logins are the limit: that one keeps the password."""
    own = Account.objects.filter(domain=domain, localpart__startswith="konto")
    return own.exclude(localpart=LOGIN_OF_LIMIT).order_by("?")[0]


def _take_over(running: Instance) -> None:
    """The mail plane as the database has it, and the database's statistics up to date."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    running.manage("apply", "--all", "--confirm-deletions")
    wait_until(population.is_live, seconds=60)
    wait_until(population.is_counted, seconds=600, what="the numbers of the domains")


def _report(running: Instance, report: Report, taken: Samples, small: Samples, size: str) -> None:
    address = Account.objects.filter(localpart=LOGIN_OF_LIMIT).order_by("address")[0].address
    logins = [clients.seconds_of_login(running, address) for _round in range(20)]
    answers = [clients.seconds_of_recipient(running, address) for _round in range(20)]
    report.add(
        f"commit to new password by IMAP, {size}",
        milliseconds(taken.passwords),
        limit=f"login {milliseconds(logins)}",
        ratio=percentile(taken.passwords, 95) / percentile(small.passwords, 95),
        goal="p95 under 100 ms; ratio to 1,000 <= 1.2",
    )
    report.add(
        f"commit to RCPT of a new account, {size}",
        milliseconds(taken.recipients),
        limit=f"RCPT {milliseconds(answers)}",
        ratio=percentile(taken.recipients, 95) / percentile(small.recipients, 95),
        goal="p95 under 150 ms; ratio to 1,000 <= 1.2",
    )
