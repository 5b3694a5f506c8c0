"""Viruses are refused while they are received, by a real clamd with the test signature alone."""

from __future__ import annotations

import io
import smtplib
import subprocess
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import pytest

from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_protection
from provisioning.doctor import examine
from provisioning.render.clamav import EICAR
from provisioning.signatures import fetch, in_use
from qmailux_site.errors import CommandFailed
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

FILES = Path(__file__).resolve().parent / "files"
MEBIBYTE = 1024 * 1024


@pytest.fixture
def wire(plane: MailInstance, jan: Account) -> Wire:
    plane.apply()
    return Wire(plane.layout)


@pytest.fixture
def restored(plane: MailInstance, console: Actor) -> Iterator[None]:
    """Whatever the test sets, the plane is left as a new instance is."""
    yield
    set_protection("clamav", is_on=True, options={"on_failure": ["defer"], "encrypted": ["pass"]}, by=console)
    apply_policy(plane)


def apply_policy(plane: MailInstance) -> None:
    """Apply; what ends to read its settings anew has been started again."""
    before = {name: plane.host.read(f"etc/clamav/{name}.conf") for name in ("clamd", "milter")}
    processes = dict(plane.processes)
    plane.apply()
    for file, name in (("clamd", "clamd"), ("milter", "clamav-milter")):
        if name in processes and plane.host.read(f"etc/clamav/{file}.conf") != before[file]:
            wait_until(partial(is_new, plane, name, processes[name]), seconds=30)
            for socket in plane.daemon(name).ready_sockets:
                wait_until(socket.exists, seconds=30)


def is_new(plane: MailInstance, name: str, before: subprocess.Popen[bytes]) -> bool:
    return plane.processes[name] is not before


def with_attachment(name: str, content: bytes) -> str:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "x@obcy.example", "y@obcy.example", name
    message.set_content("W zalaczniku")
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes().decode("ascii")


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def refusal(wire: Wire, account: Account, text: str) -> tuple[int, str]:
    """The answer to the whole message; 250 when it was taken."""
    try:
        wire.deliver(account.address, text=text)
    except smtplib.SMTPResponseException as error:
        return error.smtp_code, error.smtp_error.decode() if isinstance(error.smtp_error, bytes) else str(
            error
        )
    return 250, ""


@pytest.mark.parametrize(
    "text",
    [
        letter("wprost", EICAR),
        with_attachment("base64.bin", EICAR.encode()),
        with_attachment("zip.zip", zipped("faktura.txt", EICAR.encode())),
        with_attachment("zip.zip", zipped("a.zip", zipped("b.zip", EICAR.encode()))),
    ],
    ids=["plain", "base64", "zip", "zip in zip"],
)
def test_EICAR_is_refused_in_every_wrapping(wire: Wire, plane: MailInstance, jan: Account, text: str) -> None:
    code, answer = refusal(wire, jan, text)
    assert code == 550, answer
    assert "Virus found: Eicar-Test-Signature" in answer
    assert "milter-reject: END-OF-MESSAGE" in plane.log("mail.log")
    assert wire.subjects(jan.address, PASSWORD) == []


def test_AVS_07_with_the_test_signature_alone_doctor_says_so(wire: Wire, plane: MailInstance) -> None:
    assert in_use(plane.layout).version == ""
    found = [finding for finding in examine(plane.layout) if finding.check == "signatures"]
    assert [(finding.level, "test signature alone" in finding.text) for finding in found] == [
        ("warning", True)
    ]


def test_AVS_07_a_source_that_cannot_be_reached_costs_no_signature(wire: Wire, plane: MailInstance) -> None:
    conf = plane.layout.etc / "clamav" / "freshclam.conf"
    written = conf.read_text()
    conf.write_text(written.replace("database.clamav.net", "127.0.0.1:9") + "MaxAttempts 1\n")
    before = sorted(path.name for path in plane.layout.signatures.iterdir())
    try:
        with pytest.raises(CommandFailed):
            fetch(plane.host, plane.layout)
    finally:
        conf.write_text(written)
    after = sorted(path.name for path in plane.layout.signatures.iterdir() if path.name != "freshclam.dat")
    assert after == before


def test_a_clean_attachment_passes(wire: Wire, jan: Account) -> None:
    assert refusal(wire, jan, with_attachment("dobry.zip", zipped("a.txt", b"nic")))[0] == 250
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["dobry.zip"])


@pytest.mark.usefixtures("restored")
def test_AVS_02_encrypted_archives_pass_or_are_refused_by_policy(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    text = (FILES / "encrypted-zip.eml").read_text()
    assert refusal(wire, jan, text)[0] == 250
    set_protection("clamav", options={"encrypted": ["refuse"]}, by=console)
    apply_policy(plane)
    code, answer = refusal(wire, jan, text)
    assert code == 550
    assert "Heuristics.Encrypted.Zip" in answer


def test_AVS_03_an_archive_that_grows_enormously_leaves_nothing_behind(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    bomb = with_attachment("zera.zip", zipped("zera", b"\0" * 60 * MEBIBYTE))
    for _number in range(5):
        assert refusal(wire, jan, bomb)[0] == 250
    wait_until(lambda: len(wire.subjects(jan.address, PASSWORD)) == 5, seconds=60)
    assert list((plane.layout.state / "clamav-temporary").iterdir()) == []


def test_AVS_04_what_the_server_takes_is_scanned_and_what_it_does_not_take_is_refused_at_MAIL(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    size = 50 * MEBIBYTE
    for content, taken in ((b"nic", 250), (EICAR.encode(), 550)):
        text = with_attachment("duzy.bin", content)
        filling = ("wypelnienie " * 6 + "\n") * ((size - len(text) - 100_000) // 74)
        assert refusal(wire, jan, text.replace("W za", filling + "W za", 1))[0] == taken
    assert wire.rcpt(jan.address, size=size + 1)[0] == 552


@pytest.mark.usefixtures("restored")
def test_AVS_05_without_clamd_mail_waits_or_passes_by_policy(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    plane.stop_daemon("clamd")
    code, answer = refusal(wire, jan, letter("czeka"))
    assert (code, answer[:5]) == (451, "4.7.1")
    set_protection("clamav", options={"on_failure": ["accept"]}, by=console)
    apply_policy(plane)
    assert refusal(wire, jan, letter("przechodzi"))[0] == 250
    plane.start_daemon(plane.daemon("clamd"))
    # The milter looks for a scanner that was away only now and then.
    wait_until(lambda: refusal(wire, jan, letter("znowu", EICAR))[0] == 550, seconds=90)


def test_AVS_05_without_the_milter_mail_waits_and_is_scanned_after_the_repair(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    plane.stop_daemon("clamav-milter")
    try:
        with pytest.raises(smtplib.SMTPException):
            wire.deliver(jan.address, text=letter("czeka"))
    finally:
        plane.start_daemon(plane.daemon("clamav-milter"))
    assert refusal(wire, jan, letter("teraz"))[0] == 250


@pytest.mark.usefixtures("restored")
def test_switched_off_it_stops_nothing(wire: Wire, plane: MailInstance, jan: Account, console: Actor) -> None:
    set_protection("clamav", is_on=False, by=console)
    plane.apply()
    assert refusal(wire, jan, letter("wylaczony", EICAR))[0] == 250


def test_AVS_08_by_default_what_people_send_is_not_searched(wire: Wire, jan: Account) -> None:
    wire.submit(jan.address, PASSWORD, jan.address, jan.address, text=letter("od siebie", EICAR))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["od siebie"])
