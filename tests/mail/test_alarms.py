"""Real troubles of a real mail plane: seen, told by mail and webhook, and over again."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from alarms import delivery
from alarms.actions import send_test_alarm, set_alarm_settings
from alarms.messages import send_to_webhook
from alarms.models import Alarm, AlarmMessage
from alarms.words import sentence_of
from domains.models import Domain
from provisioning import watch
from provisioning.alarm_mail import send_by_mail
from provisioning.authority import ensure_certificate
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.models import Change, Node, NodeReport
from provisioning.tasks import node_mail_alarms, node_watch, watch_nodes
from qmailux_site.errors import ApplyIncomplete
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire

SECRET_PATH, KEY = "/hooks/T0PSECRET", "klucz-do-podpisu"


class Listener(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the test has set, and keeps what it got."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


class Webhook(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Listener)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{SECRET_PATH}"

    @property
    def events(self) -> list[tuple[str, str]]:
        told = [json.loads(body) for _path, _headers, body in self.got]
        return [(message["event"], message["name"]) for message in told]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def small_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qxd-") as folder:
        yield Path(folder)


@pytest.fixture
def told(plane: MailInstance, jan: Account, webhook: Webhook, console: Actor) -> Account:
    """Jan, who reads English, is told by mail, and the webhook."""
    actions.edit_account(jan, language="en", by=console)
    plane.apply()
    set_alarm_settings(
        mail_addresses=[jan.address], webhook_url=webhook.url, webhook_key=KEY, queue_limit=1000, by=console
    )
    return jan


@pytest.fixture
def look(plane: MailInstance) -> Callable[[], NodeReport]:
    return partial(watch.look_at_node, plane.node(), plane.host, plane.layout)


def open_alarms() -> list[tuple[str, str]]:
    return list(Alarm.objects.open().order_by("name").values_list("name", "about"))


def tell() -> None:
    """What the tasks of both workers do."""
    delivery.note_what_is_to_be_told()
    delivery.deliver("webhook", send_to_webhook)
    node_mail_alarms()


def test_stopped_daemon_is_an_alarm_by_mail_and_webhook_until_it_runs_again(
    plane: MailInstance, told: Account, webhook: Webhook, look: Callable[[], NodeReport]
) -> None:
    wire = Wire(plane.layout)
    look()
    assert open_alarms() == []
    plane.stop_daemon("spamd")
    try:
        look()
        assert open_alarms() == [], "one look is not enough: it may be restarting"
        for _again in range(3):
            look()
            tell()
        assert open_alarms() == [("daemon.down", "local spamd")]
        assert webhook.events == [("raised", "daemon.down")], "told once, however often it is seen"
        wait_until(lambda: len(wire.subjects(told.address, PASSWORD)) == 1, what="the letter")
        (letter,) = wire.messages(told.address, PASSWORD)
        assert "A mail service is down" in letter["Subject"]
        text = letter.get_content()
        assert "local spamd does not answer" in text
        assert "spamd.log" in text
        assert SECRET_PATH not in text
    finally:
        plane.start_daemon(plane.daemon("spamd"))
    look()
    tell()
    assert open_alarms() == []
    assert webhook.events == [("raised", "daemon.down"), ("cleared", "daemon.down")]
    wait_until(lambda: len(wire.subjects(told.address, PASSWORD)) == 2, what="the second letter")
    assert any("Over: A mail service is down" in subject for subject in wire.subjects(told.address, PASSWORD))


def test_webhook_is_signed_and_its_secret_is_shown_nowhere(
    told: Account, webhook: Webhook, console: Actor
) -> None:
    send_test_alarm(by=console)
    tell()
    path, headers, body = webhook.got[0]
    assert path == SECRET_PATH
    signed = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-QmaiLux-Signature"] == f"sha256={signed}"
    kept = settings.QMAILUX_LAYOUT.panel_secrets / "alarm_webhook"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not AlarmMessage.objects.exclude(error="").exists()


def test_webhook_that_fails_is_tried_again_and_mail_goes_meanwhile(
    plane: MailInstance, told: Account, webhook: Webhook, console: Actor
) -> None:
    webhook.status = 500
    send_test_alarm(by=console)
    tell()
    waiting = AlarmMessage.objects.get(channel="webhook")
    assert (waiting.attempts, waiting.delivered_at) == (1, None)
    assert "500" in waiting.error
    assert SECRET_PATH not in waiting.error
    assert AlarmMessage.objects.get(channel="mail").delivered_at is not None
    tell()
    assert len(webhook.got) == 1, "not before its time"
    webhook.status = 200
    AlarmMessage.objects.filter(pk=waiting.pk).update(next_try_at=timezone.now())
    tell()
    waiting.refresh_from_db()
    assert waiting.delivered_at is not None


def test_mail_of_an_alarm_waits_while_postfix_is_down(
    plane: MailInstance, told: Account, console: Actor
) -> None:
    wire = Wire(plane.layout)
    plane.stop_daemon("postfix")
    try:
        send_test_alarm(by=console)
        tell()
        waiting = AlarmMessage.objects.get(channel="mail")
        assert waiting.delivered_at is None
        assert waiting.error
    finally:
        plane.start_daemon(plane.daemon("postfix"))
    AlarmMessage.objects.filter(pk=waiting.pk).update(next_try_at=timezone.now())
    tell()
    wait_until(lambda: len(wire.subjects(told.address, PASSWORD)) == 1, what="the letter")


def test_queue_over_its_limit(
    plane: MailInstance, jan: Account, firma: Domain, look: Callable[[], NodeReport], console: Actor
) -> None:
    plane.apply()
    set_alarm_settings(queue_limit=1, by=console)
    wire = Wire(plane.layout)
    plane.stop_daemon("dovecot")
    try:
        for _number in range(3):
            wire.deliver(jan.address)
        wait_until(lambda: watch.queued_messages(plane.host) >= 3, what="three messages wait")
        look()
    finally:
        plane.start_daemon(plane.daemon("dovecot"))
    alarm = Alarm.objects.open().get(name="queue.long")
    assert alarm.details["limit"] == 1
    plane.flush()
    wait_until(lambda: watch.queued_messages(plane.host) <= 1, what="the queue is empty")
    look()
    assert not Alarm.objects.open().filter(name="queue.long").exists()


def test_change_that_waits_for_over_a_minute_and_one_that_failed(
    plane: MailInstance, firma: Domain, look: Callable[[], NodeReport], console: Actor
) -> None:
    plane.apply()
    made = actions.add_account(domain=firma, localpart="nowa", password=PASSWORD, by=console)
    look()
    assert ("apply.pending", "local") not in open_alarms()
    Change.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    look()
    assert ("apply.pending", "local") in open_alarms()
    # As no action would do it: a hash that cannot be rendered.
    Account.objects.filter(pk=made.pk).update(password="nonsense$with\nnewline")
    with pytest.raises(ApplyIncomplete):
        plane.apply()
    look()
    assert ("apply.failed", "local") in open_alarms()
    assert ("apply.pending", "local") not in open_alarms()
    assert made.address in sentence_of(Alarm.objects.get(name="apply.failed"))
    actions.change_password(made, password="Nowe-Haslo-9", by=console)
    plane.apply()
    look()
    assert not {"apply.failed", "apply.pending"} & {name for name, _about in open_alarms()}


def test_disk_with_less_than_a_tenth_free(
    plane: MailInstance, look: Callable[[], NodeReport], monkeypatch: pytest.MonkeyPatch, small_home: Path
) -> None:
    """A real file system of its own, filled."""
    layout = Layout(small_home, "127.0.0.1", 0, "mx.example")
    layout.node.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", layout.node], check=True)
    try:
        (layout.node / "mailbox").write_bytes(b"x" * 990_000)
        full = watch._disk(LocalHost(layout))
        (layout.node / "mailbox").unlink()
        empty = watch._disk(LocalHost(layout))
    finally:
        subprocess.run(["umount", layout.node], check=True)
    assert full["free_percent"] < 10 < empty["free_percent"]
    monkeypatch.setattr(watch, "_disk", lambda host: full)
    look()
    assert ("disk.low", "local") in open_alarms()
    monkeypatch.setattr(watch, "_disk", lambda host: empty)
    look()
    assert ("disk.low", "local") not in open_alarms()


def test_certificate_that_runs_out_in_less_than_two_weeks(
    plane: MailInstance, look: Callable[[], NodeReport]
) -> None:
    chain, key = plane.layout.tls / "server.crt", plane.layout.tls / "server.key"
    kept = chain.read_bytes(), key.read_bytes()
    subject = ["-subj", "/CN=mail.example", "-days", "13"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(
        [*command, *subject, "-keyout", "/dev/null", "-out", str(chain)], check=True, capture_output=True
    )
    try:
        look()
    finally:
        chain.write_bytes(kept[0])
        key.write_bytes(kept[1])
        ensure_certificate(plane.layout)
    alarm = Alarm.objects.open().get(name="certificate.expiring")
    assert "days" in sentence_of(alarm)
    look()
    assert not Alarm.objects.open().filter(name="certificate.expiring").exists()


def test_report_says_what_the_overview_needs(plane: MailInstance, look: Callable[[], NodeReport]) -> None:
    found = look().found
    names = {daemon["name"] for daemon in found["daemons"]}
    assert {"postfix", "dovecot", "spamd"} <= names
    assert not [daemon for daemon in found["daemons"] if daemon["fault"]]
    assert found["disk"]["size"] > found["disk"]["free"] > 0
    assert found["certificates"][0]["level"] == "ok"
    assert "version" in found["signatures"]


def test_node_that_nobody_looks_at_is_an_alarm_of_the_other_worker(plane: MailInstance) -> None:
    node_watch()
    watch_nodes()
    assert open_alarms() == []
    NodeReport.objects.update(looked_at=timezone.now() - timedelta(minutes=4))
    Node.objects.update(created_at=timezone.now() - timedelta(minutes=9))
    watch_nodes()
    assert open_alarms() == [("node.silent", "local")]
    node_watch()
    watch_nodes()
    assert open_alarms() == []


def test_letter_goes_by_the_real_socket_to_every_address(
    plane: MailInstance, told: Account, firma: Domain, console: Actor
) -> None:
    second = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    set_alarm_settings(mail_addresses=[told.address, second.address], by=console)
    for message in send_test_alarm(by=console):
        send_by_mail(message, plane.host, plane.layout)
    wire = Wire(plane.layout)
    for account in (told, second):
        wait_until(partial(wire.subjects, account.address, PASSWORD), what=account.address)
