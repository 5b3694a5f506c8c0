"""The protections that ask the DNS: on, the message is refused and counted; off, it passes.

In a network of the test's own, with its own DNS, and clients of documentation addresses.
"""

from __future__ import annotations

import dataclasses
import io
import smtplib
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from django.core.management import CommandError, call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import allow_past, set_protection, stop_allowing
from antispam.models import ProtectionCount
from domains import actions as domain_actions
from provisioning.render.clamav import EICAR
from provisioning.stopped import count_stopped
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter
from tests.mail.world import World

HONEST, LIAR, LISTED = "192.0.2.10", "192.0.2.66", "192.0.2.77"
ALL = (
    "postscreen-dnsbl",
    "postscreen-pregreet",
    "postscreen-protocol",
    "spf",
    "greylisting",
    "dkim",
    "dmarc",
)


@pytest.fixture(scope="module")
def internet(world: World) -> World:
    """good.example sends from HONEST alone and wants what is not proven refused; LISTED is on two lists."""
    subprocess.run(["ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo"], check=True)
    subprocess.run(["ip", "-6", "route", "add", "local", "2001:db8::/64", "dev", "lo"], check=True)
    world.server("good.example", "127.0.0.101")
    world.set_record("good.example", "TXT", f'"v=spf1 ip4:{HONEST} -all"')
    world.set_record("_dmarc.good.example", "TXT", '"v=DMARC1; p=reject"')
    world.server("soft.example", "127.0.0.101")
    world.set_record("soft.example", "TXT", '"v=spf1 ~all"')
    for zone in ("bl1.test", "bl2.test"):
        world.set_record(f"77.2.0.192.{zone}", "A", "127.0.0.2")
        world.set_record(f"77.2.0.192.{zone}", "TXT", '"listed for the test"')
    return world


@pytest.fixture
def plane(internet: World, running_in_world: MailInstance, db: None) -> MailInstance:
    running_in_world.node()
    return running_in_world


@pytest.fixture
def anna(plane: MailInstance, console: Actor) -> Account:
    domain = domain_actions.add_domain(name="mur.test", by=console)
    account = actions.add_account(domain=domain, localpart="anna", password=PASSWORD, by=console)
    # The tests ask again and again, faster than a mail server would.
    set_protection("client-rates", is_on=False, by=console)
    plane.apply()
    return account


@pytest.fixture
def switch(plane: MailInstance, console: Actor) -> Iterator[Callable[[str, bool], None]]:
    def set_and_apply(name: str, is_on: bool) -> None:
        set_protection(name, is_on=is_on, by=console)
        plane.apply()

    yield set_and_apply
    for name in ALL:
        set_protection(name, is_on=False, by=console)
    plane.apply()


def stopped(plane: MailInstance, name: str) -> int:
    count_stopped(plane.node(), plane.host)
    return sum(ProtectionCount.objects.filter(name=name).values_list("count", flat=True))


def send(account: Account, source: str, sender: str, text: str = "") -> tuple[int, str]:
    """One message from that address; the first answer that is not good, or the last."""
    with smtplib.SMTP(
        "127.0.0.1", 25, local_hostname="mx.good.example", source_address=(source, 0), timeout=30
    ) as client:
        for code, answer in _answers(client, account.address, sender, text or letter("probna")):
            if code >= 400:
                return code, answer.decode()
        return code, answer.decode()


def _answers(client: smtplib.SMTP, recipient: str, sender: str, text: str) -> Iterator[tuple[int, bytes]]:
    yield client.ehlo()
    yield client.mail(sender)
    yield client.rcpt(recipient)
    yield client.data(text.encode())


def from_good(subject: str) -> str:
    return letter(subject).replace("From: x@obcy.example", "From: Szef <szef@good.example>")


SIGNER = r"""
use Mail::DKIM::Signer; use Mail::DKIM::PrivateKey; my $key = Mail::DKIM::PrivateKey->load(File => $ARGV[0]);
my $signer = Mail::DKIM::Signer->new(Algorithm => "rsa-sha256", Method => "relaxed", Domain => "good.example",
    Selector => "sel", Key => $key);
local $/; my $message = <STDIN>;
$signer->PRINT($message); $signer->CLOSE; print $signer->signature->as_string, "\r\n", $message;
"""


@pytest.fixture(scope="module")
def sign(internet: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Signs as good.example does, whose key the DNS has."""
    key = tmp_path_factory.mktemp("dkim") / "key.pem"
    subprocess.run(
        ["openssl", "genrsa", "-traditional", "-out", key, "1024"], check=True, capture_output=True
    )
    public = subprocess.run(
        ["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    value = "".join(public.splitlines()[1:-1])
    internet.set_record("sel._domainkey.good.example", "TXT", f'"v=DKIM1; k=rsa; p={value}"')

    def signed(text: str) -> str:
        wire_form = text.replace("\r\n", "\n").replace("\n", "\r\n")
        done = subprocess.run(
            ["perl", "-e", SIGNER, key], input=wire_form.encode(), check=True, capture_output=True
        )
        return done.stdout.decode().replace("\r\n", "\n")

    return signed


def test_spf_refuses_what_the_domain_excludes(
    plane: MailInstance, anna: Account, switch: Callable[[str, bool], None]
) -> None:
    assert send(anna, LIAR, "szef@good.example")[0] == 250
    switch("spf", True)
    before = stopped(plane, "spf")
    code, answer = send(anna, LIAR, "szef@good.example")
    assert (code, "SPF fail" in answer) == (550, True), answer
    assert send(anna, HONEST, "szef@good.example")[0] == 250
    assert send(anna, LIAR, "ktos@soft.example")[0] == 250
    wait_until(lambda: stopped(plane, "spf") == before + 1)
    switch("spf", False)
    wait_until(lambda: send(anna, LIAR, "szef@good.example")[0] == 250)


def test_dmarc_refuses_what_neither_spf_nor_dkim_proves(
    plane: MailInstance, anna: Account, switch: Callable[[str, bool], None], sign: Callable[[str], str]
) -> None:
    assert send(anna, LIAR, "x@soft.example", from_good("wolna"))[0] == 250
    switch("dmarc", True)
    before = stopped(plane, "dmarc")
    code, answer = send(anna, LIAR, "x@soft.example", from_good("podszywacz"))
    assert (code, "rejected by DMARC policy for good.example" in answer) == (550, True), answer
    assert send(anna, HONEST, "szef@good.example", from_good("z serwera"))[0] == 250
    assert send(anna, LIAR, "x@soft.example", sign(from_good("podpisana")))[0] == 250
    wait_until(lambda: stopped(plane, "dmarc") == before + 1)
    switch("dmarc", False)
    wait_until(lambda: send(anna, LIAR, "x@soft.example", from_good("znow"))[0] == 250)


def test_dkim_notes_the_result_and_refuses_a_broken_signature_if_told_so(
    plane: MailInstance,
    anna: Account,
    console: Actor,
    switch: Callable[[str, bool], None],
    sign: Callable[[str], str],
) -> None:
    wire = Wire(plane.layout)
    broken = sign(from_good("zepsuta")).replace("zepsuta", "zmieniona")
    switch("dkim", True)
    assert send(anna, HONEST, "szef@good.example", sign(from_good("dobra")))[0] == 250
    wait_until(lambda: "dobra" in wire.subjects(anna.address, PASSWORD))
    noted = [
        str(message["Authentication-Results"])
        for message in wire.messages(anna.address, PASSWORD)
        if message["Subject"] == "dobra"
    ]
    assert ["dkim=pass" in note for note in noted] == [True]
    assert send(anna, HONEST, "szef@good.example", broken)[0] == 250
    set_protection("dkim", options={"bad_signature": ["refuse"]}, by=console)
    plane.apply()
    before = stopped(plane, "dkim")
    wait_until(lambda: send(anna, HONEST, "szef@good.example", broken)[0] == 550)
    wait_until(lambda: stopped(plane, "dkim") == before + 1)
    switch("dkim", False)
    wait_until(lambda: send(anna, HONEST, "szef@good.example", broken)[0] == 250)


def test_greylisting_asks_a_new_sender_to_come_again(
    plane: MailInstance, anna: Account, switch: Callable[[str, bool], None]
) -> None:
    daemon = plane.daemon("postgrey")
    quick = tuple("--delay=1" if word.startswith("--delay=") else word for word in daemon.start)
    plane.stop_daemon("postgrey")
    plane.start_daemon(dataclasses.replace(daemon, start=quick))
    assert send(anna, "192.0.2.20", "nowy@soft.example")[0] == 250
    switch("greylisting", True)
    before = stopped(plane, "greylisting")
    code, answer = send(anna, "192.0.2.20", "nowy@soft.example")
    assert (code, "Greylisted" in answer) == (450, True), answer
    nobody, _answer = send(_nobody_beside(anna), "192.0.2.21", "nowy@soft.example")
    assert nobody == 550
    wait_until(lambda: send(anna, "192.0.2.20", "nowy@soft.example")[0] == 250)
    assert stopped(plane, "greylisting") > before
    switch("greylisting", False)
    wait_until(lambda: send(anna, "192.0.2.22", "inny@soft.example")[0] == 250)


def _nobody_beside(account: Account) -> Account:
    """An address of the same domain that nobody has."""
    return Account(address=f"nikt.{account.address}")


def test_postscreen_refuses_by_the_points_of_several_lists(
    plane: MailInstance, anna: Account, console: Actor, switch: Callable[[str, bool], None]
) -> None:
    sites = ["bl1.test=127.0.0.2*2", "bl2.test=127.0.0.2*1"]
    set_protection("postscreen-dnsbl", options={"scored_sites": sites, "threshold": ["3"]}, by=console)
    set_protection("postscreen-pregreet", options={"greet_wait": ["1"]}, by=console)
    assert send(anna, LISTED, "x@soft.example")[0] == 250
    switch("postscreen-dnsbl", True)
    before = stopped(plane, "postscreen-dnsbl")
    code, answer = send(anna, LISTED, "x@soft.example")
    assert (code, "blocked using" in answer) == (550, True), answer
    assert send(anna, HONEST, "x@soft.example")[0] == 250
    wait_until(lambda: stopped(plane, "postscreen-dnsbl") == before + 1)
    set_protection("postscreen-dnsbl", options={"threshold": ["4"]}, by=console)
    plane.apply()
    wait_until(lambda: send(anna, LISTED, "x@soft.example")[0] == 250)


def speaks_first(account: Account, source: str) -> str:
    """A robot that does not wait for the greeting; all that it is answered."""
    lines = ("EHLO robot.example", "MAIL FROM:<x@soft.example>", f"RCPT TO:<{account.address}>", "QUIT")
    with socket.create_connection(("127.0.0.1", 25), source_address=(source, 0), timeout=30) as raw:
        raw.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return raw.makefile("rb").read().decode()


def test_postscreen_refuses_who_speaks_before_the_greeting(
    plane: MailInstance, anna: Account, console: Actor, switch: Callable[[str, bool], None]
) -> None:
    set_protection("postscreen-pregreet", options={"greet_wait": ["1"]}, by=console)
    assert "250 2.1.5 Ok" in speaks_first(anna, "192.0.2.30")
    switch("postscreen-pregreet", True)
    before = stopped(plane, "postscreen-pregreet")
    assert "550 5.5.1 Protocol error" in speaks_first(anna, "192.0.2.30")
    assert send(anna, "192.0.2.31", "x@soft.example")[0] == 250
    wait_until(lambda: stopped(plane, "postscreen-pregreet") == before + 1)
    switch("postscreen-pregreet", False)
    wait_until(lambda: "250 2.1.5 Ok" in speaks_first(anna, "192.0.2.30"))


def test_postscreen_tests_after_the_greeting_let_in_at_the_second_time(
    plane: MailInstance, anna: Account, console: Actor, switch: Callable[[str, bool], None]
) -> None:
    set_protection("postscreen-pregreet", options={"greet_wait": ["1"]}, by=console)
    switch("postscreen-protocol", True)
    before = stopped(plane, "postscreen-protocol")
    assert send(anna, "192.0.2.40", "x@soft.example")[0] == 450
    wait_until(lambda: send(anna, "192.0.2.40", "x@soft.example")[0] == 250)
    assert stopped(plane, "postscreen-protocol") == before + 1
    switch("postscreen-protocol", False)
    wait_until(lambda: send(anna, "192.0.2.41", "x@soft.example")[0] == 250)


@pytest.fixture
def let_past(plane: MailInstance, console: Actor) -> Iterator[Callable[..., None]]:
    added: set[str] = set()

    def add(value: str, *, passes_viruses: bool = False) -> None:
        added.add(value)
        allow_past(value, passes_viruses=passes_viruses, by=console)
        plane.apply()

    yield add
    for value in added:
        stop_allowing(value, by=console)
    plane.apply()


def _start_again(plane: MailInstance, name: str) -> None:
    """Its settings count from its start: a reload ends it, and whoever keeps it up starts it again."""
    plane.stop_daemon(name)
    plane.start_daemon(plane.daemon(name))


def test_an_allowed_sender_goes_past_spf_and_dmarc(
    plane: MailInstance,
    anna: Account,
    switch: Callable[[str, bool], None],
    let_past: Callable[..., None],
) -> None:
    switch("spf", True)
    switch("dmarc", True)
    spoofed = from_good("raport")
    wait_until(lambda: send(anna, LIAR, "szef@good.example", spoofed)[0] == 550)
    let_past("good.example")
    _start_again(plane, "opendmarc")
    wait_until(lambda: send(anna, LIAR, "szef@good.example", spoofed)[0] == 250)


def test_an_allowed_network_goes_past_each_of_them_but_meets_the_virus_check(
    plane: MailInstance,
    anna: Account,
    console: Actor,
    switch: Callable[[str, bool], None],
    let_past: Callable[..., None],
) -> None:
    sites = ["bl1.test=127.0.0.2*2", "bl2.test=127.0.0.2*1"]
    set_protection("postscreen-dnsbl", options={"scored_sites": sites, "threshold": ["3"]}, by=console)
    for name in ("postscreen-dnsbl", "spf", "dmarc", "greylisting"):
        switch(name, True)
    attempt = partial(send, anna, LISTED, "szef@good.example", from_good("raport"))
    wait_until(lambda: attempt()[0] == 550)
    let_past("192.0.2.64/26")
    wait_until(lambda: attempt()[0] == 250)
    assert hasty_data(anna, LISTED).startswith("354")
    infected = partial(send, anna, LISTED, "szef@good.example", letter("wirus", EICAR))
    code, answer = infected()
    assert (code, "Virus found" in answer) == (550, True), answer
    let_past("192.0.2.64/26", passes_viruses=True)
    wait_until(lambda: infected()[0] == 250)
    wire = Wire(plane.layout)
    wait_until(lambda: "wirus" in wire.subjects(anna.address, PASSWORD))
    assert "USER_IN_WELCOMELIST" in str(
        next(
            message["X-Spam-Status"]
            for message in wire.messages(anna.address, PASSWORD)
            if message["Subject"] == "raport"
        )
    )


def hasty_data(account: Account, source: str) -> str:
    """The answer to DATA of a program that waits for none."""
    lines = ("HELO robot.example", "MAIL FROM:<x@soft.example>", f"RCPT TO:<{account.address}>", "DATA")
    with socket.create_connection(("127.0.0.1", 25), source_address=(source, 0), timeout=30) as raw:
        stream = raw.makefile("rwb")
        stream.readline()
        stream.write("".join(f"{line}\r\n" for line in lines).encode())
        stream.flush()
        return [stream.readline().decode() for _line in lines][-1]


def test_clamav_lets_an_allowed_sender_past_only_if_told_so(
    plane: MailInstance, anna: Account, let_past: Callable[..., None]
) -> None:
    infected = partial(send, anna, HONEST, "laboratorium@soft.example", letter("probka", EICAR))
    let_past("laboratorium@soft.example")
    assert infected()[0] == 550
    let_past("laboratorium@soft.example", passes_viruses=True)
    _start_again(plane, "clamav-milter")
    wait_until(lambda: infected()[0] == 250, seconds=60)


def test_a_list_is_asked_when_it_is_entered(internet: World, plane: MailInstance) -> None:
    """In the network's own DNS; in a thread that was started inside."""
    internet.set_record("2.0.0.127.bl1.test", "A", "127.0.0.2")
    for host in ("1", "2"):
        internet.set_record(f"{host}.0.0.127.wild.test", "A", "127.0.0.2")
    internet.set_record("2.0.0.127.fault.test", "A", "127.255.255.254")
    with pytest.raises(CommandError, match=r"wild\.test lists every address"):
        call_command("protection", "set", "dnsbl", "sites", "wild.test=127.0.0.2")
    silent = "fault.test does not answer as a block list does\n"
    for zone, words in (("bl1.test", ""), ("fault.test", silent)):
        said = io.StringIO()
        call_command("protection", "set", "dnsbl", "sites", f"{zone}=127.0.0.2", stderr=said)
        assert said.getvalue() == words
