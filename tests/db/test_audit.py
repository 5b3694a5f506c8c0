"""The audit: who sees what of it, what it says, and that nobody changes it afterwards."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from alarms import words as alarms
from audit.guard import set_guard
from audit.models import AuditEvent
from audit.words import ACTIONS, told
from domains import actions as domain_actions
from domains.models import Domain
from qmailux_site.csvexport import csv_lines, safe_cell
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
ROOT = Path(__file__).resolve().parents[2]


def by(person: Account) -> Actor:
    return Actor(real=person, channel="panel", address="192.0.2.7")


def exported(client: Client, path: str) -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer["Content-Type"].startswith("text/csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


def test_event_names_person_role_object_change_and_address(pola: Account, ala: Account) -> None:
    actions.edit_account(ala, name="Alicja", by=by(pola))
    row = exported(logged_in(pola), "/domain/firma.test/audit/export.csv?action=account.edited")[-1]
    assert (row["Kto"], row["Obiekt"], row["Adres"]) == ("pola@firma.test", "ala@firma.test", "192.0.2.7")
    assert row["Rola"] == "postmaster"
    assert row["Dane"] == "przed: nazwa: Ala Żak; po: nazwa: Alicja"


def test_everybody_sees_only_what_is_theirs(
    ala: Account, pola: Account, obcy: Account, root: Account
) -> None:
    actions.edit_account(ala, name="Alicja", by=by(pola))

    def seen(person: Account) -> set[str]:
        return {event.target for event in AuditEvent.objects.visible_to(Actor(real=person, channel="panel"))}

    assert seen(ala) == {"ala@firma.test"}
    assert seen(pola) >= {"ala@firma.test", "pola@firma.test", "firma.test"}
    assert "ala@firma.test" not in seen(obcy)
    assert seen(root) >= {"ala@firma.test", "obcy@obca.test", "root@localhost"}


def test_next_owner_of_an_address_sees_nothing_of_the_former(
    firma: Domain, ala: Account, console: Actor
) -> None:
    actions.edit_account(ala, name="Poprzednia", by=console)
    actions.delete_account(ala, by=console)
    heir = actions.add_account(
        domain=firma,
        localpart="ala",
        password="Zielona-Papuga-7",
        name="Inna Ala",
        despite_deleted=True,
        by=console,
    )
    acts = AuditEvent.objects.visible_to(Actor(real=heir, channel="panel")).values_list("action", flat=True)
    assert list(acts) == ["account.added"]


def test_next_postmaster_of_a_domain_name_sees_nothing_of_the_former(
    firma: Domain, obcy: Account, console: Actor
) -> None:
    domain_actions.lock_domain(firma, reason="Sekret", by=console)
    domain_actions.delete_domain(firma, by=console)
    again = domain_actions.add_domain(name="firma.test", by=console)
    domain_actions.set_managers(again, addresses=[obcy.address], by=console)
    Account.objects.filter(pk=obcy.pk).update(language="en")
    answer = logged_in(obcy).get("/domain/firma.test/audit/").content.decode()
    assert "Sekret" not in answer
    assert "Domain added" in answer


def test_filters_by_person_object_act_and_day(pola: Account, ala: Account, root: Account) -> None:
    actions.lock_account(ala, reason="urlop", by=by(pola))
    actions.unlock_account(ala, by=by(root))
    client = logged_in(root)
    path = "/server/audit/export.csv"
    today, yesterday = timezone.localdate(), timezone.localdate() - timedelta(days=1)
    assert [row["action"] for row in exported(client, f"{path}?person=pola")] == ["account.locked"]
    assert [row["action"] for row in exported(client, f"{path}?person=root@")] == ["account.unlocked"]
    assert {row["object"] for row in exported(client, f"{path}?target=ala@")} == {"ala@firma.test"}
    assert len(exported(client, f"{path}?action=account.locked&since={today}&until={today}")) == 1
    assert exported(client, f"{path}?until={yesterday}") == []


def test_wrong_day_is_named_and_shows_nothing(root: Account, ala: Account) -> None:
    client = logged_in(root)
    answer = client.get("/server/audit/?since=gestern").content.decode()
    assert "Enter a valid date" in answer
    assert "ala@firma.test" not in answer
    assert client.get("/server/audit/export.csv?since=gestern").status_code == 302


def test_pages_lead_through_all_events_once_and_back(root: Account, ala: Account, console: Actor) -> None:
    for number in range(120):
        actions.edit_account(ala, name=f"Ala {number}", by=console)
    client = logged_in(root)
    seen: list[str] = []
    path = "/server/audit/?action=account.edited"
    while path:
        answer = client.get(path).content.decode()
        seen += re.findall(r"after:</span> name: (Ala \d+)", answer)
        older = re.search(r'rel="next" href="([^"]+)"', answer)
        last, path = path, "/server/audit/" + older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"Ala {number}" for number in reversed(range(120))]
    newer = re.search(r'rel="prev" href="([^"]+)"', client.get(last).content.decode())
    assert newer is not None
    assert "Ala 50" in client.get("/server/audit/" + newer[1].replace("&amp;", "&")).content.decode()


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "＝", " ="])
def test_cell_that_looks_like_a_formula_is_text(sign: str) -> None:
    cell = f"{sign}HYPERLINK(1)"
    assert safe_cell(cell) == f"'{cell}"
    line = list(csv_lines(["a"], [[f"x;{cell}"]]))[1]
    assert line == f'"x;{cell}"\r\n'


def test_export_keeps_formulas_of_people_as_text(pola: Account, ala: Account) -> None:
    actions.lock_account(ala, reason="=cmd|'/c calc'!A1", by=by(pola))
    AuditEvent.objects.create(real="=1+1", channel="panel", action="account.locked", target="@SUM(1)")
    raw = "".join(csv_lines(["a", "b"], [[event.real, event.target] for event in AuditEvent.objects.all()]))
    assert '"\'=1+1"' in raw
    assert '"\'@SUM(1)"' in raw


def test_PRM_06_script_in_the_audit_is_shown_as_text(root: Account) -> None:
    payloads = [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{7*7}}",
        "</title><svg/onload=alert(1)>",
    ]
    for text in payloads:
        AuditEvent.objects.create(
            real=text,
            acting_as=text,
            channel="panel",
            action=text[:60],
            target=text,
            details={"reason": text},
        )
    answer = logged_in(root).get("/server/audit/").content.decode()
    assert "<script>alert" not in answer
    assert "<img src=x" not in answer
    assert "<svg/onload" not in answer
    assert "{{7*7}}" in answer


def test_database_refuses_to_change_or_remove_an_event(ala: Account) -> None:
    set_guard(connection)
    set_guard(connection)
    events = AuditEvent.objects.filter(target=ala.address)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        events.update(real="nobody")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        events.delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.all().delete()
    assert events.filter(real="console").exists()
    AuditEvent.objects.create(real="ala@firma.test", channel="panel", action="x", target="y")


@pytest.fixture
def empty_home() -> Iterator[Path]:
    """Shorter than pytest's own: sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="qx-") as name:
        (Path(name) / "db").mkdir()
        yield Path(name)


def test_every_migrated_database_has_the_guard(empty_home: Path) -> None:
    environment = {**os.environ, "QMAILUX_HOME": str(empty_home), "QMAILUX_KEEP_ROOT": "1"}
    environment.pop("DATABASE_URL", None)
    argv = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(argv, cwd=ROOT, env=environment, check=True)
    with contextlib.closing(sqlite3.connect(empty_home / "db" / "panel.sqlite3")) as database:
        database.execute(
            "INSERT INTO audit_auditevent"
            " (at, real, acting_as, channel, address, action, target, scope, details)"
            " VALUES ('2026-01-01', 'console', '', 'command', '', 'account.added', 'a@b', '', '{}')"
        )
        for statement in ("DELETE FROM audit_auditevent", "UPDATE audit_auditevent SET real = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                database.execute(statement)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("audit", *arguments, stdout=out)
    return out.getvalue()


def test_command_lists_and_exports(pola: Account, ala: Account) -> None:
    actions.lock_account(ala, reason="=1+1", by=by(pola))
    listed = json.loads(run("list", "--domain", "FIRMA.test", "--action", "account.locked", "--json"))
    assert [(row["person"], row["object"]) for row in listed] == [("pola@firma.test", "ala@firma.test")]
    assert len(json.loads(run("list", "--limit", "2", "--json"))) == 2
    rows = list(csv.DictReader(io.StringIO(run("export", "--person", "pola"))))
    assert [row["action"] for row in rows] == ["account.locked"]
    assert run("export", "--until", "2001-01-01").count("\n") == 1
    with pytest.raises(CommandError):
        run("list", "--since", "yesterday")
    with pytest.raises(CommandError, match="at least 1"):
        run("list", "--limit", "0")


@pytest.mark.parametrize(("language", "words"), [("pl", "język: angielski"), ("en", "language: English")])
def test_a_changed_setting_is_told_by_its_word(ala: Account, language: str, words: str) -> None:
    actions.edit_account(ala, language="pl", by=Actor(real=ala, channel="panel"))
    actions.edit_account(ala, language="en", by=Actor(real=ala, channel="panel"))
    with override(language):
        details = dict(told(AuditEvent.objects.filter(action="account.edited").latest("id")).details)
    assert words in details.values()


@pytest.mark.parametrize(
    ("language", "heading", "act", "details"),
    [
        ("pl", "Kiedy,Kto,Rola,w imieniu,Adres,Czynność,Obiekt,Dane", "Zmieniono konto", "po: nazwa: Alicja"),
        (
            "en",
            "When,Who,Role,on behalf of,Address,Act,Object,Details",
            "Account changed",
            "after: name: Alicja",
        ),
    ],
)
def test_the_own_activity_for_a_spreadsheet_is_in_words_of_the_reader(
    ala: Account, language: str, heading: str, act: str, details: str
) -> None:
    actions.edit_account(ala, name="Alicja", by=by(ala))
    Account.objects.update(language=language)
    row = exported(logged_in(ala), "/activity/export.csv?action=account.edited")[-1]
    assert ",".join(row) == heading
    assert act in row.values()
    assert details in list(row.values())[-1]


def test_every_act_has_words() -> None:
    """An act is a text such as "account.added" in a call of audit.record, or handed on to one."""
    sources = [
        path.read_text(encoding="utf-8")
        for package in ROOT.glob("*/__init__.py")
        for path in package.parent.rglob("*.py")
        if not {"migrations", "tests"} & set(path.parts) and "audit" in path.read_text(encoding="utf-8")
    ]
    nouns = "|".join(sorted({action.partition(".")[0] for action in ACTIONS}))
    acts = {act for source in sources for act in re.findall(rf'"((?:{nouns})\.[a-z_]+)"', source)}
    assert len(acts) > 20
    assert acts - set(alarms.WORDS) <= set(ACTIONS)
    # Made of a beginning and a kind, such as f"spam.taught_{kind}".
    beginnings = {
        found for source in sources for found in re.findall(rf'f"((?:{nouns})\.[a-z_]*)\{{', source)
    }
    assert "spam.taught_" in beginnings
    for beginning in beginnings - {"domain."}:
        assert any(act.startswith(beginning) for act in ACTIONS), beginning
