"""What another server sees of forwarded mail: an envelope that SPF lets pass, the message as it was."""

from __future__ import annotations

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains import address_actions
from provisioning.node_programs.alias_forward import Unknown, first_sender, signed_sender
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter
from tests.mail.world import Arrival, World

REMOTE = "kto@remote1.example"
SENDER = "x@obcy.example"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def jan(plane: MailInstance, console: Actor) -> Account:
    domain = domain_actions.add_domain(name="alfa.example", by=console)
    return actions.add_account(domain=domain, localpart="jan", password=PASSWORD, by=console)


def arrived(world: World, count: int = 1) -> Arrival:
    wait_until(lambda: len(world.to(REMOTE)) == count, what="forwarded mail")
    return world.to(REMOTE)[-1]


@pytest.mark.parametrize("way", ["forwarding", "filter", "own script"])
def test_ALS_09_forwarded_mail_leaves_in_the_name_of_the_mailbox(
    way: str, wire: Wire, plane: MailInstance, world: World, jan: Account, console: Actor
) -> None:
    """SPF asks for the envelope's sender: a domain of ours, though the message is from elsewhere."""
    if way == "forwarding":
        actions.set_forwarding(jan, targets=[REMOTE], keeps_copy=True, by=console)
    elif way == "filter":
        conditions = [actions.Condition("subject", "contains", "faktura")]
        rule = actions.RuleSettings(name="x", joined="all", conditions=conditions, copy_to=REMOTE)
        actions.add_filter(jan, rule, by=console)
    plane.apply()
    if way == "own script":
        wire.put_sieve(jan.address, PASSWORD, f'require "copy"; redirect :copy "{REMOTE}";')
    wire.deliver(jan.address, text=letter("faktura", headers=["DKIM-Signature: v=1; b=abc"]), sender=SENDER)
    found = arrived(world)
    assert found.sender == jan.address
    assert SENDER in str(found.message["From"])
    assert found.message["DKIM-Signature"] == "v=1; b=abc"
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["faktura"], what="the copy")
    # What stays here keeps its sender.
    assert str(wire.messages(jan.address, PASSWORD)[0]["Return-Path"]) == f"<{SENDER}>"


def test_ALS_09_mail_of_an_own_user_is_not_rewritten(
    wire: Wire, plane: MailInstance, world: World, jan: Account
) -> None:
    plane.apply()
    wire.submit(jan.address, PASSWORD, jan.address, REMOTE)
    assert arrived(world).sender == jan.address


@pytest.fixture
def alias(jan: Account, plane: MailInstance, console: Actor) -> str:
    """biuro@alfa.example leads elsewhere, and to jan."""
    assert jan.domain is not None
    made = actions.add_alias(domain=jan.domain, localpart="biuro", targets=[REMOTE, jan.address], by=console)
    plane.apply()
    return made.address


def test_ALS_09_alias_leaves_in_the_name_of_its_domain(
    wire: Wire, plane: MailInstance, world: World, jan: Account, alias: str
) -> None:
    wire.deliver(alias, text=letter("faktura"), sender=SENDER)
    found = arrived(world)
    localpart, _at, domain = found.sender.rpartition("@")
    assert domain == "alfa.example"
    assert localpart.startswith("srs0+")
    assert localpart.endswith("=obcy.example=x")
    assert found.recipients == (REMOTE,)
    assert str(found.message["Subject"]) == "faktura"
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["faktura"], what="the copy here")
    assert str(wire.messages(jan.address, PASSWORD)[0]["Return-Path"]) == f"<{SENDER}>"


def test_ALS_09_alias_with_an_own_address_leaves_by_it(
    wire: Wire, plane: MailInstance, world: World, jan: Account, alias: str, console: Actor
) -> None:
    assert jan.domain is not None
    own = address_actions.add_address(
        address="127.0.0.11", hostname="mail.alfa.example", node=plane.node(), is_present=True, by=console
    )
    address_actions.set_domain_addresses(jan.domain, inbound=own, outbound=own, by=console)
    plane.apply()
    wire.deliver(alias, text=letter("faktura"), sender=SENDER)
    found = arrived(world)
    assert (found.peer, found.helo) == ("127.0.0.11", "mail.alfa.example")
    assert "mail.alfa.example" in found.received


def test_ALS_09_what_comes_back_finds_the_first_sender(
    wire: Wire, plane: MailInstance, world: World, jan: Account, alias: str
) -> None:
    first = "nadawca@remote1.example"
    wire.deliver(alias, text=letter("faktura"), sender=first)
    returned = arrived(world).sender
    wire.deliver(returned, text=letter("Zwrot"), sender="")
    wait_until(lambda: world.to(first), what="the bounce")
    bounce = world.to(first)[0]
    assert bounce.sender == ""
    assert str(bounce.message["Subject"]) == "Zwrot"
    made_up = "srs0+abcdefghij=aa=remote1.example=nadawca@alfa.example"
    for forged in (returned.replace("nadawca", "kto-inny"), made_up):
        wire.deliver(forged, text=letter("Podrobiony"), sender="")
    wire.deliver(returned.upper(), text=letter("Wielkie"), sender="")
    wait_until(lambda: world.to("NADAWCA@remote1.example"), what="the bounce in capitals")
    assert not world.to("kto-inny@remote1.example")
    assert [str(one.message["Subject"]) for one in world.to(first)] == ["Zwrot"]


def test_ALS_09_bounce_of_our_own_finds_the_first_sender(
    wire: Wire, plane: MailInstance, world: World, jan: Account, alias: str
) -> None:
    world.refusals[REMOTE] = "550 5.1.1 unknown user"
    first = "nadawca@remote1.example"
    wire.deliver(alias, text=letter("faktura"), sender=first)
    wait_until(lambda: world.to(first), what="the bounce")
    assert "unknown user" in world.to(first)[0].raw.decode()


def test_ALS_09_stranger_who_writes_an_own_users_name_gets_no_mail_in_that_name(
    wire: Wire, plane: MailInstance, world: World, jan: Account, alias: str
) -> None:
    wire.deliver(alias, text=letter("Podszywam się"), sender=jan.address)
    assert arrived(world).sender.startswith("srs0+")


def test_ALS_09_catch_all_and_extension_lead_elsewhere_too(
    wire: Wire, plane: MailInstance, world: World, jan: Account, alias: str, console: Actor
) -> None:
    assert jan.domain is not None
    actions.add_alias(domain=jan.domain, localpart="", targets=["zbior@remote1.example"], by=console)
    plane.apply()
    wire.deliver("ktokolwiek@alfa.example", sender=SENDER)
    wait_until(lambda: world.to("zbior@remote1.example"), what="mail of the catch-all")
    assert world.to("zbior@remote1.example")[0].sender.endswith("=obcy.example=x@alfa.example")
    wire.deliver("biuro+sklep@alfa.example", sender=SENDER)
    wait_until(lambda: world.to("kto+sklep@remote1.example"), what="mail with an extension")


def test_signature_of_a_sender_runs_out_and_covers_the_whole_of_it() -> None:
    secret, day = b"tajne", 86400.0
    made = signed_sender("Nadawca@obcy.example", "alfa.example", secret, 1000 * day)
    localpart = made.rpartition("@")[0]
    assert first_sender(localpart, "alfa.example", secret, 1021 * day) == "Nadawca@obcy.example"
    assert first_sender(localpart.upper(), "ALFA.example", secret, 1000 * day) == "NADAWCA@obcy.example"
    for bad, domain, now in (
        (localpart, "alfa.example", 1022 * day),
        (localpart, "beta.example", 1000 * day),
        (localpart.replace("Nadawca", "nikt"), "alfa.example", 1000 * day),
        (localpart.replace("=", "", 1), "alfa.example", 1000 * day),
        ("srs0", "alfa.example", 1000 * day),
        ("srs0+===", "alfa.example", 1000 * day),
    ):
        with pytest.raises(Unknown):
            first_sender(bad, domain, secret, now)
