"""From an act that shuts somebody out until nothing can be done any more, through the real worker."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from accounts import actions as account_actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from enforcement import actions
from tests.bench.figures import Report
from tests.conftest import PASSWORD
from tests.mail.instance import wait_until
from tests.mail.test_blocks import is_over
from tests.mail.test_server_lock import Sessions, _works
from tests.mail.wire import Wire
from tests.stack.instance import Instance

ROUNDS = 3
# Dovecot keeps a refused login waiting for two seconds: meanwhile others try.
CLIENTS_A_PROTOCOL = 4
LONGEST_WAIT_SECONDS = 60
PAUSE_SECONDS = 0.02
_numbers = count()
GUEST, NETWORK = "127.0.200.7", "127.0.200.0/24"
BLOCKED_SERVICES = ("smtp", "submission", "smtps", "imap", "imaps", "pop3", "pop3s", "sieve")


@pytest.fixture(scope="module")
def anna(running: Instance) -> Account:
    by = Actor.console()
    domain = domain_actions.add_domain(name="odcinana.bench.test", by=by)
    account = account_actions.add_account(domain=domain, localpart="anna", password=PASSWORD, by=by)
    wait_until(lambda: gets_in(running.wire, account), seconds=LONGEST_WAIT_SECONDS)
    return account


@pytest.mark.parametrize("what", ["account", "domain", "server"])
def test_a_lock_with_open_sessions(running: Instance, anna: Account, report: Report, what: str) -> None:
    found = []
    for _round in range(ROUNDS):
        with ExitStack() as stack:
            sessions = Sessions(running.wire, anna, stack)
            acts = open_acts(sessions, anna)
            with ThreadPoolExecutor(len(acts)) as pool:
                ends = [pool.submit(last_success, act) for act in acts]
                started = time.perf_counter()
                lock(what, anna)
                found.append(max(0.0, max(end.result() for end in ends) - started))
            wait_until(lambda: not sessions.acting(), seconds=LONGEST_WAIT_SECONDS)  # noqa: B023
        unlock(what, anna)
        wait_until(lambda: gets_in(running.wire, anna), seconds=LONGEST_WAIT_SECONDS)
    report.add(f"lock of the {what} until no open session can act", longest(found), goal="1 s")


@pytest.mark.parametrize("what", ["account", "domain", "server"])
def test_mandatory_encryption(running: Instance, anna: Account, report: Report, what: str) -> None:
    found = []
    for _round in range(ROUNDS):
        person = newcomer(running, anna)
        owner = {"account": person, "domain": person.domain, "server": None}[what]
        with running.wire.imap(person.address, PASSWORD, tls="starttls") as encrypted:
            with plaintext_logins(running.wire, person) as tries:
                started = time.perf_counter()
                actions.require_encryption(owner, by=Actor.console())
                wait_until(lambda: tries.seconds_refused() > 1, seconds=LONGEST_WAIT_SECONDS)
            found.append(max(0.0, max(tries.last.values()) - started))
            assert encrypted.noop()[0] == "OK"
        actions.allow_plaintext(owner, by=Actor.console())
    name = f"mandatory TLS of the {what} until the last plaintext login"
    report.add(name, longest(found), goal="3 s, TLS sessions live on")


def test_a_block_of_256_addresses(running: Instance, report: Report) -> None:
    ended, shut = [], []
    for _round in range(ROUNDS):
        with ExitStack() as stack:
            open_ones = [stack.enter_context(connected(running, name)) for name in BLOCKED_SERVICES]
            started = time.perf_counter()
            block = actions.add_block(network=NETWORK, reason="pomiar", by=Actor.console())
            wait_until(lambda: not connects(running), seconds=LONGEST_WAIT_SECONDS)
            shut.append(time.perf_counter() - started)
            wait_until(lambda: all(map(is_over, open_ones)), seconds=LONGEST_WAIT_SECONDS)  # noqa: B023
            ended.append(time.perf_counter() - started)
        actions.lift_block(block, by=Actor.console())
        wait_until(lambda: connects(running), seconds=LONGEST_WAIT_SECONDS)
    report.add("block of a /24 until no new connection", longest(shut), goal="2 s")
    report.add("block of a /24 until its open sessions are over", longest(ended), goal="2 s")


def open_acts(sessions: Sessions, account: Account) -> list[Callable[[], object]]:
    """What each open session does again and again."""

    def names_a_recipient() -> None:
        sessions.early.rset()
        sessions.early.mail(account.address)
        code, answer = sessions.early.rcpt("x@obcy.example")
        if code != 250:
            raise smtplib.SMTPResponseException(code, answer)

    return [sessions.imap.noop, sessions.plain_imap.noop, sessions.pop3.noop, names_a_recipient]


def last_success(act: Callable[[], object]) -> float:
    """When the act worked for the last time. The answer that it does not comes late: Postfix waits a second
    with it.
    """
    last = 0.0
    while _works(act):
        last = time.perf_counter()
        time.sleep(PAUSE_SECONDS)
    return last


def newcomer(instance: Instance, colleague: Account) -> Account:
    """Each round has an account of its own: nothing that the one before left stands in its way."""
    assert colleague.domain is not None
    account = account_actions.add_account(
        domain=colleague.domain, localpart=f"nowa{next(_numbers)}", password=PASSWORD, by=Actor.console()
    )
    wait_until(lambda: gets_in(instance.wire, account), seconds=LONGEST_WAIT_SECONDS)
    return account


def longest(seconds: list[float]) -> str:
    return f"{max(seconds) * 1000:.0f} ms, longest of {len(seconds)}"


def lock(what: str, account: Account) -> None:
    by = Actor.console()
    if what == "account":
        account_actions.lock_account(account, by=by)
    elif what == "domain":
        assert account.domain is not None
        domain_actions.lock_domain(account.domain, by=by)
    else:
        actions.lock_server(reason="pomiar", by=by)


def unlock(what: str, account: Account) -> None:
    by = Actor.console()
    if what == "account":
        account_actions.unlock_account(account, by=by)
    elif what == "domain":
        assert account.domain is not None
        domain_actions.unlock_domain(account.domain, by=by)
    else:
        actions.unlock_server(by=by)


def gets_in(wire: Wire, account: Account) -> bool:
    """By every protocol, without TLS."""
    return all(_works(log_in) for log_in in plaintext_ways(wire, account).values())


def plaintext_ways(wire: Wire, account: Account) -> dict[str, Callable[[], None]]:
    def imap() -> None:
        with wire.imap(account.address, PASSWORD, tls="none"):
            return

    def pop3() -> None:
        with wire.pop3(account.address, PASSWORD, tls="none"):
            return

    def smtp() -> None:
        with wire.submission("none") as client:
            wire.smtp_login(client, account.address, PASSWORD)

    return {"imap": imap, "pop3": pop3, "smtp": smtp}


@dataclass(slots=True)
class Tries:
    """By protocol: when the last login succeeded, and when the last one that was refused began."""

    last: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)

    def seconds_refused(self) -> float:
        """For how long each protocol has begun nothing but refused logins, in seconds; the shortest."""
        return min(self.refused.get(name, 0.0) - since for name, since in self.last.items())


@contextmanager
def plaintext_logins(wire: Wire, account: Account) -> Iterator[Tries]:
    """Many clients that log in without TLS again and again; each protocol has got in before it goes on."""
    tries, is_over = Tries(), threading.Event()

    def repeat(name: str, log_in: Callable[[], None]) -> None:
        while not is_over.is_set():
            begun = time.perf_counter()
            if _works(log_in):
                tries.last[name] = max(tries.last.get(name, 0.0), time.perf_counter())
            else:
                tries.refused[name] = max(tries.refused.get(name, 0.0), begun)

    ways = plaintext_ways(wire, account)
    workers = [
        threading.Thread(target=repeat, args=way) for way in ways.items() for _ in range(CLIENTS_A_PROTOCOL)
    ]
    for worker in workers:
        worker.start()
    try:
        wait_until(lambda: tries.last.keys() == ways.keys())
        yield tries
    finally:
        is_over.set()
        for worker in workers:
            worker.join()


@contextmanager
def connected(instance: Instance, service: str) -> Iterator[socket.socket]:
    address = ("127.0.0.1", instance.layout.port(service))
    with socket.create_connection(address, 10, source_address=(GUEST, 0)) as connection:
        if service in {"smtp", "submission", "imap", "pop3"}:
            assert connection.recv(1000), "no greeting"
        elif service == "sieve":
            while b"OK" not in connection.recv(4000):
                continue
        yield connection


def connects(instance: Instance) -> bool:
    try:
        with socket.create_connection(
            ("127.0.0.1", instance.layout.port("imap")), 0.5, source_address=(GUEST, 0)
        ) as connection:
            return bool(connection.recv(100))
    except OSError:
        return False
