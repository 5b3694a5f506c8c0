"""Protections of one domain alone: one message to two domains, which one refuses and the other takes."""

from __future__ import annotations

import io
import json
import smtplib
from dataclasses import dataclass

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_domain_protections, set_protection
from antispam.protections import BY_NAME, OF_RECIPIENTS
from domains import actions as domain_actions
from domains.models import Domain
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.spam import restart_rules
from tests.mail.test_protections import GTUBE
from tests.mail.test_protections_dns import HONEST, LIAR, LISTED, internet
from tests.mail.wire import Wire, letter
from tests.mail.world import World

__all__ = ["internet", "plain_static"]
SERVER_WIDE = [name for name in BY_NAME if name not in (*OF_RECIPIENTS, "unlisted-recipient")]
# Where the message comes from, how it greets and whose it says it is, so that the protection stops it alone.
STOPPED = {
    "helo": (HONEST, "komputer", "x@soft.example"),
    "reverse-name": (LIAR, "mx.good.example", "x@soft.example"),
    "sender-domain": (HONEST, "mx.good.example", "x@nie-ma-takiej.example"),
    "dnsbl": (LISTED, "mx.good.example", "x@soft.example"),
    "spf": (LIAR, "mx.good.example", "szef@good.example"),
    "greylisting": (HONEST, "mx.good.example", "nowy@soft.example"),
}


@pytest.fixture
def plane(internet: World, running_in_world: MailInstance, console: Actor, db: None) -> MailInstance:
    """Nothing but what a test switches on stands in the way."""
    running_in_world.node()
    for name in (*OF_RECIPIENTS, *SERVER_WIDE):
        set_protection(name, is_on=False, by=console)
    set_protection("dnsbl", options={"sites": ["bl1.test=127.0.0.2"]}, by=console)
    return running_in_world


def owner(name: str, console: Actor) -> Account:
    domain = domain_actions.add_domain(name=name, by=console)
    return actions.add_account(domain=domain, localpart="anna", password=PASSWORD, by=console)


@dataclass(frozen=True, slots=True)
class Two:
    """own: has it otherwise than the server. other: as the server has it."""

    own: Account
    other: Account

    @property
    def domain(self) -> Domain:
        assert self.own.domain is not None
        return self.own.domain


@pytest.fixture
def two(plane: MailInstance, console: Actor) -> Two:
    found = Two(owner("wlasna.test", console), owner("zwykla.test", console))
    plane.apply()
    return found


def refused(two: Two, source: str, helo: str, sender: str) -> list[str]:
    """Which of the two refuse one message to both; the other gets it."""
    recipients = [two.own.address, two.other.address]
    with smtplib.SMTP("127.0.0.1", 25, local_hostname=helo, source_address=(source, 0), timeout=30) as client:
        try:
            return sorted(client.sendmail(sender, recipients, letter("dla dwóch").encode()))
        except smtplib.SMTPRecipientsRefused as error:
            return sorted(error.recipients)


@pytest.mark.parametrize("is_on_server", [True, False])
@pytest.mark.parametrize("name", OF_RECIPIENTS)
def test_one_domain_has_it_otherwise_than_the_server(
    plane: MailInstance, two: Two, console: Actor, name: str, is_on_server: bool
) -> None:
    set_protection(name, is_on=is_on_server, by=console)
    set_domain_protections(two.domain, {name: not is_on_server}, by=console)
    plane.apply()
    stopping = two.other if is_on_server else two.own
    source, helo, sender = STOPPED[name]
    if name == "greylisting":
        # Postgrey remembers who came before.
        sender = f"nowy-{is_on_server}@soft.example".lower()
    wait_until(lambda: refused(two, source, helo, sender) == [stopping.address], seconds=5)
    passing = two.own if is_on_server else two.other
    wire = Wire(plane.layout)
    wait_until(lambda: "dla dwóch" in wire.subjects(passing.address, PASSWORD))
    assert wire.messages(stopping.address, PASSWORD) == []
    set_domain_protections(two.domain, {name: None}, by=console)
    plane.apply()
    both = [two.own.address, two.other.address] if is_on_server else []
    sender = sender.replace("nowy", "inny")
    wait_until(lambda: refused(two, source, helo, sender) == both, seconds=5)


def test_its_other_names_and_the_protections_beside_it_follow(
    plane: MailInstance, two: Two, console: Actor
) -> None:
    """The alias name has what the domain has; what the domain leaves to the server stays as it is there."""
    domain_actions.add_domain_alias(two.domain, name="druga.test", by=console)
    for name in ("helo", "dnsbl"):
        set_protection(name, is_on=True, by=console)
    set_domain_protections(two.domain, {"helo": False}, by=console)
    plane.apply()
    through_alias = Two(Account(address="anna@druga.test"), two.other)
    wait_until(lambda: refused(through_alias, *STOPPED["helo"]) == [two.other.address], seconds=5)
    assert refused(through_alias, *STOPPED["dnsbl"]) == ["anna@druga.test", two.other.address]


def test_the_spam_check_of_one_domain_is_off(plane: MailInstance, two: Two, console: Actor) -> None:
    set_protection("spamassassin", is_on=True, by=console)
    set_domain_protections(two.domain, {"spamassassin": False}, by=console)
    plane.apply()
    wire = Wire(plane.layout)
    wire.deliver(two.own.address, two.other.address, text=letter("śmieć", f"{GTUBE}\n"))
    wait_until(lambda: wire.subjects(two.other.address, PASSWORD, "SPAM") == ["[SPAM] śmieć"])
    wait_until(lambda: wire.subjects(two.own.address, PASSWORD) == ["śmieć"])
    assert str(wire.messages(two.own.address, PASSWORD)[0]["X-QM-Scan"]) == "off"


def test_the_network_tests_of_one_domain_are_off(
    plane: MailInstance, two: Two, console: Actor, settings: Settings
) -> None:
    """A rule that asks a list hits for one recipient of the message and not for the other."""
    settings.QMAILUX_LAYOUT = plane.layout
    rules = (
        "header TEST_LISTED eval:check_rbl('test-lastexternal', 'bl1.test.')\n"
        "tflags TEST_LISTED net\nscore TEST_LISTED 0.1\n"
    )
    for name in ("spamassassin", "spamassassin-network"):
        set_protection(name, is_on=True, by=console)
    set_domain_protections(two.domain, {"spamassassin-network": False}, by=console)
    plane.apply()
    (plane.layout.etc / "spamassassin" / "test.cf").write_text(rules)
    restart_rules(plane)
    assert refused(two, LISTED, "mx.good.example", "x@soft.example") == []
    wire = Wire(plane.layout)
    for account in (two.own, two.other):
        wait_until(lambda: len(wire.messages(account.address, PASSWORD)) == 1)  # noqa: B023
    hits = {
        account.address: "TEST_LISTED" in str(wire.messages(account.address, PASSWORD)[0]["X-Spam-Status"])
        for account in (two.own, two.other)
    }
    assert hits == {two.own.address: False, two.other.address: True}


def test_page_and_command_set_it_and_what_cannot_be_is_refused(
    plane: MailInstance, two: Two, console: Actor
) -> None:
    postmaster = actions.add_account(domain=two.domain, localpart="pola", password=PASSWORD, by=console)
    domain_actions.set_managers(two.domain, addresses=[postmaster.address], by=console)
    url = f"/domain/{two.domain.name}/protections/"
    typed = dict.fromkeys((*OF_RECIPIENTS, "spamassassin", "spamassassin-network"), "inherit")
    client = logged_in(postmaster)
    assert client.post(url, typed | {"helo": "yes"}).status_code == 302
    plane.apply()
    wait_until(lambda: refused(two, *STOPPED["helo"]) == [two.own.address], seconds=5)
    assert client.post(url, typed | {"spamassassin": "yes"}).status_code == 200
    with pytest.raises(ActionRefused) as caught:
        set_domain_protections(two.domain, {"clamav": False}, by=console)
    assert caught.value.field == "clamav"
    call_command("protection", "inherit", "helo", domain=two.domain.name, stdout=io.StringIO())
    plane.apply()
    wait_until(lambda: refused(two, *STOPPED["helo"]) == [], seconds=5)
    out = io.StringIO()
    call_command("protection", "list", domain=two.domain.name, json=True, stdout=out)
    assert [row["own"] for row in json.loads(out.getvalue())] == [False] * len(typed)
