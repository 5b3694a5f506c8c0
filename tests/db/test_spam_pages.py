"""The spam pages: what people type and click becomes what the actions know."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import add_sender_entries
from antispam.models import Protection, SenderListEntry, SpamPreference, TaughtBatch, TaughtMessage
from domains.models import Domain
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
KEEP = {"strictness": "inherit", "is_scanned": "inherit"}


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ({"strictness": "strict"}, (Decimal("3.0"), 6)),
        ({"strictness": "own", "suspected": "5,5", "probable": "7"}, (Decimal("5.5"), 7)),
        ({"strictness": "own", "suspected": " 5.5 ", "probable": "7"}, (Decimal("5.5"), 7)),
    ],
)
def test_SPM_01_thresholds_by_word_or_number(
    ala: Account, typed: dict[str, str], stored: tuple[Decimal, int]
) -> None:
    assert logged_in(ala).post("/spam/", KEEP | typed).status_code == 302
    found = SpamPreference.objects.get(account=ala)
    assert (found.suspected, found.probable) == stored


@pytest.mark.parametrize(
    ("suspected", "probable"),
    [
        ("-5", "10"),
        ("0", "10"),
        ("1e9", "10"),
        ("99999", "10"),
        ("", "10"),
        ("5", ""),
        ("8", "6"),
        ("5", "6,5"),
    ],
)
def test_SPM_01_a_wrong_number_is_refused_at_its_field_and_stays_typed(
    ala: Account, suspected: str, probable: str
) -> None:
    typed = {"strictness": "own", "suspected": suspected, "probable": probable}
    answer = logged_in(ala).post("/spam/", KEEP | typed)
    assert answer.status_code == 200
    form = answer.context["form"]
    assert set(form.errors) <= {"suspected", "probable"}
    assert form.errors
    assert f'value="{probable}"' in answer.content.decode() or not probable
    assert not SpamPreference.objects.exists()


def test_what_was_saved_is_shown_again(ala: Account) -> None:
    client = logged_in(ala)
    client.post(
        "/spam/", KEEP | {"strictness": "own", "suspected": "4,5", "probable": "9", "languages": ["pl"]}
    )
    form = client.get("/spam/").context["form"]
    assert form.initial["strictness"] == "own"
    assert form.initial["languages"] == ("pl",)
    assert 'value="4,5"' in str(form["suspected"])


def test_languages_are_folded_away_until_some_are_chosen(ala: Account) -> None:
    client = logged_in(ala)
    assert "<details><summary>Języki" in client.get("/spam/").content.decode()
    client.post("/spam/", {"strictness": "inherit", "is_scanned": "inherit", "languages": ["pl"]})
    assert "<details open><summary>Języki" in client.get("/spam/").content.decode()


def test_senders_are_added_shown_and_removed(ala: Account) -> None:
    client = logged_in(ala)
    answer = client.post(
        "/spam/senders/", {"kind": "deny", "patterns": "Zly@Example.NET\nexample.org"}, follow=True
    )
    assert [entry.pattern for entry in answer.context["denied"]] == ["*@example.org", "zly@example.net"]
    answer = client.post("/spam/senders/remove/", {"pattern": "zly@example.net"}, follow=True)
    assert [entry.pattern for entry in answer.context["denied"]] == ["*@example.org"]


def test_SPM_02_a_wrong_entry_is_refused_with_its_sentence_and_stays_typed(ala: Account) -> None:
    answer = logged_in(ala).post("/spam/senders/", {"kind": "allow", "patterns": "*"})
    assert "patterns" in answer.context["sender_form"].errors
    assert not SenderListEntry.objects.exists()


def test_the_domains_page_is_the_postmasters(pola: Account, obcy: Account, firma: Domain) -> None:
    typed = {"strictness": "careful", "is_scanned": "yes", "spam_days": "14"}
    assert logged_in(obcy).post("/domain/firma.test/spam/", typed).status_code == 404
    assert logged_in(pola).post("/domain/firma.test/spam/", typed).status_code == 302
    found = SpamPreference.objects.get(domain=firma)
    assert (found.probable, found.is_scanned, found.spam_days) == (12, True, 14)


def test_the_servers_page_is_the_superadmins(root: Account) -> None:
    assert (
        logged_in(root).post("/server/spam/", {"strictness": "usual", "is_scanned": "yes"}).status_code == 302
    )
    assert SpamPreference.objects.get(level="server").probable == 10


def test_lists_of_others_are_not_shown(ala: Account, pola: Account, console: Actor) -> None:
    add_sender_entries(ala, kind=SenderListEntry.Kind.DENY, patterns=["x@y.example"], by=console)
    assert "x@y.example" not in logged_in(pola).get("/spam/").content.decode()


def test_what_was_taught_is_shown_and_taken_back_by_its_owner_alone(ala: Account, pola: Account) -> None:
    batch = TaughtBatch.objects.create(account=ala, kind="spam", finished_at="2026-01-01T10:00:00Z")
    TaughtMessage.objects.create(batch=batch, place="a", subject="<b>Kasyno</b>", internal_date="x")
    page = logged_in(ala).get("/spam/").content.decode()
    assert "&lt;b&gt;Kasyno" in page
    assert logged_in(pola).post(f"/spam/taught/{batch.pk}/undo/").status_code == 404
    assert logged_in(ala).post(f"/spam/taught/{batch.pk}/undo/").status_code == 302
    batch.refresh_from_db()
    assert batch.undo_requested_at is not None
    logged_in(ala).post(f"/spam/taught/{batch.pk}/undo/")
    assert TaughtBatch.objects.to_undo().count() == 1


def test_protections_are_switched_and_set_on_their_page(root: Account) -> None:
    client = logged_in(root)
    assert client.post("/server/protections/helo/switch/", {"on": "no"}).status_code == 302
    client.post(
        "/server/protections/dnsbl/options/", {"sites": "bl.example=127.0.0.[2..11] b.example=127.0.0.2"}
    )
    found = {row["kind"].name: row for row in client.get("/server/protections/").context["rows"]}
    assert found["helo"]["is_on"] is False
    assert found["dnsbl"]["options"][0]["text"] == "bl.example=127.0.0.[2..11] b.example=127.0.0.2"


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("dnsbl", {"sites": "zen.example"}),
        ("dnsbl", {"sites": "zen.example=127.0.0.1,permit"}),
        ("attachment-types", {"endings": "exe|.*"}),
        ("clamav", {"on_failure": "whatever", "encrypted": "pass"}),
    ],
)
def test_a_wrong_option_is_refused_and_stays_typed(root: Account, name: str, typed: dict[str, str]) -> None:
    answer = logged_in(root).post(f"/server/protections/{name}/options/", typed)
    assert answer.status_code == 200
    row = next(row for row in answer.context["rows"] if row["kind"].name == name)
    assert row["fault"]
    assert row["options"][0]["text"] == next(iter(typed.values()))
    assert not Protection.objects.exists()
