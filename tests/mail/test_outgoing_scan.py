"""What people send is searched when that is switched on, by a real clamd and a real spamd."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator

import pytest
from django.core.management import call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from alarms.models import Alarm
from alarms.words import sentence_of
from antispam.actions import set_protection
from antispam.counts import UNSCANNED_OUTGOING
from antispam.models import ProtectionCount
from antispam.outgoing import finds_in
from domains.models import Domain
from enforcement.actions import end_incident, set_brake, stop_who_sends_spam
from enforcement.braking import FoundSpam, Incident
from enforcement.spam_sent import note_spam
from provisioning.render.clamav import EICAR
from provisioning.stopped import count_stopped
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.test_antivirus import with_attachment, zipped
from tests.mail.test_protections import GTUBE
from tests.mail.wire import Wire, letter

DEFAULTS = {"found": ["refuse"], "on_failure": ["defer"]}
BAD = {"outgoing-viruses": EICAR, "outgoing-spam": GTUBE}
WORDS = {"outgoing-viruses": "holds a virus", "outgoing-spam": "reads like spam"}
SCANNERS = {"outgoing-viruses": "clamd", "outgoing-spam": "spamd"}


@pytest.fixture
def ola(firma: Domain, console: Actor, jan: Account, plane: MailInstance) -> Account:
    """A colleague whom jan writes to."""
    account = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    return account


@pytest.fixture
def wire(plane: MailInstance, ola: Account) -> Wire:
    return Wire(plane.layout)


@pytest.fixture(autouse=True)
def off_again(plane: MailInstance, console: Actor) -> Iterator[None]:
    """What the tests before have stopped is counted already; afterwards it is as in a new instance."""
    count_stopped(plane.node(), plane.host)
    ProtectionCount.objects.all().delete()
    Alarm.objects.all().delete()
    yield
    for name in BAD:
        set_protection(name, is_on=False, options=DEFAULTS, by=console)
    plane.apply()


def send(wire: Wire, sender: Account, recipient: Account, text: str) -> tuple[int, str]:
    """The answer to the whole message; 250 when it was taken."""
    try:
        wire.submit(sender.address, PASSWORD, sender.address, recipient.address, text=text)
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        return error.smtp_code, said.decode() if isinstance(said, bytes) else said
    return 250, ""


def arrived(wire: Wire, account: Account) -> list[str]:
    """What is spam for people here is in their folder for it."""
    return [*wire.subjects(account.address, PASSWORD), *wire.subjects(account.address, PASSWORD, "SPAM")]


def counted(plane: MailInstance, name: str) -> int:
    count_stopped(plane.node(), plane.host)
    return sum(ProtectionCount.objects.filter(name=name).values_list("count", flat=True))


@pytest.mark.parametrize("name", BAD)
def test_AVS_08_off_it_leaves_and_on_it_is_refused_counted_and_told(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, name: str
) -> None:
    assert send(wire, jan, ola, letter("przed", BAD[name])) == (250, "")
    wait_until(lambda: len(arrived(wire, ola)) == 1)
    call_command("protection", "enable", name)
    plane.apply()
    code, answer = send(wire, jan, ola, letter("po", BAD[name]))
    assert code == 550
    assert answer.startswith("5.7.1 This message")
    assert WORDS[name] in answer
    assert send(wire, jan, ola, letter("czysta")) == (250, "")
    wait_until(lambda: "czysta" in arrived(wire, ola))
    assert counted(plane, name) == 1
    alarm = Alarm.objects.get(name="outgoing.found")
    assert alarm.about == jan.address
    assert "refused" in sentence_of(alarm)


@pytest.mark.parametrize("name", BAD)
def test_what_is_found_waits_on_hold_when_so_chosen(
    wire: Wire, plane: MailInstance, console: Actor, jan: Account, ola: Account, name: str
) -> None:
    set_protection(name, is_on=True, options={"found": ["hold"]}, by=console)
    plane.apply()
    assert send(wire, jan, ola, letter("wstrzymana", BAD[name])) == (250, "")
    wait_until(lambda: "!" in plane.waiting())
    held = re.findall(r"^(\w+)!", plane.waiting(), re.MULTILINE)
    assert len(held) == 1
    assert counted(plane, name) == 1
    plane.host.run(["postsuper", "-c", str(plane.layout.etc / "postfix"), "-H", held[0]])
    plane.flush()
    wait_until(lambda: len(arrived(wire, ola)) == 1)


@pytest.mark.parametrize("name", BAD)
def test_without_the_scanner_mail_waits_or_passes_as_chosen_and_never_in_silence(
    wire: Wire, plane: MailInstance, console: Actor, jan: Account, ola: Account, name: str
) -> None:
    set_protection(name, is_on=True, by=console)
    plane.apply()
    daemon = plane.daemon(SCANNERS[name])
    plane.stop_daemon(daemon.name)
    try:
        code, answer = send(wire, jan, ola, letter("czeka"))
        assert (code, answer[:5]) == (451, "4.7.1")
        assert "does not answer" in answer
        set_protection(name, options={"on_failure": ["accept"]}, by=console)
        plane.apply()
        assert send(wire, jan, ola, letter("przechodzi")) == (250, "")
        assert counted(plane, UNSCANNED_OUTGOING) == 1
    finally:
        plane.start_daemon(daemon)
    assert send(wire, jan, ola, letter("znowu", BAD[name]))[0] == 550


@pytest.mark.parametrize(("on_failure", "codes"), [("defer", (451, 454)), ("accept", (250,))])
def test_without_its_own_program_mail_waits_or_passes_as_chosen(
    wire: Wire,
    plane: MailInstance,
    console: Actor,
    jan: Account,
    ola: Account,
    on_failure: str,
    codes: tuple[int, ...],
) -> None:
    set_protection("outgoing-viruses", is_on=True, options={"on_failure": [on_failure]}, by=console)
    plane.apply()
    plane.stop_daemon("outgoing-scan")
    try:
        # Postfix says it at the greeting, at EHLO or at STARTTLS already.
        assert _reached(wire, jan, ola) in codes
    finally:
        plane.start_daemon(plane.daemon("outgoing-scan"))
    assert send(wire, jan, ola, letter("znowu"))[0] == 250


def _reached(wire: Wire, sender: Account, recipient: Account) -> int:
    try:
        return send(wire, sender, recipient, letter("bez programu"))[0]
    except smtplib.SMTPException:
        return 451


def test_a_virus_in_nested_archives_of_a_large_message_is_found(
    wire: Wire, plane: MailInstance, console: Actor, jan: Account, ola: Account
) -> None:
    for name in BAD:
        set_protection(name, is_on=True, by=console)
    plane.apply()
    content = zipped("a.zip", zipped("b.txt", EICAR.encode()))
    filling = "X-Dlugi: " + "x" * 900 + "\r\n"
    text = with_attachment("a.zip", content).replace("\n", "\r\n")
    assert send(wire, jan, ola, filling + text.replace("W zal", "linia\r\n" * 300_000 + "W zal"))[0] == 550


def test_AVS_08_what_is_forwarded_is_searched_and_held_for_nobody_is_there_to_be_refused(
    wire: Wire, plane: MailInstance, console: Actor, jan: Account, ola: Account
) -> None:
    set_protection("clamav", is_on=False, by=console)
    set_protection("outgoing-viruses", is_on=True, by=console)
    actions.set_forwarding(jan, targets=["ktos@gdzies.example"], keeps_copy=True, by=console)
    plane.apply()
    try:
        wire.deliver(jan.address, text=letter("zarazona", EICAR))
        wait_until(lambda: arrived(wire, jan) == ["zarazona"])
    finally:
        set_protection("clamav", is_on=True, by=console)
        plane.apply()
    held = re.findall(r"^(\w+)! .*\n.*\n? +ktos@gdzies.example", plane.waiting(), re.MULTILINE)
    assert len(held) == 1, plane.waiting()
    assert counted(plane, "outgoing-viruses") == 1
    assert Alarm.objects.get(name="outgoing.found").about == jan.address
    plane.host.run(["postsuper", "-c", str(plane.layout.etc / "postfix"), "-d", *held])


def test_who_sends_more_than_a_few_spam_messages_is_stopped_and_counted_anew_when_let_go(
    wire: Wire, plane: MailInstance, console: Actor, jan: Account, ola: Account
) -> None:
    set_protection("outgoing-spam", is_on=True, by=console)
    set_brake(jan, numbers={"spam": 2}, by=console)
    plane.apply()
    for number in range(2):
        assert send(wire, jan, ola, letter(f"okazja {number}", GTUBE))[0] == 550
    assert counted(plane, "outgoing-spam") == 2
    assert stop_who_sends_spam(by=Actor.task()) == 0, "just as many as are let through"
    assert send(wire, jan, ola, letter("okazja", GTUBE))[0] == 550
    assert counted(plane, "outgoing-spam") == 3
    assert stop_who_sends_spam(by=Actor.task()) == 1
    incident = Incident.objects.get(account=jan)
    assert (incident.measure, incident.found, incident.threshold) == ("spam", 3, 2)
    plane.apply()
    with pytest.raises(smtplib.SMTPException):
        wire.submit(jan.address, PASSWORD, jan.address, ola.address, text=letter("uczciwy"))
    end_incident(incident, by=console)
    plane.apply()
    assert stop_who_sends_spam(by=Actor.task()) == 0
    assert send(wire, jan, ola, letter("znowu")) == (250, "")


@pytest.mark.parametrize(("who", "counts"), [("login", 1), ("from", 0)])
def test_a_forward_of_others_mail_is_nobodys_sign(jan: Account, who: str, counts: int) -> None:
    head = "2026-11-26T13:24:07.6+01:00 vm outgoing-scan[5]: "
    line = f"{head}4jZwhR4Q: held, spam 9.1/8.0 A; {who}={jan.address}"
    note_spam(finds_in([line]))
    assert FoundSpam.objects.filter(account=jan).count() == counts
