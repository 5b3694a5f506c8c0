"""Domains with addresses of their own: what other servers see of them, by every way that mail leaves."""

from __future__ import annotations

import imaplib
import io
import json
import smtplib
import socket
import ssl
from typing import NamedTuple

import pytest
from cryptography import x509
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from alarms.models import Alarm
from alarms.words import remedy_of, sentence_of
from antispam.actions.protections import set_protection
from antispam.listings import look_up_addresses
from domains import actions as domain_actions
from domains import address_actions
from domains.models import Domain, IPAddress
from provisioning.presence import look_at_addresses
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, client_context, letter
from tests.mail.world import SERVER, Arrival, World

__all__ = ["plain_static"]
REMOTE = "kto@remote1.example"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def add_address(plane: MailInstance, address: str, hostname: str, *, is_present: bool = True) -> IPAddress:
    return address_actions.add_address(
        address=address, hostname=hostname, node=plane.node(), is_present=is_present, by=Actor.console()
    )


def add_person(name: str, own: IPAddress | None = None) -> Account:
    domain = domain_actions.add_domain(name=name, by=Actor.console())
    if own is not None:
        address_actions.set_domain_addresses(domain, inbound=own, outbound=own, by=Actor.console())
    return actions.add_account(domain=domain, localpart="jan", password=PASSWORD, by=Actor.console())


class Home(NamedTuple):
    """An address of a domain's own, and somebody else's domain that is reached by the same family."""

    address: str
    remote: str


IPV4, IPV6 = Home("127.0.0.11", "remote1.example"), Home("fd00::12", "remote6.example")
both_families = pytest.mark.parametrize("home", [IPV4, IPV6], ids=["IPv4", "IPv6"])


@pytest.fixture
def home() -> Home:
    return IPV4


@pytest.fixture
def alfa(plane: MailInstance, home: Home) -> Account:
    """In a domain with an address of its own; beta.example has another, gamma.example the default."""
    account = add_person("alfa.example", add_address(plane, home.address, "mail.alfa.example"))
    plane.apply()
    return account


def arrived(world: World, recipient: str = REMOTE) -> Arrival:
    wait_until(lambda: world.to(recipient), what=f"mail for {recipient}")
    return world.to(recipient)[-1]


def sends(wire: Wire, account: Account, recipient: str = REMOTE, *, host: str = "127.0.0.1") -> None:
    text = letter("Wysłane").replace("x@obcy.example", account.address)
    with smtplib.SMTP(host, 587) as client:
        client.starttls(context=client_context())
        wire.smtp_login(client, account.address, PASSWORD)
        client.sendmail(account.address, [recipient], text.encode())


def assert_left_by(arrival: Arrival, address: str, hostname: str) -> None:
    assert (arrival.peer, arrival.helo) == (address, hostname)
    names = arrival.raw.decode("utf-8", "replace").split("\r\n\r\n", 1)[0]
    others = {SERVER, "mail.alfa.example", "mail.beta.example"} - {hostname}
    assert not [other for other in others if other in names], names
    assert hostname in arrival.received


def test_IPS_01_submission_leaves_by_the_domains_address_under_its_name(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    beta = add_person("beta.example", add_address(plane, "127.0.0.12", "mail.beta.example"))
    gamma = add_person("gamma.example")
    plane.apply()
    sends(wire, alfa, "a@remote1.example", host="127.0.0.11")
    sends(wire, beta, "b@remote1.example", host="127.0.0.12")
    sends(wire, gamma, "c@remote1.example")
    # A mail program that is set to the server's name instead of the domain's.
    sends(wire, alfa, "d@remote1.example")
    assert_left_by(arrived(world, "a@remote1.example"), "127.0.0.11", "mail.alfa.example")
    assert_left_by(arrived(world, "b@remote1.example"), "127.0.0.12", "mail.beta.example")
    assert_left_by(arrived(world, "c@remote1.example"), "127.0.0.1", SERVER)
    assert_left_by(arrived(world, "d@remote1.example"), "127.0.0.11", "mail.alfa.example")


@both_families
def test_IPS_02_forward_and_autoresponder_leave_by_the_domains_address(
    wire: Wire, plane: MailInstance, world: World, alfa: Account, home: Home
) -> None:
    wire.put_sieve(
        alfa.address,
        PASSWORD,
        f'require ["vacation", "copy"]; redirect :copy "dalej@{home.remote}"; '
        f'vacation :addresses ["{alfa.address}"] "Nie ma mnie";',
    )
    asker = f"pytajacy@{home.remote}"
    text = letter("Pytanie").replace("kto@example.org", alfa.address)
    wire.deliver(alfa.address, sender=asker, text=text)
    forwarded = arrived(world, f"dalej@{home.remote}")
    assert forwarded.sender == alfa.address
    assert_left_by(forwarded, home.address, "mail.alfa.example")
    answer = arrived(world, asker)
    assert answer.sender == ""
    assert_left_by(answer, home.address, "mail.alfa.example")
    assert str(answer.message["Message-ID"]).endswith("@mail.alfa.example>")


@both_families
def test_mail_of_an_alias_leaves_by_the_domains_address(
    wire: Wire, plane: MailInstance, world: World, alfa: Account, home: Home, console: Actor
) -> None:
    assert alfa.domain is not None
    elsewhere = f"poza@{home.remote}"
    actions.add_alias(domain=alfa.domain, localpart="biuro", targets=[elsewhere], by=console)
    plane.apply()
    wire.deliver("biuro@alfa.example", sender="pyta@obcy.example", text=letter("Dalej"))
    assert_left_by(arrived(world, elsewhere), home.address, "mail.alfa.example")


def test_IPS_02_forward_to_a_mailbox_here_stays_here(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    assert alfa.domain is not None
    ola = actions.add_account(domain=alfa.domain, localpart="ola", password=PASSWORD, by=Actor.console())
    plane.apply()
    wire.put_sieve(alfa.address, PASSWORD, f'redirect "{ola.address}";')
    wire.deliver(alfa.address, text=letter("w domu"))
    wait_until(lambda: "w domu" in wire.subjects(ola.address, PASSWORD))
    assert world.arrivals == []


def test_IPS_02_domain_alias_and_capital_letters_follow_their_domain(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    assert alfa.domain is not None
    domain_actions.add_domain_alias(alfa.domain, name="alias-alfa.example", by=Actor.console())
    plane.apply()
    with wire.submission() as client:
        wire.smtp_login(client, alfa.address, PASSWORD)
        client.sendmail("Jan@Alias-Alfa.Example", ["a@remote1.example"], letter("alias").encode())
    arrival = arrived(world, "a@remote1.example")
    assert (arrival.peer, arrival.helo) == ("127.0.0.11", "mail.alfa.example")


def test_a_notice_of_failure_names_the_server_as_the_docs_say(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    world.refusals["zly@remote1.example"] = "550 5.1.1 nie ma takiego"
    sends(wire, alfa, "zly@remote1.example", host="127.0.0.11")
    wait_until(lambda: wire.subjects(alfa.address, PASSWORD) == ["Undelivered Mail Returned to Sender"])
    with wire.imap(alfa.address, PASSWORD) as client:
        client.select("INBOX", readonly=True)
        found = client.fetch("1", "(BODY.PEEK[])")[1][0]
    assert isinstance(found, tuple)
    notice = found[1].decode("utf-8", "replace")
    assert f"MAILER-DAEMON@{SERVER}" in notice
    assert f"Reporting-MTA: dns; {SERVER}" in notice


@pytest.mark.parametrize("is_on", [True, False])
def test_AVS_08_a_notice_of_failure_returns_the_header_alone_while_the_outgoing_scan_is_on(
    wire: Wire, plane: MailInstance, world: World, alfa: Account, *, is_on: bool
) -> None:
    """It would carry a virus past the scan."""
    world.refusals["zly@remote1.example"] = "550 5.1.1 nie ma takiego"
    set_protection("outgoing-viruses", is_on=is_on, by=Actor.console())
    plane.apply()
    try:
        wire.submit(
            alfa.address, PASSWORD, alfa.address, "zly@remote1.example", text=letter("List", "tresc-listu")
        )
        wait_until(lambda: wire.subjects(alfa.address, PASSWORD) == ["Undelivered Mail Returned to Sender"])
    finally:
        set_protection("outgoing-viruses", is_on=False, by=Actor.console())
        plane.apply()
    with wire.imap(alfa.address, PASSWORD) as client:
        client.select("INBOX", readonly=True)
        found = client.fetch("1", "(BODY.PEEK[])")[1][0]
    assert isinstance(found, tuple)
    notice = found[1].decode("utf-8", "replace")
    assert "Subject: List" in notice
    assert ("tresc-listu" in notice) is not is_on


def test_moved_domain_leaves_by_the_new_address_at_once_and_nothing_is_reloaded(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    other = add_address(plane, "127.0.0.12", "mail.beta.example")
    plane.apply()
    reloads = plane.log("mail.log").count("reload -- ")
    address_actions.set_domain_addresses(
        Domain.objects.get(name="alfa.example"), inbound=other, outbound=other, by=Actor.console()
    )
    outcome = plane.apply()
    assert outcome.files == []
    sends(wire, alfa, "a@remote1.example")
    assert_left_by(arrived(world, "a@remote1.example"), "127.0.0.12", "mail.beta.example")
    assert plane.log("mail.log").count("reload -- ") == reloads
    address_actions.set_domain_addresses(
        Domain.objects.get(name="alfa.example"), inbound=None, outbound=None, by=Actor.console()
    )
    plane.apply()
    sends(wire, alfa, "b@remote1.example")
    assert_left_by(arrived(world, "b@remote1.example"), "127.0.0.1", SERVER)


def test_catch_all_of_the_domain_does_not_take_its_address(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    assert alfa.domain is not None
    actions.add_alias(domain=alfa.domain, localpart="", targets=[alfa.address], by=Actor.console())
    plane.apply()
    sends(wire, alfa, "a@remote1.example")
    assert arrived(world, "a@remote1.example").peer == "127.0.0.11"


def test_new_default_moves_every_domain_without_an_own_address_and_no_other(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    gamma = add_person("gamma.example")
    default = add_address(plane, "127.0.0.12", "mail.beta.example")
    address_actions.set_default_address(default, by=Actor.console())
    plane.apply()
    sends(wire, gamma, "c@remote1.example")
    sends(wire, alfa, "a@remote1.example")
    assert_left_by(arrived(world, "c@remote1.example"), "127.0.0.12", "mail.beta.example")
    assert_left_by(arrived(world, "a@remote1.example"), "127.0.0.11", "mail.alfa.example")


def test_new_default_of_IPv6_moves_what_leaves_by_it_and_nothing_else(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    gamma = add_person("gamma.example")
    address_actions.set_default_address(
        add_address(plane, "fd00::12", "mail.beta.example"), by=Actor.console()
    )
    plane.apply()
    sends(wire, gamma, "c@remote6.example")
    sends(wire, gamma, "c@remote1.example")
    sends(wire, alfa, "a@remote1.example")
    assert_left_by(arrived(world, "c@remote6.example"), "fd00::12", "mail.beta.example")
    assert arrived(world, "c@remote1.example").peer == "127.0.0.1"
    assert_left_by(arrived(world, "a@remote1.example"), "127.0.0.11", "mail.alfa.example")


@both_families
def test_IPS_04_the_domains_address_answers_with_its_name_and_certificate(
    wire: Wire, plane: MailInstance, alfa: Account, home: Home
) -> None:
    assert _greeting(home.address, 25).startswith("220 mail.alfa.example ")
    with smtplib.SMTP(home.address, 25) as client:
        _code, answer = client.ehlo("mx.obcy.example")
        assert answer.decode().splitlines()[0] == "mail.alfa.example"
        client.starttls(context=client_context())
        assert client.sock is not None
        assert _names(client.sock) == ["mail.alfa.example"]
        client.sendmail("x@obcy.example", [alfa.address], letter("przyszło").encode())
    with smtplib.SMTP_SSL(home.address, 465, context=client_context()) as smtps:
        assert _names(smtps.sock) == ["mail.alfa.example"]
    with imaplib.IMAP4_SSL(home.address, 993, ssl_context=client_context()) as imap:
        assert b"mail.alfa.example" in imap.welcome
        assert _names(imap.sock) == ["mail.alfa.example"]
    with _tls(home.address, 995) as pop3:
        assert _names(pop3) == ["mail.alfa.example"]
    wait_until(lambda: "przyszło" in wire.subjects(alfa.address, PASSWORD))
    stored = wire.messages(alfa.address, PASSWORD)[0]
    received = "\n".join(str(value) for value in stored.get_all("Received", []))
    assert "mail.alfa.example" in received
    assert SERVER not in received
    # The server's own name is as before elsewhere.
    assert _greeting("127.0.0.1", 25).startswith(f"220 {SERVER} ")


def test_IPS_03_address_that_the_machine_lacks_never_reaches_a_listener(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    # The database says it is there: the machine is asked all the same.
    lost = add_address(plane, "192.0.2.77", "mail.beta.example")
    beta = add_person("beta.example", lost)
    plane.apply()
    assert "192.0.2.77:25" not in (plane.layout.etc / "postfix" / "master.cf").read_text()
    with smtplib.SMTP("127.0.0.11", 25):
        pass
    sends(wire, beta, "b@remote1.example")
    sends(wire, alfa, "a@remote1.example")
    arrived(world, "a@remote1.example")
    queue = plane.host.run(["postqueue", "-c", str(plane.layout.etc / "postfix"), "-j"])
    wait_until(lambda: "192.0.2.77" in plane.log("mail.log"), what="the reason in the log")
    assert world.to("b@remote1.example") == []
    assert b"jan@beta.example" in queue.stdout


def test_ip_family_of_the_address_is_kept(
    wire: Wire, plane: MailInstance, world: World, alfa: Account
) -> None:
    delta = add_person("delta.example", add_address(plane, "fd00::12", "mail.delta.example"))
    plane.apply()
    sends(wire, delta, "d@remote6.example", host="fd00::12")
    assert_left_by(arrived(world, "d@remote6.example"), "fd00::12", "mail.delta.example")


def _greeting(host: str, port: int) -> str:
    with socket.create_connection((host, port)) as connection:
        return connection.makefile().readline()


def _tls(host: str, port: int) -> ssl.SSLSocket:
    return client_context().wrap_socket(socket.create_connection((host, port)))


def _names(connection: object) -> list[str]:
    assert isinstance(connection, ssl.SSLSocket)
    raw = connection.getpeercert(binary_form=True)
    assert raw is not None
    certificate = x509.load_der_x509_certificate(raw)
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("ip", *arguments, stdout=out)
    return out.getvalue()


def test_addresses_from_the_command_line(
    wire: Wire, plane: MailInstance, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    gamma = add_person("gamma.example")
    assert "added 127.0.0.11 as mail.alfa.example" in run("add", "127.0.0.11", "Mail.Alfa.Example")
    assert "assigned gamma.example" in run("assign", "gamma.example", "127.0.0.11")
    plane.apply()
    sends(wire, gamma)
    assert_left_by(arrived(world), "127.0.0.11", "mail.alfa.example")
    listed = json.loads(run("list", "--json"))
    assert [(row["address"], row["domains"]) for row in listed] == [("127.0.0.11", ["gamma.example"])]
    world.set_record("11.0.0.127.in-addr.arpa", "PTR", "mail.alfa.example.")
    world.set_record("mail.alfa.example", "A", "127.0.0.11")
    assert "mail.alfa.example" in run("check")
    world.set_record("11.0.0.127.in-addr.arpa", "PTR", "else.example.")
    with pytest.raises(CommandError, match="1 of 1 addresses"):
        run("check")
    with pytest.raises(CommandError, match=r"used by gamma\.example"):
        run("delete", "127.0.0.11", "--yes")
    run("assign", "gamma.example", "default")
    run("default", "127.0.0.11")
    with pytest.raises(CommandError, match="is the default"):
        run("delete", "127.0.0.11", "--yes")
    run("default", "127.0.0.11", "--off")
    run("delete", "127.0.0.11", "--yes")
    assert not IPAddress.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "192.0.2.77", "mail.alfa.example"), "does not have the address"),
        (("add", "fe80::1", "mail.alfa.example"), "cannot be a mail server's own"),
        (("add", "127.0.0.300", "mail.alfa.example"), "is not an IP address"),
        (("add", "127.0.0.11", "no name"), "name"),
        (("assign", "gamma.example", "127.0.0.99"), "There is no address"),
    ],
)
def test_IPS_03_command_refuses_what_cannot_be(
    plane: MailInstance, arguments: tuple[str, ...], sentence: str
) -> None:
    add_person("gamma.example")
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
    assert not IPAddress.objects.exists()


def test_IPS_03_lost_address_is_noticed_and_cannot_be_given_to_another_domain(
    plane: MailInstance, alfa: Account
) -> None:
    row = add_address(plane, "192.0.2.77", "mail.beta.example")
    assert [str(lost.address) for lost in look_at_addresses(plane.node(), plane.host)] == ["192.0.2.77"]
    assert look_at_addresses(plane.node(), plane.host) == []
    row.refresh_from_db()
    with pytest.raises(ActionRefused, match="does not have the address"):
        address_actions.set_domain_addresses(
            Domain.objects.get(name="alfa.example"), inbound=None, outbound=row, by=Actor.console()
        )


def test_addresses_from_the_panel(wire: Wire, plane: MailInstance, world: World, root: Account) -> None:
    gamma = add_person("gamma.example")
    client = logged_in(root)
    for address, hostname in (("127.0.0.11", "mail.alfa.example"), ("127.0.0.12", "mail.beta.example")):
        assert (
            client.post("/server/addresses/", {"address": address, "hostname": hostname}).status_code == 302
        )
    answer = client.post("/server/addresses/", {"address": "192.0.2.77", "hostname": "mail.alfa.example"})
    assert "does not have the address" in answer.content.decode()
    first, second = IPAddress.objects.order_by("pk")
    page = "/domain/gamma.example/addresses/"
    assert client.post(page, {"inbound": first.pk, "outbound": first.pk}).status_code == 302
    plane.apply()
    sends(wire, gamma)
    assert_left_by(arrived(world), "127.0.0.11", "mail.alfa.example")
    reloads = plane.log("mail.log").count("reload -- ")
    client.post(page, {"inbound": "", "outbound": second.pk})
    plane.apply()
    sends(wire, gamma, "b@remote1.example")
    assert_left_by(arrived(world, "b@remote1.example"), "127.0.0.12", "mail.beta.example")
    assert plane.log("mail.log").count("reload -- ") == reloads
    assert "gamma.example" in client.get("/server/addresses/").content.decode()
    client.post(f"/server/addresses/{second.pk}/delete/")
    assert IPAddress.objects.filter(pk=second.pk).exists()
    client.post(f"/server/addresses/{first.pk}/default/")
    first.refresh_from_db()
    assert first.is_default
    client.post(f"/server/addresses/{second.pk}/", {"hostname": second.hostname, "state": "quarantine"})
    second.refresh_from_db()
    assert second.state == "quarantine"


def test_listed_address_raises_an_alarm_with_its_domains_and_another_address(
    plane: MailInstance, world: World, alfa: Account
) -> None:
    set_protection("dnsbl", options={"sites": ["bl.lists.example=127.0.0.2"]}, by=Actor.console())
    add_address(plane, "127.0.0.12", "mail.beta.example")
    assert look_up_addresses(by=Actor.task()) == []
    world.set_record("11.0.0.127.bl.lists.example", "A", "127.0.0.2")
    # The answer to who asks too often names nobody.
    world.set_record("12.0.0.127.bl.lists.example", "A", "127.255.255.254")
    assert [row.address for row in look_up_addresses(by=Actor.task())] == ["127.0.0.11"]
    alarm = Alarm.objects.open().get(name="address.listed")
    assert (
        sentence_of(alarm)
        == "127.0.0.11 is listed in bl.lists.example. Domains with this address: alfa.example"
    )
    assert "Another address: 127.0.0.12" in remedy_of(alarm)
    world.records.pop(("11.0.0.127.bl.lists.example", "A"))
    assert look_up_addresses(by=Actor.task()) == []
    assert not Alarm.objects.open().filter(name="address.listed").exists()


@pytest.fixture
def suspected(plane: MailInstance) -> IPAddress:
    row = add_address(plane, "127.0.0.13", "podejrzane.mx.example")
    address_actions.edit_address(row, state="quarantine", by=Actor.console())
    return row


def by_click(client: Client, path: str, *, on: bool) -> None:
    assert client.post(path, {"on": "yes" if on else "no"}).status_code == 302


@pytest.mark.usefixtures("plain_static")
def test_suspected_mail_of_an_account_leaves_by_the_address_for_it_and_as_before_afterwards(
    wire: Wire, plane: MailInstance, world: World, alfa: Account, suspected: IPAddress, root: Account
) -> None:
    console = Actor.console()
    domain = Domain.objects.get(name="alfa.example")
    actions.add_alias(domain=domain, localpart="biuro", targets=[alfa.address], by=console)
    colleague = actions.add_account(domain=domain, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    click = f"/domain/alfa.example/accounts/{alfa.pk}/quarantine/"
    by_click(logged_in(root), click, on=True)
    plane.apply()
    sends(wire, alfa, "a@remote1.example", host="127.0.0.11")
    plane.applier().apply_all(confirm_deletions=True)
    sends(wire, alfa, "e@remote1.example", host="127.0.0.11")
    with smtplib.SMTP("127.0.0.11", 587) as client:
        client.starttls(context=client_context())
        wire.smtp_login(client, alfa.address, PASSWORD)
        client.sendmail("biuro@alfa.example", ["b@remote1.example"], letter("Jako biuro").encode())
    sends(wire, colleague, "c@remote1.example", host="127.0.0.11")
    for recipient in ("a@remote1.example", "b@remote1.example", "e@remote1.example"):
        found = arrived(world, recipient)
        assert (found.peer, found.helo) == ("127.0.0.13", "podejrzane.mx.example")
    assert_left_by(arrived(world, "c@remote1.example"), "127.0.0.11", "mail.alfa.example")
    with pytest.raises(ActionRefused, match="Suspected mail leaves"):
        address_actions.delete_address(suspected, by=console)
    by_click(logged_in(root), click, on=False)
    plane.apply()
    sends(wire, alfa, "d@remote1.example", host="127.0.0.11")
    assert_left_by(arrived(world, "d@remote1.example"), "127.0.0.11", "mail.alfa.example")


@pytest.mark.usefixtures("plain_static")
@pytest.mark.parametrize("is_at_home", [True, False], ids=["own address", "no address of its own"])
def test_suspected_mail_with_an_extension_and_answers_without_a_sender_leave_by_the_address_for_it(
    wire: Wire, plane: MailInstance, world: World, alfa: Account, suspected: IPAddress, is_at_home: bool
) -> None:
    account = alfa if is_at_home else add_person("gamma.example")
    plane.apply()
    wire.put_sieve(
        account.address, PASSWORD, f'require "vacation"; vacation :addresses ["{account.address}"] "Nie ma";'
    )
    call_command("ip", "quarantine", account.address)
    plane.apply()
    extended = account.address.replace("@", "+sklep@")
    wire.submit(account.address, PASSWORD, extended, "a@remote1.example", text=letter("Z dodatkiem"))
    asks(wire, account, "b@remote1.example")
    for recipient, sender in (("a@remote1.example", extended), ("b@remote1.example", "")):
        found = arrived(world, recipient)
        assert (found.sender, found.peer, found.helo) == (sender, "127.0.0.13", "podejrzane.mx.example")
    call_command("ip", "quarantine", account.address, "--off")
    plane.apply()
    wire.submit(account.address, PASSWORD, extended, "c@remote1.example", text=letter("Z dodatkiem"))
    asks(wire, account, "d@remote1.example")
    for recipient in ("c@remote1.example", "d@remote1.example"):
        assert arrived(world, recipient).peer != suspected.address


def asks(wire: Wire, account: Account, sender: str) -> None:
    wire.deliver(
        account.address, sender=sender, text=letter("Pytanie").replace("kto@example.org", account.address)
    )


@pytest.mark.usefixtures("plain_static")
def test_suspected_mail_of_a_domain_leaves_by_the_address_for_it_and_as_before_afterwards(
    wire: Wire, plane: MailInstance, world: World, alfa: Account, suspected: IPAddress, root: Account
) -> None:
    by_click(logged_in(root), "/domain/alfa.example/quarantine/", on=True)
    plane.apply()
    sends(wire, alfa, "a@remote1.example", host="127.0.0.11")
    plane.applier().apply_all(confirm_deletions=True)
    sends(wire, alfa, "e@remote1.example", host="127.0.0.11")
    for recipient in ("a@remote1.example", "e@remote1.example"):
        found = arrived(world, recipient)
        assert (found.peer, found.helo) == ("127.0.0.13", "podejrzane.mx.example")
    call_command("ip", "quarantine", "alfa.example", "--off")
    plane.apply()
    sends(wire, alfa, "b@remote1.example", host="127.0.0.11")
    assert_left_by(arrived(world, "b@remote1.example"), "127.0.0.11", "mail.alfa.example")


@pytest.mark.parametrize("of", ["account", "domain"])
def test_a_new_name_of_the_address_for_suspected_mail_is_said_in_the_next_message(
    wire: Wire, plane: MailInstance, world: World, alfa: Account, suspected: IPAddress, of: str
) -> None:
    wire.put_sieve(
        alfa.address, PASSWORD, f'require "vacation"; vacation :addresses ["{alfa.address}"] "Nie ma";'
    )
    call_command("ip", "quarantine", alfa.address if of == "account" else "alfa.example")
    plane.apply()
    address_actions.edit_address(suspected, hostname="nowa.mx.example", by=Actor.console())
    plane.apply()
    sends(wire, alfa, "a@remote1.example", host="127.0.0.11")
    asks(wire, alfa, "b@remote1.example")
    for recipient in ("a@remote1.example", "b@remote1.example"):
        found = arrived(world, recipient)
        assert (found.peer, found.helo) == ("127.0.0.13", "nowa.mx.example")
        assert b"podejrzane.mx.example" not in found.raw


def test_without_an_address_for_suspected_mail_the_click_is_refused_with_the_reason(
    plane: MailInstance, alfa: Account
) -> None:
    with pytest.raises(CommandError, match="No address is kept for suspected mail"):
        call_command("ip", "quarantine", alfa.address)
