"""Secrets that the database holds sealed, on a running mail plane: with their key, and without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains import dkim_actions
from domains.models import DkimKey, Domain
from domains.models import Smarthost as SmarthostRow
from domains.smarthost_actions import set_smarthost
from provisioning.apply import Applier
from provisioning.models import Change
from provisioning.sealed_secrets import look_at_secrets
from provisioning.secrets import ensure_sealing_key
from provisioning.tasks import node_seal_secrets
from qmailux_site.errors import ApplyIncomplete
from qmailux_site.sealing import Opener, Purpose, key_ids
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.smarthost import Smarthost, smarthost
from tests.mail.wire import Wire, letter
from tests.mail.world import World

pytestmark = pytest.mark.django_db(databases=["default", "logs"])
HOST = "127.0.0.103"
SECRET = "bardzo-tajne-hasło"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def other(plane: MailInstance, tmp_path: Path) -> Iterator[Smarthost]:
    with smarthost(tmp_path, HOST, 587) as found:
        found.logins["alfa-user"] = SECRET
        yield found


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    found = Keys(tmp_path)
    yield found
    found.put_back()


class Keys:
    """The private halves, which can be taken away and put back."""

    def __init__(self, away: Path) -> None:
        self.folder = settings.QMAILUX_LAYOUT.sealing_keys
        self.public = settings.QMAILUX_LAYOUT.sealing_public
        self.half = self.public.read_bytes()
        self.away = away

    def take_away(self) -> None:
        for name in key_ids(self.folder):
            (self.folder / name).rename(self.away / name)

    def put_back(self) -> None:
        for name in key_ids(self.away):
            (self.away / name).rename(self.folder / name)
        self.public.write_bytes(self.half)


class CountingOpener(Opener):
    def __init__(self) -> None:
        super().__init__(settings.QMAILUX_LAYOUT.sealing_keys)
        self.count = 0

    def open(self, sealed: str, *, purpose: Purpose) -> str:
        self.count += 1
        return super().open(sealed, purpose=purpose)


def _person(name: str, console: Actor) -> tuple[Domain, Account]:
    domain = domain_actions.add_domain(name=name, by=console)
    return domain, actions.add_account(domain=domain, localpart="jan", password=PASSWORD, by=console)


def _with_secrets(name: str, console: Actor) -> tuple[Domain, Account]:
    """A domain with a login at a smarthost and a key that signs."""
    domain, jan = _person(name, console)
    set_smarthost(domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    dkim_actions.force_signing(dkim_actions.add_key(domain, by=console), by=console)
    return domain, jan


def _sends(wire: Wire, account: Account, recipient: str) -> None:
    wire.submit(account.address, PASSWORD, account.address, recipient, text=letter("Sprawa"))


def _files(plane: MailInstance) -> dict[str, bytes]:
    paths = [plane.layout.maps / "smarthost_login.lmdb", *(plane.layout.dkim / "keys").glob("*")]
    return {path.name: path.read_bytes() for path in paths}


def _applier(plane: MailInstance, opener: Opener) -> Applier:
    return Applier(plane.node(), plane.host, plane.layout, opener=opener)


def test_nothing_is_opened_where_nothing_differs_and_drift_is_seen(
    plane: MailInstance, console: Actor
) -> None:
    domain, _jan = _with_secrets("koszt.example", console)
    first, again, mended = CountingOpener(), CountingOpener(), CountingOpener()
    _applier(plane, first).apply_all(confirm_deletions=True)
    assert first.count == 2
    outcome = _applier(plane, again).apply_all(confirm_deletions=True)
    assert (outcome.is_empty, again.count) == (True, 0)
    assert not plane.applier().check()
    before = _files(plane)
    key = DkimKey.objects.get(domain=domain)
    path = plane.layout.dkim / "keys" / f"{domain.name}.{key.selector}"
    path.write_bytes(path.read_bytes().replace(b"A", b"B", 1))
    logins = f"lmdb:{plane.layout.maps / 'smarthost_login'}"
    plane.host.run(
        ["postmap", "-c", str(plane.layout.etc / "postfix"), "-r", "-i", logins],
        stdin=f"@{domain.name}\talfa-user:inne\n".encode(),
    )
    assert set(plane.applier().check()) == {"dkim", "smarthost_login"}
    _applier(plane, mended).apply_all(confirm_deletions=True)
    assert mended.count == 2
    assert _files(plane)[path.name] == before[path.name]
    assert not plane.applier().check()


def test_without_the_key_the_rest_is_applied_mail_waits_and_a_new_password_mends_it(
    wire: Wire, plane: MailInstance, world: World, other: Smarthost, console: Actor, keys: Keys
) -> None:
    alfa, jan = _with_secrets("zgubiony.example", console)
    keys.take_away()
    _beta, ola = _person("caly.example", console)
    with pytest.raises(ApplyIncomplete, match=r"is sealed with the key .* put that key back .* or ") as told:
        plane.applier().apply_all(confirm_deletions=True)
    assert "(and 1 more)" in str(told.value)
    assert SECRET not in str(told.value)
    assert len(look_at_secrets(settings.QMAILUX_LAYOUT).lost) == 2
    _sends(wire, ola, "kto1@remote1.example")
    wait_until(lambda: world.to("kto1@remote1.example"), what="mail of the other domain")
    _sends(wire, jan, "kto2@remote1.example")
    wait_until(lambda: "local data error" in plane.waiting(), what="the mail that waits")
    assert (other.taken, other.seen, world.to("kto2@remote1.example")) == ([], [], [])
    # A lock of the domain holds though its secrets do not open.
    domain_actions.lock_domain(alfa, by=console)
    with pytest.raises(ApplyIncomplete, match="smarthost's password"):
        plane.apply()
    assert Change.objects.exclude(error="").exists()
    with pytest.raises(Exception, match="535"):
        _sends(wire, jan, "kto3@remote1.example")
    domain_actions.unlock_domain(alfa, by=console)
    ensure_sealing_key(settings.QMAILUX_LAYOUT)
    set_smarthost(alfa, to=HOST, user="alfa-user", password=SECRET, by=console)
    dkim_actions.force_signing(dkim_actions.add_key(alfa, by=console), by=console)
    plane.apply()
    plane.flush()
    wait_until(lambda: other.taken == [("alfa-user", jan.address)], what="the mail at the smarthost")
    assert not Change.objects.exists()
    assert look_at_secrets(settings.QMAILUX_LAYOUT).is_well


def test_the_key_from_the_backup_mends_everything(plane: MailInstance, console: Actor, keys: Keys) -> None:
    _with_secrets("kopia.example", console)
    keys.take_away()
    with pytest.raises(ApplyIncomplete):
        plane.applier().apply_all(confirm_deletions=True)
    assert plane.applier().check()
    keys.put_back()
    plane.applier().apply_all(confirm_deletions=True)
    assert not plane.applier().check()


def test_what_the_mail_plane_has_goes_on_without_the_key(
    wire: Wire, plane: MailInstance, other: Smarthost, console: Actor, keys: Keys
) -> None:
    alfa, jan = _with_secrets("trwaly.example", console)
    plane.applier().apply_all(confirm_deletions=True)
    before = _files(plane)
    keys.take_away()
    assert plane.applier().apply_all(confirm_deletions=True).is_empty
    # One whose password is sealed for a key that is gone keeps the login that it has.
    ensure_sealing_key(settings.QMAILUX_LAYOUT)
    set_smarthost(alfa, to=HOST, user="alfa-user", password="inne", by=console)
    for name in key_ids(keys.folder):
        (keys.folder / name).unlink()
    with pytest.raises(ApplyIncomplete, match="smarthost's password"):
        plane.apply()
    with pytest.raises(ApplyIncomplete, match="smarthost's password"):
        plane.applier().apply_all(confirm_deletions=True)
    assert _files(plane) == before
    _sends(wire, jan, "kto4@remote1.example")
    wait_until(lambda: other.taken == [("alfa-user", jan.address)], what="the mail at the smarthost")


def test_a_seal_that_is_moved_to_another_server_gives_it_no_password(
    wire: Wire, plane: MailInstance, other: Smarthost, console: Actor
) -> None:
    alfa, _jan = _with_secrets("okradziony.example", console)
    beta, ola = _person("zlodziej.example", console)
    set_smarthost(beta, to=HOST, user="alfa-user", password="x", by=console)
    sealed = SmarthostRow.objects.get(domain=alfa).sealed_password
    SmarthostRow.objects.filter(domain=beta).update(sealed_password=sealed)
    with pytest.raises(ApplyIncomplete, match="sealed for something else: set it anew"):
        plane.apply()
    _sends(wire, ola, "kto5@remote1.example")
    wait_until(lambda: "local data error" in plane.waiting(), what="the mail that waits")
    assert other.seen == []


def test_secrets_of_an_older_version_serve_before_and_after_they_are_sealed(
    wire: Wire, plane: MailInstance, other: Smarthost, console: Actor
) -> None:
    alfa, jan = _with_secrets("dawny.example", console)
    key, row = DkimKey.objects.get(domain=alfa), SmarthostRow.objects.get(domain=alfa)
    opener = CountingOpener()
    clear = opener.open(key.sealed_key, purpose=key.purpose)
    DkimKey.objects.filter(pk=key.pk).update(private_key=clear, sealed_key="")
    SmarthostRow.objects.filter(pk=row.pk).update(password=SECRET, sealed_password="")
    plane.applier().apply_all(confirm_deletions=True)
    _sends(wire, jan, "kto6@remote1.example")
    wait_until(lambda: len(other.taken) == 1, what="the mail before")
    assert plane.applier().apply_all(confirm_deletions=True).is_empty
    node_seal_secrets()
    assert set(plane.applier().check()) == {"dkim", "smarthost_login"}
    plane.apply()
    assert not plane.applier().check()
    _sends(wire, jan, "kto7@remote1.example")
    wait_until(lambda: len(other.taken) == 2, what="the mail after")
    path = plane.layout.dkim / "keys" / f"{alfa.name}.{key.selector}"
    assert path.read_text().startswith(clear)
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM domains_dkimkey UNION SELECT password FROM domains_smarthost")
        assert cursor.fetchall() == [("",)]


def test_a_smarthost_of_the_server_whose_login_is_lost_gets_no_mail_that_it_would_refuse(
    wire: Wire, plane: MailInstance, other: Smarthost, console: Actor, keys: Keys
) -> None:
    _beta, ola = _person("serwerowa.example", console)
    plane.apply()
    set_smarthost(None, to=HOST, user="alfa-user", password=SECRET, by=console)
    keys.take_away()
    with pytest.raises(ApplyIncomplete, match="--server"):
        plane.apply()
    _sends(wire, ola, "kto8@remote1.example")
    wait_until(lambda: "local data error" in plane.waiting(), what="the mail that waits")
    assert (other.seen, other.taken) == ([], [])
    keys.put_back()
    plane.apply()
    plane.flush()
    wait_until(lambda: ("alfa-user", ola.address) in other.taken, what="the mail at the smarthost")
