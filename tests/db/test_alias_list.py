"""The aliases list: where targets lead, its filters and search; and the other names of a domain."""

from __future__ import annotations

import io
import json
import random
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import actions, circles
from accounts.actor import Actor
from accounts.models import Account, Alias, AliasTarget, TakenAddress
from domains import actions as domain_actions
from domains import relay_actions
from domains.models import Domain, DomainAlias
from provisioning.facts import Facts, Fate
from qmailux_site import counting
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
LIST, NAMES = "/domain/firma.test/aliases/", "/domain/firma.test/names/"


@pytest.fixture
def client(pola: Account) -> Client:
    Account.objects.filter(pk=pola.pk).update(language="en")
    return logged_in(pola)


def add(firma: Domain, localpart: str, *targets: str) -> Alias:
    return actions.add_alias(domain=firma, localpart=localpart, targets=targets, by=Actor.console())


def mark_of(**asked: str) -> str:
    target: Any = AliasTarget.objects.marked().get(**asked)
    return "broken" if target.is_broken else "elsewhere" if target.is_outside else "here"


@pytest.mark.parametrize(
    ("target", "mark"),
    [
        ("pola@firma.test", "here"),
        ("pola+praca@firma.test", "here"),
        ("pola@druga.test", "here"),
        ("drugi-alias@firma.test", "here"),
        ("postmaster@obca.test", "here"),
        ("ktokolwiek@zbiorcza.test", "here"),
        ("ktokolwiek@tez-zbiorcza.test", "here"),
        ("kto@przekazywana.test", "here"),
        ("nikt@firma.test", "broken"),
        ("nikt@druga.test", "broken"),
        ("nikt@obca.test", "broken"),
        ("x@daleko.example", "elsewhere"),
        ("pola@pod.firma.test", "elsewhere"),
    ],
)
def test_marks_of_targets(
    target: str, mark: str, firma: Domain, obca: Domain, pola: Account, console: Actor
) -> None:
    domain_actions.add_domain_alias(firma, name="druga.test", by=console)
    add(firma, "drugi-alias", "pola@firma.test")
    caught = domain_actions.add_domain(name="zbiorcza.test", by=console)
    domain_actions.add_domain_alias(caught, name="tez-zbiorcza.test", by=console)
    add(caught, "*", "pola@firma.test")
    relayed = domain_actions.add_domain(name="przekazywana.test", by=console)
    relay_actions.pass_on(relayed, to="mx.daleko.example", by=console)
    add(firma, "biuro", target)
    assert mark_of(alias__localpart="biuro") == mark


def test_a_target_breaks_when_its_account_goes(firma: Domain, ala: Account, console: Actor) -> None:
    add(firma, "biuro", ala.address, "x@daleko.example")
    assert mark_of(address=ala.address) == "here"
    actions.rename_account(ala, domain=firma, localpart="alicja", by=console)
    assert mark_of(address="alicja@firma.test") == "here"


def shown(client: Client, **asked: str) -> list[str]:
    page = client.get(LIST, asked).content.decode()
    return re.findall(r"<strong>([a-z*-]+)</strong><span", page)


def test_list_marks_and_filters(client: Client, firma: Domain, obca: Domain, pola: Account) -> None:
    add(firma, "tu", pola.address)
    add(firma, "poza", pola.address, "x@daleko.example")
    add(firma, "zepsuty", "nikt@obca.test")
    add(firma, "*", pola.address)
    page = client.get(LIST).content.decode()
    assert page.count('badge good">here') == 3
    assert page.count('badge">elsewhere') == 1
    assert page.count('badge bad">broken') == 1
    assert shown(client) == ["*", "poza", "tu", "zepsuty"]
    assert shown(client, filter="broken") == ["zepsuty"]
    assert shown(client, filter="local") == ["tu", "zepsuty"]
    assert shown(client, filter="elsewhere") == ["poza"]
    assert shown(client, filter="catch-all") == ["*"]
    assert shown(client, filter="elsewhere", q="dalek") == ["poza"]
    assert shown(client, filter="broken", q="dalek") == []


def test_filter_stays_while_the_list_is_walked(client: Client, firma: Domain, pola: Account) -> None:
    rows = [actions.NewAlias(firma, f"a{number:03}", ("nikt@firma.test",)) for number in range(60)]
    actions.add_aliases(rows, by=Actor.console())
    add(firma, "z", pola.address)
    page = client.get(LIST, {"filter": "broken"}).content.decode()
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    second = client.get(LIST + following[1].replace("&amp;", "&")).content.decode()
    assert re.findall(r"<strong>(\w+)</strong><span", second) == [f"a{number:03}" for number in range(50, 60)]


def test_list_asks_as_many_queries_for_fifty_rows_as_for_one(
    client: Client, firma: Domain, pola: Account
) -> None:
    add(firma, "z", pola.address)
    client.get(LIST)
    with CaptureQueriesContext(connection) as for_one:
        client.get(LIST)
    rows = [
        actions.NewAlias(firma, f"a{number:03}", ("nikt@firma.test", "x@d.example")) for number in range(60)
    ]
    actions.add_aliases(rows, by=Actor.console())
    with CaptureQueriesContext(connection) as for_fifty:
        client.get(LIST)
    assert len(for_fifty) <= len(for_one)


def test_alias_in_another_name_of_the_domain(
    client: Client, firma: Domain, pola: Account, console: Actor
) -> None:
    other = domain_actions.add_domain_alias(firma, name="druga.test", by=console)
    typed = {"localpart": "info", "targets": pola.address, "place": str(other.pk)}
    assert client.post(f"{LIST}add/", typed).status_code == 302
    assert Alias.objects.get().address == "info@druga.test"
    assert client.post(f"{LIST}add/", {**typed, "localpart": "tu", "place": ""}).status_code == 302
    assert Alias.objects.filter(address="tu@firma.test").exists()


def test_account_lists_its_aliases_and_leads_to_a_new_one(
    client: Client, firma: Domain, obca: Domain, pola: Account
) -> None:
    here = add(firma, "biuro", pola.address)
    add(obca, "obce", pola.address)
    page = client.get(f"/domain/firma.test/accounts/{pola.pk}/").content.decode()
    assert f'<a href="/domain/firma.test/aliases/{here.pk}/">biuro@firma.test</a>' in page
    assert '<li class="address">obce@obca.test</li>' in page
    leading = re.search(r'href="([^"]+add/\?to=[^"]+)"', page)
    assert leading is not None
    assert "pola@firma.test</textarea>" in client.get(leading[1]).content.decode()


def test_superadmin_adds_and_removes_a_name_and_the_postmaster_sees_it(
    client: Client, firma: Domain, root: Account, pola: Account
) -> None:
    superadmin = logged_in(root)
    assert superadmin.post(NAMES, {"name": "Żółw.test"}).status_code == 302
    other = DomainAlias.objects.get()
    assert other.name == "xn--w-uga1v8h.test"
    page = client.get(NAMES).content.decode()
    assert "żółw.test" in page
    assert 'name="name"' not in page
    assert client.post(NAMES, {"name": "inna.test"}).status_code == 403
    assert client.post(f"{NAMES}{other.pk}/delete/").status_code == 403
    refused = superadmin.post(NAMES, {"name": "firma.test"}).content.decode()
    assert "already exists" in refused
    add(firma, "x", pola.address)
    alias = actions.add_alias(
        domain=firma, localpart="w-nim", targets=[pola.address], domain_alias=other, by=Actor.console()
    )
    superadmin.post(f"{NAMES}{other.pk}/delete/")
    assert DomainAlias.objects.exists(), "an alias lies in it"
    actions.delete_alias(alias, by=Actor.console())
    assert superadmin.post(f"{NAMES}{other.pk}/delete/").status_code == 302
    assert not DomainAlias.objects.exists()


def circle_marks(client: Client, **asked: str) -> dict[str, list[str]]:
    """Each shown alias with the words at its targets."""
    page = client.get(LIST, asked).content.decode()
    rows = re.findall(r"<tr><td class=\"first\">.*?</tr>", page, re.DOTALL)
    return {
        re.findall(r"<strong>([a-z0-9*-]+)</strong>", row)[0]: re.findall(
            r'badge[a-z ]*">([^<]+)<', row.partition("data-label")[2]
        )
        for row in rows
    }


def test_circles_are_marked_and_counted_as_broken(
    client: Client, firma: Domain, obca: Domain, pola: Account, console: Actor
) -> None:
    domain_actions.add_domain_alias(firma, name="druga.test", by=console)
    add(firma, "a", "b@firma.test")
    add(firma, "b", "a@druga.test")
    add(firma, "c1", "c2+praca@firma.test")
    add(firma, "c2", "c3@obca.test")
    add(obca, "c3", "c1@firma.test")
    add(firma, "do-kola", "a@firma.test", pola.address)
    add(firma, "dalej", "d2@firma.test")
    add(firma, "d2", "nikt@firma.test")
    add(firma, "e", "f@firma.test")
    add(firma, "f", "e@firma.test", "nikt@firma.test")
    assert circle_marks(client) == {
        "a": ["in a circle"],
        "b": ["in a circle"],
        "c1": ["in a circle"],
        "c2": ["in a circle"],
        "d2": ["broken"],
        "dalej": ["broken"],
        "do-kola": ["in a circle", "here"],
        "e": ["in a circle"],
        "f": ["in a circle", "broken"],
    }
    assert list(circle_marks(client, filter="broken")) == list(circle_marks(client))
    assert "<strong>9</strong> broken" in client.get(LIST).content.decode()
    alias = Alias.objects.get(address="a@firma.test")
    assert 'badge bad">in a circle' in client.get(f"{LIST}{alias.pk}/").content.decode()


def test_circle_through_the_catch_all(client: Client, firma: Domain, obca: Domain) -> None:
    add(firma, "*", "ktokolwiek@obca.test")
    add(obca, "*", "nieznany@firma.test")
    assert circle_marks(client) == {"*": ["in a circle"]}
    assert list(circle_marks(client, filter="broken")) == ["*"]


def test_way_out_of_a_circle_is_no_fault(client: Client, firma: Domain, pola: Account) -> None:
    """The mail plane leaves out only what comes back (provisioning.facts): b still reaches pola through a."""
    add(firma, "a", "b@firma.test", pola.address)
    add(firma, "b", "a@firma.test")
    add(firma, "e", "x@firma.test", "y@firma.test")
    add(firma, "x", "z@firma.test")
    add(firma, "y", "z@firma.test")
    add(firma, "z", "postmaster@firma.test")
    assert circle_marks(client) == {
        "a": ["in a circle", "here"],
        "b": ["here"],
        "e": ["here", "here"],
        "x": ["here"],
        "y": ["here"],
        "z": ["here"],
    }
    assert circle_marks(client, filter="broken") == {"a": ["in a circle", "here"]}


def test_recipient_of_a_relay_domain_is_no_circle(client: Client, firma: Domain, console: Actor) -> None:
    relayed = domain_actions.add_domain(name="przekazywana.test", by=console)
    relay_actions.pass_on(relayed, to="mx.daleko.example", by=console)
    relayed.refresh_from_db()
    add(relayed, "kto", "kto@przekazywana.test")
    add(firma, "biuro", "kto@przekazywana.test")
    assert circle_marks(client) == {"biuro": ["here"]}
    assert list(circles.broken(Alias.objects.all())) == []


def test_marks_of_ways_agree_with_the_mail_plane(firma: Domain, obca: Domain, pola: Account) -> None:
    """One rule in two places: what is written for Postfix, and what the list says of it."""
    names = [f"n{number}" for number in range(8)]
    chance = random.Random(7)
    for _round in range(12):
        Alias.objects.all().delete()
        TakenAddress.objects.exclude(address=pola.address).delete()
        ends = [
            *(f"{name}@firma.test" for name in names),
            pola.address,
            "nikt@firma.test",
            "x@daleko.example",
        ]
        for name in chance.sample(names, 7):
            targets = [end for end in chance.sample(ends, 2) if end != f"{name}@firma.test"]
            add(firma, name, *targets)
        facts = Facts(server_mailbox="root@localhost")
        facts.load({target.alias.address for target in AliasTarget.objects.select_related("alias")})
        marked: list[Any] = list(AliasTarget.objects.marked().select_related("alias"))
        circles.mark_ways(marked)
        said = {(target.alias.address, target.address): target.is_broken for target in marked}
        assert said == {
            (alias, target): facts.fate(target, frozenset({alias})) is Fate.MISSING for alias, target in said
        }


def test_alias_list_follows_a_page_of_chains_with_as_many_queries_as_one(
    client: Client, firma: Domain, pola: Account
) -> None:
    def chain(number: int) -> None:
        for step in range(4):
            add(firma, f"a{number:02}-{step}", f"a{number:02}-{step + 1}@firma.test")
        add(firma, f"a{number:02}-4", f"a{number:02}-0@firma.test")

    chain(0)
    client.get(LIST)
    with CaptureQueriesContext(connection) as for_one:
        client.get(LIST)
    for number in range(1, 10):
        chain(number)
    with CaptureQueriesContext(connection) as for_fifty:
        assert client.get(LIST).content.decode().count("in a circle<") >= 50
    assert len(for_fifty) <= len(for_one)


def test_commands_tell_of_circles(firma: Domain, pola: Account) -> None:
    add(firma, "a", "b@firma.test")
    add(firma, "b", "a@firma.test")
    add(firma, "c", "a@firma.test", pola.address)
    add(firma, "dobry", pola.address)
    out = io.StringIO()
    call_command("alias", "list", "--broken", "--json", stdout=out)
    rows = json.loads(out.getvalue())
    assert [(row["address"], row["target"]) for row in rows] == [
        ("a@firma.test", "b@firma.test"),
        ("b@firma.test", "a@firma.test"),
        ("c@firma.test", "a@firma.test"),
    ]
    assert {row["why"] for row in rows} == {"in a circle of aliases: mail to it comes back."}
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("account", "check", "c@firma.test", "--json", stdout=out)
    bad = [fact["finding"] for fact in json.loads(out.getvalue()) if fact["level"] == "bad"]
    assert bad == ["a@firma.test is in a circle of aliases: mail to it comes back."]
    call_command("account", "check", "dobry@firma.test", stdout=out)


def test_of_a_very_large_domain_broken_aliases_are_not_counted_but_found(
    client: Client, firma: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "COUNTED_ROWS", 2)
    for localpart in ("biuro", "sklep", "praca"):
        add(firma, localpart, "nikt@firma.test")
    page = client.get(LIST).content.decode()
    assert "Show those that are broken" in page
    found = client.get(LIST, {"filter": "broken"}).content.decode()
    assert all(f"<strong>{localpart}</strong>" in found for localpart in ("biuro", "sklep", "praca"))
