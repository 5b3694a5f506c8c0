"""A change that failed: people read what it means, who runs the server reads the server's words."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, Alias
from domains.models import Domain
from provisioning.life import life_of
from provisioning.models import Change
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
RAW = "postmap ended with code 75: disk full"


@pytest.fixture
def alias(firma: Domain, ala: Account, pola: Account, console: Actor) -> Alias:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=[ala.address], by=console)
    # As the worker notes it.
    Change.objects.update(error=RAW)
    Account.objects.update(language="en")
    return alias


def pages_of(alias: Alias, ala: Account) -> list[str]:
    """With the life of one object, with badges of many, and with what is wrong."""
    return [
        f"/domain/firma.test/aliases/{alias.pk}/",
        "/domain/firma.test/aliases/",
        "/domain/firma.test/accounts/",
        f"/domain/firma.test/accounts/{ala.pk}/",
        f"/domain/firma.test/accounts/{ala.pk}/check/",
        f"/domain/firma.test/life/?key={ala.address}",
    ]


def test_postmaster_and_user_read_what_it_means(alias: Alias, ala: Account, pola: Account) -> None:
    for person, path in [*((pola, path) for path in pages_of(alias, ala)), (ala, "/forwarding/")]:
        page = logged_in(person).get(path).content.decode()
        assert "It is saved and nothing is lost" in page, path
        assert "postmap" not in page, path


def test_superadmin_reads_the_servers_words(alias: Alias, ala: Account, root: Account) -> None:
    for path in pages_of(alias, ala):
        assert RAW in logged_in(root).get(path).content.decode(), path


def test_superadmin_who_acts_for_somebody_reads_as_that_person(
    alias: Alias, ala: Account, root: Account
) -> None:
    client = logged_in(root)
    client.post(f"/impersonate/{ala.pk}/", {"reason": "pyta o pomoc"})
    page = client.get("/forwarding/").content.decode()
    assert "It is saved and nothing is lost" in page
    assert "postmap" not in page


def test_meaning_is_told_in_the_readers_language(alias: Alias, ala: Account) -> None:
    client = logged_in(ala)
    client.cookies["django_language"] = "pl"
    Account.objects.update(language="pl")
    assert "Jest zapisana i nic nie przepadło" in client.get("/forwarding/").content.decode()


def test_command_says_the_servers_words(
    alias: Alias, ala: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call_command("account", "check", ala.address)
    assert RAW in capsys.readouterr().out
    assert life_of("firma.test", ala.address).error == RAW
