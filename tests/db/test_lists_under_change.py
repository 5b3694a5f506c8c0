"""Lists that are walked while they change (CON-05), and searches for signs with a meaning to databases."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from provisioning.models import Node
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]


@pytest.fixture
def many(firma: Domain, console: Actor) -> list[str]:
    """Ready hashes: 130 accounts in a moment."""
    encoded = actions.add_account(domain=firma, localpart="zz", password=PASSWORD, by=console).password
    rows = [actions.NewAccount(firma, f"k{number:03}", encoded) for number in range(130)]
    actions.add_accounts(rows, by=console)
    return [row.localpart for row in rows]


def walk(client: Client, path: str, between: list[object]) -> list[str]:
    """The local parts on all pages; after each page the next of ``between`` is called."""
    seen: list[str] = []
    address = path
    while address:
        page = client.get(address).content.decode()
        seen += re.findall(r"<strong>(k\d+x?)</strong>", page)
        if between:
            between.pop(0)()  # type: ignore[operator]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = path.partition("?")[0] + following[1].replace("&amp;", "&") if following else ""
    return seen


def test_CON_05_no_row_is_skipped_or_doubled_while_others_come_and_go(
    pola: Account, firma: Domain, many: list[str], console: Actor
) -> None:
    def add_in_front() -> None:
        encoded = Account.objects.get(localpart="zz").password
        rows = [actions.NewAccount(firma, f"a{number:03}", encoded) for number in range(60)]
        actions.add_accounts(rows, by=console)

    def delete_what_was_seen() -> None:
        for account in Account.objects.filter(localpart__in=many[:20]):
            actions.delete_account(account, by=console)

    seen = walk(logged_in(pola), "/domain/firma.test/accounts/", [add_in_front, delete_what_was_seen])
    assert seen == many


@pytest.mark.parametrize(
    ("typed", "found"),
    [("50%", {"jan"}), ("a_b", {"anna"}), ("c\\d", {"ola"}), ("%", {"jan"}), ("\\", {"ola"}), ("Ż", {"ula"})],
)
def test_CON_05_signs_of_the_database_mean_themselves(
    typed: str, found: set[str], pola: Account, firma: Domain, console: Actor
) -> None:
    for localpart, name in (
        ("jan", "50% Jan"),
        ("anna", "a_b"),
        ("ola", "c\\d"),
        ("ula", "Ula Żak"),
        ("x", "axb"),
    ):
        actions.add_account(domain=firma, localpart=localpart, password=PASSWORD, name=name, by=console)
    page = logged_in(pola).get("/domain/firma.test/accounts/", {"q": typed}).content.decode()
    assert set(re.findall(r"<strong>([a-z]+)</strong><span", page)) == found


def test_CON_05_search_is_blind_to_the_case_of_polish_letters(
    node: Node, pola: Account, firma: Domain, console: Actor
) -> None:
    actions.add_account(domain=firma, localpart="ula", password=PASSWORD, name="Ula Żółć", by=console)
    for typed in ("żółć", "ŻÓŁĆ", "Żółć"):
        page = logged_in(pola).get("/domain/firma.test/accounts/", {"q": typed}).content.decode()
        assert "<strong>ula</strong>" in page, typed
