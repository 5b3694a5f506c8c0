"""The lock of the whole server, the ends of sessions and the queue of what is locked."""

from __future__ import annotations

import io
import os
import poplib
import re
import signal
import smtplib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils import timezone

from accounts import actions as account_actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from enforcement import actions
from enforcement.models import ServerLock
from provisioning.mailqueue import QueueFilter, find, order, read_queue
from provisioning.models import QueueRequest
from provisioning.server_lock import LIFTED, lift_on_machine, lock_on
from provisioning.tasks import node_answer_queue
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter, panel_accepts
from tests.mail.world import World

__all__ = ["plain_static"]

LATER = "451 4.7.1 come back later"
CODES = {"accept": 250, "reject": 550, "defer": 450}
NEWS = "x@remote1.example"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> Iterator[MailInstance]:
    running_in_world.node()
    world.forget()
    running_in_world.host.run(
        ["postsuper", "-c", str(running_in_world.layout.etc / "postfix"), "-d", "ALL"], check=False
    )
    yield running_in_world
    ServerLock.objects.all().delete()
    running_in_world.applier().apply_all(confirm_deletions=True)


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


class Sessions:
    """Open sessions of one account over every protocol; SMTP has named a recipient already."""

    def __init__(self, wire: Wire, account: Account, stack: ExitStack) -> None:
        self.imap = stack.enter_context(wire.imap(account.address, PASSWORD))
        self.plain_imap = stack.enter_context(wire.imap(account.address, PASSWORD, tls="none"))
        self.pop3 = stack.enter_context(wire.pop3(account.address, PASSWORD))
        self.early = stack.enter_context(self._smtp(wire, account))
        self.late = stack.enter_context(self._smtp(wire, account))
        assert self.late.rcpt(NEWS)[0] == 250

    @contextmanager
    def _smtp(self, wire: Wire, account: Account) -> Iterator[smtplib.SMTP]:
        with wire.submission() as client:
            wire.smtp_login(client, account.address, PASSWORD)
            client.mail(account.address)
            yield client

    def acting(self) -> set[str]:
        """Which of them can still do something."""
        able = {
            "imap": lambda: self.imap.noop(),
            "plain imap": lambda: self.plain_imap.noop(),
            "pop3": lambda: self.pop3.noop(),
            "smtp recipient": lambda: _must(self.early.rcpt(NEWS)[0] == 250),
            "smtp message": lambda: _must(self.late.data(letter("za późno").encode())[0] == 250),
        }
        return {name for name, act in able.items() if _works(act)}


def _must(holds: bool) -> None:
    if not holds:
        raise smtplib.SMTPException


def _works(act: Callable[[], object]) -> bool:
    try:
        act()
    except (OSError, EOFError, smtplib.SMTPException, poplib.error_proto):
        return False
    except Exception as error:
        if "abort" in type(error).__name__ or "imaplib" in type(error).__module__:
            return False
        raise
    return True


def logins(wire: Wire, account: Account) -> set[str]:
    def imap() -> None:
        with wire.imap(account.address, PASSWORD):
            return

    def pop3() -> None:
        with wire.pop3(account.address, PASSWORD):
            return

    def smtp() -> None:
        with wire.submission() as client:
            wire.smtp_login(client, account.address, PASSWORD)

    return {name for name, log_in in (("imap", imap), ("pop3", pop3), ("smtp", smtp)) if _works(log_in)}


EVERY_LOGIN = {"imap", "pop3", "smtp"}


@pytest.mark.parametrize("what", ["account", "domain", "server"])
def test_a_lock_ends_open_sessions_and_its_lifting_brings_everything_back(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, console: Actor, what: str
) -> None:
    plane.apply()
    with ExitStack() as stack:
        sessions = Sessions(wire, jan, stack)
        _lock(what, "accept", jan, firma, console)
        plane.apply()
        assert sessions.acting() == set()
    assert logins(wire, jan) == set()
    assert not panel_accepts(jan.address, PASSWORD)
    _unlock_all(jan, firma, console)
    plane.apply()
    assert logins(wire, jan) == EVERY_LOGIN
    assert panel_accepts(jan.address, PASSWORD)


@pytest.mark.parametrize("mode", CODES)
@pytest.mark.parametrize("what", ["account", "domain", "server"])
def test_incoming_mail_of_each_lock_direct_and_through_an_alias(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, console: Actor, what: str, mode: str
) -> None:
    account_actions.add_alias(domain=firma, localpart="biuro", targets=[jan.address], by=console)
    _lock(what, mode, jan, firma, console)
    plane.apply()
    assert wire.rcpt(jan.address)[0] == CODES[mode]
    assert wire.rcpt(f"biuro@{firma.name}")[0] == CODES[mode]
    _unlock_all(jan, firma, console)
    plane.apply()
    assert wire.rcpt(jan.address)[0] == 250
    assert wire.rcpt(f"biuro@{firma.name}")[0] == 250


def _lock(what: str, mode: str, jan: Account, firma: Domain, by: Actor) -> None:
    if what == "account":
        account_actions.lock_account(jan, mode=mode, by=by)
    elif what == "domain":
        domain_actions.lock_domain(firma, mode=mode, by=by)
    else:
        actions.lock_server(reason="Przegląd", mode=mode, by=by)


def _unlock_all(jan: Account, firma: Domain, by: Actor) -> None:
    account_actions.unlock_account(jan, by=by)
    domain_actions.unlock_domain(firma, by=by)
    actions.unlock_server(by=by)


def test_nothing_leaves_a_locked_server_and_all_of_it_when_it_is_unlocked(
    wire: Wire, plane: MailInstance, world: World, jan: Account, console: Actor
) -> None:
    plane.apply()
    world.refusals[NEWS] = LATER
    for number in range(3):
        wire.submit(jan.address, PASSWORD, jan.address, NEWS, text=letter(f"list {number}"))
    wait_until(lambda: [m.queue for m in read_queue(plane.host, plane.layout)] == ["deferred"] * 3)
    actions.lock_server(reason="Wyciek", by=console)
    plane.apply()
    world.refusals.clear()
    order(plane.host, plane.layout, "flush", read_queue(plane.host, plane.layout))
    wait_until(
        lambda: all(
            "deferred transport" in w.reason
            for m in find(plane.host, plane.layout, QueueFilter(), now=0)
            for w in m.recipients
        ),
        what="the queue says why nothing leaves",
    )
    assert world.to(NEWS) == []
    actions.unlock_server(by=console)
    plane.apply()
    wait_until(lambda: len(world.to(NEWS)) == 3, what="what waited has left")


@pytest.mark.usefixtures("plain_static")
def test_the_desk_says_in_plain_words_that_a_locked_server_holds_mail_back(
    wire: Wire,
    plane: MailInstance,
    world: World,
    jan: Account,
    console: Actor,
    root: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("django.conf.settings.QMAILUX_LAYOUT", plane.layout)
    monkeypatch.setattr("provisioning.queue_views.nudge", _as_the_worker)
    plane.apply()
    world.refusals[NEWS] = LATER
    wire.submit(jan.address, PASSWORD, jan.address, NEWS, text=letter("czeka"))
    wait_until(lambda: LATER in _reasons(plane), what="mail that waits")
    actions.lock_server(reason="Wyciek", by=console)
    plane.apply()
    order(plane.host, plane.layout, "flush", read_queue(plane.host, plane.layout))
    wait_until(lambda: "client TLS configuration problem" in _reasons(plane), what="that it was tried")
    assert _desk(root, "en") == ["lock of the whole server: no mail leaves"]
    assert _desk(root, "pl") == ["blokada całego serwera: poczta nie wychodzi"]
    # The server's own words stay in sight beside the message.
    (waiting,) = read_queue(plane.host, plane.layout)
    shown = logged_in(root).get(f"/server/queue/{waiting.queue_id}/").content.decode()
    assert "blokada całego serwera: poczta nie wychodzi" in shown
    assert "client TLS configuration problem" in shown


def _as_the_worker(request: QueueRequest) -> bool:
    node_answer_queue(request.pk)
    return True


def _reasons(plane: MailInstance) -> str:
    return str([w.reason for message in read_queue(plane.host, plane.layout) for w in message.recipients])


def _desk(root: Account, language: str) -> list[str]:
    """Why each message waits, as the page says it."""
    Account.objects.filter(pk=root.pk).update(language=language)
    page = logged_in(root).get("/server/queue/").content.decode()
    return re.findall(r'<span class="why">(.*?)</span>', page)


def test_QUE_06_a_locked_server_is_locked_after_a_restart_and_returns_nothing_for_its_age(
    wire: Wire, plane: MailInstance, world: World, jan: Account, console: Actor
) -> None:
    plane.apply()
    world.refusals[NEWS] = LATER
    wire.submit(jan.address, PASSWORD, jan.address, NEWS, text=letter("Sprzed tygodni"))
    wait_until(lambda: [m.queue for m in read_queue(plane.host, plane.layout)] == ["deferred"])
    (waiting,) = read_queue(plane.host, plane.layout)
    actions.lock_server(reason="Zamrożony", by=console)
    plane.apply()
    _stop_mail(plane)
    _make_older(plane, waiting.queue_id, days=90)
    _start_mail(plane)
    world.refusals.clear()
    plane.flush()
    wait_until(lambda: "client TLS configuration problem" in plane.waiting(), what="it was tried, not sent")
    assert [m.queue_id for m in read_queue(plane.host, plane.layout)] == [waiting.queue_id]
    assert world.to(NEWS) == []
    assert "returned to sender" not in plane.log("mail.log")
    assert wire.rcpt(jan.address)[0] == 450
    assert logins(wire, jan) == set()
    actions.unlock_server(by=console)
    plane.apply()
    wait_until(lambda: len(world.to(NEWS)) == 1, what="what is old has left all the same")
    assert wire.subjects(jan.address, PASSWORD) == []


def test_QUE_06_lock_lifted_on_the_machine_brings_the_queues_lifetime_back(
    plane: MailInstance, console: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.QMAILUX_LAYOUT", plane.layout)
    plane.apply()
    before = _lifetimes(plane)
    actions.lock_server(reason="Zamrożony", by=console)
    plane.apply()
    assert _lifetimes(plane) == ["100d", "100d"]
    lift_on_machine(plane.host, plane.layout)
    assert _lifetimes(plane) == before == ["5d", "5d"]


def _lifetimes(plane: MailInstance) -> list[str]:
    names = ["maximal_queue_lifetime", "bounce_queue_lifetime"]
    folder = str(plane.layout.etc / "postfix")
    return plane.host.run(["postconf", "-c", folder, "-h", *names]).stdout.decode().split()


def _stop_mail(plane: MailInstance) -> None:
    for name in ("postfix", "dovecot"):
        plane.stop_daemon(name)


def _start_mail(plane: MailInstance) -> None:
    for name in ("dovecot", "postfix"):
        plane.start_daemon(plane.daemon(name))


def _make_older(plane: MailInstance, queue_id: str, *, days: int) -> None:
    """As if it had come then: the time of arrival in the file of the queue, of which each record has its
    length before it.
    """
    (file,) = (found for found in (plane.layout.queue / "deferred").rglob(queue_id))
    raw = file.read_bytes()
    found = set(re.findall(rb"(?:T.|create_time=)(\d{10})", raw))
    assert found
    for moment in found:
        raw = raw.replace(moment, b"%d" % (int(moment) - days * 86400))
    with file.open("r+b") as stream:
        stream.write(raw)


def test_a_reload_is_over_when_the_queue_manager_of_the_old_settings_is_gone(plane: MailInstance) -> None:
    daemon = plane.daemon("postfix")
    master = daemon.pid_file.read_text().strip()
    old = int(plane.host.run(["pgrep", "-x", "-P", master, "qmgr"]).stdout)
    os.kill(old, signal.SIGSTOP)
    reloading = subprocess.Popen(daemon.reload, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            reloading.wait(timeout=2)
    finally:
        os.kill(old, signal.SIGCONT)
    assert reloading.wait(timeout=30) == 0


def test_the_superadmins_panel_stays_open_and_every_page_says_why(
    plane: MailInstance, jan: Account, console: Actor
) -> None:
    from django.test import Client

    root = account_actions.add_operator(
        address="root@localhost", password=PASSWORD, is_superuser=True, by=console
    )
    actions.lock_server(reason="Włamanie do serwerowni", by=Actor(real=root, channel="panel"))
    client = Client()
    client.force_login(root, backend="accounts.backends.AddressBackend")
    for page in ("/server/", "/server/locks/", "/domains/", "/password/"):
        text = client.get(page).content.decode()
        assert "Włamanie do serwerowni" in text, page
        assert "root@localhost" in text, page
    assert "Włamanie do serwerowni" in Client().get("/login/").content.decode()


def test_policy_lifts_the_lock_while_the_database_is_down(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.QMAILUX_LAYOUT", plane.layout)
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    actions.lock_server(reason="Awaria bazy", by=console)
    plane.apply()
    assert logins(wire, jan) == set()
    with database_down(monkeypatch):
        shown = _run("policy", "show")
        assert "reason: Awaria bazy" in shown
        assert "database: down" in shown
        assert "unlocked on this machine" in _run("policy", "unlock")
        assert "locked: no" in _run("policy", "show")
    assert logins(wire, jan) == EVERY_LOGIN
    assert wire.rcpt(jan.address)[0] == 250
    # The database is back, and its lock does not come back with it.
    plane.apply()
    assert not ServerLock.objects.exists()
    assert plane.host.read(LIFTED) is None
    assert logins(wire, jan) == EVERY_LOGIN


@contextmanager
def database_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement fails, as it does when the server of the database is gone."""
    from django.db import connection

    def fail(*_arguments: object, **_named: object) -> object:
        raise DatabaseError("could not connect to server")

    with monkeypatch.context() as patch:
        patch.setattr("django.db.backends.utils.CursorWrapper.execute", fail)
        yield
    connection.needs_rollback = False


def _run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_policy_from_the_command_line(
    wire: Wire, plane: MailInstance, jan: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.QMAILUX_LAYOUT", plane.layout)
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    with pytest.raises(CommandError, match="not locked"):
        _run("policy", "unlock")
    with pytest.raises(CommandError, match="over"):
        _run("policy", "lock", "--reason", "x", "--until", "2001-01-01T00:00")
    _run("policy", "lock", "--reason", "Przegląd", "--mode", "reject", "--until", "2h")
    plane.apply()
    assert wire.rcpt(jan.address)[0] == 550
    assert lock_on(plane.host)["by"] == "console"
    _run("policy", "unlock")
    plane.apply()
    assert wire.rcpt(jan.address)[0] == 250


def test_queued_mail_of_the_locked_is_held_and_only_that_is_released(
    wire: Wire, plane: MailInstance, world: World, jan: Account, firma: Domain, console: Actor
) -> None:
    ola = account_actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    world.refusals[NEWS] = LATER
    for sender in (jan, jan, ola):
        wire.submit(sender.address, PASSWORD, sender.address, NEWS)
    wait_until(lambda: [m.queue for m in read_queue(plane.host, plane.layout)] == ["deferred"] * 3)
    mine = find(plane.host, plane.layout, QueueFilter(login=jan.address), now=time.time())
    by_hand = mine[0].queue_id
    order(plane.host, plane.layout, "hold", mine[:1])
    account_actions.lock_account(jan, by=console)
    plane.apply()
    assert _queues(plane, jan) == ["hold", "hold"]
    assert _queues(plane, ola) == ["deferred"]
    domain_actions.lock_domain(firma, by=console)
    plane.apply()
    assert _queues(plane, ola) == ["hold"]
    domain_actions.unlock_domain(firma, by=console)
    plane.apply()
    assert _queues(plane, ola) != ["hold"]
    assert _queues(plane, jan) == ["hold", "hold"]
    world.refusals.clear()
    account_actions.unlock_account(jan, by=console)
    plane.apply()
    wait_until(lambda: len(world.to(NEWS)) == 2, what="jan's and ola's free message have left")
    assert [m.queue_id for m in read_queue(plane.host, plane.layout)] == [by_hand]


def _queues(plane: MailInstance, account: Account) -> list[str]:
    found = find(plane.host, plane.layout, QueueFilter(login=account.address), now=time.time())
    return [message.queue for message in found]


def test_locks_end_by_themselves(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, console: Actor
) -> None:
    soon = timezone.now() + timedelta(hours=1)
    account_actions.lock_account(jan, until=soon, by=console)
    domain_actions.lock_domain(firma, until=soon, by=console)
    actions.lock_server(reason="x", until=soon, by=console)
    assert actions.lift_locks_that_are_over(by=Actor.task()) == 0
    past = timezone.now()
    Account.objects.update(locked_until=past)
    Domain.objects.update(locked_until=past)
    ServerLock.objects.update(until=past)
    assert actions.lift_locks_that_are_over(by=Actor.task()) == 3
    plane.apply()
    assert logins(wire, jan) == EVERY_LOGIN
