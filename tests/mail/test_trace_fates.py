"""Ten different fates of mail, for real: each is found by each field that it has, and told right."""

from __future__ import annotations

import imaplib
import itertools
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_protection
from domains import actions as domain_actions
from domains import address_actions
from domains.models import Domain
from maillog.access import sight_of
from maillog.export import client_address
from maillog.ingest import Ingester
from maillog.models import Entry
from maillog.shown import Shown
from maillog.timeline import timeline_of
from maillog.trace import Question, find, question_of
from provisioning import signatures
from qmailux_site.errors import CommandFailed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.spam import scored, use_points
from tests.mail.wire import CLIENT_ADDRESS, Wire, letter
from tests.mail.world import World

__all__ = ["plain_static"]

pytestmark = pytest.mark.django_db(databases=["default", "logs"])
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
KB = 1024
DOMAIN = "losy.example"
OWN_ADDRESS = "127.0.0.11"
NAMES = ("jan", "pelny", "dalej", "zamek")


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> Iterator[MailInstance]:
    running_in_world.node()
    world.forget()
    yield running_in_world
    argv = ["postsuper", "-c", str(running_in_world.layout.etc / "postfix"), "-d", "ALL"]
    subprocess.run(argv, check=True, capture_output=True)


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout, server=CLIENT_ADDRESS)


@pytest.fixture
def ingester(plane: MailInstance, tmp_path: Path) -> Ingester:
    return Ingester(tmp_path / "lock")


@pytest.fixture
def people(plane: MailInstance, console: Actor) -> dict[str, Account]:
    """Of a domain with an address of its own."""
    domain: Domain = domain_actions.add_domain(name=DOMAIN, by=console)
    own = address_actions.add_address(
        address=OWN_ADDRESS, hostname="mail.losy.example", node=plane.node(), is_present=True, by=console
    )
    address_actions.set_domain_addresses(domain, inbound=own, outbound=own, by=console)
    found = {
        name: actions.add_account(
            domain=domain,
            localpart=name,
            password=PASSWORD,
            quota_bytes=20 * KB if name == "pelny" else 0,
            by=console,
        )
        for name in NAMES
    }
    targets = ["dalej@remote1.example"]
    actions.set_forwarding(found["dalej"], targets=targets, keeps_copy=False, by=console)
    actions.lock_account(found["zamek"], mode="reject", reason="", by=console)
    use_points(plane)
    plane.apply()
    return found


@dataclass(frozen=True, slots=True)
class Fate:
    """question: what finds this one alone. told: the columns. words: what the timeline must say."""

    question: Question
    told: dict[str, Any]
    words: tuple[str, ...]


def read(ingester: Ingester, plane: MailInstance, question: Question) -> Entry:
    """The one that fits, once it is finished; the daemons may still be writing."""
    found: list[Entry] = []

    def is_finished() -> bool:
        ingester.run(plane.layout.node_log)
        found[:] = find(question, sight_of(Actor.console())).select_related("lines")
        return bool(found) and not any(entry.is_open and entry.kind == "message" for entry in found)

    wait_until(is_finished, what=f"{question}: {[(str(entry), entry.verdict) for entry in found]}")
    assert len(found) == 1, [(str(entry), entry.reason) for entry in found]
    return found[0]


def assert_is_found_by_each_field(entry: Entry) -> None:
    """Each that it has: in the one box, and as a field of its own."""
    sight = sight_of(Actor.console())
    address, client = entry.recipient or entry.login, client_address(entry.client)
    day = timedelta(days=1)
    questions = [
        question_of(address),
        question_of(address[:3]),
        question_of(f"@{address.partition('@')[2]}"),
        question_of(client),
        question_of("127.0.0.0/24"),
        question_of(f"{address} {client}"),
        Question(since=timezone.now() - day, until=timezone.now() + day),
        Question(verdict=entry.verdict, mechanism=entry.mechanism, direction=entry.direction),
        Question(kind=entry.kind, own_address=entry.own_address, handling=entry.handling.partition(",")[0]),
        Question(recipient=entry.recipient),
        Question(sender=entry.sender),
        Question(login=entry.login),
    ]
    if entry.subject:
        questions += [question_of(entry.subject.split()[0]), Question(subject=entry.subject)]
    if entry.queue_id:
        questions += [question_of(entry.queue_id), Question(queue_id=entry.queue_id)]
    if entry.message_id:
        questions += [question_of(f"<{entry.message_id}>"), Question(message_id=entry.message_id)]
    for question in questions:
        assert entry in find(question, sight), question


def assert_is_told(ingester: Ingester, plane: MailInstance, fate: Fate) -> Entry:
    entry = read(ingester, plane, fate.question)
    assert {name: getattr(entry, name) for name in fate.told} == fate.told
    steps = timeline_of(entry, sight_of(Actor.console()))
    moments = [step.at for step in steps if step.at]
    assert moments == sorted(moments)
    life = "\n".join(step.words for step in steps)
    assert [words for words in fate.words if words not in life] == [], life
    assert_is_found_by_each_field(entry)
    return entry


def in_box(entry: Entry) -> list[str]:
    return Shown(entry, "").handling


def test_what_the_spam_check_and_the_virus_scanner_say_is_told(
    wire: Wire, plane: MailInstance, ingester: Ingester, people: dict[str, Account]
) -> None:
    jan = people["jan"].address
    wire.deliver(jan, text=scored("Dostarczona zwykła", 0, headers=("Message-ID: <1@losy>",)))
    wire.deliver(jan, text=scored("Podejrzana oferta", 6, headers=("Message-ID: <2@losy>",)))
    wire.deliver(jan, text=scored("Prawdopodobna loteria", 16, headers=("Message-ID: <3@losy>",)))
    with pytest.raises(smtplib.SMTPDataError):
        wire.deliver(jan, text=letter("Zarażona faktura", EICAR, headers=("Message-ID: <4@losy>",)))
    for fate in (
        Fate(
            Question(subject="zwykła"),
            {"verdict": "delivered", "folder": "INBOX", "handling": "", "spam_score": "0.0"},
            (
                f"[{CLIENT_ADDRESS}] connected",
                "subject: Dostarczona zwykła",
                f"{jan}: no spam, 0.0 points of 5.0; rules: –",
                f"handed to the mailbox of {jan}",
                f"{jan}: filed in the folder INBOX",
            ),
        ),
        Fate(
            Question(subject="Podejrzana"),
            {
                "verdict": "delivered",
                "folder": "INBOX",
                "handling": "tagged",
                "spam_score": "6.0",
                "spam_rules": "TEST_POINTS_B,TEST_POINTS_C",
            },
            (f"{jan}: spam, 6.0 points of 5.0; rules: TEST_POINTS_B, TEST_POINTS_C",),
        ),
        Fate(
            Question(subject="loteria"),
            {"verdict": "delivered", "folder": "SPAM", "handling": "spam-folder", "spam_score": "16.0"},
            (f"{jan}: spam, 16.0 points of 5.0; rules: TEST_POINTS_E", f"{jan}: filed in the folder SPAM"),
        ),
        Fate(
            Question(subject="Zarażona"),
            {"verdict": "rejected", "mechanism": "virus"},
            (
                "refused (virus): 5.7.1 Virus found: Eicar-Test-Signature.UNOFFICIAL",
                "the virus scanner found Eicar-Test-Signature.UNOFFICIAL",
            ),
        ),
    ):
        assert_is_told(ingester, plane, fate)
    assert in_box(read(ingester, plane, Question(handling="tagged"))) == ["marked as spam"]


@pytest.fixture
def greylisting(plane: MailInstance, people: dict[str, Account], console: Actor) -> Iterator[None]:
    """On, and a second is enough to come again."""
    daemon = plane.daemon("postgrey")
    hasty = tuple("--delay=1" if word.startswith("--delay=") else word for word in daemon.start)
    plane.stop_daemon("postgrey")
    plane.start_daemon(replace(daemon, start=hasty))
    set_protection("greylisting", is_on=True, by=console)
    plane.apply()
    yield
    set_protection("greylisting", is_on=False, by=console)
    plane.apply()


@pytest.mark.usefixtures("greylisting")
def test_greylisted_and_then_delivered_is_told_together(
    wire: Wire, plane: MailInstance, ingester: Ingester, people: dict[str, Account], root: Account
) -> None:
    jan = people["jan"].address
    text = letter("Za drugim razem")
    codes: list[int] = []
    numbers = itertools.count()

    def is_taken() -> bool:
        try:
            # Neighbours are one server to postgrey, and each may connect as often as it likes.
            server = f"127.0.0.{20 + next(numbers) % 200}"
            Wire(plane.layout, server).deliver(jan, text=text, sender="uparty@obcy.example")
        except smtplib.SMTPRecipientsRefused as refused:
            codes.append(refused.recipients[jan][0])
            return False
        return True

    wait_until(is_taken)
    assert set(codes) == {450}
    delivered = assert_is_told(
        ingester,
        plane,
        Fate(
            Question(subject="drugim", verdict="delivered"),
            {"verdict": "delivered", "sender": "uparty@obcy.example"},
            (),
        ),
    )
    refusals = find(Question(sender="uparty@obcy.example", mechanism="greylist"), sight_of(Actor.console()))
    assert {(entry.verdict, entry.recipient) for entry in refusals} == {("rejected", jan)}
    assert_is_found_by_each_field(refusals[0])
    assert "Greylisted" in refusals[0].reason
    page = logged_in(root).get(f"/server/trace/{delivered.pk}/").content.decode()
    assert f"/server/trace/{refusals[0].pk}/" in page


def test_block_list_quota_and_lock_are_told(
    wire: Wire,
    plane: MailInstance,
    world: World,
    ingester: Ingester,
    people: dict[str, Account],
    console: Actor,
) -> None:
    jan, pelny, zamek = (people[name].address for name in ("jan", "pelny", "zamek"))
    wire.deliver(pelny, text=letter("Balast", "x" * 18 * KB))
    wait_until(lambda: "Balast" in wire.subjects(pelny, PASSWORD))
    assert wire.rcpt(pelny, size=10 * KB)[0] == 552
    assert wire.rcpt(zamek)[0] == 550
    with pytest.raises(imaplib.IMAP4.error), wire.imap(zamek, PASSWORD, "starttls"):
        pass
    world.set_record("2.0.0.127.bl.test", "A", "127.0.0.2")
    world.set_record("2.0.0.127.bl.test", "TXT", '"listed for the test"')
    set_protection("dnsbl", is_on=True, options={"sites": ["bl.test=127.0.0.[2..11]"]}, by=console)
    plane.apply()
    assert wire.rcpt(jan, sender="lista@obcy.example")[0] == 554
    set_protection("dnsbl", is_on=False, by=console)
    plane.apply()
    for fate in (
        Fate(
            Question(recipient=pelny, kind="refusal"),
            {"verdict": "rejected", "mechanism": "quota"},
            ("refused (mailbox full): 552 5.2.2",),
        ),
        Fate(
            Question(recipient=zamek, kind="refusal"),
            {"verdict": "rejected", "mechanism": "locked"},
            ("refused (lock): 550",),
        ),
        Fate(
            Question(login=zamek, kind="session"),
            {"verdict": "login-failed", "mechanism": "locked", "service": "imap"},
            (f"{zamek} from {CLIENT_ADDRESS} was not let in",),
        ),
        Fate(
            Question(sender="lista@obcy.example", verdict="rejected", mechanism="dnsbl"),
            {"recipient": jan, "client": "0" * 20 + "ffff7f000002"},
            ("refused (blocklist): 554 5.7.1", "blocked using bl.test; listed for the test"),
        ),
    ):
        assert_is_told(ingester, plane, fate)


def test_forwarded_and_returned_mail_is_told(
    wire: Wire, plane: MailInstance, world: World, ingester: Ingester, people: dict[str, Account]
) -> None:
    jan, dalej = people["jan"].address, people["dalej"].address
    wire.deliver(dalej, text=letter("Idzie dalej", headers=("Message-ID: <5@losy>",)))
    wait_until(lambda: world.to("dalej@remote1.example"))
    world.refusals["pozno@remote1.example"] = "451 4.7.1 come later"
    wire.submit(jan, PASSWORD, jan, "pozno@remote1.example", text=letter("Nie doszła"))
    came = assert_is_told(
        ingester,
        plane,
        Fate(
            Question(recipient=dalej),
            {"verdict": "delivered", "handling": "forwarded", "direction": "in"},
            (f"{dalej}: forwarded to dalej@remote1.example",),
        ),
    )
    went = assert_is_told(
        ingester,
        plane,
        Fate(
            Question(recipient="dalej@remote1.example"),
            {"verdict": "delivered", "direction": "out", "own_address": OWN_ADDRESS, "service": "sieve"},
            ("sent for dalej@remote1.example to mx.remote1.example[127.0.0.101]:25",),
        ),
    )
    assert went.message_id == came.message_id == "5@losy"

    def is_waiting() -> bool:
        ingester.run(plane.layout.node_log)
        return find(Question(login=jan, verdict="deferred"), sight_of(Actor.console())).exists()

    wait_until(is_waiting)
    waiting = find(Question(login=jan, verdict="deferred"), sight_of(Actor.console()))[0]
    conf = str(plane.layout.etc / "postfix")
    subprocess.run(["postsuper", "-c", conf, "-e", waiting.queue_id], check=True, capture_output=True)
    subprocess.run(["postqueue", "-c", conf, "-i", waiting.queue_id], check=True, capture_output=True)
    returned = assert_is_told(
        ingester,
        plane,
        Fate(
            Question(login=jan, subject="doszła"),
            {"verdict": "bounced", "direction": "out", "own_address": OWN_ADDRESS},
            (
                "not delivered to pozno@remote1.example yet, there will be another try",
                "451 4.7.1 come later",
                "too old to be tried again, returned to the sender",
                "a notice went to the sender as",
            ),
        ),
    )
    assert "451 4.7.1 come later" in returned.reason


def test_updates_of_the_signatures_are_told_those_that_failed_too(
    plane: MailInstance, ingester: Ingester
) -> None:
    """Nobody answers as ClamAV's mirror here; then freshclam fetches a set of our own,."""
    with pytest.raises(CommandFailed):
        signatures.fetch(plane.host, plane.layout)
    conf = plane.layout.etc / "clamav" / "freshclam.conf"
    text = conf.read_text()
    with tempfile.TemporaryDirectory(prefix="qxg-") as folder:
        Path(folder).chmod(0o755)
        own = Path(folder) / "own.hdb"
        own.write_text(f"{'0' * 32}:9:Own.Test-1\n")
        # A mirror with a set of our own alone.
        official = "".join(f"ExcludeDatabase {name}\n" for name in ("main", "daily", "bytecode"))
        conf.write_text(f"{text}\n{official}DatabaseCustomURL file://{own}\n")
        try:
            signatures.fetch(plane.host, plane.layout)
        finally:
            conf.write_text(text)
    ingester.run(plane.layout.node_log)
    found = find(Question(kind="update"), sight_of(Actor.console())).select_related("lines")
    assert [(entry.verdict, entry.service) for entry in found] == [
        ("updated", "freshclam"),
        ("failed", "freshclam"),
    ]
    lives = [
        "\n".join(step.words for step in timeline_of(entry, sight_of(Actor.console()))) for entry in found
    ]
    assert "own.hdb: new version custom database" in lives[0]
    assert "failed: Update failed" in lives[1]
