"""Domains whose mailboxes are on another server: what is taken at the door, and where it goes."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import add_sender_entries, set_protection
from antispam.models import ProtectionCount, SenderListEntry
from domains import actions as domain_actions
from domains import relay_actions
from domains.models import Domain
from maillog.ingest import Ingester
from maillog.models import Entry
from provisioning.stopped import count_stopped
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in
from tests.mail.instance import MailInstance, wait_until
from tests.mail.test_protections import GTUBE
from tests.mail.wire import Wire, letter
from tests.mail.world import Arrival, World

pytestmark = pytest.mark.django_db(databases=["default", "logs"])
HUB = "127.0.0.101"
ELA = "ela@relay.example"
NOBODY = "nikt@relay.example"
SENDER = "x@obcy.example"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    # The server says 550 to whom it does not have, as a mail hub does.
    world.refusals[NOBODY] = "550 5.1.1 no such person"
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def superadmin(root: Account) -> Client:
    return logged_in(root)


@pytest.fixture
def relay(plane: MailInstance, console: Actor) -> Domain:
    return domain_actions.add_domain(name="relay.example", by=console)


def test_mail_goes_on_as_it_came_and_the_other_server_says_who_exists(
    wire: Wire, plane: MailInstance, world: World, relay: Domain
) -> None:
    call_command("domain", "relay", "relay.example", "--to", HUB)
    plane.apply()
    wire.deliver(ELA, text=letter("faktura"), sender=SENDER)
    wait_until(lambda: world.to(ELA), what="the mail on the other server")
    found = world.to(ELA)[-1]
    assert (found.sender, found.recipients) == (SENDER, (ELA,))
    assert str(found.message["Subject"]) == "faktura"
    code, answer = wire.rcpt(NOBODY)
    assert code == 550
    assert "no such person" in answer
    assert wire.rcpt("ktos@innej.example")[0] == 554
    assert _told(plane, "question", ELA) == "done"
    assert _told(plane, "message", ELA) == "delivered"
    assert _told(plane, "question", NOBODY) == "rejected"
    assert _told(plane, "refusal", NOBODY) == "rejected"


def test_while_the_other_server_is_down_mail_to_known_people_waits_and_then_arrives(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor
) -> None:
    """The backup MX."""
    relay_actions.pass_on(relay, to=HUB, by=console)
    plane.apply()
    wire.deliver(ELA, text=letter("pierwszy"))
    wait_until(lambda: world.to(ELA), what="the first message")
    world.refusals[ELA] = world.refusals["nowy@relay.example"] = "451 4.3.2 not now"
    wire.deliver(ELA, text=letter("drugi"))
    assert wire.rcpt("nowy@relay.example")[0] == 450
    wait_until(lambda: "not now" in plane.waiting(), what="the waiting message")
    del world.refusals[ELA]
    plane.flush()
    wait_until(lambda: len(world.to(ELA)) == 2, what="the message that waited")


def test_ALS_04_listed_recipients_are_aliases_that_lead_to_themselves(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor, superadmin: Client
) -> None:
    where = {"to": HUB, "recipients": "listed"}
    assert superadmin.post(reverse("domain-relay", args=[relay.name]), where).status_code == 302
    entry = {"localpart": "ela", "targets": ELA}
    assert superadmin.post(reverse("alias-add", args=[relay.name]), entry).status_code == 302
    plane.apply()
    wire.deliver(ELA, text=letter("na liście"))
    wait_until(lambda: world.to(ELA), what="the mail on the other server")
    # The other server would take her: it is the list here that says no.
    assert wire.rcpt("ola@relay.example")[0] == 550
    # RFC 5321, 4.5.1: always there, and with the other server as everything of the domain.
    wire.deliver("postmaster@relay.example")
    wait_until(lambda: world.to("postmaster@relay.example"), what="the postmaster's mail")


@pytest.mark.parametrize("recipients", Domain.RelayRecipients.values)
def test_aliases_of_a_relay_domain_lead_here_and_to_it(
    recipients: str, wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor
) -> None:
    here = domain_actions.add_domain(name="tutaj.example", by=console)
    jan = actions.add_account(domain=here, localpart="jan", password=PASSWORD, by=console)
    relay = relay_actions.pass_on(relay, to=HUB, recipients=recipients, by=console)
    actions.add_alias(domain=relay, localpart="biuro", targets=[jan.address], by=console)
    actions.add_alias(domain=relay, localpart="ela", targets=[ELA], by=console)
    actions.add_alias(domain=here, localpart="ela", targets=[ELA], by=console)
    # Asked for this one it would say no: it is an alias here, so nobody asks.
    world.refusals["biuro@relay.example"] = "550 5.1.1 no such person"
    plane.apply()
    wire.deliver("biuro@relay.example", text=letter("do biura"))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["do biura"], what="the alias's mail")
    wire.submit(jan.address, PASSWORD, jan.address, "ela@tutaj.example", text=letter("od Jana"))
    wait_until(lambda: world.to(ELA), what="the mail on the other server")
    assert world.to(ELA)[-1].sender == jan.address


def test_other_names_and_the_way_back(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor, superadmin: Client
) -> None:
    plane.applier().apply_all(confirm_deletions=True)
    domain_actions.add_domain_alias(relay, name="druga.example", by=console)
    relay_actions.pass_on(relay, to=HUB, by=console)
    plane.apply()
    wire.deliver("ela@druga.example")
    wait_until(lambda: world.to("ela@druga.example"), what="mail by the other name")
    assert superadmin.post(reverse("domain-relay", args=[relay.name]), {"to": "", "recipients": "asked"})
    relay.refresh_from_db()
    ela = actions.add_account(domain=relay, localpart="ela", password=PASSWORD, by=console)
    plane.apply()
    wire.deliver("ela@druga.example", text=letter("znowu tutaj"))
    wait_until(lambda: wire.subjects(ela.address, PASSWORD) == ["znowu tutaj"], what="the mail here")
    assert wire.rcpt(NOBODY)[0] == 550
    assert plane.applier().check() == {}


def test_a_lock_of_the_domain_holds_for_mail_that_is_passed_on(
    wire: Wire, plane: MailInstance, relay: Domain, console: Actor
) -> None:
    relay_actions.pass_on(relay, to=HUB, by=console)
    domain_actions.lock_domain(relay, mode="reject", by=console)
    plane.apply()
    assert wire.rcpt(ELA)[0] == 550


FORGED = "X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-90\r\nX-Spam-Flag: NO\r\nx-qm-scan: off\r\n"


def _marks(found: Arrival) -> dict[str, list[str]]:
    names = ("X-Spam-Flag", "X-Spam-Status", "X-Spam-Score", "X-Spam-Level", "X-QM-Scan")
    return {name: list(map(str, values)) for name in names if (values := found.message.get_all(name))}


@pytest.mark.parametrize(("body", "subject"), [("zwykła treść", "faktura"), (GTUBE, "[SPAM] faktura")])
def test_mail_that_is_passed_on_is_marked_and_claims_of_the_sender_are_taken_away(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor, body: str, subject: str
) -> None:
    """A filter before another server."""
    relay_actions.pass_on(relay, to=HUB, by=console)
    plane.apply()
    wire.deliver(ELA, text=FORGED + letter("faktura", body), sender=SENDER)
    wait_until(lambda: world.to(ELA), what="the mail on the other server")
    found = world.to(ELA)[-1]
    marks = _marks(found)
    assert str(found.message["Subject"]) == subject
    assert all(len(values) == 1 for values in marks.values()), marks
    assert marks.get("X-Spam-Flag") == (["YES"] if body == GTUBE else None)
    assert marks["X-Spam-Status"][0].startswith("Yes, score=1" if body == GTUBE else "No, score=")
    assert "X-QM-Scan" not in marks


def test_the_servers_senders_lists_count_for_mail_that_is_passed_on(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor
) -> None:
    add_sender_entries(None, kind=SenderListEntry.Kind.ALLOW, patterns=[SENDER], by=console)
    relay_actions.pass_on(relay, to=HUB, by=console)
    plane.apply()
    wire.deliver(ELA, text=letter("faktura"), sender=SENDER)
    wait_until(lambda: world.to(ELA), what="the mail on the other server")
    assert "QM_ALLOW_SERVER_ADDRESS" in _marks(world.to(ELA)[-1])["X-Spam-Status"][0]


def test_mail_for_people_here_is_left_to_their_own_settings(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor
) -> None:
    """One message for both: the other server gets marks, and the subject stays."""
    here = domain_actions.add_domain(name="tutaj.example", by=console)
    jan = actions.add_account(domain=here, localpart="jan", password=PASSWORD, by=console)
    relay_actions.pass_on(relay, to=HUB, by=console)
    plane.apply()
    wire.deliver(ELA, jan.address, text=letter("dla obojga", GTUBE), sender=SENDER)
    wait_until(lambda: world.to(ELA), what="the mail on the other server")
    assert _marks(world.to(ELA)[-1])["X-Spam-Flag"] == ["YES"]
    assert str(world.to(ELA)[-1].message["Subject"]) == "dla obojga"
    wait_until(lambda: wire.subjects(jan.address, PASSWORD, "SPAM") == ["[SPAM] dla obojga"], what="here")
    wire.deliver(jan.address, text=FORGED + letter("tylko tutaj"), sender=SENDER)
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["tylko tutaj"], what="ordinary mail here")


def test_while_spamd_is_down_mail_is_passed_on_and_says_so(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor
) -> None:
    relay_actions.pass_on(relay, to=HUB, by=console)
    plane.apply()
    count_stopped(plane.node(), plane.host)
    ProtectionCount.objects.all().delete()
    plane.stop_daemon("spamd")
    try:
        wire.deliver(ELA, text=letter("bez sprawdzenia", GTUBE), sender=SENDER)
        wait_until(lambda: world.to(ELA), what="the mail on the other server")
    finally:
        plane.start_daemon(plane.daemon("spamd"))
    assert _marks(world.to(ELA)[-1]) == {"X-QM-Scan": ["failed"]}
    count_stopped(plane.node(), plane.host)
    assert ProtectionCount.objects.get(name="unscanned").count == 1


def test_a_server_without_relay_domains_or_search_for_spam_asks_nobody(
    wire: Wire, plane: MailInstance, world: World, relay: Domain, console: Actor
) -> None:
    def asks() -> bool:
        return str(plane.layout.outgoing_scan) in _incoming_milters(plane)

    relay_actions.pass_on(relay, to=HUB, by=console)
    plane.apply()
    assert asks()
    set_protection("spamassassin", is_on=False, by=console)
    plane.apply()
    assert not asks()
    wire.deliver(ELA, text=letter("nie szukamy", GTUBE), sender=SENDER)
    wait_until(lambda: world.to(ELA), what="the mail on the other server")
    assert _marks(world.to(ELA)[-1]) == {}
    set_protection("spamassassin", is_on=True, by=console)
    plane.apply()
    assert asks()
    domain_actions.delete_domain(relay, by=console)
    plane.apply()
    assert not asks()


def _incoming_milters(plane: MailInstance) -> str:
    assert "files" not in plane.applier().check()
    main = plane.host.read("etc/postfix/main.cf") or b""
    return next(line for line in main.decode().splitlines() if line.startswith("incoming_milters"))


def _told(plane: MailInstance, kind: str, recipient: str) -> str:
    """The verdict that the trace has, once it has read so far."""
    found = Entry.objects.filter(kind=kind, recipient=recipient).order_by("-id")

    def is_read() -> bool:
        Ingester(plane.layout.run / "test-trace.lock").run(plane.layout.node_log)
        return found.exclude(verdict__in=("queued", "")).exists()

    wait_until(is_read, what=f"the trace's {kind} of {recipient}")
    return found.exclude(verdict__in=("queued", "")).values_list("verdict", flat=True)[0]
