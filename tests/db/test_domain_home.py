"""A domain's home: numbers, space over time, limits with what is left, last changes. And who sets limits."""

from __future__ import annotations

import datetime
import re

import pytest
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, MailboxUsage
from domains import actions as domain_actions
from domains.models import Domain
from domains.numbers import DomainDay, forget_old_days, recount, recount_changed, used_space_of
from provisioning.models import Node, NodeReport
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
HOME, LIMITS = "/domain/firma.test/", "/domain/firma.test/limits/"
MEBIBYTE, GIBIBYTE = 1024**2, 1024**3
TODAY = datetime.date(2026, 11, 25)


def text_of(account: Account, path: str) -> str:
    """The page in English, with single blanks."""
    Account.objects.filter(pk=account.pk).update(language="en")
    return re.sub(r"\s+", " ", logged_in(account).get(path).content.decode())


def test_home_counts_accounts_and_aliases(firma: Domain, obca: Domain, pola: Account, console: Actor) -> None:
    locked = actions.add_account(domain=firma, localpart="zamek", password=PASSWORD, by=console)
    actions.lock_account(locked, by=console)
    for localpart, target in (("tu", "x@obca.test"), ("tam", "x@daleko.example"), ("*", "pola@firma.test")):
        actions.add_alias(domain=firma, localpart=localpart, targets=[target], by=console)
    page = text_of(pola, HOME)
    for number in (
        "<strong>2</strong> accounts",
        "<strong>1</strong> locked",
        "<strong>2</strong> aliases",
        "<strong>1</strong> local alias",
        "<strong>1</strong> catch-all",
    ):
        assert number in page


def test_home_of_a_big_domain_shows_kept_numbers(
    firma: Domain, pola: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    recount([firma.pk])
    monkeypatch.setattr("domains.numbers.FEW_ROWS", 0)
    Account.objects.filter(pk=pola.pk).update(state="active")
    firma.numbers.account_count = 12345
    firma.numbers.save()
    assert "<strong>12,345</strong> accounts" in text_of(pola, HOME)


def test_each_day_keeps_its_last_numbers(firma: Domain, ala: Account) -> None:
    usage = MailboxUsage.objects.create(account=ala, used_bytes=MEBIBYTE, message_count=1)
    recount([firma.pk])
    usage.used_bytes = 3 * MEBIBYTE
    usage.save()
    recount([firma.pk])
    day = DomainDay.objects.get()
    assert (day.on, day.used_bytes, day.account_count) == (timezone.localdate(), 3 * MEBIBYTE, 1)


def kept(firma: Domain, **days_ago: int) -> None:
    for name, used in days_ago.items():
        on = TODAY - datetime.timedelta(days=int(name.removeprefix("d")))
        DomainDay.objects.create(domain=firma, on=on, used_bytes=used)


def test_days_without_a_row_hold_what_the_last_one_held(firma: Domain) -> None:
    kept(firma, d3=5, d1=7)
    assert [used for _day, used in used_space_of(firma.pk, TODAY)] == [5, 5, 7, 7]
    kept(firma, d200=2)
    course = used_space_of(firma.pk, TODAY)
    assert len(course) == 90
    assert [used for _day, used in course][-6:] == [2, 2, 5, 5, 7, 7]


def test_old_days_are_forgotten_but_the_newest_that_still_tells(firma: Domain) -> None:
    kept(firma, d500=1, d450=2, d10=3)
    forget_old_days(TODAY)
    assert list(DomainDay.objects.order_by("on").values_list("used_bytes", flat=True)) == [2, 3]


def test_home_draws_the_used_space(firma: Domain, pola: Account) -> None:
    assert "Nothing has been counted yet." in text_of(pola, HOME)
    today = timezone.localdate()
    for days, used in ((30, 1 * GIBIBYTE), (0, 6 * GIBIBYTE)):
        DomainDay.objects.create(domain=firma, on=today - datetime.timedelta(days=days), used_bytes=used)
    page = text_of(pola, HOME)
    assert page.count("<rect ") == 31
    assert "6 GB now" in page
    heights = [float(found) for found in re.findall(r'<rect [^>]* height="([\d.]+)"', page)]
    assert heights[-1] == pytest.approx(6 * heights[0], rel=0.02)


def test_limits_say_what_is_left(firma: Domain, pola: Account, console: Actor) -> None:
    settings = {"max_accounts": 5, "max_aliases": 0, "max_quota_bytes": 10 * GIBIBYTE}
    actions.edit_account(pola, quota_bytes=3 * GIBIBYTE, by=console)
    domain_actions.edit_domain(firma, settings=settings, by=console)
    actions_page = text_of(pola, HOME)
    assert "1 of 5, 4 left" in actions_page
    assert "3 GB of 10 GB, 7 GB left" in actions_page
    domain_actions.edit_domain(firma, settings={"max_accounts": 0}, by=console)
    assert "1 of 0, 0 left" in text_of(pola, LIMITS)
    assert "over the limit" in text_of(pola, LIMITS)


def test_superadmin_sets_limits_and_the_postmaster_cannot(
    firma: Domain, pola: Account, root: Account
) -> None:
    typed = {"max_accounts": "2", "max_quota": "5 GB", "default_quota": "1 GB"}
    assert 'name="max_accounts"' not in text_of(pola, LIMITS)
    assert logged_in(pola).post(LIMITS, typed).status_code == 403
    firma.refresh_from_db()
    assert firma.max_accounts is None
    assert logged_in(root).post(LIMITS, typed).status_code == 302
    limits = Domain.objects.values_list(
        "max_accounts", "max_aliases", "max_quota_bytes", "default_quota_bytes"
    )
    assert limits.get(pk=firma.pk) == (2, None, 5 * GIBIBYTE, GIBIBYTE)
    over = {"localpart": "druga", "password": PASSWORD, "quota": "10 GB", "language": "pl"}
    refused = logged_in(pola).post("/domain/firma.test/accounts/add/", over).content.decode()
    assert "5" in refused
    assert not Account.objects.filter(localpart="druga").exists()


def test_untouched_size_stays_to_the_byte(firma: Domain, root: Account, console: Actor) -> None:
    domain_actions.edit_domain(firma, settings={"max_quota_bytes": 5 * MEBIBYTE + 7}, by=console)
    page = text_of(root, LIMITS)
    assert 'value="5 MB"' in page
    logged_in(root).post(LIMITS, {"max_accounts": "9", "max_quota": "5 MB", "default_quota": "1 GB"})
    firma.refresh_from_db()
    assert (firma.max_accounts, firma.max_quota_bytes) == (9, 5 * MEBIBYTE + 7)


def test_a_limit_of_nothing_is_a_slip(firma: Domain, root: Account) -> None:
    Account.objects.filter(pk=root.pk).update(language="en")
    answer = logged_in(root).post(LIMITS, {"max_account_quota": "0", "default_quota": "1 GB"})
    assert "0 would allow no account at all" in answer.content.decode()


def test_more_promised_than_the_disk_holds_is_a_warning_and_no_wall(
    firma: Domain, pola: Account, root: Account, console: Actor
) -> None:
    found = {"disk": {"size": 100 * MEBIBYTE, "free": 5 * MEBIBYTE, "free_percent": 5}}
    NodeReport.objects.create(node=Node.objects.get(), found=found, looked_at=timezone.now())
    actions.edit_account(pola, quota_bytes=10 * MEBIBYTE, by=console)
    recount_changed()
    assert "the disks hold" not in text_of(root, LIMITS)
    answer = logged_in(root).post(LIMITS, {"max_quota": "1 GB", "default_quota": "1 GB"})
    assert answer.status_code == 302
    assert "Quotas promise 1 GB, the disks hold 100 MB" in text_of(root, LIMITS)
    actions.edit_account(pola, quota_bytes=GIBIBYTE, by=console)
    assert "the disks hold" not in text_of(pola, LIMITS), "the server's disk is the superadmin's business"


def test_last_changes_are_for_who_may_read_the_audit(
    firma: Domain, pola: Account, hela: Account, ala: Account, console: Actor
) -> None:
    actions.lock_account(ala, by=console)
    for person, sees in ((pola, True), (hela, False)):
        assert ("Account locked" in text_of(person, HOME)) is sees
