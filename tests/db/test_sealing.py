"""Secrets in the database: sealed with the public half of a key, opened with the private one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from accounts.actor import Actor
from domains import actions as domain_actions
from domains import dkim_actions
from domains.models import DkimKey, Domain, Smarthost
from domains.sealing_actions import seal_clear_secrets
from domains.smarthost_actions import set_smarthost
from provisioning.models import Change, Node
from provisioning.sealed_secrets import look_at_secrets
from provisioning.secrets import ensure_sealing_key
from qmailux_site.errors import CannotOpen, SetupError
from qmailux_site.sealing import Opener, key_ids, key_of, seal

pytestmark = pytest.mark.django_db
HOST = "smtp.daleko.example"
PASSWORD = "bardzo-tajne-hasło"
OLD_KEY = "-----BEGIN RSA PRIVATE KEY-----\nz dawnej wersji\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture
def alfa(node: Node, console: Actor) -> Domain:
    return domain_actions.add_domain(name="alfa.example", by=console)


@pytest.fixture
def opener() -> Opener:
    return Opener(settings.QMAILUX_LAYOUT.sealing_keys)


@pytest.fixture
def lost_keys(tmp_path: Path) -> Iterator[Path]:
    """The private halves are elsewhere, as after a restore of the database alone."""
    keys, public = settings.QMAILUX_LAYOUT.sealing_keys, settings.QMAILUX_LAYOUT.sealing_public
    half = public.read_bytes()
    names = key_ids(keys)
    for name in names:
        (keys / name).rename(tmp_path / name)
    yield tmp_path
    for name in names:
        (tmp_path / name).rename(keys / name)
    public.write_bytes(half)


def everything_in_the_database() -> str:
    """Every value of every row."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            found += [str(row) for row in cursor.fetchall()]
    return "\n".join(found)


def test_the_database_holds_no_secret_in_the_clear(alfa: Domain, console: Actor, opener: Opener) -> None:
    key = dkim_actions.add_key(alfa, by=console)
    row = set_smarthost(alfa, to=HOST, user="jan", password=PASSWORD, by=console)
    server = set_smarthost(None, to=HOST, user="serwer", password=f"{PASSWORD}2", by=console)
    private = opener.open(key.sealed_key, purpose=key.purpose)
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert opener.open(row.sealed_password, purpose=row.purpose) == PASSWORD
    assert opener.open(server.sealed_password, purpose=server.purpose) == f"{PASSWORD}2"
    dump = everything_in_the_database()
    assert key.selector in dump
    # Its first lines are the public half.
    assert not [word for word in (PASSWORD, "PRIVATE KEY", private.splitlines()[-4]) if word in dump]


def test_a_seal_opens_for_its_own_purpose_alone(opener: Opener) -> None:
    purpose = ("smarthost", "alfa.example", "[smtp.daleko.example]:587", "jan")
    sealed = seal(PASSWORD, purpose=purpose)
    assert opener.open(sealed, purpose=purpose) == PASSWORD
    for number in range(len(purpose)):
        other = (*purpose[:number], "obcy", *purpose[number + 1 :])
        with pytest.raises(CannotOpen, match="sealed for something else"):
            opener.open(sealed, purpose=other)


@pytest.mark.parametrize("wrong", ["", "abc", "../sealing:AAAA", "{key}:", "{key}:%%%", "{key}:QUJD"])
def test_what_is_no_seal_is_refused(wrong: str, opener: Opener) -> None:
    key = key_of(seal("x", purpose=("a",)))
    with pytest.raises(CannotOpen):
        opener.open(wrong.replace("{key}", key), purpose=("a",))


def test_secrets_of_an_older_version_are_sealed_and_looked_at_again(
    alfa: Domain, console: Actor, opener: Opener
) -> None:
    key = DkimKey.objects.create(domain=alfa, selector="s1", private_key=OLD_KEY, state="signing")
    waiting = DkimKey.objects.create(domain=alfa, selector="s2", private_key=OLD_KEY)
    row = Smarthost.objects.create(domain=alfa, host=HOST, user="jan", password=PASSWORD)
    server = Smarthost.objects.create(domain=None, host=HOST, user="serwer", password=PASSWORD)
    assert look_at_secrets(settings.QMAILUX_LAYOUT).clear == 4
    Change.objects.all().delete()
    assert seal_clear_secrets() == 4
    assert seal_clear_secrets() == 0
    for found in (key, waiting):
        found.refresh_from_db()
        assert opener.open(found.sealed_key, purpose=found.purpose) == OLD_KEY
    for login in (row, server):
        login.refresh_from_db()
        assert opener.open(login.sealed_password, purpose=login.purpose) == PASSWORD
    dump = everything_in_the_database()
    assert not [word for word in (PASSWORD, "PRIVATE KEY") if word in dump]
    touched = {name for change in Change.objects.all() for name in change.keys}
    assert touched == {"alfa.example", "@alfa.example", f"[{HOST}]:587"}
    assert look_at_secrets(settings.QMAILUX_LAYOUT).is_well


def test_a_password_of_an_older_version_is_kept_for_the_same_server(
    alfa: Domain, console: Actor, opener: Opener
) -> None:
    Smarthost.objects.create(domain=alfa, host=HOST, user="jan", password=PASSWORD)
    set_smarthost(alfa, to=HOST, user="jan", password="", by=console)
    seal_clear_secrets()
    row = Smarthost.objects.get(domain=alfa)
    assert opener.open(row.sealed_password, purpose=row.purpose) == PASSWORD


def test_nothing_to_seal_costs_two_questions(
    node: Node, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        seal_clear_secrets()


def test_without_the_private_half_what_is_lost_is_named_and_a_new_key_serves_what_comes(
    alfa: Domain, console: Actor, lost_keys: Path
) -> None:
    layout = settings.QMAILUX_LAYOUT
    key = dkim_actions.add_key(alfa, by=console)
    set_smarthost(None, to=HOST, user="jan", password=PASSWORD, by=console)
    lost = key_of(key.sealed_key)
    with pytest.raises(CannotOpen, match=f"sealed with the key {lost}, which is not in"):
        Opener(layout.sealing_keys).open(key.sealed_key, purpose=key.purpose)
    found = look_at_secrets(layout)
    assert not found.has_key
    named = (f"DKIM key of alfa.example ({lost})", f"smarthost password of the server ({lost})")
    assert found.lost == named
    ensure_sealing_key(layout)
    row = set_smarthost(None, to=HOST, user="jan", password="nowe", by=console)
    assert Opener(layout.sealing_keys).open(row.sealed_password, purpose=row.purpose) == "nowe"
    found = look_at_secrets(layout)
    assert found.has_key
    assert found.lost == named[:1]
    # The key from the backup beside the new one opens what was sealed with it.
    (layout.sealing_keys / lost).write_bytes((lost_keys / lost).read_bytes())
    assert look_at_secrets(layout).is_well
    assert "PRIVATE" in Opener(layout.sealing_keys).open(key.sealed_key, purpose=key.purpose)
    (layout.sealing_keys / lost).unlink()


def test_without_a_key_at_all_the_sentence_says_who_makes_it(alfa: Domain, console: Actor) -> None:
    public = settings.QMAILUX_LAYOUT.sealing_public
    half = public.read_bytes()
    public.unlink()
    try:
        with pytest.raises(SetupError, match="stack prepare"):
            dkim_actions.add_key(alfa, by=console)
    finally:
        public.write_bytes(half)
    assert not DkimKey.objects.exists()
