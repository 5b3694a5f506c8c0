"""Postfix asks quota-status about mailboxes that may be too full for a message, and about no others.

Nothing of the control plane runs here: the tests apply what they change themselves, and what follows is the
machine's own doing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from pytest_django.plugin import DjangoDbBlocker

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from provisioning.node_programs.quota_room import SETTLING_SECONDS, used_bytes
from provisioning.probes import socket_fault
from provisioning.render.postfix import QUOTA_ROOM
from provisioning.stores import MapStore
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.test_quota import big, fill
from tests.mail.wire import Wire

KB = 1024
MB = 1024 * KB
# Known to have room with two of the large messages, and too full for another one with four.
QUOTA = 4 * MB
LARGE = 900 * KB


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture(scope="module", autouse=True)
def _messages_of_one_megabyte(
    running_plane: MailInstance, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """So that a mailbox of some megabytes has much room."""
    usual = settings.QMAILUX_MESSAGE_SIZE_LIMIT_MB
    with django_db_blocker.unblock():
        _limit_messages(running_plane, 1)
        yield
        _limit_messages(running_plane, usual)


def _limit_messages(plane: MailInstance, megabytes: int) -> None:
    """The virus scanner begins anew by it, and no mail is taken meanwhile."""
    settings.QMAILUX_MESSAGE_SIZE_LIMIT_MB = megabytes
    plane.applier().apply_all(confirm_deletions=True)
    wait_until(lambda: Wire(plane.layout).rcpt("x@nigdzie.example")[0] == 554, what="answers at RCPT")
    plane.node().delete()


@pytest.fixture
def ola(plane: MailInstance, firma: Domain, console: Actor) -> Account:
    """With room, as the machine knows."""
    ola = add(firma, "ola", QUOTA, console)
    look_at_all(plane)
    assert has_room(plane, ola)
    return ola


def add(domain: Domain, localpart: str, quota_bytes: int, console: Actor) -> Account:
    return actions.add_account(
        domain=domain, localpart=localpart, password=PASSWORD, quota_bytes=quota_bytes, by=console
    )


def rooms(plane: MailInstance) -> MapStore:
    return MapStore(plane.host, plane.layout, QUOTA_ROOM)


def key_of(account: Account) -> str:
    return f"{account.home}:{account.quota_bytes}"


def has_room(plane: MailInstance, account: Account) -> bool:
    return key_of(account) in rooms(plane).query([key_of(account)])


def events_of(plane: MailInstance, account: Account) -> list[str]:
    return [path.name for path in plane.layout.quota_events.glob(f"{account.uuid.hex}.*")]


def usage_of(plane: MailInstance, account: Account) -> int:
    return used_bytes(str(plane.layout.mail / account.home)) or 0


def take_events(plane: MailInstance) -> None:
    """The program has seen what happened before. Its socket is there a moment before it listens."""
    wait_until(lambda: not socket_fault(plane.layout.quota_room), what="quota-room listens")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(plane.layout.quota_room))
        assert connection.recv(1) == b""


def look_at_all(plane: MailInstance) -> None:
    """As the program does now and then, and at its start; the events have settled."""
    plane.apply()
    plane.stop_daemon("quota-room")
    long_ago = time.time() - SETTLING_SECONDS - 1
    for path in plane.layout.quota_events.iterdir():
        os.utime(path, (long_ago, long_ago))
    plane.start_daemon(plane.daemon("quota-room"))
    take_events(plane)


def fill_with(wire: Wire, account: Account, messages: int) -> None:
    """Large ones, one after another."""
    for number in range(messages):
        fill(wire, account, LARGE, f"list {number}")


def empty(wire: Wire, account: Account) -> None:
    with wire.imap(account.address, PASSWORD) as imap:
        imap.select("INBOX")
        imap.store("1:*", "+FLAGS", "\\Deleted")
        imap.expunge()


def test_who_has_room_is_not_asked_about_and_all_others_are(
    wire: Wire, plane: MailInstance, firma: Domain, console: Actor
) -> None:
    """Seen by a mailbox that is full, and yet in the map."""
    full = add(firma, "pelna", 100 * KB, console)
    actions.add_alias(domain=firma, localpart="przez", targets=[full.address], by=console)
    plane.apply()
    fill(wire, full, 99 * KB)
    localpart, _at, domain = full.address.partition("@")
    names = (full.address, full.address.upper(), f"{localpart}+lista@{domain}")
    assert [wire.rcpt(name, size=LARGE)[0] for name in names] == [552, 552, 552]
    # An alias has no quota of its own; LMTP answers for the mailbox.
    assert wire.rcpt(f"przez@{domain}", size=LARGE)[0] == 250
    look_at_all(plane)
    rooms(plane).change({key_of(full): "yes"}, [])
    assert [wire.rcpt(name, size=LARGE)[0] for name in names] == [250, 250, 250]
    look_at_all(plane)
    assert not has_room(plane, full)
    assert wire.rcpt(full.address, size=LARGE)[0] == 552


def test_mailbox_that_fills_up_is_refused_at_rcpt_and_accepted_when_emptied(
    wire: Wire, plane: MailInstance, ola: Account
) -> None:
    fill_with(wire, ola, 4)
    wait_until(lambda: not has_room(plane, ola), what="Dovecot's word of the step")
    code, words = wire.rcpt(ola.address, size=MB)
    assert code == 552
    assert "Mailbox is full" in words
    empty(wire, ola)
    assert wire.rcpt(ola.address, size=MB)[0] == 250
    look_at_all(plane)
    assert has_room(plane, ola)
    assert wire.rcpt(ola.address, size=MB)[0] == 250


def test_mailbox_filled_by_its_owner_in_one_step_is_refused(
    wire: Wire, plane: MailInstance, ola: Account
) -> None:
    """While the session is open, so the usage file may be older."""
    fill_with(wire, ola, 2)
    look_at_all(plane)
    assert has_room(plane, ola)
    with wire.imap(ola.address, PASSWORD) as imap:
        imap.select("INBOX")
        assert imap.copy("1:2", "Drafts")[0] == "OK"
        wait_until(lambda: not has_room(plane, ola), what="Dovecot's word of the step")
        assert wire.rcpt(ola.address, size=MB)[0] == 552


def test_small_quota_is_always_asked_about(
    wire: Wire, plane: MailInstance, firma: Domain, console: Actor
) -> None:
    small = add(firma, "mala", 2 * MB - 1, console)
    roomy = add(firma, "duza", 2 * MB + 1, console)
    endless = add(firma, "bez", 0, console)
    look_at_all(plane)
    assert [has_room(plane, each) for each in (small, roomy, endless)] == [False, True, True]
    fill(wire, small, LARGE)
    assert wire.rcpt(small.address, size=MB)[0] == 250
    fill(wire, small, LARGE, "drugi")
    assert wire.rcpt(small.address, size=MB)[0] == 552


def test_QTA_02_lowered_quota_counts_before_anybody_looks(
    wire: Wire, plane: MailInstance, ola: Account, console: Actor
) -> None:
    fill_with(wire, ola, 2)
    look_at_all(plane)
    assert has_room(plane, ola)
    plane.stop_daemon("quota-room")
    try:
        actions.edit_account(ola, quota_bytes=MB, by=console)
        plane.apply()
        assert wire.rcpt(ola.address, size=1000)[0] == 552
    finally:
        plane.start_daemon(plane.daemon("quota-room"))


def test_what_happens_while_the_program_is_down_is_taken_up_at_its_start(
    wire: Wire, plane: MailInstance, ola: Account
) -> None:
    plane.stop_daemon("quota-room")
    try:
        fill_with(wire, ola, 4)
        wait_until(lambda: events_of(plane, ola), what="Dovecot's word of the step")
        assert has_room(plane, ola)
    finally:
        plane.start_daemon(plane.daemon("quota-room"))
    take_events(plane)
    assert not has_room(plane, ola)


def test_step_that_nobody_told_of_is_noticed_at_the_next_look(
    wire: Wire, plane: MailInstance, ola: Account
) -> None:
    """Of deliveries side by side each may find that another one went past it."""
    plane.stop_daemon("quota-room")
    try:
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda number: wire.deliver(ola.address, text=big(str(number), LARGE)), range(4)))
        wait_until(lambda: len(wire.subjects(ola.address, PASSWORD)) >= 4, what="four messages")
        wait_until(lambda: usage_of(plane, ola) > 4 * LARGE, what="Dovecot's count")
        for name in events_of(plane, ola):
            (plane.layout.quota_events / name).unlink()
    finally:
        plane.start_daemon(plane.daemon("quota-room"))
    take_events(plane)
    assert not has_room(plane, ola)


def test_nothing_is_known_of_a_new_node(wire: Wire, plane: MailInstance, ola: Account) -> None:
    fill_with(wire, ola, 4)
    plane.stop_daemon("quota-room")
    try:
        rooms(plane).path.with_name(f"{QUOTA_ROOM}.lmdb").unlink()
        plane.applier().apply_all(confirm_deletions=True)
        plane.host.run([str(plane.layout.bin / "postfix-reload")])
        assert not has_room(plane, ola)
        assert wire.rcpt(ola.address, size=MB)[0] == 552
    finally:
        plane.start_daemon(plane.daemon("quota-room"))


def test_renamed_there_and_back_the_old_count_is_not_believed(
    wire: Wire, plane: MailInstance, ola: Account, console: Actor, firma: Domain
) -> None:
    fill(wire, ola, LARGE, "pierwszy")
    other = actions.rename_account(ola, domain=firma, localpart="aleksandra", by=console)
    plane.apply()
    fill_with(wire, other, 3)
    back = actions.rename_account(other, domain=firma, localpart="ola", by=console)
    look_at_all(plane)
    assert not has_room(plane, back)
    assert wire.rcpt(back.address, size=MB)[0] == 552


def test_mailbox_just_grown_is_not_put_back_by_its_old_count(
    wire: Wire, plane: MailInstance, ola: Account
) -> None:
    """Dovecot tells of a step before it writes the usage file."""
    fill_with(wire, ola, 2)
    wait_until(lambda: not has_room(plane, ola), what="Dovecot's word of the step")
    plane.stop_daemon("quota-room")
    plane.start_daemon(plane.daemon("quota-room"))
    take_events(plane)
    assert not has_room(plane, ola)
    look_at_all(plane)
    assert has_room(plane, ola)
    assert events_of(plane, ola) == []
