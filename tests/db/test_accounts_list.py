"""The accounts list: what its words mean, its orders, its search, and its file."""

from __future__ import annotations

import csv
import datetime
import io
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.growth import days_until_full, keep_samples
from accounts.listing import DEFINITIONS, FILTERS
from accounts.models import Account, MailboxUsage
from domains import actions as domain_actions
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.db.test_lists_under_change import walk
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
LIST = "/domain/firma.test/accounts/"
GIGABYTE = 1024**3
# Of a whole page: session, rights, frame, list.
MOST_QUERIES = 17
TODAY = datetime.date(2026, 11, 25)


@pytest.fixture
def reader(pola: Account) -> Client:
    Account.objects.filter(pk=pola.pk).update(language="en", used_bytes=5, quota_bytes=0)
    pola.refresh_from_db()
    return logged_in(pola)


def add(firma: Domain, localpart: str, **columns: object) -> Account:
    account = actions.add_account(domain=firma, localpart=localpart, password=PASSWORD, by=Actor.console())
    Account.objects.filter(pk=account.pk).update(**columns)
    account.refresh_from_db()
    return account


def shown(client: Client, **asked: str) -> list[str]:
    page = client.get(LIST, asked).content.decode()
    table = page.partition("Aliases that were found")[0]
    return re.findall(r"<strong>([a-z]+)</strong><span", table)


def test_every_word_of_the_page_is_explained(reader: Client, firma: Domain) -> None:
    page = reader.get(LIST).content.decode()
    for word, meaning in DEFINITIONS:
        assert f"<dt>{word}</dt><dd>{meaning}</dd>" in page
    assert {str(label) for label, _narrow in FILTERS.values()} <= {str(word) for word, _text in DEFINITIONS}


def test_locked_means_itself_or_through_the_domain(reader: Client, firma: Domain, console: Actor) -> None:
    actions.lock_account(add(firma, "zamkniete"), by=console)
    assert shown(reader, filter="locked") == ["zamkniete"]
    domain_actions.lock_domain(firma, by=console)
    root = actions.add_operator(address="root@localhost", password=PASSWORD, is_superuser=True, by=console)
    page = logged_in(root).get(LIST, {"filter": "locked"}).content.decode()
    assert re.findall(r"<strong>([a-z]+)</strong><span", page) == ["pola", "zamkniete"]
    assert "locked by the domain" in page


def test_over_quota_and_almost_full(reader: Client, firma: Domain) -> None:
    add(firma, "pelne", quota_bytes=GIGABYTE, used_bytes=GIGABYTE)
    add(firma, "prawie", quota_bytes=GIGABYTE, used_bytes=GIGABYTE - 1)
    add(firma, "dziewiec", quota_bytes=1000, used_bytes=900)
    add(firma, "luz", quota_bytes=1000, used_bytes=899)
    add(firma, "bezlimitu", quota_bytes=0, used_bytes=10 * GIGABYTE)
    assert shown(reader, filter="over-quota") == ["pelne"]
    assert shown(reader, filter="almost-full") == ["dziewiec", "prawie"]
    page = reader.get(LIST).content.decode()
    assert page.count('badge bad">over quota') == 1
    assert page.count('badge wait">almost full') == 2


def test_full_in_so_many_days_follows_the_growth(reader: Client, firma: Domain) -> None:
    account = add(firma, "rosnie", quota_bytes=1000, used_bytes=910)
    usage = MailboxUsage.objects.create(account=account, used_bytes=700, message_count=1)
    today = timezone.localdate()
    keep_samples(today - datetime.timedelta(days=7))
    keep_samples(today - datetime.timedelta(days=1))
    MailboxUsage.objects.update(used_bytes=910)
    usage.refresh_from_db()
    assert days_until_full(usage, 1000, today) == 3, "30 bytes a day, 90 are left"
    assert "full in 3 days" in reader.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("held", "quota", "days"),
    [
        (700, 1000, 3),
        (910, 1000, None),
        (950, 1000, None),
        (700, 0, None),
        (700, 900, None),
        (909, 10**6, None),
    ],
)
def test_days_until_full(held: int, quota: int, days: int | None) -> None:
    week_ago = TODAY - datetime.timedelta(days=7)
    usage = MailboxUsage(used_bytes=910, week_ago_bytes=held, week_ago_on=week_ago)
    assert days_until_full(usage, quota, TODAY) == days


def test_samples_are_one_to_two_weeks_old(firma: Domain, ala: Account) -> None:
    MailboxUsage.objects.create(account=ala, used_bytes=0, message_count=0)
    for day in range(30):
        MailboxUsage.objects.update(used_bytes=day)
        keep_samples(TODAY + datetime.timedelta(days=day))
    usage = MailboxUsage.objects.get()
    assert (usage.before_bytes, usage.week_ago_bytes) == (21, 28)


def test_never_logged_in(reader: Client, firma: Domain) -> None:
    add(firma, "nigdy")
    add(firma, "byl", logged_in_at=timezone.now())
    assert shown(reader, filter="never") == ["nigdy", "pola"]
    assert shown(reader, sort="-login")[0] == "byl"


def test_login_to_the_panel_counts(ala: Account) -> None:
    assert not ala.has_logged_in
    Client().post("/login/", {"username": ala.address, "password": PASSWORD})
    ala.refresh_from_db()
    assert ala.has_logged_in


def test_forwarding_outside_and_autoresponder_on(
    reader: Client, firma: Domain, obca: Domain, console: Actor
) -> None:
    domain_actions.add_domain_alias(obca, name="druga.test", by=console)
    for localpart, target in (("tu", "x@obca.test"), ("tez", "x@druga.test"), ("dalej", "x@daleko.example")):
        person = add(firma, localpart)
        actions.set_forwarding(person, targets=[target, "pola@firma.test"], keeps_copy=True, by=console)
    reply = {"subject": "Nie ma mnie", "text": "Wracam", "interval_hours": 24}
    actions.set_autoresponder(person, is_on=True, by=console, **reply)  # type: ignore[arg-type]
    actions.set_autoresponder(add(firma, "wylaczony"), is_on=False, by=console, **reply)  # type: ignore[arg-type]
    assert shown(reader, filter="outside") == ["dalej"]
    assert shown(reader, filter="answering") == ["dalej"]


def test_local_alias_has_every_target_here_and_the_catch_all_counts_apart(
    reader: Client, firma: Domain, obca: Domain, console: Actor
) -> None:
    for localpart, targets in (
        ("tu", ["a@firma.test", "b@obca.test"]),
        ("poza", ["a@firma.test", "b@daleko.example"]),
        ("*", ["a@firma.test"]),
    ):
        actions.add_alias(domain=firma, localpart=localpart, targets=targets, by=console)
    page = re.sub(r"\s+", " ", reader.get("/domain/firma.test/").content.decode())
    for number in (
        "<strong>2</strong> aliases",
        "<strong>1</strong> local alias",
        "<strong>1</strong> catch-all",
    ):
        assert number in page


def test_one_search_finds_accounts_and_aliases_and_says_which(
    reader: Client, firma: Domain, console: Actor
) -> None:
    add(firma, "kowalski")
    add(firma, "jan", name="Jan Kowal")
    actions.add_alias(domain=firma, localpart="kowboj", targets=["x@daleko.example"], by=console)
    actions.add_alias(domain=firma, localpart="biuro", targets=["kowalski@firma.test"], by=console)
    actions.add_alias(domain=firma, localpart="inny", targets=["x@daleko.example"], by=console)
    page = reader.get(LIST, {"q": "KOW"}).content.decode()
    accounts, _heading, aliases = page.partition("Aliases that were found")
    assert re.findall(r"<strong>([a-z]+)</strong><span", accounts) == ["jan", "kowalski"]
    assert re.findall(r"<strong>([a-z]+)</strong><span", aliases) == ["biuro", "kowboj"]
    assert aliases.count('class="badge">alias') == 2


@pytest.mark.parametrize("sort", ["used", "-used", "quota", "-quota", "login", "-login", "-address"])
def test_each_order_is_walked_to_its_end_and_back(sort: str, reader: Client, firma: Domain) -> None:
    encoded = add(firma, "zz").password
    rows = [actions.NewAccount(firma, f"k{number:03}", encoded) for number in range(130)]
    actions.add_accounts(rows, by=Actor.console())
    for number, account in enumerate(Account.objects.filter(localpart__startswith="k")):
        seen = timezone.now() - datetime.timedelta(days=number % 3)
        Account.objects.filter(pk=account.pk).update(
            used_bytes=number % 7, quota_bytes=number % 2, logged_in_at=seen
        )
    column = {"used": "used_bytes", "quota": "quota_bytes", "login": "logged_in_at", "address": "localpart"}
    key, sign = column[sort.removeprefix("-")], "-" if sort.startswith("-") else ""
    wanted = Account.objects.filter(localpart__startswith="k").order_by(f"{sign}{key}", f"{sign}pk")
    assert walk(reader, f"{LIST}?sort={sort}", []) == [account.localpart for account in wanted]
    second = re.search(r'rel="next" href="([^"]+)"', reader.get(LIST, {"sort": sort}).content.decode())
    assert second is not None
    page = reader.get(LIST + second[1].replace("&amp;", "&")).content.decode()
    back = re.search(r'rel="prev" href="([^"]+)"', page)
    assert back is not None
    first = reader.get(LIST + back[1].replace("&amp;", "&")).content.decode()
    names = r"<strong>([a-z0-9]+)</strong><span"
    assert re.findall(names, first) == re.findall(names, reader.get(LIST, {"sort": sort}).content.decode())


@pytest.mark.parametrize("key", ["x", "a b c", "9" * 30 + " 1", "2026-01-01 1", "%00", " "])
def test_a_key_that_is_none_means_the_first_page(key: str, reader: Client) -> None:
    for sort in ("used", "login", "address"):
        assert reader.get(LIST, {"sort": sort, "after": key}).status_code == 200


def test_PRM_06_export_is_what_the_list_shows_and_holds_no_formula(reader: Client, firma: Domain) -> None:
    add(firma, "zly", name="=1+1", used_bytes=7)
    add(firma, "inny", name="Jan")
    answer = reader.get(f"{LIST}export.csv", {"q": "1+1"})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [list(row.items()) for row in rows] == [
        [
            ("Address", "zly@firma.test"),
            ("Name", "'=1+1"),
            ("Used, MB", "1"),
            ("Quota, MB", "1024"),
            ("State", "active"),
            ("Last login", "never"),
            ("Language", "Polish"),
        ]
    ]


def test_list_asks_the_same_number_of_queries_for_one_row_and_for_fifty(
    reader: Client, firma: Domain
) -> None:
    encoded = add(firma, "zz").password
    reader.get(LIST)
    with CaptureQueriesContext(connection) as for_one:
        reader.get(LIST)
    rows = [actions.NewAccount(firma, f"k{number:03}", encoded) for number in range(60)]
    actions.add_accounts(rows[:40], by=Actor.console())
    with CaptureQueriesContext(connection) as for_forty:
        reader.get(LIST)
    assert len(for_forty) <= len(for_one)
    actions.add_accounts(rows[40:], by=Actor.console())
    with CaptureQueriesContext(connection) as for_more:
        reader.get(LIST)
    assert len(for_more) <= len(for_one) + 1 <= MOST_QUERIES, "what one page cannot show is counted"
