"""Teaching by folders over real IMAP, with a real spamd: scores change for that user, and no mail is lost."""

from __future__ import annotations

import imaplib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, Notice
from antispam.actions import ask_to_teach, teaching, undo_teaching
from antispam.models import TaughtBatch, TaughtMessage, TeachRequest
from domains.models import Domain
from provisioning.learning import Learner
from provisioning.mailbox import Mailbox
from provisioning.spam import folder_of, scan_name
from qmailux_site.errors import HostUnreachable
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
DATE = '"01-Feb-2024 10:00:00 +0100"'
SPAM_WORDS = "Wygraj nowy telefon, kliknij promocja loteria kasyno bonus kredyt bez zaswiadczen okazja"
HAM_WORDS = "Zebranie wspolnoty mieszkaniowej, protokol uchwala remont dachu zarzadca sprawozdanie budynek"


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def learner(plane: MailInstance) -> Learner:
    return Learner(node=plane.node(), host=plane.host, layout=plane.layout)


@pytest.fixture
def ola(firma: Domain, console: Actor, jan: Account, plane: MailInstance) -> Account:
    account = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    return account


def text_of(number: int | str, words: str, *, tagged: bool = False) -> bytes:
    head = [
        f"Message-ID: <{number}.{hash(words)}@obcy.example>",
        "From: Kto =?utf-8?q?=C5=BB?= <x@obcy.example>",
        "To: jan@firma.test",
        f"Subject: {'[SPAM] ' if tagged else ''}numer {number}",
        "Date: Thu, 01 Feb 2024 10:00:00 +0100",
    ]
    if tagged:
        head = [
            "X-Spam-Flag: YES",
            "X-Spam-Level: *****",
            "X-Spam-Status: Yes, score=5.0 required=5.0 tests=A,",
            "\tB autolearn=disabled languages=",
            f"X-Spam-Prev-Subject: numer {number}",
            *head,
        ]
    return "\r\n".join([*head, "", f"{words} {number}", ""]).encode()


def put(wire: Wire, account: Account, folder: str, *messages: bytes, flags: str = "") -> None:
    with wire.imap(account.address, PASSWORD) as client:
        for message in messages:
            status, answer = client.append(f'"{folder}"', flags, DATE, message)
            assert status == "OK", answer


def move(client: imaplib.IMAP4, folder: str, way: str) -> None:
    """All messages of the open folder."""
    if way == "move":
        status, answer = client.uid("MOVE", "1:*", f'"{folder}"')
    else:
        status, answer = client.uid("COPY", "1:*", f'"{folder}"')
        client.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")
        client.expunge()
    assert status == "OK", answer


def the_message(wire: Wire, account: Account) -> tuple[str, bytes]:
    """What IMAP says of the only message in the INBOX, and its bytes."""
    with wire.imap(account.address, PASSWORD) as client:
        client.select("INBOX", readonly=True)
        found = client.fetch("1:*", "(INTERNALDATE FLAGS BODY.PEEK[])")[1]
    parts = [part for part in found if isinstance(part, tuple)]
    assert len(parts) == 1
    return parts[0][0].decode(), parts[0][1]


def words_known(plane: MailInstance, account: Account) -> tuple[int, int]:
    """How many spam and ham messages the account's Bayes knows."""
    folder = plane.layout.node / folder_of(account) / "bayes"
    done = subprocess.run(
        [
            *("sa-learn", "--dump", "magic", f"--dbpath={folder}", "--prefs-file=/dev/null"),
            f"--siteconfigpath={plane.layout.etc / 'spamassassin'}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {
        line.split()[-1]: int(line.split()[2]) for line in done.stdout.splitlines() if " non-token " in line
    }
    return found.get("nspam", 0), found.get("nham", 0)


def score(plane: MailInstance, account: Account, message: bytes) -> float:
    done = subprocess.run(
        ["spamc", "-x", "-R", "-U", str(plane.layout.spam_socket), "-u", scan_name(account)],
        input=message,
        capture_output=True,
        check=True,
    )
    return float(done.stdout.split(b"/")[0])


def waiting(plane: MailInstance) -> list[Path]:
    return list((plane.layout.events / "new").iterdir())


@pytest.fixture(autouse=True)
def clean_spool(plane: MailInstance) -> Iterator[None]:
    yield
    for path in waiting(plane):
        path.unlink()


def test_taught_mail_counts_for_its_user_only_from_ten_each_on(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    put(wire, jan, "Naucz spam", *(text_of(n, SPAM_WORDS) for n in range(10)))
    put(wire, jan, "Oducz spam", *(text_of(n, HAM_WORDS) for n in range(10)))
    before = [
        [score(plane, person, text_of(99, words)) for words in (SPAM_WORDS, HAM_WORDS)]
        for person in (jan, ola)
    ]
    assert learner.run_events() == 20
    after = [
        [score(plane, person, text_of(99, words)) for words in (SPAM_WORDS, HAM_WORDS)]
        for person in (jan, ola)
    ]
    assert after[0][0] >= before[0][0] + 1
    assert after[0][1] <= before[0][1] - 1
    assert after[1] == before[1]
    assert words_known(plane, jan) == (10, 10)


def test_spam_is_erased_and_wanted_mail_returns_as_it_came(
    wire: Wire, learner: Learner, jan: Account, ola: Account
) -> None:
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS, tagged=True))
    put(wire, jan, "Oducz spam", text_of(2, HAM_WORDS, tagged=True), flags="(\\Seen \\Flagged)")
    learner.run_events()
    assert [wire.subjects(jan.address, PASSWORD, name) for name in ("Naucz spam", "Oducz spam")] == [[], []]
    described, content = the_message(wire, jan)
    assert content == text_of(2, HAM_WORDS)
    assert DATE in described
    assert "\\Flagged" in described
    assert "\\Seen" in described


@pytest.mark.parametrize("way", ["move", "copy"])
def test_SPM_07_every_way_of_imap_teaches(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account, way: str
) -> None:
    put(wire, jan, "INBOX", *(text_of(n, SPAM_WORDS) for n in range(3)))
    with wire.imap(jan.address, PASSWORD) as client:
        client.select("INBOX")
        move(client, "Naucz spam", way)
    assert len(waiting(plane)) == 1
    assert learner.run_events() == 3
    assert waiting(plane) == []
    assert words_known(plane, jan) == (3, 0)


def test_SPM_07_large_and_encrypted_mail_and_mail_without_a_message_id_is_taught(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    large = text_of("large", SPAM_WORDS) + b"bardzo dlugi list\r\n" * 1_600_000
    pgp = text_of("pgp", "-----BEGIN PGP MESSAGE-----\r\nabcdef\r\n-----END PGP MESSAGE-----")
    nameless = text_of("nameless", SPAM_WORDS).partition(b"\r\n")[2]
    put(wire, jan, "Naucz spam", large, pgp, nameless)
    assert learner.run_events() == 3
    assert words_known(plane, jan) == (3, 0)


@pytest.mark.parametrize("target", ["Trash", "Archiwum", "INBOX"])
def test_SPM_08_only_the_folders_that_teach_teach(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account, target: str
) -> None:
    put(wire, jan, "SPAM", text_of(1, SPAM_WORDS, tagged=True))
    with wire.imap(jan.address, PASSWORD) as client:
        client.create("Archiwum")
        client.select("SPAM")
        move(client, target, "move")
    assert waiting(plane) == []
    assert learner.sweep() == 0
    assert not (plane.layout.node / folder_of(jan) / "bayes_toks").exists()


def test_SPM_09_the_same_message_again_counts_once_and_the_other_way_turns_it_round(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    for folder, counts in (("Naucz spam", (1, 0)), ("Naucz spam", (1, 0)), ("Oducz spam", (0, 1))):
        put(wire, jan, folder, text_of(1, SPAM_WORDS))
        assert learner.run_events() == 1
        assert words_known(plane, jan) == counts
    assert wire.subjects(jan.address, PASSWORD) == ["numer 1"]


def test_SPM_09_without_spamd_nothing_moves_and_it_is_taught_later(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS))
    put(wire, jan, "Oducz spam", text_of(2, HAM_WORDS))
    daemon = plane.daemon("spamd")
    plane.stop_daemon("spamd")
    try:
        with pytest.raises(HostUnreachable):
            learner.run_events()
        assert wire.subjects(jan.address, PASSWORD, "Naucz spam") == ["numer 1"]
        assert wire.subjects(jan.address, PASSWORD, "Oducz spam") == ["numer 2"]
    finally:
        plane.start_daemon(daemon)
    assert learner.run_events() == 2
    assert words_known(plane, jan) == (1, 1)


def test_SPM_09_an_account_over_its_quota_gets_its_mail_back(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account, console: Actor
) -> None:
    put(wire, jan, "Oducz spam", text_of(1, HAM_WORDS + " x" * 5000))
    actions.edit_account(jan, quota_bytes=1024, by=console)
    plane.apply()
    assert learner.run_events() == 1
    assert wire.subjects(jan.address, PASSWORD) == ["numer 1"]


def test_SPM_10_a_message_that_cannot_be_taught_stays_and_its_owner_is_told(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    folder = plane.layout.node / folder_of(jan)
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS))
    learner.host.make_folder(folder_of(jan).rpartition("/")[0], owner="root", group="root", mode=0o755)
    folder.mkdir(exist_ok=True)
    (folder / "bayes_toks").mkdir()  # where SpamAssassin wants a file
    learner.run_events()
    assert wire.subjects(jan.address, PASSWORD, "Naucz spam") == ["numer 1"]
    assert TaughtMessage.objects.get(batch__account=jan).failure != ""
    assert Notice.objects.filter(account=jan, kind=Notice.Kind.NOT_TAUGHT).count() == 1
    assert learner.sweep() == 0


def test_mail_that_came_in_another_way_is_found_by_the_sweep(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    wire.put_sieve(jan.address, PASSWORD, 'require "fileinto"; fileinto "Naucz spam";')
    wire.deliver(jan.address, text=text_of(1, SPAM_WORDS).decode())
    wait_until(lambda: wire.subjects(jan.address, PASSWORD, "Naucz spam"))
    assert waiting(plane) == []
    assert learner.sweep() == 1
    assert words_known(plane, jan) == (1, 0)


def test_folders_follow_the_language_and_the_old_ones_keep_working(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account, console: Actor
) -> None:
    def folders() -> set[str]:
        with wire.imap(jan.address, PASSWORD) as client:
            listed = client.list()[1]
        return {line.decode().rpartition('" ')[2].strip('"') for line in listed if isinstance(line, bytes)}

    assert {"Naucz spam", "Oducz spam"} <= folders()
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS))
    learner.run_events()
    actions.edit_account(jan, language="en", by=console)
    plane.apply()
    assert {"Learn spam", "Unlearn spam", "Naucz spam"} <= folders()
    put(wire, jan, "Learn spam", text_of(2, SPAM_WORDS))
    put(wire, jan, "Naucz spam", text_of(3, SPAM_WORDS))
    learner.run_events()
    assert words_known(plane, jan) == (3, 0)


def test_undo_forgets_and_puts_the_spam_back(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS), flags="(\\Seen)")
    learner.run_events()
    batch = TaughtBatch.objects.get(account=jan)
    kept = plane.layout.node / batch.kept_at
    assert [path.stat().st_mode & 0o777 for path in kept.iterdir()] == [0o600]
    undo_teaching(batch, by=Actor(real=jan, channel="panel"))
    assert learner.undo_requested() == 1
    assert words_known(plane, jan) == (0, 0)
    described, content = the_message(wire, jan)
    assert content == text_of(1, SPAM_WORDS)
    assert DATE in described
    assert "\\Seen" in described
    assert not kept.exists()
    assert learner.undo_requested() == 0


@pytest.mark.parametrize(
    "content",
    [b"learn\nroot@localhost\n", b"learn\n../../etc/passwd\n", b"x" * 10_000, b"\xff\xfe", b"learn\n"],
)
def test_names_in_the_spool_are_not_trusted(
    plane: MailInstance, learner: Learner, jan: Account, content: bytes
) -> None:
    (plane.layout.events / "new" / "learn-evil").write_bytes(content)
    assert learner.run_events() == 0
    assert waiting(plane) == []


def test_links_pipes_and_folders_in_the_spool_are_removed_unread(
    plane: MailInstance, learner: Learner, tmp_path: Path
) -> None:
    new = plane.layout.events / "new"
    secret = tmp_path / "secret"
    secret.write_text("learn\n")
    (new / "a-link").symlink_to(secret)
    os.mkfifo(new / "a-pipe")
    (new / "a-folder").mkdir()
    assert learner.run_events() == 0
    assert waiting(plane) == []
    assert secret.exists()


# A learner of its own process


def learning_process(*arguments: str) -> subprocess.Popen[bytes]:
    """manage.py learn over the test's own database."""
    database = connection.settings_dict
    url = (
        f"sqlite:///{database['NAME']}"
        if connection.vendor == "sqlite"
        else f"postgres:///{database['NAME']}?host={database['HOST']}"
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", "learn", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "QMAILUX_KEEP_ROOT": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def watching(transactional_db: None) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(learning_process("run", "--watch"))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def _has_taught(plane: MailInstance, account: Account, count: int) -> bool:
    folder = plane.layout.node / folder_of(account)
    return (folder / "bayes_toks").exists() and sum(words_known(plane, account)) >= count


def _is_empty(wire: Wire, account: Account, folder: str) -> bool:
    return wire.count(account.address, PASSWORD, folder) == 0


def _has_receipts(plane: MailInstance, account: Account, count: int) -> bool:
    """Coarser, but it takes no processor from the learner. Of a thousand messages, half of them each way."""
    return TaughtMessage.objects.filter(batch__account=account).count() >= count


@pytest.mark.parametrize(
    ("count", "kills"), [(1, (1,)), (50, (2, 9, 33, 71, 97)), (500, (100, 600))], ids=["1", "50", "500"]
)
def test_a_killed_learner_loses_nothing_and_teaches_nothing_twice(
    watching: Callable[[], subprocess.Popen[bytes]],
    wire: Wire,
    plane: MailInstance,
    jan: Account,
    ola: Account,
    count: int,
    kills: tuple[int, ...],
) -> None:
    put(wire, jan, "Naucz spam", *(text_of(n, SPAM_WORDS, tagged=True) for n in range(count)))
    put(wire, jan, "Oducz spam", *(text_of(n, HAM_WORDS, tagged=True) for n in range(count)))
    for killed_after in kills:
        process = watching()
        taught = partial(_has_receipts if count > 50 else _has_taught, plane, jan, killed_after)
        wait_until(taught, seconds=900, what=f"{killed_after} taught")
        process.send_signal(signal.SIGKILL)
        process.wait()
    watching()
    for folder in ("Naucz spam", "Oducz spam"):
        wait_until(partial(_is_empty, wire, jan, folder), seconds=900, what=f"{folder} empty")
    wait_until(lambda: not TaughtBatch.objects.filter(finished_at=None).exists(), seconds=900)
    assert words_known(plane, jan) == (count, count)
    assert sorted(wire.subjects(jan.address, PASSWORD)) == sorted(f"numer {n}" for n in range(count))
    assert TaughtMessage.objects.filter(batch__account=jan).count() == 2 * count
    assert not (plane.layout.node / folder_of(ola)).exists()


class Killed(Exception):
    pass


def _kill_at_removal(self: Mailbox, uids: Sequence[int]) -> None:
    """Marked as deleted, not yet removed."""
    self._client.uid("STORE", ",".join(map(str, uids)), "+FLAGS.SILENT", "(\\Deleted)")
    raise Killed


@pytest.mark.parametrize(
    ("folder", "other", "counts", "returned"),
    [
        ("Naucz spam", "Learn spam", (4, 0), []),
        ("Oducz spam", "Unlearn spam", (0, 4), ["numer 0", "numer 1", "numer 2", "numer 3"]),
        ("Unlearn spam", "Oducz spam", (0, 4), ["numer 0", "numer 1", "numer 2", "numer 3"]),
    ],
)
def test_what_a_killed_learner_had_marked_as_deleted_leaves_the_folder(
    wire: Wire,
    plane: MailInstance,
    learner: Learner,
    jan: Account,
    ola: Account,
    monkeypatch: pytest.MonkeyPatch,
    folder: str,
    other: str,
    counts: tuple[int, int],
    returned: list[str],
) -> None:
    with wire.imap(jan.address, PASSWORD) as client:
        client.create(f'"{folder}"')
        client.create(f'"{other}"')
    put(wire, jan, folder, *(text_of(n, SPAM_WORDS) for n in range(3)))
    with monkeypatch.context() as patch:
        patch.setattr(Mailbox, "expunge", _kill_at_removal)
        with pytest.raises(Killed):
            learner.learn(jan)
    put(wire, jan, other, text_of(3, SPAM_WORDS))
    learner.learn(jan)
    assert [wire.subjects(jan.address, PASSWORD, name) for name in (folder, other)] == [[], []]
    assert words_known(plane, jan) == counts
    assert sorted(wire.subjects(jan.address, PASSWORD)) == returned
    batch = TaughtBatch.objects.get(account=jan)
    assert batch.finished_at is not None
    assert batch.messages.count() == 4


def test_a_batch_whose_learner_was_killed_at_the_very_end_is_finished_by_the_next(
    wire: Wire, learner: Learner, jan: Account, ola: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS))
    with monkeypatch.context() as patch:
        patch.setattr(teaching, "finish_batch", _raise_killed)
        with pytest.raises(Killed):
            learner.learn(jan)
    learner.learn(jan)
    assert TaughtBatch.objects.get(account=jan).finished_at is not None


def _raise_killed(*_args: object, **_named: object) -> None:
    raise Killed


def test_what_somebody_marked_as_deleted_in_the_folder_stays_theirs(
    wire: Wire, plane: MailInstance, learner: Learner, jan: Account, ola: Account
) -> None:
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS), flags="(\\Deleted)")
    put(wire, jan, "Naucz spam", text_of(2, SPAM_WORDS))
    learner.learn(jan)
    assert wire.subjects(jan.address, PASSWORD, "Naucz spam") == ["numer 1"]
    assert words_known(plane, jan) == (1, 0)


def test_teaching_follows_within_seconds(
    watching: Callable[[], subprocess.Popen[bytes]],
    wire: Wire,
    plane: MailInstance,
    jan: Account,
    ola: Account,
) -> None:
    process = watching()
    put(wire, jan, "Naucz spam", text_of(0, SPAM_WORDS))
    wait_until(lambda: TaughtBatch.objects.exclude(finished_at=None).count() == 1, seconds=30)
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS))
    wait_until(lambda: TaughtBatch.objects.exclude(finished_at=None).count() == 2, seconds=5)
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_the_command_teaches_what_waits_and_tells_volumes(
    wire: Wire, jan: Account, ola: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    put(wire, jan, "Naucz spam", text_of(1, SPAM_WORDS), text_of(2, SPAM_WORDS))
    call_command("learn", "run")
    assert capsys.readouterr().out == "taught 2, taken back 0\n"
    call_command("learn", "status", "--json")
    today, month = json.loads(capsys.readouterr().out)
    assert (today["spam"], today["ham"], today["accounts"], month["spam"]) == (2, 0, 1, 2)
    call_command("learn", "status")
    assert capsys.readouterr().out.startswith("today  spam: 2  ham: 0  not taught: 0  accounts: 1  ")


@pytest.mark.parametrize(("kind", "folder"), [("spam", "INBOX"), ("ham", "SPAM")])
def test_a_click_teaches_one_message_as_the_folder_would(
    wire: Wire, jan: Account, ola: Account, learner: Learner, kind: str, folder: str
) -> None:
    put(wire, jan, folder, text_of(f"klik-{kind}", SPAM_WORDS), text_of(f"inny-{kind}", SPAM_WORDS))
    message_id = f"<klik-{kind}.{hash(SPAM_WORDS)}@obcy.example>"
    by = Actor(real=jan, channel="panel")
    ask_to_teach(jan, message_id=message_id, kind=TaughtBatch.Kind(kind), by=by)
    assert learner.teach_requested() == 1
    assert wire.subjects(jan.address, PASSWORD, folder) == [f"numer inny-{kind}"]
    batch = TaughtBatch.objects.get(account=jan)
    assert (batch.kind, [message.subject for message in batch.messages.all()]) == (
        kind,
        [f"numer klik-{kind}"],
    )
    assert TeachRequest.objects.get(account=jan).fault == ""
    assert learner.teach_requested() == 0


def test_a_click_on_a_message_that_is_gone_teaches_nothing_and_says_why(
    jan: Account, ola: Account, learner: Learner
) -> None:
    by = Actor(real=jan, channel="panel")
    ask_to_teach(jan, message_id="<nie.ma@obcy.example>", kind=TaughtBatch.Kind.SPAM, by=by)
    assert learner.teach_requested() == 0
    assert "neither in the INBOX nor in SPAM" in TeachRequest.objects.get(account=jan).fault
