"""From the commit of a switch until the next message meets it, through the real worker."""

from __future__ import annotations

import smtplib
from collections.abc import Callable

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_domain_protections, set_protection
from domains import actions as domain_actions
from tests.bench.figures import Report, milliseconds, stopwatch
from tests.conftest import PASSWORD
from tests.mail.instance import wait_until
from tests.stack.instance import Instance

ROUNDS = 20
LONGEST_WAIT_SECONDS = 60


def test_a_switch_counts_within_seconds(running: Instance, report: Report) -> None:
    by = Actor.console()
    domain = domain_actions.add_domain(name="przelaczana.bench.test", by=by)
    account = actions.add_account(domain=domain, localpart="anna", password=PASSWORD, by=by)
    wait_until(lambda: greeted_badly(running, account) != 550, seconds=LONGEST_WAIT_SECONDS)
    seconds = measured(running, account, lambda is_on: set_protection("helo", is_on=is_on, by=by))
    report.add("commit of a server's switch to the next message", milliseconds(seconds), goal="p95 under 5 s")
    seconds = measured(running, account, lambda is_on: set_domain_protections(domain, {"helo": is_on}, by=by))
    report.add("commit of a domain's switch to the next message", milliseconds(seconds), goal="p95 under 5 s")


def measured(instance: Instance, account: Account, switch: Callable[[bool], object]) -> list[float]:
    """Off and on again, each until a client that greets with no full name is answered accordingly."""
    found = []
    for number in range(ROUNDS):
        is_on = number % 2 == 1
        with stopwatch() as watch:
            switch(is_on)
            wait_until(
                lambda: (greeted_badly(instance, account) == 504) == is_on,  # noqa: B023
                seconds=LONGEST_WAIT_SECONDS,
            )
        found.append(watch.seconds)
    return found


def greeted_badly(instance: Instance, account: Account) -> int:
    """What RCPT is answered after a greeting that the protection refuses."""
    with smtplib.SMTP("127.0.0.1", instance.layout.port("smtp"), local_hostname="komputer") as client:
        client.ehlo()
        client.mail("x@obcy.example")
        return client.rcpt(account.address)[0]
