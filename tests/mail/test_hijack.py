"""A login in a stranger's hands: stopped while it sends, its queue held, its owner's mailbox open."""

from __future__ import annotations

import io
import json
import smtplib
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.notifying import Notification, SmsGateway
from alarms import delivery
from alarms.actions import set_alarm_settings
from alarms.messages import send_to_webhook
from alarms.models import Alarm, AlarmMessage
from alarms.texting import send_texts
from domains import actions as domain_actions
from domains.models import Domain
from enforcement.actions import end_incident, set_brake, stop_sending, stop_whose_mail_comes_back
from enforcement.braking import Incident
from maillog.models import Entry
from provisioning.alarm_mail import send_by_mail
from provisioning.braking import take_tripped
from provisioning.mailqueue import QueueFilter, find
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.test_alarms import Webhook
from tests.mail.test_alarms import webhook as webhook
from tests.mail.test_sms import Gateway
from tests.mail.test_sms import gateway as gateway
from tests.mail.wire import Wire, letter
from tests.mail.world import World

__all__ = ["plain_static"]
NUMBER = "+48601234567"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, db: None) -> MailInstance:
    running_in_world.node()
    world.forget()
    postfix = str(running_in_world.layout.etc / "postfix")
    running_in_world.host.run(["/usr/sbin/postsuper", "-c", postfix, "-d", "ALL"])
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def alfa(plane: MailInstance, console: Actor) -> Domain:
    return domain_actions.add_domain(name="alfa.example", by=console)


@pytest.fixture
def jan(alfa: Domain, console: Actor) -> Account:
    return actions.add_account(domain=alfa, localpart="jan", password=PASSWORD, by=console)


@pytest.fixture
def keeper(alfa: Domain, console: Actor) -> Account:
    """The domain's postmaster, with a phone."""
    account = actions.add_account(domain=alfa, localpart="szefowa", password=PASSWORD, by=console)
    domain_actions.set_managers(alfa, addresses=[account.address], by=console)
    Notification.objects.create(account=account, number=NUMBER, confirmed_at=timezone.now())
    return account


@pytest.fixture
def letting_go(plane: MailInstance, console: Actor) -> Iterator[None]:
    """The next test's account of the same name begins anew."""
    yield
    for incident in Incident.objects.open():
        end_incident(incident, by=console)
    plane.apply()


def settle(plane: MailInstance) -> None:
    """What the node's worker does every other second, and at the nudge that follows."""
    take_tripped(plane.host, plane.layout)
    plane.apply()
    delivery.note_what_is_to_be_told()
    delivery.deliver(AlarmMessage.Channel.WEBHOOK, send_to_webhook)
    send_texts(SmsGateway.Kind.HTTP)
    send = partial(send_by_mail, host=plane.host, layout=plane.layout)
    delivery.deliver(AlarmMessage.Channel.MAIL, send)


def send_until_refused(wire: Wire, account: Account, recipients: Iterator[str]) -> tuple[int, str]:
    """One message each, as fast as it goes; how many were taken, and the last answer."""
    taken = 0
    with wire.submission() as client:
        wire.smtp_login(client, account.address, PASSWORD)
        for recipient in recipients:
            try:
                client.sendmail(account.address, [recipient], letter("Okazja").encode())
            except smtplib.SMTPResponseException as error:
                return taken, f"{error.smtp_code} {_text(error.smtp_error)}"
            except smtplib.SMTPRecipientsRefused as error:
                code, answer = next(iter(error.recipients.values()))
                return taken, f"{code} {_text(answer)}"
            taken += 1
    return taken, ""


def _text(answer: bytes | str) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer


def strangers(count: int) -> Iterator[str]:
    return (f"obcy{number}@remote1.example" for number in range(count))


@pytest.mark.usefixtures("letting_go")
def test_hijacked_login_is_stopped_before_its_100th_message_and_people_hear_of_it(
    wire: Wire,
    plane: MailInstance,
    world: World,
    jan: Account,
    keeper: Account,
    webhook: Webhook,
    gateway: Gateway,
    console: Actor,
) -> None:
    set_alarm_settings(mail_addresses=[], webhook_url=webhook.url, webhook_key="", by=console)
    SmsGateway.objects.create(name="brama", url=gateway.url, body='{"to": "{number}", "text": "{text}"}')
    plane.apply()
    # Half of the strangers' server is slow to answer: that mail waits in the queue.
    for recipient in list(strangers(500))[::2]:
        world.refusals[recipient] = "451 4.7.1 try later"
    with wire.imap(jan.address, PASSWORD) as reading:
        taken, answer = send_until_refused(wire, jan, strangers(500))
        stopped_at = time.monotonic()
        assert 0 < taken < 100
        assert answer.startswith("535 5.7.8")
        assert "This account may not send mail at present" in answer
        settle(plane)
        wait_until(lambda: webhook.events == [("raised", "account.hijacked")], what="the webhook")
        wait_until(lambda: len(wire.subjects(keeper.address, PASSWORD)) == 1, what="the letter")
        assert [json.loads(asked.body)["to"] for asked in gateway.asked] == [NUMBER]
        assert time.monotonic() - stopped_at < 10
        assert reading.noop()[0] == "OK", "reading goes on"
    (text,) = (json.loads(asked.body)["text"] for asked in gateway.asked)
    assert jan.address in text
    assert len(world.arrivals) < 100
    waiting = find(plane.host, plane.layout, QueueFilter(login=jan.address), now=time.time())
    assert waiting
    assert {message.queue for message in waiting} == {"hold"}
    assert wire.subjects(jan.address, PASSWORD) == []
    again, answer = send_until_refused(wire, jan, iter(["jeszcze@remote1.example"]))
    assert (again, answer[:3]) == (0, "535")
    wire.submit(keeper.address, PASSWORD, keeper.address, "kto@remote1.example")
    incident = Incident.objects.get(account=jan)
    assert (incident.measure, incident.threshold) in {("messages", 90), ("recipients", 90)}


@pytest.mark.usefixtures("letting_go")
def test_one_message_to_500_strangers_never_gets_into_the_queue(
    wire: Wire, plane: MailInstance, world: World, jan: Account
) -> None:
    plane.apply()
    with wire.submission() as client:
        wire.smtp_login(client, jan.address, PASSWORD)
        client.mail(jan.address)
        answers = [client.rcpt(recipient)[0] for recipient in strangers(92)]
        assert answers == [250] * 90 + [535] * 2
        assert client.data(letter("Okazja").encode())[0] == 535
    assert find(plane.host, plane.layout, QueueFilter(login=jan.address), now=time.time()) == []
    assert world.arrivals == []


@pytest.mark.usefixtures("letting_go")
def test_mail_to_colleagues_counts_as_no_strangers(wire: Wire, plane: MailInstance, jan: Account) -> None:
    set_brake(None, numbers={"messages": 2, "recipients": 2}, by=Actor.console())
    try:
        plane.apply()
        for _message in range(4):
            wire.submit(jan.address, PASSWORD, jan.address, *[f"jan+{n}@alfa.example" for n in range(4)])
        taken, answer = send_until_refused(wire, jan, strangers(4))
        assert (taken, answer[:3]) == (2, "535")
    finally:
        set_brake(None, numbers={"messages": None, "recipients": None}, by=Actor.console())
        plane.apply()


@pytest.mark.usefixtures("letting_go")
def test_stopped_without_the_panel_and_after_a_restart_too_until_it_is_let_go(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    set_brake(jan, numbers={"messages": 2}, by=console)
    plane.apply()
    assert send_until_refused(wire, jan, strangers(5))[0] == 2
    plane.stop_daemon("hijack-brake")
    plane.start_daemon(plane.daemon("hijack-brake"))
    assert send_until_refused(wire, jan, strangers(1))[0] == 0
    assert take_tripped(plane.host, plane.layout) == 1
    assert take_tripped(plane.host, plane.layout) == 0, "what was seen is seen"
    plane.apply()
    incident = Incident.objects.get(account=jan)
    end_incident(incident, by=console)
    plane.apply()
    assert send_until_refused(wire, jan, strangers(5))[0] == 2, "counted anew"


@pytest.mark.usefixtures("letting_go")
def test_exception_of_an_account_sends_on(
    wire: Wire, plane: MailInstance, jan: Account, alfa: Domain
) -> None:
    set_brake(alfa, numbers={"messages": 1, "recipients": 1}, by=Actor.console())
    set_brake(jan, numbers={"messages": 0, "recipients": 0}, by=Actor.console())
    plane.apply()
    assert send_until_refused(wire, jan, strangers(5)) == (5, "")
    with pytest.raises(ActionRefused):
        set_brake(jan, numbers={"bounces": 101}, by=Actor.console())


def test_mail_leaves_while_the_brake_is_down(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    plane.stop_daemon("hijack-brake")
    try:
        assert send_until_refused(wire, jan, strangers(2)) == (2, "")
    finally:
        plane.start_daemon(plane.daemon("hijack-brake"))


@pytest.mark.usefixtures("letting_go")
def test_stopped_by_hand_in_a_running_session_and_held_mail_stays_when_let_go(
    wire: Wire, plane: MailInstance, world: World, jan: Account, keeper: Account, console: Actor
) -> None:
    world.refusals["kto@remote1.example"] = "451 4.7.1 try later"
    plane.apply()
    wire.submit(jan.address, PASSWORD, jan.address, "kto@remote1.example")

    def queue_of() -> list[str]:
        found = find(plane.host, plane.layout, QueueFilter(login=jan.address), now=time.time())
        return [message.queue for message in found]

    wait_until(lambda: queue_of() == ["deferred"], what="mail that waits")
    by = Actor(real=keeper, channel="panel")
    with wire.submission() as client:
        wire.smtp_login(client, jan.address, PASSWORD)
        with pytest.raises(ActionRefused):
            stop_sending(jan, reason=" ", by=by)
        incident = stop_sending(jan, reason="Dziwne załączniki", by=by)
        plane.apply()
        assert queue_of() == ["hold"]
        client.mail(jan.address)
        assert client.rcpt("kto@remote1.example")[0] == 535
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    with pytest.raises(ActionRefused):
        stop_sending(jan, reason="Jeszcze raz", by=by)
    end_incident(incident, by=by)
    plane.apply()
    assert queue_of() == ["hold"]
    assert Alarm.objects.open().filter(name="account.hijacked").count() == 0


@pytest.mark.django_db(databases=["default", "logs"])
def test_mail_that_comes_back_stops_the_account(running_in_world: MailInstance, console: Actor) -> None:
    running_in_world.node()
    domain = domain_actions.add_domain(name="beta.example", by=console)
    ola = actions.add_account(domain=domain, localpart="ola", password=PASSWORD, by=console)
    now = timezone.now()

    def sent(count: int, verdict: str, first: int) -> None:
        Entry.objects.bulk_create(
            Entry(
                id=first + number,
                kind="message",
                began_at=now - timedelta(minutes=5),
                last_at=now,
                is_open=False,
                login=ola.address,
                verdict=verdict,
            )
            for number in range(count)
        )

    sent(9, "bounced", 1000)
    assert stop_whose_mail_comes_back(by=Actor.task()) == 0, "a few are nobody's sign"
    sent(10, "delivered", 2000)
    sent(1, "bounced", 3000)
    assert stop_whose_mail_comes_back(by=Actor.task()) == 0, "just half"
    sent(5, "partly", 4000)
    assert stop_whose_mail_comes_back(by=Actor.task()) == 1
    incident = Incident.objects.get(account=ola)
    assert (incident.measure, incident.found, incident.threshold) == ("bounces", 60, 50)
    end_incident(incident, by=console)
    assert stop_whose_mail_comes_back(by=Actor.task()) == 0, "counted anew"


def test_brake_from_the_command_line(
    plane: MailInstance, jan: Account, alfa: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    run("set", jan.address, "--messages", "300", "--recipients", "0")
    run("set", alfa.name, "--bounces", "80")
    listed = {row["of"]: row for row in json.loads(run("thresholds", "--json"))}
    assert listed["server"] == {"of": "server", "messages": 90, "recipients": 90, "bounces": 50, "spam": 5}
    assert (listed[jan.address]["messages"], listed[jan.address]["recipients"]) == (300, 0)
    assert listed[alfa.name]["bounces"] == 80
    run("set", jan.address, "--messages", "none", "--recipients", "none")
    assert jan.address not in run("thresholds")
    run("stop", jan.address, "--reason", "Podejrzane")
    (incident,) = json.loads(run("list", "--json"))
    assert incident["account"] == jan.address
    assert "Podejrzane" in incident["why"]
    run("end", jan.address)
    assert json.loads(run("list", "--json")) == []
    with pytest.raises(CommandError, match="is not stopped"):
        run("end", jan.address)


@pytest.mark.django_db(databases=["default", "logs"])
@pytest.mark.usefixtures("plain_static", "letting_go")
def test_incident_on_its_page(
    wire: Wire, plane: MailInstance, jan: Account, keeper: Account, root: Account, alfa: Domain
) -> None:
    Account.objects.filter(pk__in=[keeper.pk, root.pk]).update(language="en")
    client = logged_in(Account.objects.get(pk=keeper.pk))
    brake = f"/domain/{alfa.name}/accounts/{jan.pk}/brake/"
    assert client.post(brake, {"reason": ""}).status_code == 200
    assert not Incident.objects.exists()
    assert client.post(brake, {"reason": "Dziwne listy"}).status_code == 302
    incident = Incident.objects.get(account=jan)
    plane.apply()
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        wire.submit(jan.address, PASSWORD, jan.address, "kto@remote1.example")
    page = client.get(f"/incidents/{incident.pk}/").content.decode()
    assert "Dziwne listy" in page
    assert "Delete the held mail" in page
    assert jan.address in client.get(f"/domain/{alfa.name}/incidents/").content.decode()
    assert client.post(brake, {"messages": "5", "bounces": ""}).status_code == 403
    assert client.post(f"/incidents/{incident.pk}/end/").status_code == 302
    plane.apply()
    wire.submit(jan.address, PASSWORD, jan.address, "kto@remote1.example")
    owner = logged_in(Account.objects.get(pk=root.pk))
    assert owner.post("/server/incidents/", {"messages": "0", "bounces": "40"}).status_code == 302
    assert owner.post(brake, {"messages": "7", "bounces": ""}).status_code == 302
    listed = {row["of"]: row for row in json.loads(run("thresholds", "--json"))}
    assert (listed["server"]["messages"], listed["server"]["bounces"]) == (0, 40)
    assert listed[jan.address]["messages"] == 7


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("incident", *arguments, stdout=out)
    return out.getvalue()
