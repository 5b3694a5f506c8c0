"""The trace: logs are read once, whatever happens; each person finds what is theirs and nothing else."""

from __future__ import annotations

import csv
import fcntl
import gzip
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connections
from django.utils import timezone
from django.utils.translation import override
from pytest_django.plugin import DjangoDbBlocker

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from audit.models import AuditEvent
from domains.models import Domain
from maillog import store
from maillog.access import sight_of
from maillog.export import FIELDS, client_address
from maillog.indexes import LATE
from maillog.ingest import Ingester
from maillog.models import Entry, EntryLines, LogFile, LooseLines, Party
from maillog.retention import forget
from maillog.sources import chunks_of
from maillog.timeline import lines_for, session_summary, timeline_of
from maillog.trace import Question, find, question_of
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]

pytestmark = pytest.mark.django_db(databases=["default", "logs"])
CASES = Path(__file__).resolve().parents[1] / "files" / "maillog"


def stamped(seconds: int) -> str:
    """A stamp of the last minutes, as Postfix writes it."""
    return f"{timezone.localtime() - timedelta(minutes=10) + timedelta(seconds=seconds):%b %e %H:%M:%S}"


def message(
    number: int,
    *,
    sender: str = "x@obcy.example",
    recipients: tuple[str, ...] = ("ala@firma.test",),
    subject: str = "Oferta",
    login: str = "",
    client: str = "203.0.113.7",
) -> list[str]:
    """The lines of a message that is delivered at once."""
    queue_id = f"4jZJhy2LxNz{number:04}".replace("0", "B")
    origin, sasl = ("submission", f", sasl_method=PLAIN, sasl_username={login}") if login else ("mx", "")
    tail = f"from mx.klient.example[{client}]; from=<{sender}> to=<{recipients[-1]}> proto=ESMTP helo=<h>"
    return [
        f"{stamped(0)} mx postfix/{origin}/smtpd[7]: connect from mx.klient.example[{client}]",
        f"{stamped(0)} mx postfix/{origin}/smtpd[7]: {queue_id}: client=mx.klient.example[{client}]{sasl}",
        f"{stamped(1)} mx postfix/cleanup[8]: {queue_id}: info: header Subject: {subject} {tail}",
        f"{stamped(1)} mx postfix/cleanup[8]: {queue_id}: message-id=<{number}@klient.example>",
        f"{stamped(1)} mx postfix/qmgr[9]: {queue_id}: from=<{sender}>, size=900, nrcpt=1 (queue active)",
        f"{stamped(1)} mx postfix/{origin}/smtpd[7]: disconnect from mx.klient.example[{client}] quit=1",
        *(
            f"{stamped(2)} mx postfix/lmtp[5]: {queue_id}: to=<{recipient}>, relay=mx[private/dovecot-lmtp], "
            f"delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 <{recipient}> Saved)"
            for recipient in recipients
        ),
        f"{stamped(3)} mx postfix/qmgr[9]: {queue_id}: removed",
    ]


@pytest.fixture
def ingester(tmp_path: Path) -> Ingester:
    return Ingester(tmp_path / "lock")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    return folder / "mail.log"


def add(log: Path, lines: list[str], end: str = "\n") -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + end)


def rows() -> list[tuple[str, str, str]]:
    return sorted(Entry.objects.values_list("queue_id", "verdict", "recipient"))


def asked(text: str = "", *, by: Account | None = None, **fields: Any) -> list[str]:
    """Message-IDs of what is found."""
    actor = Actor(real=by, channel="panel") if by else Actor.console()
    found = find(question_of(text, **fields), sight_of(actor))
    return [entry.message_id for entry in found]


# Reading


def test_reading_twice_changes_nothing(ingester: Ingester, log: Path, tmp_path: Path) -> None:
    add(log, message(1) + message(2))
    assert ingester.run(log.parent).entries == 2
    before = rows(), Party.objects.count(), EntryLines.objects.count()
    assert ingester.run(log.parent).lines == 0
    other = Ingester(tmp_path / "lock")
    assert other.run(log.parent).lines == 0
    assert other.run_files([log]).lines == 0
    assert (rows(), Party.objects.count(), EntryLines.objects.count()) == before


@pytest.mark.parametrize("cut", range(0, 9))
def test_a_restart_at_any_line_loses_nothing(log: Path, tmp_path: Path, cut: int) -> None:
    lines = message(1, recipients=("ala@firma.test", "ola@firma.test"))
    add(log, lines[:cut], end="\n" if cut else "")
    Ingester(tmp_path / "lock").run(log.parent)
    add(log, lines[cut:])
    Ingester(tmp_path / "lock").run(log.parent)
    entry = Entry.objects.get()
    assert (entry.verdict, entry.subject, entry.recipient_count) == ("delivered", "Oferta", 2)
    assert entry.lines.text.split("\n") == [line for line in lines if "disconnect" not in line]
    assert not LooseLines.objects.exists()


def test_half_a_line_waits_for_its_other_half(ingester: Ingester, log: Path) -> None:
    whole = "\n".join(message(1)) + "\n"
    for start in range(0, len(whole), 97):
        with log.open("a", encoding="utf-8") as file:
            file.write(whole[start : start + 97])
        ingester.run(log.parent)
    assert [entry.verdict for entry in Entry.objects.all()] == ["delivered"]
    assert LogFile.objects.get().unknown_count == 0


def test_rotation_and_compression_are_the_same_file(ingester: Ingester, log: Path) -> None:
    add(log, message(1)[:4])
    ingester.run(log.parent)
    add(log, message(1)[4:] + message(2))
    rotated = log.rename(log.with_name("mail.log-20261125"))
    add(log, message(3))
    ingester.run(log.parent)
    packed = rotated.with_name("mail.log-20261125.gz")
    packed.write_bytes(gzip.compress(rotated.read_bytes()))
    rotated.unlink()
    assert ingester.run(log.parent).lines == 0
    assert [row[1] for row in rows()] == ["delivered"] * 3
    assert LogFile.objects.count() == 2


def test_what_is_not_stored_is_read_again(
    ingester: Ingester, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, message(1))

    def full_disk(batch: store.Batch) -> None:
        raise DatabaseError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", full_disk)
        with pytest.raises(DatabaseError):
            ingester.run(log.parent)
    ingester.run(log.parent)
    assert [row[1] for row in rows()] == ["delivered"]


def in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much is read, but of a few lines each."""
    monkeypatch.setattr(store, "MUCH_BYTES", 0)
    monkeypatch.setattr("maillog.ingest.chunks_of", partial(chunks_of, most_bytes=700))
    monkeypatch.setattr("maillog.ingest.BATCH_BYTES", 1)


def indexes_of_the_trace() -> dict[str, str]:
    """By name, as the database tells how each is made."""
    with connections["logs"].cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'maillog%%'"
            if connections["logs"].vendor == "postgresql"
            else "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE 'maillog%%'"
        )
        return dict(cursor.fetchall())


@pytest.fixture(scope="module")
def complete(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> dict[str, str]:
    """As the migrations have made them, before any reading."""
    with django_db_blocker.unblock():
        return indexes_of_the_trace()


@pytest.mark.django_db(transaction=True, databases=["default", "logs"])
def test_much_is_stored_beside_the_reading(
    ingester: Ingester, log: Path, monkeypatch: pytest.MonkeyPatch, complete: dict[str, str]
) -> None:
    """Messages are cut by the batches; after a failure nothing is stored."""
    in_small_batches(monkeypatch)
    add(log, [line for number in range(50) for line in message(number)])
    made = store.batch_of
    left = [40]

    def twice_once(*arguments: Any) -> tuple[store.Batch, int]:
        batch, next_id = made(*arguments)
        left[0] -= 1
        if not left[0]:
            batch.drafts = [*batch.drafts, *batch.drafts]
        return batch, next_id

    monkeypatch.setattr(store, "batch_of", twice_once)
    with pytest.raises(DatabaseError, match=r"(?i)unique"):
        ingester.run(log.parent)
    assert LogFile.objects.get().line_count < 40 * 8
    ingester.run(log.parent)
    assert [row[1] for row in rows()] == ["delivered"] * 50
    assert LogFile.objects.get().line_count == 50 * 8
    assert EntryLines.objects.filter(text__contains="connect from").count() == 50
    assert indexes_of_the_trace() == complete


@contextmanager
def when_alone(lock_file: Path) -> Iterator[None]:
    """After whoever stores has ended."""
    with lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.django_db(transaction=True, databases=["default", "logs"])
def test_a_reader_that_is_killed_while_it_stores_beside_loses_nothing(
    ingester: Ingester,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    complete: dict[str, str],
    is_first: bool,
) -> None:
    """What it had handed over is stored to the end; others read on when the process that stores has ended.
    Indexes that a first reading leaves for its end are made by the next one.
    """
    if not is_first:
        add(log, message(50))
        ingester.run(log.parent)
        monkeypatch.setattr("maillog.indexes.FEW_ENTRIES", 0)
    in_small_batches(monkeypatch)
    add(log, [line for number in range(50) for line in message(number)])
    made = store.batch_of
    left = [30]

    def killed_once(*arguments: Any) -> tuple[store.Batch, int]:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return made(*arguments)

    monkeypatch.setattr(store, "batch_of", killed_once)
    connections.close_all()
    reader = multiprocessing.get_context("fork").Process(target=ingester.run, args=(log.parent,))
    reader.start()
    reader.join()
    assert reader.exitcode == -signal.SIGKILL
    monkeypatch.setattr(store, "batch_of", made)
    with when_alone(ingester.lock_file):
        left_out = complete.keys() - indexes_of_the_trace().keys()
    is_left_out = is_first and connections["logs"].vendor == "postgresql"
    assert left_out == ({name for table in LATE.values() for name in table} if is_left_out else set())
    ingester.run(log.parent)
    assert [row[1] for row in rows()] == ["delivered"] * (50 if is_first else 51)
    assert LogFile.objects.get().line_count == 8 * (50 if is_first else 51)
    assert indexes_of_the_trace() == complete


@pytest.mark.django_db(transaction=True, databases=["default", "logs"])
def test_after_a_first_big_reading_all_indexes_are_there(
    ingester: Ingester, log: Path, monkeypatch: pytest.MonkeyPatch, complete: dict[str, str]
) -> None:
    in_small_batches(monkeypatch)
    add(log, [line for number in range(9) for line in message(number, subject="Faktura żółta\\t")])
    ingester.run(log.parent)
    assert indexes_of_the_trace() == complete
    assert find(Question(subject="żółta"), sight_of(Actor.console())).count() == 9


def test_another_process_in_between_is_taken_up(ingester: Ingester, log: Path, tmp_path: Path) -> None:
    lines = message(1)
    for number in range(len(lines)):
        add(log, lines[number : number + 1])
        (ingester if number % 2 else Ingester(tmp_path / "lock")).run(log.parent)
    assert Entry.objects.get().verdict == "delivered"
    assert len(Entry.objects.get().lines.text.split("\n")) == len(lines) - 1


def test_a_deferred_message_is_one_entry_over_days(ingester: Ingester, log: Path, tmp_path: Path) -> None:
    lines = message(1)
    deferred = lines[6].replace("dsn=2.0.0, status=sent", "dsn=4.3.0, status=deferred")
    add(log, [*lines[:6], deferred])
    ingester.run(log.parent)
    assert Entry.objects.get().verdict == "deferred"
    add(log, lines[6:])
    Ingester(tmp_path / "lock").run(log.parent)
    entry = Entry.objects.get()
    assert (entry.verdict, entry.reason, entry.is_open) == ("delivered", "", False)


def test_what_no_database_takes_is_stored_all_the_same(ingester: Ingester, log: Path) -> None:
    """NUL and half characters come out of encoded subjects and JSON; tabs mean columns to COPY."""
    odd = ("=?utf-8?q?a=00b?=", "=?utf-16?b?2AA=?=", "tab\tand\\n \\. \\N", "\r \0 \x1f")
    lines = [line for number, subject in enumerate(odd) for line in message(number, subject=subject)]
    add(log, lines)
    exported = (
        '{"event":"auth_request_finished","fields":{"success":"yes","service":"smtp","user":"a\\u0000\\ud800@f.test",'
        '"remote_ip":"203.0.113.9","mechanism":"PLAIN"}}'
    )
    add(log.with_name("dovecot.log"), [f"2026-11-25T08:09:47+0100 stats: Info: {exported}"])
    ingester.run(log.parent)
    subjects = dict(Entry.objects.filter(kind="message").values_list("message_id", "subject"))
    assert subjects["0@klient.example"] == "a\ufffdb"
    assert subjects["2@klient.example"] == odd[2]
    assert Entry.objects.get(kind="session").login == "a\ufffd?@f.test"
    stored = EntryLines.objects.get(entry__message_id="2@klient.example").text
    assert stored.split("\n") == [line for line in message(2, subject=odd[2]) if "disconnect" not in line]


def test_every_case_file_is_stored(ingester: Ingester) -> None:
    progress = ingester.run_files(sorted(CASES.iterdir()))
    assert progress.entries > 30
    assert Entry.objects.filter(queue_id="C4C4C4C4C4").exists()
    # LOG-04: the rotated, compressed file is dated by its own time.
    assert Entry.objects.filter(queue_id="7C7C7C7C7C").exists()


# Asking


@pytest.fixture
def three(ingester: Ingester, log: Path, firma: Domain, obca: Domain) -> None:
    """One to Ala with a copy to a stranger, one to another domain, one that Ala sends."""
    add(log, message(1, recipients=("ala@firma.test", "tajny@obca.test"), subject="Faktura 7/2026"))
    add(log, message(2, recipients=("jan@obca.test",), client="198.51.100.9", sender="ala@firma.test"))
    add(log, message(3, login="ala@firma.test", sender="ala@firma.test", recipients=("y@daleko.example",)))
    ingester.run(log.parent)
    Domain.objects.update(created_at=timezone.now() - timedelta(days=9))
    Account.objects.update(created_at=timezone.now() - timedelta(days=9))


ONE, TWO, THREE = "1@klient.example", "2@klient.example", "3@klient.example"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ala@firma.test", [THREE, TWO, ONE]),
        ("ALA@firma.test", [THREE, TWO, ONE]),
        ("tajn", [ONE]),
        ("@obca.test", [TWO, ONE]),
        ("daleko.example", [THREE]),
        ("Faktura", [ONE]),
        ("7/2026", [ONE]),
        ("<2@klient.example>", [TWO]),
        ("2@klient.example", [TWO]),
        ("4jZJhy2LxNzBBB3", [THREE]),
        ("203.0.113.7", [THREE, ONE]),
        ("203.0.113.0/24", [THREE, ONE]),
        ("::ffff:198.51.100.9", [TWO]),
        ("203.0.113.0/24 Oferta", [THREE]),
        ("nie-ma-tego", []),
        ("%", []),
    ],
)
def test_the_one_box_understands(three: None, text: str, found: list[str]) -> None:
    assert asked(text) == found


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"sender": "ala@firma.test"}, [THREE, TWO]),
        ({"recipient": "ala@firma.test"}, [ONE]),
        ({"login": "ala@firma.test"}, [THREE]),
        ({"subject": "faktura"}, [ONE]),
        ({"client": "198.51.100.0/24"}, [TWO]),
        ({"direction": "in"}, [TWO, ONE]),
        ({"verdict": "delivered"}, [THREE, TWO, ONE]),
        ({"verdict": "bounced"}, []),
        ({"queue_id": "4jZJhy2LxNzBBB2"}, [TWO]),
        ({"message_id": "<1@klient.example>"}, [ONE]),
    ],
)
def test_each_field_finds(three: None, fields: dict[str, Any], found: list[str]) -> None:
    assert asked(**fields) == found


def test_dates_bound_what_is_found(three: None) -> None:
    now = timezone.now()
    sight = sight_of(Actor.console())
    assert find(Question(since=now - timedelta(hours=1), until=now), sight).count() == 3
    assert not find(Question(until=now - timedelta(hours=1)), sight).exists()


def test_a_user_sees_the_own_mail(three: None, ala: Account) -> None:
    Account.objects.update(created_at=timezone.now() - timedelta(days=9))
    ala.refresh_from_db()
    assert asked(by=ala) == [THREE, ONE]


def test_a_forged_sender_opens_nothing(three: None, pola: Account) -> None:
    """Message 2 came from outside with Ala's name on it: it is of obca.test alone."""
    assert asked(by=pola) == [THREE, ONE]
    assert asked("ala@firma.test", by=pola) == [THREE, ONE]


def test_a_stranger_sees_the_own_domain_alone(three: None, obcy: Account) -> None:
    assert asked(by=obcy) == [TWO, ONE]
    assert asked("Oferta", by=obcy) == [TWO]


@pytest.mark.parametrize("text", ["ala@firma.test", "@firma.test", "al", "firma.test"])
def test_a_search_does_not_tell_who_else_got_a_message(three: None, obcy: Account, text: str) -> None:
    """Of message 2 the name is the sender's, which its recipient sees; of message 1 it is another's."""
    assert asked(text, by=obcy) == [TWO]


def test_other_recipients_of_a_message_stay_hidden(three: None, pola: Account, obcy: Account) -> None:
    entry = Entry.objects.get(message_id=ONE)
    shown = "\n".join(lines_for(entry, sight_of(Actor(real=pola, channel="panel"))))
    assert "ala@firma.test" in shown
    assert "tajny" not in shown
    theirs = "\n".join(lines_for(entry, sight_of(Actor(real=obcy, channel="panel"))))
    assert "tajny@obca.test" in theirs
    assert "ala@firma.test" not in theirs


def test_the_next_owner_of_an_address_inherits_no_trace(three: None, firma: Domain, console: Actor) -> None:
    ala = actions.add_account(domain=firma, localpart="ala", password="Zielona-Papuga-7", by=console)
    assert asked(by=ala) == []


def test_the_next_postmaster_of_a_name_inherits_no_trace(three: None, pola: Account) -> None:
    Domain.objects.filter(name="firma.test").update(created_at=timezone.now())
    assert asked(by=pola) == []


def test_the_life_of_a_message_is_told_in_order(three: None) -> None:
    entry = Entry.objects.get(message_id=ONE)
    steps = timeline_of(entry, sight_of(Actor.console()))
    assert [step.words for step in steps] == [
        "mx.klient.example [203.0.113.7] connected",
        "mx.klient.example [203.0.113.7] sends a message",
        "subject: Faktura 7/2026",
        "Message-ID: 1@klient.example",
        "taken into the queue: 900\xa0B from <x@obcy.example> for 1 recipient",
        "handed to the mailbox of ala@firma.test",
        "handed to the mailbox of tajny@obca.test",
        "finished, removed from the queue",
    ]
    assert all(step.at and step.at <= datetime.now(UTC) for step in steps)


def test_LOG_05_impossible_times_are_shown_as_they_stand(ingester: Ingester) -> None:
    ingester.run_files([CASES / "LOG-05-dst.log"])
    for queue_id, stamp in (("9E9E9E9E9E", "Mar 29 02:30:00"), ("B0B0B0B0B0", "Nov 31 14:99:16")):
        (step,) = timeline_of(Entry.objects.get(queue_id=queue_id), sight_of(Actor.console()))
        assert (step.at, step.stamp) == (None, stamp)


def test_sessions_tell_what_was_fetched_and_deleted(ingester: Ingester, log: Path) -> None:
    add(
        log.with_name("dovecot.log"),
        [
            "2026-11-25T08:09:47+0100 pop3-login: Info: Login: user=<ala@firma.test>, method=PLAIN, "
            "rip=203.0.113.9, rport=60149, lip=127.0.0.1, lport=11143, TLSv1.3, session=<R5EfgxRh9ep/AAAC>",
            "2026-11-25T08:09:49+0100 pop3(ala@firma.test)<11859><R5EfgxRh9ep/AAAC>: Info: Disconnected: "
            "Logged out top=0/0 retr=3/2755 del=2/10 size=10240 in=22 out=2837",
        ],
    )
    ingester.run(log.parent)
    entry = Entry.objects.get()
    assert (entry.kind, entry.login, entry.service, entry.verdict) == (
        "session", "ala@firma.test", "pop3", "logged-in",
    )  # fmt: skip
    assert session_summary(entry) == "3 messages fetched, 2 deleted"


# Commands


def test_commands_read_and_ask(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(log, message(1, subject="=cmd|' /C calc'!A0"))
    call_command("logs", "ingest", str(log))
    call_command("logs", "status", "--json")
    said = capsys.readouterr().out
    assert "1 entries written" in said
    assert json.loads(said[said.index("[") :])[0]["lines"] == 8
    call_command("trace", "ala@firma.test", "--life")
    assert "handed to the mailbox of ala@firma.test" in capsys.readouterr().out
    out = StringIO()
    call_command("trace", "--json", "--since", "1h", stdout=out)
    assert json.loads(out.getvalue())[0]["recipient"] == "ala@firma.test"
    out = StringIO()
    call_command("trace", "--csv", stdout=out)
    assert ",'=cmd|" in out.getvalue()


@pytest.mark.parametrize("arguments", [["--since", "kiedyś"], ["--ip", "300.1.1.1/8"]])
def test_a_question_that_makes_no_sense_is_one_sentence(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="is no "):
        call_command("trace", *arguments)


# Retention


def test_metadata_alone_stays_where_a_law_wants_it(ingester: Ingester, log: Path) -> None:
    add(log, message(1, subject="Tajna sprawa") + message(2))
    ingester.run(log.parent)
    now = timezone.now()
    day = timedelta(days=1)
    years_ago = {"began_at": now - 400 * day, "last_at": now - 400 * day}
    Entry.objects.filter(message_id="1@klient.example").update(**years_ago)
    limits = {"lines_before": now - 28 * day, "entries_before": now - 365 * day, "folder": log.parent}
    found = forget(**limits, metadata_before=now - 730 * day)  # type: ignore[arg-type]  # of both kinds
    assert (found.bared, found.entries) == (1, 0)
    (bare,) = Entry.objects.filter(message_id="1@klient.example")
    assert (bare.subject, bare.sender, bare.recipient, bare.verdict) == (
        "", "x@obcy.example", "ala@firma.test", "delivered",
    )  # fmt: skip
    assert not EntryLines.objects.filter(entry=bare).exists()
    assert Entry.objects.exclude(subject="").count() == 1
    assert forget(**limits, metadata_before=now - 730 * day).bared == 0  # type: ignore[arg-type]
    assert forget(**limits, metadata_before=now - 399 * day).entries == 1  # type: ignore[arg-type]
    assert Entry.objects.count() == 1


def test_what_is_done_in_the_panel_is_one_line_each(
    ingester: Ingester, firma: Domain, pola: Account, obcy: Account, root: Account
) -> None:
    by = Actor(real=pola, channel="panel", address="203.0.113.5")
    nowa = actions.add_account(domain=firma, localpart="nowa", password="Zielona-Papuga-7", by=by)
    actions.lock_account(nowa, reason="", by=by)
    actions.delete_account(nowa, by=by)
    ingester.take_operations()
    assert ingester.take_operations() == 0
    assert Ingester(ingester.lock_file).take_operations() == 0

    def told(person: Account) -> list[tuple[str, str, str]]:
        found = find(
            Question(recipient=nowa.address, kind="act"), sight_of(Actor(real=person, channel="panel"))
        )
        return [(entry.subject, entry.sender, client_address(entry.client)) for entry in found]

    assert told(root) == told(pola)
    assert told(pola) == [
        (action, pola.address, "203.0.113.5")
        for action in ("account.deleted", "account.locked", "account.added")
    ]
    assert told(obcy) == []
    locked = Entry.objects.get(subject="account.locked")
    assert abs(timezone.now() - locked.began_at) < timedelta(minutes=1)
    life = timeline_of(locked, sight_of(Actor.console()))
    assert [step.words for step in life] == [f"{pola.address}: Account locked, {nowa.address} [203.0.113.5]"]
    page = logged_in(pola).get(f"/domain/firma.test/trace/?kind=act&q={nowa.address}").content.decode()
    assert page.count('<td class="first">') == 3
    page = logged_in(pola).get(f"/domain/firma.test/trace/{locked.pk}/").content.decode()
    assert f"{pola.address}: " in page


def test_an_act_that_is_committed_late_is_taken_all_the_same(ingester: Ingester, firma: Domain) -> None:
    first = AuditEvent.objects.order_by("pk").first()
    assert first is not None
    late = AuditEvent(real="x@firma.test", channel="panel", action="account.locked", target="y@firma.test")
    late.pk = 1_000_000
    late.save()
    ingester.take_operations()
    early = AuditEvent(real="x@firma.test", channel="panel", action="account.edited", target="y@firma.test")
    early.pk = 999_999
    early.save()
    assert ingester.take_operations() == 1
    assert Entry.objects.filter(queue_id="audit-999999").count() == 1


def test_after_its_days_the_old_is_gone(ingester: Ingester, log: Path) -> None:
    add(log, message(1, subject="Sekretna"))
    ingester.run(log.parent)
    rotated = log.rename(log.with_name("mail.log-20200101"))
    now = timezone.now()
    kept = forget(
        lines_before=now - timedelta(days=1), entries_before=now - timedelta(days=2), folder=log.parent
    )
    assert (kept.lines, kept.entries, kept.files) == (0, 0, 0)
    lines_only = forget(
        lines_before=now + timedelta(seconds=60), entries_before=now - timedelta(days=2), folder=log.parent
    )
    assert (lines_only.lines, lines_only.entries, lines_only.files) == (1, 0, 1)
    assert not rotated.exists()
    assert Entry.objects.get().subject == "Sekretna"
    everything = forget(lines_before=now, entries_before=now, folder=log.parent)
    assert everything.entries == 1
    assert not Entry.objects.exists()
    assert not Party.objects.exists()


def test_what_is_old_goes_in_parts_and_the_rest_stays(
    ingester: Ingester, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that end within the entries of one second."""
    monkeypatch.setattr("maillog.retention.IDS_A_TRANSACTION", 2)
    add(log, [line for number in range(7) for line in message(number)])
    ingester.run(log.parent)
    now = timezone.now()
    old = list(Entry.objects.order_by("pk").values_list("pk", flat=True)[:5])
    Entry.objects.filter(pk__in=old).update(began_at=now - timedelta(days=9), last_at=now - timedelta(days=9))
    # One that began then and went on until lately.
    Entry.objects.filter(pk=old[2]).update(last_at=now)
    limit = now - timedelta(days=2)
    found = forget(lines_before=limit, entries_before=now - timedelta(days=20), folder=log.parent)
    assert (found.lines, found.entries, EntryLines.objects.count()) == (4, 0, 3)
    found = forget(lines_before=limit, entries_before=limit, folder=log.parent)
    assert (found.lines, found.entries) == (0, 4)
    assert sorted(Entry.objects.values_list("pk", flat=True))[0] == old[2]
    assert Entry.objects.count() == EntryLines.objects.count() == 3


@pytest.mark.parametrize("subject", ["C:\\temp\\nowy", "raz\tdwa", "koniec\\", "\\N", "a\rb"])
def test_what_the_database_has_signs_for_is_stored_as_it_stands(
    ingester: Ingester, log: Path, subject: str
) -> None:
    add(log, [*message(1), *message(2, subject=subject), *message(3)])
    ingester.run(log.parent)
    assert subject in set(Entry.objects.values_list("subject", flat=True))
    assert EntryLines.objects.filter(text__contains=f"Subject: {subject} from").count() == 1
    assert Entry.objects.count() == 3


# The panel


@pytest.fixture
def hidden_first(ingester: Ingester, log: Path, three: None) -> str:
    """A message whose first recipient is another domain's."""
    lines = message(4, recipients=("tajny@obca.test", "ala@firma.test"), subject="<script>alert(1)</script>")
    add(log, lines)
    ingester.run(log.parent)
    return Entry.objects.get(message_id="4@klient.example").subject


@pytest.mark.parametrize("export", ["", "&format=csv", "&format=json"])
def test_pages_and_exports_hide_the_other_recipients(
    hidden_first: str, pola: Account, obcy: Account, root: Account, export: str
) -> None:
    def page(person: Account, path: str) -> str:
        answer = logged_in(person).get(f"{path}?q=4@klient.example{export}")
        content = b"".join(answer) if answer.streaming else answer.content
        return content.decode().replace("<wbr>", "")

    of_firma, of_obca = page(pola, "/domain/firma.test/trace/"), page(obcy, "/domain/obca.test/trace/")
    assert "ala@" in of_firma
    assert "tajny" not in of_firma
    assert "tajny@" in of_obca
    assert "ala@firma" not in of_obca
    assert "tajny@" in page(root, "/server/trace/")


def test_stored_scripts_are_text(hidden_first: str, pola: Account, root: Account) -> None:
    entry = Entry.objects.get(subject=hidden_first)
    for person, path in ((root, "/server/trace/"), (pola, "/domain/firma.test/trace/")):
        for page in (path, f"{path}{entry.pk}/"):
            text = logged_in(person).get(page).content.decode()
            assert "&lt;script&gt;alert(1)" in text, page
            assert "<script>alert(1)" not in text, page


def test_a_user_sees_the_timeline_and_no_raw_lines(ingester: Ingester, log: Path, ala: Account) -> None:
    Account.objects.update(created_at=timezone.now() - timedelta(days=1))
    add(log, message(5, subject="Moja"))
    ingester.run(log.parent)
    client = logged_in(ala)
    assert "Moja" in client.get("/trace/?q=moja").content.decode()
    page = client.get(f"/trace/{Entry.objects.get().pk}/").content.decode()
    assert "ala@firma.test" in page
    assert "postfix/cleanup" not in page


def test_a_users_trace_names_nothing_of_a_server(
    ingester: Ingester, log: Path, ala: Account, root: Account
) -> None:
    Account.objects.update(created_at=timezone.now() - timedelta(days=1), language="pl")
    add(log, message(5, subject="Moja"))
    ingester.run(log.parent)
    for heavy in ("Message-ID", "CSV", "JSON"):
        assert heavy not in logged_in(ala).get("/trace/").content.decode()
        assert heavy in logged_in(root).get("/server/trace/").content.decode()
    page = logged_in(ala).get("/trace/?q=moja").content.decode()
    assert 'placeholder="Adres albo temat"' in page
    assert 'href="?q=moja&amp;format=csv"' in page
    details = f"trace/{Entry.objects.get().pk}/"
    for heavy in ("kolejk", "Message-ID", "HELO", "lista blokująca", "szara lista", "SPF", "203.0.113.7]"):
        for path in ("/trace/", f"/{details}"):
            assert heavy not in logged_in(ala).get(path).content.decode(), (heavy, path)
    assert "Message-ID: 5@" in logged_in(root).get(f"/server/{details}").content.decode()
    assert "<dt>Message-ID" not in logged_in(ala).get(f"/{details}").content.decode()
    assert "<dt>Message-ID" in logged_in(root).get(f"/server/{details}").content.decode()


def table_of(person: Account, path: str) -> list[dict[str, str]]:
    """The file for spreadsheets, read to its end after the answer, as a server sends it."""
    answer = logged_in(person).get(f"{path}?format=csv")
    with override("de"):
        text = b"".join(answer).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


@pytest.mark.parametrize(
    ("language", "heading", "row"),
    [
        (
            "pl",
            "Kiedy,Co,Odebrana czy wysłana,Od,Do,Temat,Co się z nią stało,Dlaczego odrzucono,"
            "Co z nią zrobiono,Folder,Rozmiar w bajtach,Przez co,Z komputera",
            {
                "Od": "'=x@obcy.example",
                "Co": "wiadomość",
                "Co się z nią stało": "dostarczona",
                "Temat": "Żółw",
            },
        ),
        (
            "en",
            "When,What,Got or sent,From,To,Subject,What became of it,Why it was refused,"
            "What was done with it,Folder,Size in bytes,With,From the computer",
            {"From": "'=x@obcy.example", "What": "message", "What became of it": "delivered"},
        ),
    ],
)
def test_the_own_list_for_a_spreadsheet_is_in_plain_words_of_the_reader(
    ingester: Ingester, log: Path, ala: Account, language: str, heading: str, row: dict[str, str]
) -> None:
    Account.objects.update(created_at=timezone.now() - timedelta(days=1), language=language)
    add(log, message(5, subject="Żółw", sender="=x@obcy.example"))
    ingester.run(log.parent)
    (found,) = table_of(ala, "/trace/")
    assert ",".join(found) == heading
    assert {name: found[name] for name in row} == row
    when = found[heading.partition(",")[0]]
    assert datetime.strptime(when, "%Y-%m-%d %H:%M:%S").year >= 2026  # noqa: DTZ007  # a spreadsheet's time


def test_the_list_of_domain_and_server_for_a_spreadsheet_has_the_terms_of_the_reader(
    ingester: Ingester, log: Path, three: None, pola: Account, root: Account
) -> None:
    Account.objects.update(created_at=timezone.now() - timedelta(days=1))
    Account.objects.filter(pk=pola.pk).update(language="pl")
    add(log, message(5, subject="Moja"))
    ingester.run(log.parent)
    of_firma, of_server = (
        {row["Message-ID"]: row for row in table_of(person, path)}["5@klient.example"]
        for person, path in ((pola, "/domain/firma.test/trace/"), (root, "/server/trace/"))
    )
    assert (of_firma["Los"], of_firma["Kierunek"], of_firma["Klient"]) == (
        "dostarczona",
        "przychodząca",
        "203.0.113.7",
    )
    assert (of_server["Fate"], of_server["Direction"], of_server["Client"]) == (
        "delivered",
        "in",
        "203.0.113.7",
    )


def test_what_programs_read_keeps_its_names(ingester: Ingester, log: Path, ala: Account) -> None:
    Account.objects.update(created_at=timezone.now() - timedelta(days=1), language="pl")
    add(log, message(5, subject="Moja"))
    ingester.run(log.parent)
    (row,) = json.loads(b"".join(logged_in(ala).get("/trace/?format=json")))
    assert tuple(row) == FIELDS
    assert row["verdict"] == "delivered"
    out = StringIO()
    with override("pl"):
        call_command("trace", "--csv", stdout=out)
    assert out.getvalue().splitlines()[0] == ",".join(FIELDS)


def test_a_date_that_is_none_is_said_at_its_field(root: Account) -> None:
    assert logged_in(root).get("/server/trace/?since=kiedys").status_code == 200


def test_older_pages_go_on_without_a_gap(ingester: Ingester, log: Path, root: Account) -> None:
    add(log, [line for number in range(120) for line in message(number)])
    ingester.run(log.parent)
    client, seen, query = logged_in(root), [], "?"
    while query:
        page = client.get(f"/server/trace/{query}")
        seen += [row.entry.pk for row in page.context["rows"]]
        query = f"?{page.context['older']}" if page.context["older"] else ""
    assert seen == sorted(Entry.objects.values_list("pk", flat=True), reverse=True)


def test_following_live_asks_for_the_rows_alone(three: None, root: Account) -> None:
    client = logged_in(root)
    assert 'hx-trigger="every 2s"' in client.get("/server/trace/?live=1").content.decode()
    rows = client.get("/server/trace/?live=1", headers={"hx-request": "true"}).content.decode()
    assert rows.lstrip().startswith('<div id="trace"')
