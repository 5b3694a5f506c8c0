"""What goes past each protection: a network, an address, a domain. What the kind says happens on the wire."""

from __future__ import annotations

import itertools
import smtplib
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from accounts import actions
from accounts.actor import Actor
from antispam.actions import allow_past, set_protection
from antispam.protections import BY_NAME, KINDS, Past
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.render.clamav import EICAR
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.spam import restart_rules
from tests.mail.test_protections import with_attachment
from tests.mail.test_protections_dns import sign
from tests.mail.wire import Wire, client_context, letter
from tests.mail.world import World

__all__ = ["sign"]
HERE = "anna@mur.test"
# What an attempt says: whether it was stopped.
STOPPED, TAKEN = True, False
# An address of the net from which nobody has sent yet: greylisting and postscreen remember who has.
STRANGERS = (f"198.51.100.{last}" for last in itertools.count(1))
PARTNERS = (f"203.0.113.{last}" for last in itertools.count(1))
LABORATORY = (f"203.0.113.{last}" for last in itertools.count(129))
ENTRIES = {
    "203.0.113.0/25": False,
    "szef@good.example": False,
    "partner.example": False,
    "szef@nie-ma.example": False,
    "nie-ma-partnera.example": False,
    "szef@mur.test": False,
    "partner.test": False,
    "203.0.113.128/25": True,
    "laborant@good.example": True,
    "laboratorium.example": True,
}
PASSES = {
    Past.BOTH: {"network", "address", "domain"},
    Past.NETWORKS: {"network"},
    Past.NETWORKS_AND_DOMAINS: {"network", "domain"},
    Past.IF_SAID: set(),
    Past.NOBODY: set(),
}


@dataclass(frozen=True, slots=True)
class Senders:
    """stranger: not on the list. address: on it by itself. domain: by its domain."""

    stranger: str
    address: str
    domain: str


KNOWN = Senders("obcy@good.example", "szef@good.example", "ktos@partner.example")
TRUSTED = Senders("obcy@good.example", "laborant@good.example", "ktos@laboratorium.example")
OF_NO_DOMAIN = Senders("obcy@nie-ma.example", "szef@nie-ma.example", "ktos@nie-ma-partnera.example")
OF_HERE = Senders(HERE, "szef@mur.test", "ktos@partner.test")


@pytest.fixture(scope="module")
def internet(world: World) -> World:
    """No server may send for these domains, they want it refused, and all clients are listed."""
    for network in ("198.51.100.0/24", "203.0.113.0/24"):
        subprocess.run(["ip", "route", "add", "local", network, "dev", "lo"], check=True)
    for domain in ("good.example", "partner.example", "laboratorium.example"):
        world.server(domain, "127.0.0.101")
        world.set_record(domain, "TXT", '"v=spf1 -all"')
        world.set_record(f"_dmarc.{domain}", "TXT", '"v=DMARC1; p=reject"')
    for network in ("100.51.198", "113.0.203"):
        for last in range(256):
            world.set_record(f"{last}.{network}.bl1.test", "A", "127.0.0.2")
    return world


@pytest.fixture
def plane(internet: World, running_in_world: MailInstance, console: Actor, db: None) -> MailInstance:
    """Everything is off; three people have mailboxes, and the list stands."""
    running_in_world.node()
    for kind in KINDS:
        set_protection(kind.name, is_on=False, by=console)
    options = {
        "dnsbl": {"sites": ["bl1.test=127.0.0.2"]},
        "postscreen-dnsbl": {"scored_sites": ["bl1.test=127.0.0.2*3"], "threshold": ["3"]},
        "postscreen-pregreet": {"greet_wait": ["1"]},
        "dkim": {"bad_signature": ["refuse"]},
    }
    for name, given in options.items():
        set_protection(name, options=given, by=console)
    for address in (HERE, OF_HERE.address, OF_HERE.domain):
        _add_person(address, console)
    for value, passes_viruses in ENTRIES.items():
        allow_past(value, passes_viruses=passes_viruses, by=console)
    return running_in_world


def _add_person(address: str, console: Actor) -> None:
    localpart, _at, name = address.partition("@")
    found = Domain.objects.filter(name=name).first()
    domain = found or domain_actions.add_domain(name=name, by=console)
    actions.add_account(domain=domain, localpart=localpart, password=PASSWORD, by=console)


# Attempts: whether a protection stopped the message of that sender from that address


Attempt = Callable[[MailInstance, str, str], bool]


def _answers(client: smtplib.SMTP, recipient: str, sender: str, text: str) -> Iterator[tuple[int, bytes]]:
    yield client.ehlo()
    yield client.mail(sender)
    yield client.rcpt(recipient)
    yield client.data(text.encode())


def smtp(
    plane: MailInstance,
    source: str,
    sender: str,
    *,
    helo: str = "mx.good.example",
    to: str = HERE,
    text: str = "",
) -> bool:
    text = (text or letter("probna")).replace("From: x@obcy.example", f"From: Ktoś <{sender}>")
    with smtplib.SMTP("127.0.0.1", 25, local_hostname=helo, source_address=(source, 0), timeout=30) as client:
        return any(code >= 400 for code, _answer in _answers(client, to, sender, text))


def hasty(plane: MailInstance, source: str, sender: str, *, waits: bool = True) -> bool:
    """Does not wait for the answers to its commands, or not even for the greeting."""
    lines = ("HELO mx.good.example", f"MAIL FROM:<{sender}>", f"RCPT TO:<{HERE}>", "DATA")
    with socket.create_connection(("127.0.0.1", 25), source_address=(source, 0), timeout=30) as raw:
        stream = raw.makefile("rwb")
        if waits:
            stream.readline()
        stream.write("".join(f"{line}\r\n" for line in lines).encode())
        stream.flush()
        answers = [stream.readline().decode() for _line in range(len(lines) + (not waits))]
    return not answers[-1].startswith("354")


def fast(plane: MailInstance, source: str, sender: str) -> bool:
    """The sixtieth connection at a time."""
    opened = [
        socket.create_connection(("127.0.0.1", 25), source_address=(source, 0), timeout=30)
        for _number in range(59)
    ]
    try:
        for connection in opened:
            connection.makefile("rb").readline()
        return smtp(plane, source, sender)
    except smtplib.SMTPConnectError:
        return STOPPED
    finally:
        for connection in opened:
            connection.close()


def marked(plane: MailInstance, source: str, sender: str, *, subject: str) -> bool:
    """Whether it went to the folder SPAM."""
    unique = f"{subject} {source} {sender}"
    assert smtp(plane, source, sender, text=letter(unique)) is TAKEN
    wire = Wire(plane.layout)
    folders: list[str] = []

    def has_arrived() -> bool:
        folders[:] = [
            folder
            for folder in ("INBOX", "SPAM")
            if any(found.endswith(unique) for found in wire.subjects(HERE, PASSWORD, folder))
        ]
        return bool(folders)

    wait_until(has_arrived)
    return folders == ["SPAM"]


def submitted(plane: MailInstance, source: str, sender: str, *, text: str) -> bool:
    with smtplib.SMTP("127.0.0.1", 587, source_address=(source, 0), timeout=30) as client:
        client.starttls(context=client_context())
        Wire.smtp_login(client, sender, PASSWORD)
        text = text.replace("From: x@obcy.example", f"From: {sender}")
        return any(code >= 400 for code, _answer in _answers(client, HERE, sender, text))


ATTEMPTS: dict[str, Attempt] = {
    "postscreen-dnsbl": smtp,
    "postscreen-pregreet": partial(hasty, waits=False),
    "postscreen-protocol": smtp,
    "client-rates": fast,
    "unlisted-recipient": partial(smtp, to=f"nikt.{HERE}"),
    "helo": partial(smtp, helo="komputer"),
    "reverse-name": smtp,
    "sender-domain": smtp,
    "dnsbl": smtp,
    "spf": smtp,
    "greylisting": smtp,
    "pipelining": hasty,
    "attachment-types": partial(smtp, text=with_attachment('filename="faktura.exe"')),
    "clamav": partial(smtp, text=letter("wirus", EICAR)),
    "dmarc": smtp,
    "spamassassin": partial(marked, subject="okazja"),
    "spamassassin-network": partial(marked, subject="probna"),
    "outgoing-viruses": partial(submitted, text=letter("wirus", EICAR)),
    "outgoing-spam": partial(submitted, text=letter("okazja")),
}
# What else has to be on.
BESIDE = {"spamassassin-network": ("spamassassin",)}
SENDERS = {"sender-domain": OF_NO_DOMAIN, "outgoing-viruses": OF_HERE, "outgoing-spam": OF_HERE}
# Their settings count from their start: a reload ends them, and whoever keeps them up starts them again.
FROM_START = {"clamav": "clamav-milter", "dkim": "opendkim", "dmarc": "opendmarc"}
RULES = (
    "header TEST_OFFER Subject =~ /okazja/\nscore TEST_OFFER 20\n"
    "header TEST_LISTED eval:check_rbl('test-lastexternal', 'bl1.test.')\n"
    "tflags TEST_LISTED net\nscore TEST_LISTED 20\n"
)


@pytest.fixture
def attempts(sign: Callable[[str], str]) -> dict[str, Attempt]:
    def broken(plane: MailInstance, source: str, sender: str) -> bool:
        """The signature is of what the message was before."""
        text = letter("dobra").replace("From: x@obcy.example", f"From: {sender}")
        return smtp(plane, source, sender, text=sign(text).replace("dobra", "zmieniona"))

    return ATTEMPTS | {"dkim": broken}


def switch(plane: MailInstance, console: Actor, name: str, *, is_on: bool) -> None:
    for needed in BESIDE.get(name, ()):
        set_protection(needed, is_on=True, by=console)
    set_protection(name, is_on=is_on, by=console)
    plane.apply()
    if name in FROM_START:
        plane.stop_daemon(FROM_START[name])
        plane.start_daemon(plane.daemon(FROM_START[name]))
    if BY_NAME[name].daemon == "spamd":
        (plane.layout.etc / "spamassassin" / "test.cf").write_text(RULES)
        restart_rules(plane)


def who_passes(plane: MailInstance, attempt: Attempt, senders: Senders, network: Iterator[str]) -> set[str]:
    tried = {
        "network": (next(network), senders.stranger),
        "address": (next(STRANGERS), senders.address),
        "domain": (next(STRANGERS), senders.domain),
    }
    return {entry for entry, (source, sender) in tried.items() if not attempt(plane, source, sender)}


@pytest.mark.parametrize("name", BY_NAME)
def test_off_it_stops_nobody_and_on_who_goes_past_it_is_what_its_kind_says(
    plane: MailInstance, console: Actor, attempts: dict[str, Attempt], name: str
) -> None:
    attempt, senders, past = attempts[name], SENDERS.get(name, KNOWN), BY_NAME[name].past
    for is_on in (False, True):
        switch(plane, console, name, is_on=is_on)
        wait_until(lambda: attempt(plane, next(STRANGERS), senders.stranger) is is_on, seconds=60)  # noqa: B023
    assert who_passes(plane, attempt, senders, PARTNERS) == PASSES[past]
    trusted = {"network", "address", "domain"} if past is Past.IF_SAID else PASSES[past]
    if senders is KNOWN:
        assert who_passes(plane, attempt, TRUSTED, LABORATORY) == trusted
