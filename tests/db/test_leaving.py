"""Somebody leaves: who may order it, what it refuses, what it changes, and its end."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.leaving import Departure
from accounts.models import Account, DeletedMailbox
from audit.models import AuditEvent
from domains.models import Domain
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
TYPED = {"subject": "Ala odeszła", "text": "Pisz do Oli.", "ends_on": "2099-01-31"}


def tomorrow() -> datetime.date:
    return timezone.localdate() + datetime.timedelta(days=1)


@pytest.fixture
def ola(firma: Domain, console: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)


def leave(account: Account, colleague: Account | None, *, by: Actor, **other: Any) -> Departure:
    chosen = {"subject": "x", "text": "y", "ends_on": tomorrow(), **other}
    return actions.begin_departure(account, colleague=colleague, by=by, **chosen)


def test_one_form_does_everything(pola: Account, ala: Account, ola: Account) -> None:
    actions.add_app_password(ala, name="Telefon", by=Actor(real=ala, channel="panel"))
    session = logged_in(ala)
    assert session.get("/").status_code == 200
    typed = {**TYPED, "colleague": "OLA@firma.test", "reason": "umowa się skończyła"}
    answer = logged_in(pola).post(f"/domain/firma.test/accounts/{ala.pk}/leave/", typed)
    assert answer.status_code == 302
    assert session.get("/").status_code == 302
    ala.refresh_from_db()
    assert (ala.state, ala.lock_mode, ala.lock_reason) == ("locked", "accept", "umowa się skończyła")
    assert not ala.app_passwords.exists()
    assert [target.address for target in ala.forwarding.targets.all()] == [ola.address]
    assert not ala.forwarding.keeps_copy
    assert (ala.autoresponder.subject, str(ala.autoresponder.ends_on)) == ("Ala odeszła", "2099-01-31")
    departure = Departure.objects.get(account=ala)
    assert (departure.colleague, departure.folder) == (ola, "ala@firma_test")
    event = AuditEvent.objects.get(action="account.left")
    assert (event.real, event.details["colleague"]) == (pola.address, ola.address)
    page = logged_in(pola).get(f"/domain/firma.test/accounts/{ala.pk}/").content.decode()
    assert "ala@firma_test" in page


def test_sessions_of_others_go_on(pola: Account, ala: Account, ola: Account, console: Actor) -> None:
    stays = logged_in(ola)
    leave(ala, ola, by=console)
    assert stays.get("/").status_code == 200
    assert Session.objects.filter(panel_session__account=ala).count() == 0


def test_refusals_stand_at_their_field(
    pola: Account, ala: Account, ola: Account, obcy: Account, console: Actor
) -> None:
    Account.objects.filter(pk=pola.pk).update(language="en")
    locked = actions.add_account(domain=ola.domain, localpart="zamek", password=PASSWORD, by=console)  # type: ignore[arg-type]
    actions.lock_account(locked, by=console)
    client, url = logged_in(pola), f"/domain/firma.test/accounts/{ala.pk}/leave/"
    for colleague, sentence in (
        ("nikt@firma.test", "no such account in a domain that you manage"),
        (obcy.address, "no such account in a domain that you manage"),
        ("ala@firma.test", "Somebody else must take the mail."),
        ("zamek@firma.test", "is locked itself"),
        ("bez adresu", "is not an address"),
    ):
        assert sentence in client.post(url, {**TYPED, "colleague": colleague}).content.decode(), colleague
    over = client.post(url, {**TYPED, "colleague": ola.address, "ends_on": "2020-01-01"}).content.decode()
    assert "This day is over." in over
    assert not Departure.objects.exists()
    ala.refresh_from_db()
    assert ala.state == "active"


def test_PRM_01_nobody_hands_over_the_mail_of_somebody_with_more_rights(
    pola: Account, ala: Account, ola: Account, obca: Domain, console: Actor
) -> None:
    from domains.actions import set_managers

    set_managers(obca, addresses=[ala.address], by=console)
    with pytest.raises(NotAllowed):
        leave(ala, ola, by=Actor(real=pola, channel="panel"))
    with pytest.raises(NotAllowed):
        leave(ola, pola, by=Actor(real=ala, channel="panel"))


def test_not_while_acting_for_somebody_else(root: Account, pola: Account, ala: Account, ola: Account) -> None:
    with pytest.raises(NotAllowed):
        leave(ala, ola, by=Actor(real=root, channel="panel", acting_as=pola))


def test_once_only(ala: Account, ola: Account, console: Actor) -> None:
    leave(ala, ola, by=console)
    with pytest.raises(ActionRefused, match="already"):
        leave(ala, ola, by=console)


def test_unlocking_ends_it_and_leaves_settings_as_they_are(
    ala: Account, ola: Account, console: Actor
) -> None:
    leave(ala, ola, by=console)
    actions.unlock_account(ala, by=console)
    assert not Departure.objects.exists()
    assert Account.objects.get(pk=ala.pk).forwarding.targets.count() == 1


def end(ala: Account) -> int:
    yesterday = timezone.localdate() - datetime.timedelta(days=1)
    Departure.objects.filter(account=ala).update(ends_on=yesterday)
    return actions.end_departures(by=Actor.task())


def test_after_the_last_day_mail_is_refused(ala: Account, ola: Account, console: Actor) -> None:
    departure = leave(ala, ola, by=console, reason="odeszła")
    assert end(ala) == 0, "not before all mail is there"
    actions.finish_copying(departure, by=Actor.task())
    assert end(ala) == 1
    found = Account.objects.get(pk=ala.pk)
    assert (found.state, found.lock_mode, found.lock_reason) == ("locked", "reject", "odeszła")
    assert not hasattr(found, "forwarding")
    assert not found.autoresponder.is_on
    assert not Departure.objects.exists()


def test_after_the_last_day_the_account_is_deleted_if_wanted(
    ala: Account, ola: Account, console: Actor
) -> None:
    actions.add_alias(domain=ala.domain, localpart="tylko-ala", targets=[ala.address], by=console)  # type: ignore[arg-type]
    departure = leave(ala, ola, by=console, deletes_account=True)
    actions.finish_copying(departure, by=Actor.task())
    assert end(ala) == 1
    assert not Account.objects.filter(pk=ala.pk).exists()
    kept = DeletedMailbox.objects.get(address=ala.address)
    assert not [row for row in kept.settings if "departure" in row["model"]]


def test_colleague_who_is_deleted_leaves_the_departure_without_one(
    ala: Account, ola: Account, console: Actor
) -> None:
    leave(ala, ola, by=console)
    actions.delete_account(ola, by=console)
    assert Departure.objects.get(account=ala).colleague is None


def test_a_quota_that_is_too_small_is_told_until_the_mail_is_there(
    pola: Account, ala: Account, ola: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    gigabyte = 1024**3
    Account.objects.filter(pk=pola.pk).update(language="en")
    Account.objects.filter(pk=ala.pk).update(used_bytes=4 * gigabyte)
    Account.objects.filter(pk=ola.pk).update(quota_bytes=3 * gigabyte, used_bytes=gigabyte)
    call_command("account", "leave", ala.address, "--colleague", ola.address, "--until", "2099-12-31")
    assert "too small by about 2\xa0GB" in capsys.readouterr().err
    client, page = logged_in(pola), f"/domain/firma.test/accounts/{ala.pk}/"
    assert "too small by about 2\xa0GB" in client.get(page).content.decode()
    # Half of it is copied, and no more came.
    Departure.objects.update(total_count=10, copied_count=5)
    Account.objects.filter(pk=ola.pk).update(used_bytes=3 * gigabyte)
    assert "too small by about 2\xa0GB" in client.get(page).content.decode()
    for fits in ({"quota_bytes": 5 * gigabyte}, {"quota_bytes": 0}):
        Account.objects.filter(pk=ola.pk).update(**fits)
        assert "too small" not in client.get(page).content.decode()


def test_command_leave(ala: Account, ola: Account, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "odpowiedz.txt"
    text.write_text("Ala już nie pracuje.", encoding="utf-8")
    call_command(
        "account",
        "leave",
        ala.address,
        "--colleague",
        ola.address,
        "--until",
        "2099-12-31",
        "--text-file",
        str(text),
        "--delete",
    )
    assert f"locked {ala.address}" in capsys.readouterr().out
    departure = Departure.objects.get(account=ala)
    assert departure.deletes_account
    assert Account.objects.get(pk=ala.pk).autoresponder.text == "Ala już nie pracuje."
