"""Mail of a domain, or of the server, that another server sends on after a login."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains import address_actions, relay_actions
from domains.models import Domain
from domains.smarthost_actions import remove_smarthost, set_smarthost
from provisioning.models import Run
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.smarthost import Smarthost, smarthost
from tests.mail.wire import Wire, letter
from tests.mail.world import World

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])
# Postfix keeps its last answer of where to for 30 s: so each message is for somebody else.
_numbers = count(1)
HOST = "127.0.0.103"
SECRET = "tajne: hasło#1"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    world.server("remote1.example", "127.0.0.101")
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def other(plane: MailInstance, tmp_path: Path) -> Iterator[Smarthost]:
    with smarthost(tmp_path, HOST, 465, 587, 2525) as found:
        found.logins["alfa-user"] = SECRET
        yield found


@pytest.fixture
def jan(plane: MailInstance, console: Actor) -> Account:
    return _person("alfa.example", console)


def _person(name: str, console: Actor) -> Account:
    domain = domain_actions.add_domain(name=name, by=console)
    return actions.add_account(domain=domain, localpart="jan", password=PASSWORD, by=console)


def _domain(account: Account) -> Domain:
    assert account.domain is not None
    return account.domain


def _sends(wire: Wire, account: Account, recipient: str = "", sender: str = "") -> None:
    text = letter("Do smarthosta")
    recipient = recipient or f"kto{next(_numbers)}@remote1.example"
    wire.submit(account.address, PASSWORD, sender or account.address, recipient, text=text)


def _postfix_pid(plane: MailInstance) -> tuple[str, int]:
    """Changes when Postfix is started again, or its settings are written."""
    main = plane.layout.etc / "postfix" / "main.cf"
    return (plane.layout.queue / "pid" / "master.pid").read_text(), main.stat().st_mtime_ns


def test_a_domain_sends_by_its_smarthost_after_a_login_and_the_others_directly(
    wire: Wire, plane: MailInstance, world: World, other: Smarthost, jan: Account, console: Actor
) -> None:
    ola = _person("beta.example", console)
    domain_actions.add_domain_alias(_domain(jan), name="alfa-alias.example", by=console)
    plane.apply()
    before = _postfix_pid(plane)
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    plane.apply()
    assert _postfix_pid(plane) == before
    _sends(wire, jan)
    _sends(wire, jan, sender="jan@alfa-alias.example")
    _sends(wire, ola)
    wait_until(lambda: len(other.taken) == 2, what="the mail at the smarthost")
    assert sorted(other.taken) == [("alfa-user", "jan@alfa-alias.example"), ("alfa-user", jan.address)]
    assert all(is_encrypted for _user, is_encrypted in other.seen)
    wait_until(lambda: world.arrivals, what="the other domain's mail")
    assert [arrival.sender for arrival in world.arrivals] == [ola.address]
    # Taken off, mail goes directly; that is live too.
    remove_smarthost(jan.domain, by=console)
    plane.apply()
    assert _postfix_pid(plane) == before
    _sends(wire, jan)
    wait_until(lambda: len(world.arrivals) == 2, what="mail that leaves directly")
    assert len(other.taken) == 2


def test_a_wrong_password_leaves_mail_waiting_with_the_reason_until_it_is_right(
    wire: Wire, plane: MailInstance, world: World, other: Smarthost, jan: Account, console: Actor
) -> None:
    set_smarthost(jan.domain, to=f"{HOST}:2525", user="alfa-user", password="złe", by=console)
    plane.apply()
    _sends(wire, jan)
    wait_until(lambda: "does not know you" in plane.waiting(), what="the reason in the queue")
    assert other.taken == []
    assert world.arrivals == []
    set_smarthost(jan.domain, to=f"{HOST}:2525", user="alfa-user", password=SECRET, by=console)
    plane.apply()
    plane.flush()
    wait_until(lambda: other.taken == [("alfa-user", jan.address)], what="the mail at the smarthost")


def test_without_starttls_the_password_is_not_said_and_mail_waits(
    wire: Wire, plane: MailInstance, other: Smarthost, jan: Account, console: Actor
) -> None:
    other.offers_tls = False
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    plane.apply()
    _sends(wire, jan)
    wait_until(lambda: "TLS is required" in plane.waiting(), what="the reason in the queue")
    assert other.seen == []


def test_mail_of_this_server_and_of_relay_domains_does_not_go_to_the_smarthost(
    wire: Wire, plane: MailInstance, world: World, other: Smarthost, jan: Account, console: Actor
) -> None:
    ola = _person("beta.example", console)
    passed = domain_actions.add_domain(name="relay.example", by=console)
    relay_actions.pass_on(passed, to="127.0.0.101", by=console)
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    plane.apply()
    _sends(wire, jan, ola.address)
    _sends(wire, jan, "ela@relay.example")
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["Do smarthosta"], what="mail in the mailbox")
    wait_until(lambda: world.to("ela@relay.example"), what="the mail at the other server")
    assert other.seen == []


def test_the_smarthost_is_reached_from_the_domains_own_address(
    wire: Wire, plane: MailInstance, other: Smarthost, jan: Account, console: Actor
) -> None:
    own = address_actions.add_address(
        address="127.0.0.11", hostname="mail.alfa.example", node=plane.node(), is_present=True, by=console
    )
    address_actions.set_domain_addresses(_domain(jan), inbound=None, outbound=own, by=console)
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    plane.apply()
    _sends(wire, jan)
    wait_until(lambda: other.taken, what="the mail at the smarthost")
    assert other.peers == ["127.0.0.11"]


def test_the_servers_smarthost_takes_mail_of_every_domain_without_its_own(
    wire: Wire, plane: MailInstance, world: World, other: Smarthost, jan: Account, console: Actor
) -> None:
    ola = _person("beta.example", console)
    other.logins["serwer"] = "inne"
    set_smarthost(None, to=f"{HOST}:2525", user="serwer", password="inne", by=console)
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    plane.apply()
    _sends(wire, jan)
    _sends(wire, ola)
    wait_until(lambda: len(other.taken) == 2, what="the mail at the smarthost")
    assert sorted(other.taken) == [("alfa-user", jan.address), ("serwer", ola.address)]
    assert all(is_encrypted for _user, is_encrypted in other.seen)
    remove_smarthost(None, by=console)
    plane.apply()
    _sends(wire, ola)
    wait_until(lambda: world.arrivals, what="mail that leaves directly")


@pytest.mark.parametrize("address", ["", "127.0.0.14"])
def test_a_domains_smarthost_on_port_465_is_spoken_to_with_tls_from_the_first_byte(
    wire: Wire,
    plane: MailInstance,
    world: World,
    other: Smarthost,
    jan: Account,
    console: Actor,
    address: str,
) -> None:
    other.offers_tls = False
    if address:
        own = address_actions.add_address(
            address=address, hostname="d.mx.example", node=plane.node(), is_present=True, by=console
        )
        address_actions.set_domain_addresses(_domain(jan), inbound=None, outbound=own, by=console)
    plane.apply()
    before = _postfix_pid(plane)
    set_smarthost(jan.domain, to=f"{HOST}:465", user="alfa-user", password=SECRET, by=console)
    plane.apply()
    assert _postfix_pid(plane) == before
    _sends(wire, jan)
    wait_until(lambda: other.taken, what="the mail at the smarthost")
    assert (other.taken, other.seen) == ([("alfa-user", jan.address)], [("alfa-user", True)])
    assert not address or other.peers == [address]
    assert world.arrivals == []


def test_the_servers_smarthost_on_port_465_takes_mail_of_every_address_and_no_password_goes_elsewhere(
    wire: Wire, plane: MailInstance, world: World, other: Smarthost, jan: Account, console: Actor
) -> None:
    ola, ewa = _person("beta.example", console), _person("gamma.example", console)
    passed = domain_actions.add_domain(name="relay.example", by=console)
    relay_actions.pass_on(passed, to="127.0.0.101", by=console)
    own = address_actions.add_address(
        address="127.0.0.15", hostname="e.mx.example", node=plane.node(), is_present=True, by=console
    )
    address_actions.set_domain_addresses(_domain(ola), inbound=None, outbound=own, by=console)
    other.logins["serwer"] = "inne"
    set_smarthost(None, to=f"{HOST}:465", user="serwer", password="inne", by=console)
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    plane.apply()
    for person in (jan, ola, ewa):
        _sends(wire, person)
    wait_until(lambda: len(other.taken) == 3, what="the mail at the smarthost")
    expected = [("alfa-user", jan.address), ("serwer", ola.address), ("serwer", ewa.address)]
    assert sorted(other.taken) == expected
    assert other.peers[other.taken.index(("serwer", ola.address))] == "127.0.0.15"
    assert all(is_encrypted for _user, is_encrypted in other.seen)
    _sends(wire, ewa, "ela@relay.example")
    wait_until(lambda: world.to("ela@relay.example"), what="mail of the relay domain")
    remove_smarthost(None, by=console)
    plane.apply()
    _sends(wire, ola, "koniec@remote1.example")
    wait_until(lambda: world.to("koniec@remote1.example"), what="mail that leaves directly")
    assert world.to("koniec@remote1.example")[0].peer == "127.0.0.15"


def test_another_server_that_offers_a_login_is_given_no_password(
    wire: Wire, plane: MailInstance, other: Smarthost, jan: Account, console: Actor, tmp_path: Path
) -> None:
    ola = _person("beta.example", console)
    passed = domain_actions.add_domain(name="relay.example", by=console)
    relay_actions.pass_on(passed, to="127.0.0.104", by=console)
    set_smarthost(None, to=f"{HOST}:2525", user="serwer", password="inne", by=console)
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=console)
    plane.apply()
    with smarthost(tmp_path, "127.0.0.104", 25) as stranger:
        stranger.wants_login = False
        _sends(wire, jan, "a@relay.example")
        _sends(wire, ola, "b@relay.example")
        wait_until(lambda: len(stranger.taken) == 2, what="the mail at the other server")
    assert stranger.seen == []
    assert sorted(stranger.taken) == [("", jan.address), ("", ola.address)]
    assert other.seen == []


@pytest.mark.parametrize("is_suspected", [False, True])
def test_a_domain_without_a_login_does_not_use_the_servers_at_the_same_smarthost(
    wire: Wire, plane: MailInstance, other: Smarthost, jan: Account, console: Actor, is_suspected: bool
) -> None:
    ola = _person("beta.example", console)
    other.logins["serwer"] = "inne"
    other.wants_login = False
    set_smarthost(None, to=HOST, user="serwer", password="inne", by=console)
    set_smarthost(jan.domain, to=HOST, user="", password="", by=console)
    if is_suspected:
        kept = address_actions.add_address(
            address="127.0.0.13", hostname="p.mx.example", node=plane.node(), is_present=True, by=console
        )
        address_actions.edit_address(kept, state="quarantine", by=console)
        call_command("ip", "quarantine", jan.address)
    plane.apply()
    _sends(wire, jan)
    _sends(wire, ola)
    wait_until(lambda: len(other.taken) == 2, what="the mail at the smarthost")
    assert sorted(other.taken) == [("", jan.address), ("serwer", ola.address)]
    assert ("127.0.0.13" in other.peers) == is_suspected


@pytest.mark.usefixtures("plain_static")
@pytest.mark.parametrize("of", ["account", "domain"])
def test_suspected_mail_goes_to_the_smarthost_by_the_address_for_it_and_no_filter_goes_past_the_smarthost(
    wire: Wire, plane: MailInstance, world: World, other: Smarthost, jan: Account, root: Account, of: str
) -> None:
    kept = address_actions.add_address(
        address="127.0.0.13", hostname="p.mx.example", node=plane.node(), is_present=True, by=Actor.console()
    )
    address_actions.edit_address(kept, state="quarantine", by=Actor.console())
    set_smarthost(jan.domain, to=HOST, user="alfa-user", password=SECRET, by=Actor.console())
    plane.apply()
    rules = 'require ["vacation", "copy"]; redirect :copy "dalej@remote1.example"; '
    wire.put_sieve(jan.address, PASSWORD, f'{rules}vacation :addresses ["{jan.address}"] "Nie ma";')
    out = io.StringIO()
    call_command("ip", "quarantine", jan.address if of == "account" else "alfa.example", stdout=out)
    plane.apply()
    assert f"still by the smarthost {HOST}:587" in out.getvalue()
    _sends(wire, jan)
    wait_until(lambda: other.peers == ["127.0.0.13"], what="the suspected mail at the smarthost")
    question = letter("Pytanie").replace("kto@example.org", jan.address)
    wire.deliver(jan.address, sender="pytajacy@remote1.example", text=question)
    wait_until(lambda: world.to("pytajacy@remote1.example"), what="the answer")
    assert world.to("pytajacy@remote1.example")[0].peer != "127.0.0.13"
    wait_until(lambda: len(other.taken) == 2, what="what is forwarded at the smarthost")
    assert world.to("dalej@remote1.example") == []
    pages = {
        "account": f"/domain/alfa.example/accounts/{jan.pk}/brake/",
        "domain": "/domain/alfa.example/addresses/",
    }
    page = logged_in(root).get(pages[of], headers={"accept-language": "en"}).content.decode()
    assert f"goes to its smarthost {HOST}:587" in page


def test_the_command_sets_the_servers_smarthost_with_an_ipv6_address_and_takes_it_back(
    wire: Wire, plane: MailInstance, world: World, jan: Account, console: Actor, tmp_path: Path
) -> None:
    with smarthost(tmp_path, "fd00::101", 587) as other:
        other.logins["serwer"] = "inne"
        out = io.StringIO()
        set_smarthost(None, to="fd00::101", user="serwer", password="inne", by=console)
        call_command(
            "domain", "smarthost", "--server", "--to", "[fd00::101]:587", "--user=serwer", stdout=out
        )
        assert "mail of the server leaves by [fd00::101]:587" in out.getvalue()
        plane.apply()
        _sends(wire, jan)
        wait_until(lambda: other.taken == [("serwer", jan.address)], what="the mail at the smarthost")
        assert other.seen == [("serwer", True)]
        call_command("domain", "smarthost", "--server", "--off", stdout=out)
        set_smarthost(jan.domain, to="fd00::101", user="serwer", password="inne", by=console)
        plane.apply()
        _sends(wire, jan)
        wait_until(lambda: len(other.taken) == 2, what="the mail at the domain's smarthost")
    assert world.arrivals == []


def test_the_password_lies_in_the_map_alone(
    plane: MailInstance, jan: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{SECRET}\n".encode()), "utf-8"))
    argv = ["smarthost", "alfa.example", "--to", HOST, "--user", "alfa-user", "--password-stdin"]
    call_command("domain", *argv, stdout=out)
    plane.apply()
    stored = plane.layout.maps / "smarthost_login.lmdb"
    assert SECRET.encode() in stored.read_bytes()
    assert (stored.stat().st_mode & 0o777, stored.stat().st_uid) == (0o600, 0)
    assert "tajne" not in out.getvalue()
    told = [str(event.details) for event in AuditEvent.objects.all()]
    told += [f"{run.plan} {run.error}" for run in Run.objects.all()]
    assert not [text for text in told if "tajne" in text]
    log = (plane.layout.node_log / "mail.log").read_text()
    assert "tajne" not in log
    holding = [
        str(Path(folder, name))
        for folder, _folders, names in os.walk(plane.layout.home)
        for name in names
        if Path(folder, name).is_file() and SECRET.encode() in Path(folder, name).read_bytes()
    ]
    assert holding == [str(stored)]
    call_command("domain", "smarthost", "alfa.example", "--off", stdout=out)
    plane.apply()
    assert not Domain.objects.filter(smarthost__isnull=False).exists()
