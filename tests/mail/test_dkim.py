"""DKIM: what leaves is signed when DNS has the key, and verified by another implementation."""

from __future__ import annotations

import io
import json
import smtplib
import stat
from dataclasses import replace

import dkim
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains import dkim_actions
from domains.dns_checks import look_at_key, pieces
from domains.models import DkimKey, Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, client_context, letter
from tests.mail.world import Arrival, World

ELSEWHERE = "kto@remote1.example"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def add_person(plane: MailInstance, name: str) -> tuple[Domain, Account]:
    domain = domain_actions.add_domain(name=name, by=Actor.console())
    account = actions.add_account(domain=domain, localpart="jan", password=PASSWORD, by=Actor.console())
    plane.apply()
    return domain, account


def publish(world: World, key: DkimKey) -> None:
    world.set_record(key.record_name, "TXT", " ".join(pieces(key.record)))


def verified(world: World, arrival: Arrival) -> bool:
    def answer(name: bytes, timeout: int = 5) -> bytes | None:
        values = world.records.get((name.decode().rstrip("."), "TXT"))
        return values[0].replace('" "', "").strip('"').encode() if values else None

    return bool(dkim.verify(arrival.raw, dnsfunc=answer))


def sent(
    wire: Wire, world: World, account: Account, subject: str, *, header_from: str | None = None
) -> Arrival:
    text = letter(subject).replace("x@obcy.example", header_from or account.address)
    assert (header_from or account.address) in text
    before = len(world.arrivals)
    with smtplib.SMTP("127.0.0.1", 587) as client:
        client.starttls(context=client_context())
        wire.smtp_login(client, account.address, PASSWORD)
        client.sendmail(account.address, [ELSEWHERE], text.encode())
    return arrived(world, subject, after=before)


def arrived(world: World, subject: str, *, after: int = 0) -> Arrival:
    def found() -> list[Arrival]:
        return [arrival for arrival in world.arrivals[after:] if arrival.message["Subject"] == subject]

    wait_until(found, what=subject)
    return found()[0]


def signatures(arrival: Arrival) -> list[str]:
    return [str(value) for value in arrival.message.get_all("DKIM-Signature", [])]


def signing_key(plane: MailInstance, world: World, domain: Domain) -> DkimKey:
    key = dkim_actions.add_key(domain, by=Actor.console())
    publish(world, key)
    assert look_at_key(key, by=Actor.task()) is True
    plane.apply()
    return key


def test_mail_is_signed_once_dns_has_the_key_and_another_implementation_verifies_it(
    wire: Wire, plane: MailInstance, world: World
) -> None:
    domain, jan = add_person(plane, "klucz1.example")
    key = dkim_actions.add_key(domain, by=Actor.console())
    plane.apply()
    assert look_at_key(key, by=Actor.task()) is False
    plane.apply()
    assert signatures(sent(wire, world, jan, "bez podpisu")) == []
    publish(world, key)
    assert look_at_key(key, by=Actor.task()) is True
    reloads = plane.log("mail.log").count("reload -- ")
    plane.apply()
    wait_until(lambda: signatures(sent(wire, world, jan, "z podpisem")), what="a signature")
    arrival = sent(wire, world, jan, "Zażółć gęślą jaźń")
    assert len(signatures(arrival)) == 1
    assert f"s={key.selector}" in signatures(arrival)[0]
    assert verified(world, arrival)
    forged = arrival.raw.replace(b"Subject: ", b"Subject: x")
    changed = replace(arrival, raw=forged)
    assert not verified(world, changed)
    assert plane.log("mail.log").count("reload -- ") == reloads


def test_private_key_is_readable_to_the_signer_alone(plane: MailInstance, world: World) -> None:
    domain, _jan = add_person(plane, "klucz2.example")
    key = signing_key(plane, world, domain)
    path = plane.layout.dkim / "keys" / f"{domain.name}.{key.selector}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.owner() == "opendkim"
    assert path.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert b"PRIVATE KEY" not in plane.layout.accounts_file.read_bytes()


def test_rotation_signs_with_the_next_key_only_when_dns_has_it(
    wire: Wire, plane: MailInstance, world: World
) -> None:
    domain, jan = add_person(plane, "klucz3.example")
    first = signing_key(plane, world, domain)
    second = dkim_actions.add_key(domain, by=Actor.console())
    assert first.selector != second.selector
    plane.apply()
    wait_until(lambda: signatures(sent(wire, world, jan, "pierwszy")), what="a signature")
    assert look_at_key(second, by=Actor.task()) is False
    assert f"s={first.selector};" in signatures(sent(wire, world, jan, "wciąż pierwszy"))[0]
    publish(world, second)
    look_at_key(second, by=Actor.task())
    plane.apply()

    def by_second() -> bool:
        return f"s={second.selector};" in signatures(sent(wire, world, jan, "drugi"))[0]

    wait_until(by_second, what="the second key")
    assert verified(world, sent(wire, world, jan, "na końcu"))
    first.refresh_from_db()
    assert first.state == DkimKey.State.RETIRED
    assert not (plane.layout.dkim / "keys" / f"{domain.name}.{first.selector}").exists()


def test_from_of_another_domain_gets_no_signature_of_that_domain(
    wire: Wire, plane: MailInstance, world: World
) -> None:
    victim, _ola = add_person(plane, "klucz4.example")
    signing_key(plane, world, victim)
    _domain, jan = add_person(plane, "klucz5.example")
    assert signatures(sent(wire, world, jan, "podszywam się", header_from="jan@klucz4.example")) == []


def test_forward_and_answer_of_sieve_are_signed(wire: Wire, plane: MailInstance, world: World) -> None:
    domain, jan = add_person(plane, "klucz6.example")
    signing_key(plane, world, domain)
    wait_until(lambda: signatures(sent(wire, world, jan, "gotowe")), what="a signature")
    wire.put_sieve(jan.address, PASSWORD, f'redirect "{ELSEWHERE}";')
    wire.deliver(jan.address, text=letter("dalej"))
    arrival = arrived(world, "dalej")
    assert "d=klucz6.example" in signatures(arrival)[0]
    assert verified(world, arrival)


def test_keys_and_records_from_the_command_line(
    wire: Wire, plane: MailInstance, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    domain, jan = add_person(plane, "klucz7.example")
    assert "_domainkey.klucz7.example. IN TXT" in run("dkim", "rotate", domain.name)
    with pytest.raises(CommandError, match="already has a key that waits"):
        run("dkim", "rotate", domain.name)
    with pytest.raises(CommandError, match="1 keys are not"):
        run("dkim", "check", domain.name)
    run("dkim", "force", domain.name)
    plane.apply()
    wait_until(lambda: signatures(sent(wire, world, jan, "wymuszone")), what="a signature")
    listed = json.loads(run("dkim", "list", domain.name, "--json"))
    assert [(row["state"], row["forced"]) for row in listed] == [("signing", True)]
    run("dkim", "delete", domain.name, listed[0]["selector"], "--yes")
    plane.apply()
    wait_until(lambda: not signatures(sent(wire, world, jan, "znów bez")), what="no signature")


def test_dns_of_a_domain_is_checked_and_what_to_publish_is_said(
    plane: MailInstance, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "QMAILUX_LAYOUT", plane.layout)
    domain, _jan = add_person(plane, "klucz8.example")
    world.set_record("srv.host.example", "A", "127.0.0.1")
    world.set_record("1.0.0.127.in-addr.arpa", "PTR", "srv.host.example.")
    with pytest.raises(CommandError, match="3 of 4 records"):
        run("dns", "check", domain.name)
    world.set_record(domain.name, "MX", "10 srv.host.example.")
    world.set_record(domain.name, "TXT", '"v=spf1 ip4:127.0.0.9 -all"')
    world.set_record(f"_dmarc.{domain.name}", "TXT", '"v=DMARC1; p=none"')
    assert verdicts(domain) == {"MX": "good", "SPF": "wrong", "DMARC": "good", "PTR": "good"}
    world.set_record(domain.name, "TXT", '"v=spf1 include:_spf.klucz8.example -all"')
    world.set_record("_spf.klucz8.example", "TXT", '"v=spf1 a:srv.host.example ~all"')
    assert verdicts(domain)["SPF"] == "good"
    world.set_record("1.0.0.127.in-addr.arpa", "PTR", "else.example.")
    assert verdicts(domain)["PTR"] == "wrong"


def verdicts(domain: Domain) -> dict[str, str]:
    try:
        rows = json.loads(run("dns", "check", domain.name, "--json"))
    except CommandError:
        domain.refresh_from_db()
        rows = domain.dns_report.findings
    return {row["kind"]: row["verdict"] for row in rows}


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()
