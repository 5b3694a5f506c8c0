"""How long until a change can be felt by a mail program."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Callable

from django.db import transaction

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from provisioning.hosts import rowstore
from tests.conftest import PASSWORD
from tests.stack.instance import Instance

LONGEST_WAIT_SECONDS = 120.0
# Postfix slows a client down after ten refusals in one session.
QUESTIONS_A_SESSION = 9
# From the hundredth RSET on each counts as an error (smtpd_junk_command_limit).
RESETS_A_SESSION = 90
POLL_SECONDS = 0.002


def seconds_to_new_password(instance: Instance, account: Account, number: int) -> float:
    """From the commit to the end of an IMAP login with the new password; then the old one must be refused."""
    old, new = f"{PASSWORD}-{number - 1}" if number else PASSWORD, f"{PASSWORD}-{number}"
    before = _password_on_machine(instance, account.address)
    with transaction.atomic():
        actions.change_password(account, password=new, by=Actor.console())
        committed = time.perf_counter()
    _wait(lambda: _password_on_machine(instance, account.address) != before)
    assert instance.wire.imap_login_command(account.address, new) == "OK"
    seconds = time.perf_counter() - committed
    if number % 10 == 0:  # a refusal takes Dovecot two seconds
        assert instance.wire.imap_login_command(account.address, old) == "NO"
    return seconds


def seconds_to_recipient(instance: Instance, domain: Domain, localpart: str, password_hash: str) -> float:
    """From the commit of a new account to its first 250 at RCPT."""
    with transaction.atomic():
        account = actions.add_account(
            domain=domain, localpart=localpart, password_hash=password_hash, by=Actor.console()
        )
        committed = time.perf_counter()
    end = committed + LONGEST_WAIT_SECONDS
    while time.perf_counter() < end:
        with instance.wire.smtp() as client:
            client.ehlo()
            client.mail("x@obcy.example")
            for _question in range(QUESTIONS_A_SESSION):
                if client.rcpt(account.address)[0] == 250:
                    return time.perf_counter() - committed
                time.sleep(POLL_SECONDS)
    raise AssertionError(f"{account.address} is not accepted after {LONGEST_WAIT_SECONDS} s")


def seconds_of_login(instance: Instance, address: str, password: str = PASSWORD) -> float:
    """The engine's own part."""
    started = time.perf_counter()
    assert instance.wire.imap_login_command(address, password) == "OK"
    return time.perf_counter() - started


def seconds_of_recipient(instance: Instance, address: str) -> float:
    """A session, and the answer to RCPT for somebody who has long been there."""
    started = time.perf_counter()
    assert instance.wire.rcpt(address)[0] == 250
    return time.perf_counter() - started


def logins_a_second(instance: Instance, address: str, *, seconds: float) -> float:
    return _rate(lambda: seconds_of_login(instance, address), seconds=seconds, threads=2)


def lookups_a_second(instance: Instance, address: str, *, seconds: float) -> float:
    """Recipients looked up by smtpd, in sessions that stay open."""
    clients = threading.local()

    def ask() -> None:
        asked = getattr(clients, "asked", 0)
        clients.asked = asked + 1
        if asked % RESETS_A_SESSION == 0:
            clients.smtp = smtplib.SMTP("127.0.0.1", instance.layout.port("smtp"), local_hostname="a.example")
            clients.smtp.ehlo()
        clients.smtp.rset()
        clients.smtp.mail("x@obcy.example")
        assert clients.smtp.rcpt(address)[0] == 250

    return _rate(ask, seconds=seconds, threads=2)


def _rate(act: Callable[[], object], *, seconds: float, threads: int) -> float:
    end = time.perf_counter() + seconds
    counts = [0] * threads

    def repeat(number: int) -> None:
        while time.perf_counter() < end:
            act()
            counts[number] += 1

    workers = [threading.Thread(target=repeat, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds


def _password_on_machine(instance: Instance, address: str) -> object:
    rows = rowstore.query(instance.layout.accounts_file, "account", [address])
    return rows[address][2]


def _wait(condition: Callable[[], bool]) -> None:
    end = time.perf_counter() + LONGEST_WAIT_SECONDS
    while not condition():
        if time.perf_counter() > end:
            raise AssertionError(f"not live after {LONGEST_WAIT_SECONDS} s")
        time.sleep(POLL_SECONDS)
