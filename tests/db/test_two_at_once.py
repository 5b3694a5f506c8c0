"""Two postmasters edit one thing at once, each on a page of their own."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, Alias
from domains import actions as domain_actions
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
SENTENCE = "Somebody else has changed this meanwhile"


@pytest.fixture
def two(firma: Domain, pola: Account, console: Actor) -> list[Client]:
    second = actions.add_account(domain=firma, localpart="ewa", password=PASSWORD, by=console)
    domain_actions.set_managers(firma, addresses=[pola.address, second.address], by=console)
    Account.objects.update(language="en")
    return [logged_in(Account.objects.get(pk=person.pk)) for person in (pola, second)]


def form_of(client: Client, path: str, action: str) -> dict[str, str]:
    """The form that leads there, as a browser would send it back."""
    page = client.get(path).content.decode()
    form = next(part for part in page.split("<form")[1:] if f'action="{action}"' in part or action == "")
    form = form.partition("</form>")[0]
    values = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and not ("checkbox" in tag and "checked" not in tag):
            values[name[1]] = html.unescape(value[1]) if value else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        values[name] = html.unescape(text).strip()
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        values[name] = re.search(r'value="([^"]*)" selected', options)[1]  # type: ignore[index]
    return values


def test_changes_of_different_fields_both_stand(two: list[Client], ala: Account) -> None:
    path = f"/domain/firma.test/accounts/{ala.pk}/"
    first, second = (form_of(client, path, path) for client in two)
    assert two[0].post(path, first | {"name": "Alicja"}).status_code == 302
    assert two[1].post(path, second | {"quota": "7"}).status_code == 302
    ala.refresh_from_db()
    assert (ala.name, ala.quota_bytes) == ("Alicja", 7 * 1024 * 1024)


@pytest.mark.parametrize(("field", "one", "other"), [("name", "Alicja", "Alina"), ("quota", "5", "6")])
def test_the_second_change_of_one_field_is_refused_and_what_was_typed_stays(
    field: str, one: str, other: str, two: list[Client], ala: Account
) -> None:
    path = f"/domain/firma.test/accounts/{ala.pk}/"
    first, second = (form_of(client, path, path) for client in two)
    assert two[0].post(path, first | {field: one}).status_code == 302
    answer = two[1].post(path, second | {field: other}).content.decode()
    assert SENTENCE in answer
    assert f'value="{other}"' in answer
    ala.refresh_from_db()
    kept = {"name": ala.name, "quota": str(ala.quota_bytes // 1024 // 1024)}
    assert kept[field] == one


def test_targets_of_a_forwarding(two: list[Client], ala: Account) -> None:
    page = f"/domain/firma.test/accounts/{ala.pk}/"
    path = f"{page}forwarding/"
    first, second = (form_of(client, page, path) for client in two)
    assert two[0].post(path, first | {"targets": "a@daleko.example"}).status_code == 302
    assert SENTENCE in two[1].post(path, second | {"targets": "b@daleko.example"}).content.decode()
    assert [target.address for target in ala.forwarding.targets.all()] == ["a@daleko.example"]
    again = form_of(two[1], page, path)
    assert two[1].post(path, again | {"targets": "b@daleko.example"}).status_code == 302


def test_targets_of_an_alias(two: list[Client], firma: Domain, ala: Account, console: Actor) -> None:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=[ala.address], by=console)
    path = f"/domain/firma.test/aliases/{alias.pk}/"
    seen = {"initial-targets": ala.address}
    assert two[0].post(path, seen | {"targets": f"{ala.address}\na@daleko.example"}).status_code == 302
    assert SENTENCE in two[1].post(path, seen | {"targets": "b@daleko.example"}).content.decode()
    kept = Alias.objects.get(pk=alias.pk).targets.values_list("address", flat=True)
    assert list(kept) == [ala.address, "a@daleko.example"]
    assert f'name="initial-targets" value="{ala.address}' in two[1].get(path).content.decode()
