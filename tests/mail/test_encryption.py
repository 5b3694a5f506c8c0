"""Mandatory encryption, live over all protocols, and on the way to other servers."""

from __future__ import annotations

import io
import smtplib
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import actions as account_actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from enforcement import actions
from enforcement.models import EncryptionRule
from enforcement.preview import logins_without_tls
from maillog.ingest import Ingester
from provisioning.mailqueue import read_queue
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.test_server_lock import _works, plane
from tests.mail.wire import CLIENT_ADDRESS, Tls, Wire
from tests.mail.world import World

__all__ = ["plane"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])


@pytest.fixture
def wire(plane: MailInstance) -> Iterator[Wire]:
    yield Wire(plane.layout)
    EncryptionRule.objects.all().delete()


def sieve_works(wire: Wire, account: Account) -> bool:
    """A login to ManageSieve without TLS."""
    import base64

    token = base64.b64encode(f"\0{account.address}\0{PASSWORD}".encode()).decode()
    address = ("127.0.0.1", wire.layout.port("sieve"))
    with socket.create_connection(address, source_address=(CLIENT_ADDRESS, 0)) as raw:
        stream = raw.makefile("rwb")
        while not stream.readline().startswith((b"OK", b"NO")):
            continue
        stream.write(f'AUTHENTICATE "PLAIN" "{token}"\r\n'.encode())
        stream.flush()
        return stream.readline().startswith(b"OK")


def open_doors(wire: Wire, account: Account, tls: Tls) -> set[str]:
    """Where the account gets in with this kind of connection."""

    def imap() -> None:
        with wire.imap(account.address, PASSWORD, tls=tls):
            return

    def pop3() -> None:
        with wire.pop3(account.address, PASSWORD, tls=tls):
            return

    def smtp() -> None:
        with wire.submission(tls) as client:
            wire.smtp_login(client, account.address, PASSWORD)

    doors: dict[str, Callable[[], None]] = {"imap": imap, "pop3": pop3, "smtp": smtp}
    found = {name for name, log_in in doors.items() if _works(log_in)}
    return found | ({"sieve"} if tls == "none" and sieve_works(wire, account) else set())


@pytest.mark.parametrize("level", ["account", "domain", "server"])
def test_encryption_becomes_mandatory_and_only_sessions_without_it_end(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, console: Actor, level: str
) -> None:
    owner = {"account": jan, "domain": firma, "server": None}[level]
    plane.apply()
    assert open_doors(wire, jan, "none") == {"imap", "pop3", "smtp", "sieve"}
    with (
        wire.imap(jan.address, PASSWORD, tls="none") as plain_imap,
        wire.pop3(jan.address, PASSWORD, tls="none") as plain_pop3,
        wire.imap(jan.address, PASSWORD, tls="starttls") as tls_imap,
        wire.pop3(jan.address, PASSWORD, tls="implicit") as tls_pop3,
        wire.submission("none") as plain_smtp,
        wire.submission("starttls") as tls_smtp,
    ):
        for client in (plain_smtp, tls_smtp):
            wire.smtp_login(client, jan.address, PASSWORD)
            client.mail(jan.address)
        actions.require_encryption(owner, by=console)
        plane.apply()
        assert not _works(plain_imap.noop)
        assert not _works(plain_pop3.noop)
        code, answer = plain_smtp.rcpt(jan.address)
        assert (code, b"encryption" in answer) == (450, True)
        assert tls_imap.noop()[0] == "OK"
        assert tls_pop3.noop().startswith(b"+OK")
        assert tls_smtp.rcpt(jan.address)[0] == 250
    assert open_doors(wire, jan, "none") == set()
    assert open_doors(wire, jan, "starttls") == {"imap", "pop3", "smtp"}
    assert actions.allow_plaintext(owner, by=console)
    plane.apply()
    wait_until(lambda: open_doors(wire, jan, "none") == {"imap", "pop3", "smtp", "sieve"})


def test_a_rule_of_one_account_leaves_the_others_alone(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, console: Actor
) -> None:
    ola = account_actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    with wire.imap(ola.address, PASSWORD, tls="none") as neighbour:
        actions.require_encryption(jan, by=console)
        plane.apply()
        assert neighbour.noop()[0] == "OK"
    assert "imap" in open_doors(wire, ola, "none")


def test_a_planned_start_begins_when_its_moment_comes(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, console: Actor
) -> None:
    actions.require_encryption(firma, starts_at=timezone.now() + timedelta(hours=1), by=console)
    plane.apply()
    assert actions.begin_encryption_that_is_due(by=Actor.task()) == 0
    assert "imap" in open_doors(wire, jan, "none")
    EncryptionRule.objects.update(starts_at=timezone.now())
    assert actions.begin_encryption_that_is_due(by=Actor.task()) == 1
    plane.apply()
    assert open_doors(wire, jan, "none") == set()


def test_preview_names_who_would_be_shut_out(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, console: Actor
) -> None:
    ola = account_actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    with wire.imap(jan.address, PASSWORD, tls="none"), wire.pop3(ola.address, PASSWORD, tls="starttls"):
        pass
    with wire.submission("none") as client:
        wire.smtp_login(client, jan.address, PASSWORD)
        client.sendmail(jan.address, [ola.address], "Subject: jawnie\r\n\r\nx")
    wire.submit(ola.address, PASSWORD, ola.address, jan.address)
    logs = plane.layout.node_log
    ingester = Ingester(logs / "preview.lock")

    def preview() -> set[tuple[str, str]]:
        ingester.run_files([logs / "dovecot.log", logs / "mail.log"])
        return {(login.address, login.protocol) for login in logins_without_tls(firma)}

    wait_until(lambda: preview() == {(jan.address, "imap"), (jan.address, "smtp")}, seconds=30)


def test_mail_that_cannot_be_encrypted_waits_with_the_reason(
    wire: Wire, plane: MailInstance, world: World, jan: Account, console: Actor
) -> None:
    rule = actions.set_remote_encryption(domain="remote1.example", level="encrypt", by=console)
    plane.apply()
    wire.submit(jan.address, PASSWORD, jan.address, "x@remote1.example")

    def reasons() -> list[str]:
        return [w.reason for message in read_queue(plane.host, plane.layout) for w in message.recipients]

    wait_until(lambda: "TLS is required, but was not offered" in " ".join(reasons()))
    assert world.to("x@remote1.example") == []
    actions.delete_remote_encryption(rule, by=console)
    plane.apply()
    plane.flush()
    wait_until(lambda: len(world.to("x@remote1.example")) == 1)


def test_encryption_from_the_command_line(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)

    def run(*arguments: str) -> str:
        out = io.StringIO()
        call_command("policy", *arguments, stdout=out)
        return out.getvalue()

    run("encryption", "required", "--domain", firma.name)
    assert f"encryption required: {firma.name}" in run("show")
    plane.apply()
    with pytest.raises(smtplib.SMTPException), wire.submission("none") as client:
        wire.smtp_login(client, jan.address, PASSWORD)
    run("encryption", "optional", "--domain", firma.name)
    with pytest.raises(CommandError, match="no such rule"):
        run("encryption", "optional", "--account", jan.address)
    run("remote", "remote1.example", "secure")
    assert "remote1.example  secure" in run("remote")
    run("remote", "remote1.example", "delete")
    assert run("remote") == ""
