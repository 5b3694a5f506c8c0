"""SMS about new mail: delivered over LMTP, told to a local gateway, text by text."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts import actions, smsdesk
from accounts.actor import Actor
from accounts.models import Account
from accounts.notifying import NoticedMail, SmsGateway, SmsMessage
from accounts.tasks import send_sms
from domains import actions as domain_actions
from provisioning.learning import Learner
from provisioning.sms import run_trials_by_mail, send_due_by_mail
from tests.conftest import PASSWORD
from tests.db.test_notifications import ALWAYS, NUMBER
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

__all__ = ["plain_static"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the gateway got it."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}


@dataclass(slots=True)
class Gateway:
    """Somebody's web service. answers: status and body of the next ones, then 200."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    gateway: Gateway


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        gateway = cast(_Server, self.server).gateway
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        gateway.asked.append(Asked(self.path, dict(self.headers), body))
        status, text = gateway.answers.pop(0) if gateway.answers else (200, "OK")
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{gateway.url}/elsewhere")
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *_arguments: object) -> None:
        """Not to the test's output."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.gateway = Gateway(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.gateway
    server.shutdown()
    server.server_close()


@pytest.fixture
def stored(gateway: Gateway, plane: MailInstance, console: Actor) -> SmsGateway:
    body = json.dumps({"to": "{digits}", "parts": [{"text": "{text}"}], "price": 1})
    made = SmsGateway(
        name="Bramka", url=f"{gateway.url}/send", headers="Authorization: Bearer klucz", body=body
    )
    return actions.save_gateway(made, by=console)


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def learner(plane: MailInstance) -> Learner:
    return Learner(node=plane.node(), host=plane.host, layout=plane.layout)


@pytest.fixture
def told(jan: Account, stored: SmsGateway, gateway: Gateway, plane: MailInstance, console: Actor) -> Account:
    """Jan, who has confirmed the number with the code that the gateway got."""
    assert jan.domain is not None
    domain_actions.edit_domain(jan.domain, settings={"max_sms": None, "max_account_sms": 30}, by=console)
    jan.refresh_from_db()
    client = logged_in(jan)
    client.post(reverse("notification-number"), {"number": "601 234 567"})
    send_sms()
    code = json.loads(gateway.asked.pop().body)["parts"][0]["text"].split()[0]
    assert client.post(reverse("notification-confirm"), {"code": code}).status_code == 302
    assert SmsMessage.objects.get().text == "", "a code that was sent lies nowhere"
    actions.set_notification(jan, settings=replace(ALWAYS, most_an_hour=50), by=console)
    plane.apply()
    return jan


def deliver(wire: Wire, account: Account, text: str, *, count: int) -> None:
    wire.deliver(account.address, text=text)
    wait_until(lambda: len(wire.subjects(account.address, PASSWORD)) == count, what="delivered")


def texts(learner: Learner, gateway: Gateway) -> list[str]:
    """What the gateway got for the mail so far."""
    learner.run_events()
    send_sms()
    return [json.loads(asked.body)["parts"][0]["text"] for asked in gateway.asked]


@pytest.mark.parametrize(
    ("sender", "subject", "expected"),
    [
        ("Jan Kowalski <jan@obcy.example>", "Obiad o 13?", "Jan Kowalski: Obiad o 13?"),
        ("jan@obcy.example", "Obiad", "jan@obcy.example: Obiad"),
        (
            "=?utf-8?q?=C5=BB=C3=B3=C5=82w?= <z@obcy.example>",
            "=?utf-8?b?WmHFvMOzxYLEhyBnxJnFm2zEhQ==?=",
            "Żółw: Zażółć gęślą",
        ),
        (
            '"Kowalski, Jan" <jan@obcy.example>',
            '"a\\b" ${1} {text} %s',
            'Kowalski, Jan: "a\\b" ${1} {text} %s',
        ),
        ("Jan <jan@obcy.example>", "x" * 300, "Jan: " + "x" * 152 + "..."),
        (
            "Jan <jan@obcy.example>",
            "=?utf-8?q?=C5=BC?=\r\n " * 90 + "=?utf-8?q?=C5=BC?=",
            "Jan: " + "ż" * 64 + "…",
        ),
        ("Jan <jan@obcy.example>", "=?utf-8?q?a=0D=0ABcc=3A_x=00?=", None),
        ("Jan <jan@obcy.example>", "'; rm -rf / #$(reboot)`id`", "Jan: '; rm -rf / #$(reboot)`id`"),
    ],
)
def test_every_text_arrives_as_it_should(
    wire: Wire,
    learner: Learner,
    gateway: Gateway,
    told: Account,
    sender: str,
    subject: str,
    expected: str | None,
) -> None:
    text = f"From: {sender}\r\nTo: {told.address}\r\nSubject: {subject}\r\n\r\nTajna treść\r\n"
    deliver(wire, told, text, count=1)
    (found,) = texts(learner, gateway)
    assert "Tajna" not in found
    if expected is None:
        assert found.startswith("Jan: a")
        assert found.isprintable()
    else:
        assert found == expected
    (asked,) = gateway.asked
    assert json.loads(asked.body) == {"to": "48601234567", "parts": [{"text": found}], "price": 1}
    assert asked.headers["Authorization"] == "Bearer klucz"


def test_only_mail_that_meets_a_condition_is_told_of(
    wire: Wire, plane: MailInstance, learner: Learner, gateway: Gateway, told: Account, console: Actor
) -> None:
    wanted = replace(ALWAYS, senders="szef@obcy.example\nŻółw", subjects="pilne")
    actions.set_notification(told, settings=wanted, by=console)
    plane.apply()
    for number, (sender, subject) in enumerate(
        (
            ("Szef <SZEF@obcy.example>", "a"),
            ("=?utf-8?q?=C5=BB=C3=93=C5=81W?= <x@obcy.example>", "b"),
            ("ktos@obcy.example", "Bardzo PILNE"),
            ("ktos@obcy.example", "szef@obcy.example"),
            ("ktos@obcy.example", "reklama"),
        ),
        start=1,
    ):
        deliver(wire, told, f"From: {sender}\r\nSubject: {subject}\r\n\r\nx\r\n", count=number)
        learner.run_events()
    found = set(NoticedMail.objects.values_list("sender", "subject"))
    assert found == {("Szef", "a"), ("ŻÓŁW", "b"), ("ktos@obcy.example", "Bardzo PILNE")}


def test_spam_and_discarded_mail_is_never_told_of(
    wire: Wire, plane: MailInstance, learner: Learner, gateway: Gateway, told: Account, console: Actor
) -> None:
    gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
    rule = actions.RuleSettings(
        name="x",
        joined="all",
        conditions=[actions.Condition("subject", "is", "precz")],
        discards=True,
    )
    actions.add_filter(told, rule, by=console)
    plane.apply()
    wire.deliver(told.address, text=letter("precz"))
    wire.deliver(told.address, text=letter("spam", gtube))
    deliver(wire, told, letter("dobre"), count=1)
    wait_until(lambda: wire.subjects(told.address, PASSWORD, "SPAM"))
    assert [text.partition(": ")[2] for text in texts(learner, gateway)] == ["dobre"]


def test_forwarding_without_a_copy_is_told_of_too(
    wire: Wire, plane: MailInstance, learner: Learner, gateway: Gateway, told: Account, console: Actor
) -> None:
    assert told.domain is not None
    ola = actions.add_account(domain=told.domain, localpart="ola", password=PASSWORD, by=console)
    actions.set_forwarding(told, targets=[ola.address], keeps_copy=False, by=console)
    plane.apply()
    wire.deliver(told.address, text=letter("dalej"))
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["dalej"])
    assert [text.partition(": ")[2] for text in texts(learner, gateway)] == ["dalej"]


def test_mail_is_delivered_though_nothing_can_be_noted(
    wire: Wire, plane: MailInstance, told: Account
) -> None:
    spool = plane.layout.events / "tmp"
    spool.rename(spool.with_name("away"))
    try:
        deliver(wire, told, letter("mimo wszystko"), count=1)
    finally:
        spool.with_name("away").rename(spool)


def test_events_wait_for_a_database_that_is_away(
    wire: Wire, plane: MailInstance, learner: Learner, gateway: Gateway, told: Account
) -> None:
    """The event is a file until it is noted: a learner that fails reads it again."""
    deliver(wire, told, letter("kiedyś"), count=1)
    with (
        pytest.raises(RuntimeError, match="away"),
        connection.execute_wrapper(_away),
    ):
        learner.run_events()
    assert not NoticedMail.objects.exists()
    assert len(texts(learner, gateway)) == 1


def _away(*_arguments: object) -> object:
    raise RuntimeError("away")


def test_a_gateway_that_fails_is_tried_again_and_follows_nobody(
    wire: Wire, learner: Learner, gateway: Gateway, told: Account
) -> None:
    gateway.answers += [(500, ""), (302, "")]
    deliver(wire, told, letter("raz"), count=1)
    texts(learner, gateway)
    for fault in ("answered 500", "answered 302"):
        message = SmsMessage.objects.get(kind="mail")
        assert (message.state, message.error) == ("waiting", fault)
        SmsMessage.objects.update(next_try_at=message.made_at)
        send_sms()
    assert SmsMessage.objects.get(kind="mail").state == "sent"
    assert [asked.path for asked in gateway.asked] == ["/send"] * 3


def test_an_answer_that_says_error_is_none(
    gateway: Gateway, stored: SmsGateway, told: Account, console: Actor
) -> None:
    stored.answer_contains = "OK:"
    actions.save_gateway(stored, by=console)
    gateway.answers.append((200, "ERROR:11"))
    actions.note_mail(told, event="e", sender="Jan", subject="x", by=Actor.task())
    send_sms()
    assert SmsMessage.objects.get(kind="mail").state == "waiting"


@pytest.mark.parametrize("kind", ["none", "form"])
def test_url_and_form_carry_every_character(
    kind: str, gateway: Gateway, stored: SmsGateway, told: Account, console: Actor
) -> None:
    text = 'Jan & Ola: a=b&c#d 100% "ż" +1?\\{x}'
    pattern = "to={number}&text={text}"
    stored.body_kind, stored.body = kind, pattern.replace("&", "\n")
    stored.url = f"{gateway.url}/send" + ("?" + pattern if kind == "none" else "")
    actions.save_gateway(stored, by=console)
    actions.note_mail(told, event="e", sender="", subject=text, by=Actor.task())
    send_sms()
    (asked,) = gateway.asked
    found = asked.query if kind == "none" else {n: v[0] for n, v in parse_qs(asked.body).items()}
    assert found == {"to": NUMBER, "text": text}


def test_a_gateway_by_mail_gets_a_letter(
    wire: Wire, plane: MailInstance, stored: SmsGateway, told: Account, settings: Settings, console: Actor
) -> None:
    assert told.domain is not None
    settings.QMAILUX_LAYOUT = plane.layout
    box = actions.add_account(domain=told.domain, localpart="48601234567", password=PASSWORD, by=console)
    plane.apply()
    actions.delete_gateway(stored, by=console)
    by_mail = SmsGateway(name="Poczta", kind="mail", recipient="{digits}@" + told.domain.name, subject="SMS")
    actions.save_gateway(by_mail, by=console)
    actions.note_mail(told, event="e", sender="Żółw", subject=".\nx", by=Actor.task())
    smsdesk.tell_noticed()
    assert send_due_by_mail(plane.layout) == 1
    wait_until(lambda: wire.subjects(box.address, PASSWORD) == ["SMS"])
    (message,) = wire.messages(box.address, PASSWORD)
    assert message.get_content().strip() == "Żółw: . x"


def tried(root: Account, gateway: SmsGateway, number: str = "+48 601 234 567") -> str:
    """The page after the superadmin has pressed the button."""
    url = reverse("sms-gateway-try", args=[gateway.pk])
    return logged_in(root).post(url, {f"{gateway.pk}-number": number}, follow=True).content.decode()


def test_the_superadmin_tries_a_gateway_and_sees_what_it_said(
    stored: SmsGateway, gateway: Gateway, root: Account, console: Actor
) -> None:
    page = tried(root, stored)
    (asked,) = gateway.asked
    assert json.loads(asked.body)["to"] == NUMBER.removeprefix("+")
    assert "Bramka" in json.loads(asked.body)["parts"][0]["text"]
    assert asked.headers["Authorization"] == "Bearer klucz"
    assert stored.trials.get().is_sent
    assert "badge good" in page.partition(NUMBER)[0].rpartition("<p ")[2]
    gateway.answers = [(401, '{"error": "zły <klucz>"}')]
    page = tried(root, stored)
    assert "401" in page
    assert "zły &lt;klucz&gt;" in page
    stored.url, stored.is_on = "http://127.0.0.1:1/send", False
    actions.save_gateway(stored, by=console)
    assert "Connection refused" in tried(root, stored)


def test_a_number_that_gets_no_sms_is_refused_at_its_field(stored: SmsGateway, root: Account) -> None:
    page = tried(root, stored, "12345")
    assert 'value="12345"' in page
    assert 'class="fault"' in page or 'class="error"' in page
    assert not stored.trials.exists()


def test_a_gateway_by_mail_is_tried_by_the_nodes_worker(
    wire: Wire, plane: MailInstance, jan: Account, root: Account, settings: Settings, console: Actor
) -> None:
    settings.QMAILUX_LAYOUT = plane.layout
    assert jan.domain is not None
    box = actions.add_account(domain=jan.domain, localpart="48601234567", password=PASSWORD, by=console)
    plane.apply()
    recipient = "{digits}@" + jan.domain.name
    by_mail = SmsGateway(name="Poczta", kind="mail", recipient=recipient, subject="SMS")
    actions.save_gateway(by_mail, by=console)
    tried(root, by_mail)
    assert run_trials_by_mail(plane.layout) == 1
    assert run_trials_by_mail(plane.layout) == 0
    wait_until(lambda: wire.subjects(box.address, PASSWORD) == ["SMS"])
    assert by_mail.trials.get().is_sent
