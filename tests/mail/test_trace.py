"""Where is my mail? Sent for real, each fate is found by every field and told right."""

from __future__ import annotations

import imaplib
import os
import shutil
import smtplib
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from maillog.access import sight_of
from maillog.ingest import Ingester
from maillog.models import Entry
from maillog.timeline import session_summary, timeline_of
from maillog.trace import Question, find, question_of
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

pytestmark = pytest.mark.django_db(databases=["default", "logs"])
# Nobody listens there: mail for it waits.
UNREACHABLE = "ktos@[127.0.0.99]"
KB = 1024


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ingester(plane: MailInstance, tmp_path: Path) -> Ingester:
    return Ingester(tmp_path / "lock")


@pytest.fixture
def people(firma: Domain, console: Actor, plane: MailInstance) -> Iterator[dict[str, Account]]:
    """jan, ola, a full mailbox, and one that will be locked."""
    names = ("jan", "ola", "pelny", "zamek")
    found = {
        name: actions.add_account(
            domain=firma,
            localpart=name,
            password=PASSWORD,
            quota_bytes=20 * KB if name == "pelny" else 0,
            by=console,
        )
        for name in names
    }
    for localpart, target in (("biuro", found["ola"]), ("sam", found["pelny"])):
        actions.add_alias(domain=firma, localpart=localpart, targets=[target.address], by=console)
    plane.apply()
    yield found
    subprocess.run(
        ["postsuper", "-c", str(plane.layout.etc / "postfix"), "-d", "ALL"], check=True, capture_output=True
    )


def read(ingester: Ingester, plane: MailInstance, question: Question, count: int = 1) -> list[Entry]:
    """What is found once the logs tell of so many; the daemons may still be writing."""
    found: list[Entry] = []

    def enough() -> bool:
        ingester.run(plane.layout.node_log)
        found[:] = find(question, sight_of(Actor.console())).select_related("lines")
        return len(found) >= count and not any(entry.verdict == "queued" for entry in found)

    wait_until(enough, what=f"{question}: {[str(entry) for entry in found]}")
    return found


def words(entry: Entry) -> str:
    steps = timeline_of(entry, sight_of(Actor.console()))
    moments = [step.at for step in steps if step.at]
    assert moments == sorted(moments)
    return "\n".join(step.words for step in steps)


def test_each_fate_is_found_and_told(
    wire: Wire, plane: MailInstance, ingester: Ingester, people: dict[str, Account], console: Actor
) -> None:
    jan, ola, pelny, zamek = (people[name].address for name in ("jan", "ola", "pelny", "zamek"))
    domain = jan.partition("@")[2]
    wire.deliver(jan, text=letter("Dostarczona żółta", headers=[f"Message-ID: <dost@{domain}>"]))
    wire.deliver(f"biuro@{domain}", text=letter("Przez alias"))
    wire.deliver(pelny, text=letter("Balast", "x" * 18 * KB))
    wait_until(lambda: "Balast" in wire.subjects(pelny, PASSWORD))
    assert wire.rcpt(pelny, size=10 * KB)[0] == 552
    assert wire.rcpt(f"nikt@{domain}")[0] == 550
    assert wire.rcpt("ktos@daleko.example")[0] == 554
    wire.submit(jan, PASSWORD, jan, UNREACHABLE, text=letter("Czeka"))
    wire.submit(jan, PASSWORD, jan, f"sam@{domain}", text=letter("Wraca", "y" * 10 * KB))
    actions.lock_account(people["zamek"], mode="reject", reason="", by=console)
    plane.apply()
    assert wire.rcpt(zamek)[0] == 550

    told = {
        name: (entry.verdict, entry.mechanism, entry.direction)
        for name, question in {
            "delivered": Question(recipient=jan, subject="Dostarczona"),
            "alias": Question(recipient=f"biuro@{domain}"),
            "full": Question(recipient=pelny, kind="refusal"),
            "unknown": Question(recipient=f"nikt@{domain}"),
            "relay": Question(recipient="ktos@daleko.example", client=wire.server),
            "deferred": Question(recipient=UNREACHABLE, login=jan),
            "bounced": Question(login=jan, subject="Wraca"),
            "locked": Question(recipient=zamek, kind="refusal"),
        }.items()
        for entry in read(ingester, plane, question)[:1]
    }
    assert told == {
        "delivered": ("delivered", "", "in"),
        "alias": ("delivered", "", "in"),
        "full": ("rejected", "quota", "in"),
        "unknown": ("rejected", "unknown-user", "in"),
        "relay": ("rejected", "relay", "in"),
        "deferred": ("deferred", "", "out"),
        "bounced": ("bounced", "quota", "local"),
        "locked": ("rejected", "locked", "in"),
    }

    (delivered,) = read(ingester, plane, Question(message_id=f"<dost@{domain}>"))
    life = words(delivered)
    assert f"[{wire.server}] connected" in life
    assert "subject: Dostarczona żółta" in life
    assert f"handed to the mailbox of {jan}" in life
    assert f"{jan}: filed in the folder INBOX" in life
    assert delivered.folder == "INBOX"
    assert abs(timezone.now() - delivered.began_at) < timedelta(minutes=5)
    for text in (
        jan,
        delivered.queue_id,
        f"<dost@{domain}>",
        f"{wire.server} dostarczona",
        "127.0.0.0/8 Dostarczona",
    ):
        assert delivered in read(ingester, plane, question_of(text)), text
    (by_alias,) = read(ingester, plane, Question(recipient=f"biuro@{domain}"))
    assert f"handed to the mailbox of {ola} (addressed to biuro@{domain})" in words(by_alias)
    (bounced,) = read(ingester, plane, Question(login=jan, subject="Wraca"))
    assert "a notice went to the sender as" in words(bounced)
    notice = words(bounced).rpartition("as ")[2].split("\n")[0]
    (returned,) = read(ingester, plane, Question(queue_id=notice))
    assert (returned.sender, returned.recipient, returned.verdict) == ("", jan, "delivered")


def test_logins_and_sessions_are_one_line_each(
    wire: Wire, plane: MailInstance, ingester: Ingester, people: dict[str, Account], console: Actor
) -> None:
    jan, ola, zamek = (people[name].address for name in ("jan", "ola", "zamek"))
    for number in range(3):
        wire.deliver(jan, text=letter(f"Numer {number}"))
    wait_until(lambda: len(wire.subjects(jan, PASSWORD)) == 3)
    with wire.pop3(jan, PASSWORD) as pop3:
        for number in (1, 2, 3):
            pop3.retr(number)
        pop3.dele(1)
        pop3.dele(2)
        pop3.quit()
    with wire.imap(ola, PASSWORD):
        pass
    with wire.submission() as client:
        wire.smtp_login(client, ola, PASSWORD)
    with pytest.raises(imaplib.IMAP4.error), wire.imap(ola, "zle-haslo"):
        pass
    actions.lock_account(people["zamek"], reason="", by=console)
    plane.apply()
    with pytest.raises(imaplib.IMAP4.error), wire.imap(zamek, PASSWORD):
        pass
    with wire.submission() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        wire.smtp_login(client, zamek, PASSWORD)

    def summary() -> str:
        ingester.run(plane.layout.node_log)
        sessions = find(Question(login=jan), sight_of(Actor.console()))
        return next((session_summary(entry) for entry in sessions if entry.service == "pop3"), "")

    wait_until(lambda: summary() == "3 messages fetched, 2 deleted")
    olas = read(ingester, plane, Question(login=ola, kind="session"), count=3)
    assert sorted((entry.service, entry.verdict, entry.mechanism) for entry in olas) == [
        ("imap", "logged-in", ""),
        ("imap", "login-failed", "password"),
        ("smtp", "logged-in", ""),
    ]
    locked = read(ingester, plane, Question(login=zamek), count=2)
    assert sorted((entry.service, entry.verdict, entry.mechanism) for entry in locked) == [
        ("imap", "login-failed", "locked"),
        ("submission", "login-failed", "locked"),
    ]


def test_a_filter_that_discards_is_told(
    wire: Wire, plane: MailInstance, ingester: Ingester, people: dict[str, Account]
) -> None:
    ola = people["ola"].address
    wire.put_sieve(ola, PASSWORD, 'require ["fileinto", "mailbox"];\nif header :contains "subject" "precz" '
        '{ discard; stop; }\nif header :contains "subject" "obok" { fileinto :create "Obok"; }')  # fmt: skip
    wire.deliver(ola, text=letter("precz z tym"))
    wire.deliver(ola, text=letter("obok tego"))
    (gone,) = read(ingester, plane, Question(recipient=ola, subject="precz"))
    (aside,) = read(ingester, plane, Question(recipient=ola, subject="obok"))
    assert (gone.verdict, aside.verdict, aside.folder) == ("discarded", "delivered", "Obok")


@pytest.fixture
def own_home(plane: MailInstance) -> Iterator[Path]:
    """Another home, with databases of its own, that reads the running plane's logs."""
    home = Path(tempfile.mkdtemp(prefix="qxt-"))
    (home / "db").mkdir()
    (home / "node").mkdir()
    (home / "node" / "log").symlink_to(plane.layout.node_log)
    yield home
    shutil.rmtree(home)


def django(home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "QMAILUX_HOME": str(home),
        "DATABASE_URL": f"sqlite:///{home}/db/panel.sqlite3",
        "DJANGO_SETTINGS_MODULE": "qmailux_site.settings",
    }
    argv = [sys.executable, "-m", "django", *arguments]
    return subprocess.Popen(
        argv,
        env=environment,
        cwd=settings.BASE_DIR,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_is_logged_is_found_within_two_seconds(
    wire: Wire, plane: MailInstance, people: dict[str, Account], own_home: Path
) -> None:
    """By the process that the stack runs, while 500 lines a second come in."""
    for database in ("default", "logs"):
        done = django(own_home, "migrate", "-v", "0", "--database", database)
        assert done.wait(timeout=120) == 0

    def is_there(address: str) -> bool:
        with closing(sqlite3.connect(own_home / "db" / "logs.sqlite3")) as database:
            question = "SELECT count(*) FROM maillog_entry WHERE recipient = ? AND verdict = 'rejected'"
            return bool(database.execute(question, [address]).fetchone()[0])

    follower = django(own_home, "logs", "ingest", "--follow")
    try:
        domain = people["jan"].address.partition("@")[2]
        assert wire.rcpt(f"rozgrzewka@{domain}")[0] == 550
        wait_until(lambda: is_there(f"rozgrzewka@{domain}"), seconds=60)
        stamp = f"{timezone.localtime():%b %e %H:%M:%S}"
        line = f"{stamp} mx postfix/mx/smtpd[3325]: connect from localhost[127.0.0.1]\n"
        for _tenth in range(10):
            with (plane.layout.node_log / "mail.log").open("a") as log:
                log.write(line * 50)
            time.sleep(0.1)
        assert wire.rcpt(f"swiezy@{domain}")[0] == 550
        wait_until(lambda: is_there(f"swiezy@{domain}"), seconds=2)
    finally:
        follower.terminate()
        _, said = follower.communicate(timeout=20)
    assert (follower.returncode, said) == (0, "")
