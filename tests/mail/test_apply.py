"""Apply: idempotent, precise, one broken object harms nobody, failures restore and say why."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from provisioning import activate, outbox, settling
from provisioning.desired import Desired, entries_for
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE, AppliedRevision, Change, Scope
from provisioning.render.files import RenderedFile
from provisioning.settings_files import settings_files
from provisioning.stores import open_store
from qmailux_site.errors import ApplyIncomplete, ApplyRefused, CommandFailed, HostError, QmailuxError
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def test_second_apply_writes_nothing_and_reloads_nothing(
    plane: MailInstance, jan: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it compare entry with entry."""
    plane.applier().apply_all(confirm_deletions=True)
    before = plane.log("mail.log").count("reload")
    compared = []
    monkeypatch.setattr("provisioning.fingerprints.diff_of_all", lambda *told, **more: compared.append(told))
    assert plane.applier().apply_all().is_empty
    assert plane.applier().check() == {}
    assert plane.log("mail.log").count("reload") == before
    assert not compared


def test_a_map_that_cannot_be_read_is_said(plane: MailInstance, jan: Account) -> None:
    """Also while it is read by a copy of the process."""
    plane.applier().apply_all(confirm_deletions=True)
    path = plane.layout.maps / "senders.lmdb"
    content = path.read_bytes()
    try:
        path.write_bytes(b"no database" * 1000)
        with pytest.raises(CommandFailed, match=r"postmap .*senders"):
            plane.applier().check()
    finally:
        path.write_bytes(content)
    assert plane.applier().check() == {}


def test_no_postfix_program_waits_for_settings_to_settle(plane: MailInstance) -> None:
    """dict_load_file_xt reads a main.cf again and again until its time of change lies two seconds back."""
    main = plane.layout.etc / "postfix" / "main.cf"
    main.write_text("# by hand\n", encoding="ascii")
    plane.applier().apply_all(confirm_deletions=True)
    assert "by hand" not in main.read_text(encoding="utf-8")
    assert main.stat().st_mtime < time.time() - 2


def test_one_password_change_writes_one_row(plane: MailInstance, jan: Account, console: Actor) -> None:
    plane.apply()
    actions.change_password(jan, password="Calkiem-Nowe-5", by=console)
    outcome = plane.apply()
    assert {store: count for store, count in outcome.upserts.items() if count} == {"account": 1}
    assert not any(outcome.deletes.values())


def test_a_new_password_counts_before_the_rest_is_read_and_a_new_account_after_it(
    plane: MailInstance,
    jan: Account,
    wire: Wire,
    firma: Domain,
    console: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new account's lock and encryption are written before its row."""
    plane.apply()
    actions.change_password(jan, password="Calkiem-Nowe-5", by=console)
    nowa = actions.add_account(domain=firma, localpart="nowa", password=PASSWORD, by=console)
    accounts = open_store(LocalHost(plane.layout), plane.layout, "account")
    answers = []

    def read_late(keys: Iterable[str], hostname: str) -> Desired:
        answers.append(wire.imap_login_command(jan.address, "Calkiem-Nowe-5"))
        assert nowa.address not in accounts.query([nowa.address])
        return entries_for(keys, hostname)

    monkeypatch.setattr("provisioning.reading.entries_for", read_late)
    plane.apply()
    assert answers[0] == "OK"
    assert nowa.address in accounts.query([nowa.address])


def test_change_is_pending_until_applied_and_then_live(
    plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    assert life_of(firma.scope, jan.address).state == "pending"
    plane.apply()
    assert life_of(firma.scope, jan.address).state == "live"
    applied = AppliedRevision.objects.get(scope=firma.scope)
    assert applied.revision == Scope.objects.get(name=firma.scope).revision
    assert not Change.objects.exists()


def test_drift_made_by_hand_is_reported_and_healed(plane: MailInstance, jan: Account, wire: Wire) -> None:
    plane.applier().apply_all(confirm_deletions=True)
    store = open_store(plane.host, plane.layout, "mailboxes")
    store.change({"obcy@nigdzie.test": "1"}, [jan.address])
    assert wire.rcpt(jan.address)[0] == 550
    drift = plane.applier().check()
    assert list(drift) == ["mailboxes"]
    plane.applier().apply_all(confirm_deletions=True)
    assert wire.rcpt(jan.address)[0] == 250
    assert plane.applier().check() == {}


@pytest.mark.parametrize("is_relay", [False, True])
def test_drift_in_the_keys_of_a_domain_itself_is_healed(
    plane: MailInstance, firma: Domain, console: Actor, is_relay: bool
) -> None:
    """Alone: the domain's other entries are as they should be."""
    if is_relay:
        call_command("domain", "relay", firma.name, "--to", "127.0.0.101")
    plane.applier().apply_all(confirm_deletions=True)
    own = [f"@{firma.name}", f"srs0@{firma.name}"]
    stores = [open_store(plane.host, plane.layout, name) for name in ("relay_recipients", "aliases")]
    before = [store.query(own) for store in stores]
    assert [len(found) for found in before] == ([2, 1] if is_relay else [0, 1])
    for store in stores:
        store.change({}, own)
    plane.applier().apply_all(confirm_deletions=True)
    assert [store.query(own) for store in stores] == before


def test_a_broken_object_breaks_one_mailbox_only(
    plane: MailInstance, jan: Account, console: Actor, wire: Wire, firma: Domain
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    # As no action would do it: a hash that cannot be rendered.
    Account.objects.filter(pk=ola.pk).update(password="nonsense$with\nnewline")
    outbox.record(firma.scope, [ola.address], nodes=[firma.node])
    actions.change_password(jan, password="Nowe-Dla-Jana-1", by=console)
    with pytest.raises(ApplyIncomplete, match="ola@"):
        plane.apply()
    assert wire.imap_login_command(jan.address, "Nowe-Dla-Jana-1") == "OK"
    # The last good row stays.
    assert wire.imap_login_command(ola.address, PASSWORD) == "OK"
    assert life_of(firma.scope, ola.address).state == "failed"
    assert life_of(firma.scope, jan.address).state == "live"
    # Nor does a full apply make it live, whether there is much to write or nothing.
    for _time in range(2):
        with pytest.raises(ApplyIncomplete, match="ola@"):
            plane.applier().apply_all(confirm_deletions=True)
        assert life_of(firma.scope, ola.address).state == "failed"
        assert life_of(firma.scope, jan.address).state == "live"
    assert Change.objects.filter(scope=firma.scope).count() == 1
    actions.change_password(ola, password="Naprawione-22", by=console)
    plane.apply()
    assert wire.imap_login_command(ola.address, "Naprawione-22") == "OK"
    assert life_of(firma.scope, ola.address).state == "live"


def test_bulk_work_that_fails_holds_up_no_settings_and_no_other_bulk_work(
    plane: MailInstance, jan: Account, firma: Domain, console: Actor
) -> None:
    druga = domain_actions.add_domain(name=f"druga-{firma.name}", by=console)
    plane.apply()
    Account.objects.filter(pk=jan.pk).update(password="nonsense$with\nnewline")
    outbox.record(firma.scope, [outbox.addresses_of(firma.name)], nodes=[firma.node])
    outbox.record(druga.scope, [outbox.addresses_of(druga.name)], nodes=[druga.node])
    outbox.record_settings()
    with pytest.raises(ApplyIncomplete, match=jan.address):
        plane.apply()
    assert [change.scope for change in Change.objects.all()] == [firma.scope]


def test_settings_wait_for_no_bulk_work(plane: MailInstance, firma: Domain, console: Actor) -> None:
    plane.apply()
    outbox.record(firma.scope, [outbox.addresses_of(firma.name)], nodes=[firma.node])
    # Another process is at it, for minutes maybe.
    with plane.host.lock("lane-bulk"):
        revision = outbox.record_settings()
        plane.apply()
        assert [change.scope for change in Change.objects.all()] == [firma.scope]
    assert AppliedRevision.objects.get(scope=SERVER_SCOPE).revision == revision
    plane.apply()
    assert not Change.objects.exists()


def test_settings_that_wait_together_are_one_rendering(
    plane: MailInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.apply()
    rendered: list[str] = []

    def noted(layout: Layout) -> list[RenderedFile]:
        rendered.append(layout.hostname)
        return settings_files(layout)

    monkeypatch.setattr(settling, "settings_files", noted)
    revisions = [outbox.record_settings() for _change in range(3)]
    plane.apply()
    assert len(rendered) == 1
    assert not Change.objects.exists()
    assert AppliedRevision.objects.get(scope=SERVER_SCOPE).revision == revisions[-1]


def test_a_domain_inherits_nothing_from_one_of_its_name(plane: MailInstance, console: Actor) -> None:
    """Such as the smarthost of a domain that was lost with an older database."""
    ways = open_store(plane.host, plane.layout, "sender_transport")
    ways.change({"@wraca.test": "smtp:[192.0.2.1]:25"}, [])
    domain_actions.add_domain(name="wraca.test", by=console)
    plane.apply()
    assert ways.query(["@wraca.test"]) == {}


def test_FLT_04_emptied_database_does_not_empty_the_mail_plane(
    plane: MailInstance, jan: Account, console: Actor, wire: Wire, firma: Domain
) -> None:
    rows = [
        actions.NewAccount(domain=firma, localpart=f"m{n}", password_hash=jan.password) for n in range(150)
    ]
    actions.add_accounts(rows, by=console)
    plane.applier().apply_all(confirm_deletions=True)
    Account.objects.filter(domain=firma).delete()
    with pytest.raises(ApplyRefused, match="confirm-deletions"):
        plane.applier().apply_all()
    assert wire.rcpt(rows[7].address)[0] == 250
    plane.applier().apply_all(confirm_deletions=True)
    assert wire.rcpt(rows[7].address)[0] == 550


def test_settings_that_fail_the_test_restore_the_old_files_and_say_why(
    plane: MailInstance, wire: Wire
) -> None:
    path = "etc/postfix/main.cf"
    before = plane.host.read(path)
    assert before is not None
    broken = RenderedFile(path, before + b"\nvirtual_mailbox_maps = lmdb:${oops\n", "postfix")
    with pytest.raises(CommandFailed, match="macro"):
        activate.activate(plane.host, plane.layout, plane.daemon("postfix"), [broken])
    assert plane.host.read(path) == before
    assert wire.rcpt("ktos@gmail.example")[0] == 554


def test_reload_that_fails_restores_the_old_files(plane: MailInstance, wire: Wire) -> None:
    daemon = plane.daemon("dovecot")
    path = "etc/dovecot/dovecot.conf"
    before = plane.host.read(path)
    assert before is not None
    failing = type(daemon)(
        **{name: getattr(daemon, name) for name in daemon.__slots__ if name != "reload"},
        reload=("/bin/false",),
    )
    with pytest.raises(CommandFailed, match="/bin/false"):
        activate.activate(
            plane.host,
            plane.layout,
            failing,
            [RenderedFile(path, before + b"\nlogin_greeting = inny\n", "dovecot")],
        )
    assert plane.host.read(path) == before


@pytest.fixture
def small_disk(plane: MailInstance) -> Iterator[Path]:
    """A folder of the node on a disk of 64 kB."""
    folder = plane.layout.node / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_full_disk_keeps_the_old_file_and_says_so(plane: MailInstance, small_disk: Path) -> None:
    plane.host.write(RenderedFile("small/file", b"stary", ""))
    with pytest.raises(HostError, match="No space left"):
        plane.host.write(RenderedFile("small/file", b"x" * 200_000, ""))
    assert plane.host.read("small/file") == b"stary"
    assert [path.name for path in small_disk.iterdir()] == ["file"]


def test_two_appliers_take_turns(plane: MailInstance) -> None:
    order: list[str] = []
    with plane.host.lock("store-account"):

        def second() -> None:
            with plane.host.lock("store-account"):
                order.append("second")

        thread = threading.Thread(target=second)
        thread.start()
        with plane.host.lock("store-account", wait=False) as free:
            assert not free
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_CON_03_known_addresses_are_never_refused_while_maps_are_rebuilt(
    plane: MailInstance, jan: Account, wire: Wire
) -> None:
    plane.apply()
    store = open_store(plane.host, plane.layout, "mailboxes")
    wanted = dict(store.listing())
    answers: set[int] = set()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.add(wire.rcpt(jan.address)[0])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for round_number in range(20):
            extra = {f"x{n}@rundy.test": "1" for n in range(3000 * (round_number % 2))}
            store.build({**wanted, **extra})  # type: ignore[attr-defined]  # a map store
    finally:
        done.set()
        thread.join()
        # Thousands of addresses that nobody has: a later apply would refuse to remove so many.
        store.build(wanted)  # type: ignore[attr-defined]
    assert answers == {250}


def test_CON_06_late_order_applies_the_present_state(
    plane: MailInstance, jan: Account, console: Actor, wire: Wire, firma: Domain
) -> None:
    plane.apply()
    domain = firma
    actions.delete_account(jan, by=console)
    again = actions.add_account(
        domain=domain, localpart="jan", password="Drugi-Jan-8", despite_deleted=True, by=console
    )
    plane.apply()
    # An order from before, delivered late.
    outbox.record(domain.scope, [again.address], nodes=[domain.node])
    plane.apply()
    assert wire.imap_login_command(again.address, "Drugi-Jan-8") == "OK"


def test_domain_node_fails_loudly_when_the_disk_is_nearly_full(
    plane: MailInstance, jan: Account, monkeypatch: pytest.MonkeyPatch, firma: Domain
) -> None:
    monkeypatch.setattr("provisioning.apply.LOWEST_FREE_BYTES", 1 << 60)
    with pytest.raises(QmailuxError, match="free"):
        plane.apply()
    assert life_of(firma.scope, jan.address).state == "failed"
    monkeypatch.undo()
    plane.apply()
    assert life_of(firma.scope, jan.address).state == "live"


def test_many_single_changes_are_applied_together(plane: MailInstance, firma: Domain, console: Actor) -> None:
    for number in range(20):
        domain_actions.add_domain_alias(firma, name=f"a{number}.{firma.name}", by=console)
    outcome = plane.apply()
    assert outcome.changes >= 20
    assert not Change.objects.exists()


def test_accounts_file_opens_after_its_wal_files_are_gone(
    plane: MailInstance, jan: Account, wire: Wire
) -> None:
    """The state after a reboot: SQLite has removed -wal and -shm with the last writer, Dovecot must make
    them.
    """
    plane.apply()
    plane.stop_daemon("dovecot")
    try:
        beside = [plane.layout.auth / f"accounts.sqlite{ending}" for ending in ("-wal", "-shm")]

        def last_one_closed() -> bool:
            """Auth workers from before a reload live on while an smtpd is connected to them."""
            for pid in _readers_of(plane.layout.accounts_file):
                os.kill(pid, signal.SIGTERM)
            list(plane.host.list_rows("lock"))
            return not any(path.exists() for path in beside)

        wait_until(last_one_closed)
    finally:
        plane.start_daemon(plane.daemon("dovecot"))
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    assert wire.rcpt(jan.address)[0] == 250
    wire.deliver(jan.address)
    wait_until(lambda: wire.messages(jan.address, PASSWORD))


def _readers_of(path: Path) -> set[int]:
    """Other processes that have the file open."""
    readers = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link.readlink() == path and int(link.parts[2]) != os.getpid():
                readers.add(int(link.parts[2]))
    return readers
