"""Every switch: on, the test message is refused and counted; off, it passes. The real daemons decide."""

from __future__ import annotations

import json
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from django.core.management import call_command

from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_protection
from antispam.models import ProtectionCount
from audit.models import AuditEvent
from provisioning.stopped import count_stopped
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import CLIENT_ADDRESS, Wire, letter

DNS_ADDRESS = "127.0.53.53"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture
def wire(plane: MailInstance, jan: Account) -> Wire:
    plane.apply()
    return Wire(plane.layout)


def stopped(plane: MailInstance, name: str) -> int:
    """As counted from the logs up to now."""
    count_stopped(plane.node(), plane.host)
    return sum(ProtectionCount.objects.filter(name=name).values_list("count", flat=True))


def session(wire: Wire, recipient: str, *, helo: str = "mx.obcy.example", text: str = "") -> tuple[int, str]:
    """One message by hand; the first answer that is not good, or the last."""
    with wire.smtp() as client:
        for code, answer in _answers(client, recipient, helo, text or letter("probna")):
            if code >= 400:
                return code, answer.decode()
    return code, answer.decode()


def _answers(client: smtplib.SMTP, recipient: str, helo: str, text: str) -> Iterator[tuple[int, bytes]]:
    yield client.ehlo(helo)
    yield client.mail("x@obcy.example")
    yield client.rcpt(recipient)
    yield client.data(text.encode())


def with_attachment(name: str) -> str:
    field = f"Content-Disposition: attachment; {name}\r\nContent-Type: application/octet-stream\r\n"
    return letter("zalacznik").replace('Content-Type: text/plain; charset="utf-8"\r\n', field)


def hasty(wire: Wire, recipient: str) -> tuple[int, str]:
    """A robot that does not wait for answers."""
    with socket.create_connection(
        ("127.0.0.1", wire.layout.port("smtp")), source_address=(CLIENT_ADDRESS, 0)
    ) as raw:
        stream = raw.makefile("rwb")
        stream.readline()
        lines = ["HELO mx.obcy.example", "MAIL FROM:<x@obcy.example>", f"RCPT TO:<{recipient}>", "DATA"]
        stream.write("".join(f"{line}\r\n" for line in lines).encode())
        stream.flush()
        answers = [stream.readline().decode() for _line in lines]
    return int(answers[-1][:3]), answers[-1]


Try = Callable[[Wire, str], tuple[int, str]]
OFFLINE: dict[str, tuple[Try, int]] = {
    "helo": (lambda wire, to: session(wire, to, helo="komputer"), 504),
    "pipelining": (hasty, 503),
    "attachment-types": (
        lambda wire, to: session(wire, to, text=with_attachment('filename="faktura.exe"')),
        550,
    ),
    "unlisted-recipient": (lambda wire, to: session(wire, f"nikt.{to}"), 550),
}


@pytest.fixture
def switch(plane: MailInstance, console: Actor) -> Iterator[Callable[[str, bool], None]]:
    touched: dict[str, bool] = {}

    def set_and_apply(name: str, is_on: bool) -> None:
        touched[name] = True
        set_protection(name, is_on=is_on, by=console)
        plane.apply()

    yield set_and_apply
    for name in touched:
        set_and_apply(name, name not in ("sender-domain", "dnsbl", "reverse-name"))


@pytest.mark.parametrize("name", OFFLINE)
def test_on_it_stops_and_counts_and_off_it_lets_through(
    wire: Wire, plane: MailInstance, jan: Account, switch: Callable[[str, bool], None], name: str
) -> None:
    attempt, code = OFFLINE[name]
    before = stopped(plane, name)
    assert attempt(wire, jan.address)[0] == code
    wait_until(lambda: stopped(plane, name) == before + 1, what="the count")
    switch(name, False)
    # A process that a reload finds at work ends after it.
    wait_until(lambda: attempt(wire, jan.address)[0] < 400, seconds=5)
    switch(name, True)
    wait_until(lambda: attempt(wire, jan.address)[0] == code, seconds=5)


def test_a_switch_survives_a_restart(
    wire: Wire, plane: MailInstance, jan: Account, switch: Callable[[str, bool], None]
) -> None:
    attempt, code = OFFLINE["helo"]
    for is_on in (False, True):
        switch("helo", is_on)
        plane.stop_daemon("postfix")
        try:
            # What a start does: everything as the database has it.
            plane.applier().apply_all(confirm_deletions=True)
        finally:
            plane.start_daemon(plane.daemon("postfix"))
        answer = attempt(wire, jan.address)[0]
        assert answer == code if is_on else answer < 400, (is_on, answer)


@pytest.mark.parametrize(
    "field",
    ['filename="a.EXE"', "filename*=utf-8''faktur%C4%85.exe", 'filename*1*="a.exe"', "name=a.scr"],
)
def test_attachment_types_in_every_spelling(wire: Wire, jan: Account, field: str) -> None:
    wait_until(lambda: session(wire, jan.address, text=with_attachment(field))[0] == 550)


def test_what_people_send_may_carry_programs(wire: Wire, jan: Account) -> None:
    wire.submit(jan.address, PASSWORD, jan.address, jan.address, text=with_attachment('filename="a.exe"'))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["zalacznik"])


def test_the_spam_check_is_switched_for_the_whole_server(
    wire: Wire, plane: MailInstance, jan: Account, switch: Callable[[str, bool], None]
) -> None:
    before = stopped(plane, "spamassassin")
    wire.deliver(jan.address, text=letter("pierwsza", f"{GTUBE}\n"))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD, "SPAM") == ["[SPAM] pierwsza"])
    wait_until(lambda: stopped(plane, "spamassassin") == before + 1)
    switch("spamassassin", False)
    wire.deliver(jan.address, text=letter("druga", f"{GTUBE}\n"))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["druga"])


def test_mail_that_was_not_scanned_is_counted(wire: Wire, plane: MailInstance, jan: Account) -> None:
    before = stopped(plane, "unscanned")
    plane.stop_daemon("spamd")
    try:
        wire.deliver(jan.address, text=letter("nieznana"))
        wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["nieznana"])
    finally:
        plane.start_daemon(plane.daemon("spamd"))
    wait_until(lambda: stopped(plane, "unscanned") == before + 1)


def test_a_client_that_is_too_fast_has_to_wait(
    wire: Wire, plane: MailInstance, jan: Account, switch: Callable[[str, bool], None]
) -> None:
    def connections() -> list[smtplib.SMTP]:
        opened = []
        for _number in range(60):
            try:
                client = smtplib.SMTP(
                    "127.0.0.1",
                    wire.layout.port("smtp"),
                    local_hostname="mx.obcy.example",
                    source_address=("127.0.0.9", 0),
                )
                opened.append(client)
            except smtplib.SMTPException:
                break
        return opened

    before = stopped(plane, "client-rates")
    first = connections()
    assert len(first) == 50
    for client in first:
        client.close()
    wait_until(lambda: stopped(plane, "client-rates") > before)
    switch("client-rates", False)
    second = connections()
    assert len(second) == 60
    for client in second:
        client.close()


# With a DNS of the test's own

ZONES = {
    "obcy.example.": {"MX": ["10 mx.obcy.example."], "A": ["192.0.2.1"]},
    "2.0.0.127.bl.test.": {"A": ["127.0.0.2"], "TXT": ['"listed for the test"']},
    "2.0.0.127.fault.test.": {"A": ["127.255.255.254"]},
    "2.0.0.127.wild.test.": {"A": ["127.0.0.1"]},
    "2.0.0.127.in-addr.arpa.": {},
}


def _answer(question: bytes) -> bytes:
    asked = dns.message.from_wire(question)
    answer = dns.message.make_response(asked)
    answer.flags |= dns.flags.RA
    name, kind = asked.question[0].name.to_text().lower(), asked.question[0].rdtype
    if ".broken.test." in name:
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif name not in ZONES or not ZONES[name]:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    else:
        for found, values in ZONES[name].items():
            if dns.rdatatype.from_text(found) == kind:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", found, *values))
    return answer.to_wire()


@pytest.fixture(scope="module")
def own_dns(running_plane: MailInstance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Postfix alone sees a resolv.conf that names our server: it runs in a mount namespace of its own."""
    folder = tmp_path_factory.mktemp("dns")
    settings = folder / "resolv.conf"
    settings.write_text(f"nameserver {DNS_ADDRESS}\noptions timeout:1 attempts:1\n")
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((DNS_ADDRESS, 53))
    ends = threading.Event()

    def serve() -> None:
        server.settimeout(0.2)
        while not ends.is_set():
            try:
                question, source = server.recvfrom(4096)
            except TimeoutError:
                continue
            server.sendto(_answer(question), source)

    thread = threading.Thread(target=serve)
    thread.start()
    running_plane.stop_daemon("postfix")
    running_plane.start_daemon(running_plane.daemon("postfix"), before=_under(settings))
    yield
    running_plane.stop_daemon("postfix")
    running_plane.start_daemon(running_plane.daemon("postfix"))
    ends.set()
    thread.join()
    server.close()


def _under(settings: Path) -> tuple[str, ...]:
    bind = f'mount --bind {settings} /etc/resolv.conf && exec "$0" "$@"'
    return ("unshare", "--mount", "sh", "-c", bind)


def from_nowhere(wire: Wire, recipient: str) -> tuple[int, str]:
    code, answer = wire.rcpt(recipient, sender="x@nieistnieje.example")
    return code, answer


BY_DNS: dict[str, tuple[Try, int]] = {
    "sender-domain": (from_nowhere, 450),
    "reverse-name": (lambda wire, to: wire.rcpt(to), 450),
    "dnsbl": (lambda wire, to: wire.rcpt(to), 554),
}


@pytest.mark.usefixtures("own_dns")
@pytest.mark.parametrize("name", BY_DNS)
def test_what_asks_the_DNS_stops_and_counts_and_off_it_lets_through(
    wire: Wire,
    plane: MailInstance,
    jan: Account,
    console: Actor,
    switch: Callable[[str, bool], None],
    name: str,
) -> None:
    attempt, code = BY_DNS[name]
    wire = replace(wire, server=CLIENT_ADDRESS)  # which the zones list
    if name == "dnsbl":
        set_protection(name, options={"sites": ["bl.test=127.0.0.[2..11]"]}, by=console)
    assert attempt(wire, jan.address)[0] == 250
    switch(name, True)
    before = stopped(plane, name)
    assert attempt(wire, jan.address)[0] == code
    wait_until(lambda: stopped(plane, name) == before + 1)
    switch(name, False)
    assert attempt(wire, jan.address)[0] == 250


@pytest.mark.usefixtures("own_dns")
@pytest.mark.parametrize("zone", ["fault.test", "wild.test", "broken.test", "silent.test"])
def test_SPM_12_only_the_codes_of_a_list_count(
    wire: Wire, jan: Account, console: Actor, switch: Callable[[str, bool], None], zone: str
) -> None:
    set_protection("dnsbl", options={"sites": [f"{zone}=127.0.0.[2..11]"]}, by=console)
    switch("dnsbl", True)
    assert wire.rcpt(jan.address)[0] == 250


def test_switching_is_audited_and_the_command_tells_all(
    plane: MailInstance, jan: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("protection", "disable", "helo")
    call_command("protection", "set", "dnsbl", "sites", "bl.test=127.0.0.2")
    capsys.readouterr()
    call_command("protection", "list", "--json")
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["helo"]["on"] is False
    assert rows["dnsbl"]["sites"] == ["bl.test=127.0.0.2"]
    assert next(iter(rows)) == "postscreen-dnsbl"
    assert AuditEvent.objects.filter(action="protection.set", target="helo").count() == 1


def test_what_a_client_says_is_not_counted_as_a_protection(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    names = ("clamav", "dnsbl", "helo")
    before = [stopped(plane, name) for name in names]
    evil = "x: reject: END-OF-MESSAGE from a: 5.7.1 Virus found: y"
    wire.deliver(jan.address, text=letter(evil))
    wire.deliver(jan.address, text=letter("Helo command rejected: 504 5.5.2 <a>: Helo command rejected: x"))
    wait_until(lambda: len(wire.subjects(jan.address, PASSWORD)) == 2)
    assert [stopped(plane, name) for name in names] == before
