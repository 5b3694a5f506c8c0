"""The queue desk with a real queue: other people's servers say "later"."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.mailqueue import QueuedMessage, QueueFilter, find, order, read_queue, with_envelopes
from provisioning.models import QueueRequest
from provisioning.queue_desk import answer, ask, asker_of
from provisioning.tasks import node_answer_queue
from qmailux_site.errors import NotAllowed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter
from tests.mail.world import World

__all__ = ["plain_static"]

LATER = "451 4.7.1 come back later"
Run = Callable[..., str]


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    running_in_world.host.run(
        ["postsuper", "-c", str(running_in_world.layout.etc / "postfix"), "-d", "ALL"], check=False
    )
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def run(plane: MailInstance, monkeypatch: pytest.MonkeyPatch) -> Run:
    # The command works on this process's own instance; the world's has another home.
    monkeypatch.setattr("django.conf.settings.QMAILUX_LAYOUT", plane.layout)

    def call(*arguments: str) -> str:
        out = io.StringIO()
        call_command("queue", *arguments, stdout=out)
        return out.getvalue()

    return call


@pytest.fixture
def people(plane: MailInstance, console: Actor) -> tuple[Account, Account]:
    """Jan of alfa.example and Ewa of beta.example."""
    found = []
    for localpart, name in (("jan", "alfa.example"), ("ewa", "beta.example")):
        domain = domain_actions.add_domain(name=name, by=console)
        found.append(actions.add_account(domain=domain, localpart=localpart, password=PASSWORD, by=console))
    plane.apply()
    return found[0], found[1]


def queue(plane: MailInstance) -> list[QueuedMessage]:
    return read_queue(plane.host, plane.layout)


def leave_waiting(
    plane: MailInstance, wire: Wire, world: World, account: Account, *recipients: str, count: int = 1
) -> list[QueuedMessage]:
    """Messages of the account that other servers do not take at present."""
    known = {message.queue_id for message in queue(plane)}
    world.refusals.update(dict.fromkeys(recipients, LATER))
    with wire.submission() as client:
        wire.smtp_login(client, account.address, PASSWORD)
        for _number in range(count):
            client.sendmail(account.address, list(recipients), letter("czeka").encode())

    def new() -> list[QueuedMessage]:
        return [message for message in queue(plane) if message.queue_id not in known]

    wait_until(lambda: sum(message.queue == "deferred" for message in new()) == count, what="deferred mail")
    return new()


def asked(
    plane: MailInstance,
    verb: str,
    *,
    by: Actor,
    domain: Domain | None = None,
    dry_run: bool = False,
    wanted: QueueFilter | None = None,
) -> dict[str, Any]:
    """What the node's worker answers to what the panel asks."""
    request = ask(
        plane.node(), verb=verb, wanted=wanted or QueueFilter(), domain=domain, by=by, dry_run=dry_run
    )
    answer(request, plane.host, plane.layout, by=asker_of(request))
    assert request.answer is not None
    answered: dict[str, Any] = request.answer
    return answered


def test_list_says_who_waits_for_whom_and_why(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account]
) -> None:
    jan, _ewa = people
    leave_waiting(plane, wire, world, jan, "a@remote1.example")
    message = with_envelopes(plane.host, plane.layout, queue(plane))[0]
    assert (message.sender, message.login, message.client) == (jan.address, jan.address, "127.0.0.2")
    assert message.recipients[0].address == "a@remote1.example"
    assert "come back later" in message.recipients[0].reason


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (QueueFilter(login="jan@alfa.example"), 2),
        (QueueFilter(sender="@beta.example"), 1),
        (QueueFilter(sender="ewa@beta.example"), 1),
        (QueueFilter(recipient="b@remote1.example"), 2),
        (QueueFilter(recipient="@remote1.example"), 3),
        (QueueFilter(domain="alfa.example"), 2),
        (QueueFilter(error="COME BACK"), 3),
        (QueueFilter(error="no such reason"), 0),
        (QueueFilter(client="127.0.0.2"), 3),
        (QueueFilter(client="127.0.0.3"), 0),
        (QueueFilter(queue="hold"), 0),
        (QueueFilter(older_than_seconds=3600), 0),
        (QueueFilter(ids=("4nothing0such0id",)), 0),
    ],
    ids=str,
)
def test_filters_find_exactly_what_they_say(
    plane: MailInstance,
    wire: Wire,
    world: World,
    people: tuple[Account, Account],
    wanted: QueueFilter,
    expected: int,
) -> None:
    jan, ewa = people
    leave_waiting(plane, wire, world, jan, "a@remote1.example")
    leave_waiting(plane, wire, world, jan, "b@remote1.example")
    leave_waiting(plane, wire, world, ewa, "b@remote1.example")
    assert len(find(plane.host, plane.layout, wanted, now=time.time())) == expected


def test_QUE_05_held_stays_released_goes_and_each_arrives_once(
    run: Run, plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account]
) -> None:
    jan, ewa = people
    leave_waiting(plane, wire, world, jan, "a@remote1.example")
    leave_waiting(plane, wire, world, ewa, "b@remote1.example")
    assert "1 messages would be held" in run("hold", "--login", jan.address, "--dry-run")
    assert {message.queue for message in queue(plane)} == {"deferred"}
    assert "1 messages held" in run("hold", "--login", jan.address, "--yes")
    assert "0 messages held" in run("hold", "--login", jan.address, "--yes")
    world.refusals.clear()
    run("flush", "--all")
    wait_until(lambda: world.to("b@remote1.example"))
    assert world.to("a@remote1.example") == []
    assert [message.queue for message in queue(plane)] == ["hold"]
    assert "1 messages released" in run("release", "--sender", jan.address)
    run("flush", "--all")
    wait_until(lambda: world.to("a@remote1.example"))
    wait_until(lambda: queue(plane) == [])
    assert (len(world.to("a@remote1.example")), len(world.to("b@remote1.example"))) == (1, 1)


def test_QUE_05_requeue_keeps_the_recipients_and_doubles_nothing(
    run: Run, plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], console: Actor
) -> None:
    jan, _ewa = people
    assert jan.domain is not None
    alias = actions.add_alias(domain=jan.domain, localpart="biuro", targets=["a@remote1.example"], by=console)
    plane.apply()
    world.refusals["a@remote1.example"] = LATER
    wire.deliver(alias.address, text=letter("do biura"))
    wait_until(lambda: [message.queue for message in queue(plane)] == ["deferred"])
    before = queue(plane)[0].queue_id
    actions.set_alias_targets(alias, targets=[jan.address], by=console)
    plane.apply()
    assert "1 messages requeued" in run("requeue", "--recipient", "a@remote1.example")
    wait_until(lambda: [each.queue for each in queue(plane) if each.queue_id != before] == ["deferred"])
    # Postfix keeps the recipients that the alias gave when the message came: new mail goes the new way.
    (message,) = queue(plane)
    assert [waiting.address for waiting in message.recipients] == ["a@remote1.example"]
    world.refusals.clear()
    run("flush", "--all")
    wait_until(lambda: queue(plane) == [])
    assert len(world.to("a@remote1.example")) == 1


def test_delete_by_login_removes_exactly_those(
    run: Run, plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account]
) -> None:
    jan, ewa = people
    leave_waiting(plane, wire, world, jan, "a@remote1.example", count=30)
    kept = leave_waiting(plane, wire, world, ewa, "a@remote1.example", count=30)
    with pytest.raises(CommandError, match="Delete 30 messages for good"):
        run("delete", "--login", jan.address)
    assert len(queue(plane)) == 60
    assert "30 messages deleted" in run("delete", "--login", jan.address, "--yes")
    assert {message.queue_id for message in queue(plane)} == {message.queue_id for message in kept}
    event = AuditEvent.objects.get(action="queue.delete")
    assert event.details["messages"] == 30


def test_QUE_01_message_that_has_left_is_named_and_no_other_is_touched(
    run: Run, plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account]
) -> None:
    jan, _ewa = people
    (first,) = leave_waiting(plane, wire, world, jan, "a@remote1.example")
    world.refusals.clear()
    run("flush", first.queue_id)
    wait_until(lambda: queue(plane) == [])
    (second,) = leave_waiting(plane, wire, world, jan, "b@remote1.example")
    assert order(plane.host, plane.layout, "delete", [first]) == 0
    assert "0 messages deleted" in run("delete", first.queue_id, "--yes")
    assert [message.queue_id for message in queue(plane)] == [second.queue_id]
    assert re.fullmatch(r"[0-9A-Za-z]{12,}", first.queue_id)


def test_envelopes_of_messages_that_left_meanwhile_are_left_out(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account]
) -> None:
    jan, _ewa = people
    waiting = leave_waiting(plane, wire, world, jan, "a@remote1.example", count=3)
    order(plane.host, plane.layout, "delete", [waiting[1]])
    left = with_envelopes(plane.host, plane.layout, waiting)
    assert [message.queue_id for message in left] == [waiting[0].queue_id, waiting[2].queue_id]


def test_groups_show_and_refusals_of_the_command(
    run: Run, plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account]
) -> None:
    jan, _ewa = people
    (message,) = leave_waiting(plane, wire, world, jan, "a@remote1.example", "b@remote1.example")
    for by, group in (
        ("sender", jan.address),
        ("sender-domain", "alfa.example"),
        ("recipient-domain", "remote1.example"),
        ("login", jan.address),
    ):
        assert json.loads(run("list", "--by", by, "--json")) == [{"messages": 1, by: group}]
    shown = json.loads(run("show", message.queue_id, "--json"))
    assert shown["login"] == jan.address
    assert "Subject:" in shown["headers"]
    assert shown["body"]
    for arguments, sentence in (
        (("delete", "--yes"), "Say which messages"),
        (("show", "4nothing0such0id"), "no longer in the queue"),
        (("list", "--older-than", "tomorrow"), "An age is a number"),
    ):
        with pytest.raises(CommandError, match=sentence):
            run(*arguments)


def test_QUE_04_postmaster_sees_and_orders_only_what_is_the_domains(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], console: Actor
) -> None:
    jan, ewa = people
    assert jan.domain is not None
    assert ewa.domain is not None
    domain_actions.set_managers(jan.domain, addresses=[jan.address], by=console)
    pola = Actor(real=jan, channel="panel")
    leave_waiting(plane, wire, world, jan, "a@remote1.example")
    foreign = leave_waiting(plane, wire, world, ewa, "b@remote1.example")[0]
    # A stranger who writes the domain's name into the sender does not make the message the domain's.
    alias = actions.add_alias(
        domain=ewa.domain, localpart="biuro", targets=["tajny@remote1.example"], by=console
    )
    plane.apply()
    world.refusals["tajny@remote1.example"] = LATER
    wire.deliver(alias.address, sender="ktos@alfa.example")
    wait_until(lambda: len(queue(plane)) == 3)
    listed = asked(plane, "list", by=pola, domain=jan.domain)
    assert listed["count"] == 1
    assert "tajny" not in json.dumps(listed)
    assert "b@remote1" not in json.dumps(listed)
    wanted = QueueFilter(ids=(foreign.queue_id,))
    assert asked(plane, "show", by=pola, domain=jan.domain, wanted=wanted) == {"message": None}
    assert asked(plane, "delete", by=pola, domain=jan.domain, wanted=wanted) == {"count": 0}
    assert asked(plane, "delete", by=pola, domain=jan.domain, dry_run=True) == {"count": 1}
    assert asked(plane, "delete", by=pola, domain=jan.domain) == {"count": 1}
    assert len(queue(plane)) == 2
    for domain in (None, ewa.domain):
        with pytest.raises(NotAllowed):
            ask(plane.node(), verb="list", wanted=QueueFilter(), domain=domain, by=pola)


def test_PRM_05_acting_for_a_postmaster_looks_at_the_queue_and_orders_only_when_writing(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], console: Actor
) -> None:
    jan, _ewa = people
    assert jan.domain is not None
    domain_actions.set_managers(jan.domain, addresses=[jan.address], by=console)
    root = actions.add_operator(address="root@panel", password=PASSWORD, is_superuser=True, by=console)
    leave_waiting(plane, wire, world, jan, "a@remote1.example")
    looking = Actor(real=root, acting_as=jan, channel="panel", writes_allowed=False)
    assert asked(plane, "list", by=looking, domain=jan.domain)["count"] == 1
    with pytest.raises(NotAllowed, match="looking only"):
        ask(plane.node(), verb="delete", wanted=QueueFilter(), domain=jan.domain, by=looking)
    writing = replace(looking, writes_allowed=True)
    assert asked(plane, "delete", by=writing, domain=jan.domain) == {"count": 1}
    event = AuditEvent.objects.get(action="queue.delete")
    assert (event.real, event.acting_as, event.scope) == ("root@panel", jan.address, jan.domain.name)


def test_QUE_04_message_to_two_domains_shows_each_postmaster_its_own_recipients(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], console: Actor
) -> None:
    jan, ewa = people
    assert jan.domain is not None
    plane.stop_daemon("dovecot")
    try:
        wire_recipients = (jan.address, ewa.address)
        wire.deliver(*wire_recipients)
        wait_until(lambda: [message.queue for message in queue(plane)] == ["deferred"])
        root = asked(plane, "list", by=console)
        own = asked(plane, "list", by=Actor.console(), domain=jan.domain)
        order_count = asked(plane, "delete", by=console, domain=jan.domain, dry_run=True)["count"]
    finally:
        plane.start_daemon(plane.daemon("dovecot"))
    assert len(root["messages"][0]["recipients"]) == 2
    assert [waiting["address"] for waiting in own["messages"][0]["recipients"]] == [jan.address]
    assert order_count == 0


def test_reading_a_message_is_written_to_the_audit(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], console: Actor
) -> None:
    jan, _ewa = people
    (message,) = leave_waiting(plane, wire, world, jan, "a@remote1.example")
    shown = asked(plane, "show", by=console, wanted=QueueFilter(ids=(message.queue_id,)))
    assert "Subject: " in shown["headers"]
    assert AuditEvent.objects.filter(action="queue.read", target=message.queue_id).exists()


@pytest.fixture
def worker(plane: MailInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node's worker, at once and in this process."""
    monkeypatch.setattr("django.conf.settings.QMAILUX_LAYOUT", plane.layout)

    def work(request: QueueRequest) -> bool:
        node_answer_queue(request.pk)
        return True

    monkeypatch.setattr("provisioning.queue_views.nudge", work)


@pytest.mark.usefixtures("worker", "plain_static")
def test_queue_page_lists_asks_and_deletes_a_whole_group(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], root: Account
) -> None:
    jan, ewa = people
    leave_waiting(plane, wire, world, jan, "a@remote1.example", count=3)
    leave_waiting(plane, wire, world, ewa, "b@remote1.example")
    client = logged_in(root)
    page = client.get("/server/queue/", {"login": jan.address}).content.decode()
    assert "come back later" in page
    assert ewa.address not in page
    asked_first = client.post("/server/queue/order/", {"whole": "delete", "login": jan.address})
    assert "Delete 3 messages for good?" in asked_first.content.decode()
    assert len(queue(plane)) == 4
    done = client.post(
        "/server/queue/order/", {"whole": "delete", "login": jan.address, "confirmed": "1"}, follow=True
    )
    assert "3 messages are deleted." in done.content.decode()
    assert [message.sender for message in queue(plane)] == [ewa.address]
    assert not QueueRequest.objects.exists()


@pytest.mark.usefixtures("worker", "plain_static")
def test_queue_page_shows_a_message_as_text(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], root: Account
) -> None:
    jan, _ewa = people
    world.refusals["a@remote1.example"] = LATER
    wire.submit(
        jan.address,
        PASSWORD,
        jan.address,
        "a@remote1.example",
        text="Subject: <script>alert(1)</script>\r\n\r\n<img src=x onerror=alert(2)>\r\n",
    )
    wait_until(lambda: queue(plane) and queue(plane)[0].queue == "deferred")
    client = logged_in(root)
    shown = client.get(f"/server/queue/{queue(plane)[0].queue_id}/").content.decode()
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert client.get("/server/queue/4nothing0such0id/").status_code == 404


@pytest.mark.usefixtures("worker", "plain_static")
def test_QUE_04_postmasters_page_knows_nothing_of_foreign_mail(
    plane: MailInstance, wire: Wire, world: World, people: tuple[Account, Account], console: Actor
) -> None:
    jan, ewa = people
    assert jan.domain is not None
    domain_actions.set_managers(jan.domain, addresses=[jan.address], by=console)
    (own,) = leave_waiting(plane, wire, world, jan, "a@remote1.example")
    (foreign,) = leave_waiting(plane, wire, world, ewa, "b@remote1.example")
    client = logged_in(jan)
    page = client.get("/domain/alfa.example/queue/").content.decode()
    assert own.queue_id in page
    assert foreign.queue_id not in page
    assert client.get(f"/domain/alfa.example/queue/{foreign.queue_id}/").status_code == 404
    order_url = "/domain/alfa.example/queue/order/"
    client.post(order_url, {"verb": "delete", "id": [foreign.queue_id], "confirmed": "1"})
    assert len(queue(plane)) == 2
    client.post(order_url, {"whole": "delete", "confirmed": "1"})
    assert [message.queue_id for message in queue(plane)] == [foreign.queue_id]
