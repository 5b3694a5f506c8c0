"""A full apply: drift of every kind is found and healed, a file that was emptied is filled under Dovecot."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from provisioning.hosts.base import Output
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.plan import StoreDiff
from provisioning.stores import REBUILD_FROM_CHANGES, REBUILD_MAP_FROM_CHANGES, open_store
from provisioning.values import Value
from qmailux_site.errors import CommandFailed
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance
from tests.mail.wire import Wire


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def add_many(firma: Domain, jan: Account, count: int, console: Actor) -> list[str]:
    """With jan's password."""
    rows = [
        actions.NewAccount(domain=firma, localpart=f"m{number:04}", password_hash=jan.password)
        for number in range(count)
    ]
    actions.add_accounts(rows, by=console)
    return [row.address for row in rows]


def test_accounts_file_that_was_emptied_is_filled_while_dovecot_has_it_open(
    plane: MailInstance, jan: Account, firma: Domain, console: Actor, wire: Wire
) -> None:
    """In place, and its schema stays: Dovecot's next query would fail once for each that changes it."""
    addresses = add_many(firma, jan, REBUILD_FROM_CHANGES, console)
    plane.applier().apply_all(confirm_deletions=True)
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    plane.host.change_rows("account", [], [str(row[0]) for row in plane.host.list_rows("account")])
    assert wire.imap_login_command(jan.address, PASSWORD) == "NO"
    plane.applier().apply_all(confirm_deletions=True)
    for address in (jan.address, addresses[0], addresses[-1]):
        assert wire.imap_login_command(address, PASSWORD) == "OK"
    assert plane.applier().check() == {}


@pytest.mark.parametrize("seed", range(4))
def test_drift_of_every_kind_in_the_large_stores_is_found_and_healed(
    plane: MailInstance, jan: Account, firma: Domain, console: Actor, wire: Wire, seed: int
) -> None:
    addresses = add_many(firma, jan, 40, console)
    plane.applier().apply_all(confirm_deletions=True)
    chance = random.Random(seed)
    expected: dict[str, StoreDiff] = {}
    for name in ("account", "mailboxes", "senders"):
        store = open_store(plane.host, plane.layout, name)
        right = dict(store.listing())
        gone, changed = chance.sample(addresses, 5), chance.sample(addresses, 5)
        foreign = [f"{letter}@{firma.name}" for letter in chance.sample("abcxyz", 3)]
        other: dict[str, Value] = {key: _other(right[key]) for key in changed if key not in gone}
        other.update((key, _under(key, right[jan.address])) for key in foreign)
        store.change(other, gone)
        drifted = {*gone, *changed}
        expected[name] = StoreDiff({key: right[key] for key in drifted}, tuple(foreign))
    drift = plane.applier().check()
    assert list(drift) == list(expected)
    for name, diff in expected.items():
        found = drift[name]
        assert isinstance(found, StoreDiff)
        assert (dict(found.upserts), sorted(found.deletes)) == (dict(diff.upserts), sorted(diff.deletes))
    plane.applier().apply_all()
    assert plane.applier().check() == {}
    assert wire.imap_login_command(addresses[0], PASSWORD) == "OK"


def _other(value: Value) -> Value:
    return (*value[:4], "*:bytes=1", value[5]) if isinstance(value, tuple) else "obcy@nigdzie.test"


def _under(key: str, value: Value) -> Value:
    return (key, *value[1:]) if isinstance(value, tuple) else value


@dataclass
class Meddler(LocalHost):
    """Somebody takes an entry out of each map that was just built."""

    layout: Layout
    victim: str

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30, check: bool = True
    ) -> Output:
        done = super().run(argv, stdin=stdin, timeout=timeout, check=check)
        if argv[0] == "postmap" and not {"-s", "-q", "-d", "-i"} & set(argv):
            super().run([*argv[:-1], "-d", self.victim, argv[-1]], check=False)
        return done


def test_a_map_that_is_not_as_it_was_built_fails_the_apply(
    plane: MailInstance, jan: Account, firma: Domain, console: Actor
) -> None:
    addresses = add_many(firma, jan, REBUILD_MAP_FROM_CHANGES, console)
    store = open_store(Meddler(plane.layout, addresses[3]), plane.layout, "mailboxes")
    with pytest.raises(CommandFailed, match="other entries"):
        store.change(dict.fromkeys(addresses, "1"), [])
