"""Certificates by ACME that are really obtained: certbot, our nginx on port 80, and an authority."""

from __future__ import annotations

import io
import smtplib
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from enforcement import actions
from enforcement.models import Certificate
from provisioning import acme
from provisioning.certificates import files_of
from provisioning.layout import STANDARD_PORTS
from provisioning.served import SERVICES, served_fingerprint
from provisioning.tasks import node_fetch_certificate, node_look_at_certificates
from tests.db.test_panel import logged_in, plain_static
from tests.mail.acme_server import AcmeServer, acme_server
from tests.mail.instance import MailInstance, wait_until
from tests.mail.world import SERVER, World

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])
DOMAIN, MAIL = "acme-firma.test", "mail.acme-firma.test"


@pytest.fixture(scope="module")
def authority(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AcmeServer]:
    with acme_server(world, tmp_path_factory.mktemp("acme")) as found:
        yield found


@pytest.fixture
def plane(
    running_in_world: MailInstance, world: World, authority: AcmeServer, settings: Settings, db: None
) -> Iterator[MailInstance]:
    """Of somebody who has an ACME server of their own."""
    settings.QMAILUX_LAYOUT = running_in_world.layout
    settings.QMAILUX_ACME_SERVER = authority.directory
    settings.QMAILUX_ACME_CA_FILE = str(authority.authorities)
    running_in_world.node()
    world.set_record(MAIL, "A", "127.0.0.1")
    world.set_record(SERVER, "A", "127.0.0.1")
    domain_actions.add_domain(name=DOMAIN, by=Actor.console())
    running_in_world.apply()
    yield running_in_world
    Certificate.objects.all().delete()
    Domain.objects.all().delete()
    running_in_world.applier().apply_all(confirm_deletions=True)


def order(*names: str) -> Certificate:
    certificate = actions.order_certificate(kind="acme", names=names, by=Actor.console())
    node_look_at_certificates()
    certificate.refresh_from_db()
    return certificate


def served(plane: MailInstance, name: str) -> set[str]:
    return {served_fingerprint(plane.layout, service, name=name) for service in SERVICES}


def await_served(plane: MailInstance, certificate: Certificate, name: str = MAIL) -> None:
    certificate.refresh_from_db()
    plane.apply()
    wait_until(lambda: served(plane, name) == {certificate.fingerprint}, what=f"{name} on every port")


def verifying(authority: AcmeServer) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.root)


def test_ACME_certificate_ordered_in_the_panel_is_fetched_and_good_on_every_port(
    plane: MailInstance, authority: AcmeServer, root: Account
) -> None:
    client = logged_in(root)
    client.post("/server/certificates/", {"kind": "acme", "names": f"{MAIL} {SERVER}"})
    node_look_at_certificates()
    certificate = Certificate.objects.get(kind="acme")
    assert (certificate.state, certificate.error) == ("active", "")
    for name in (MAIL, SERVER):
        await_served(plane, certificate, name)
        context = verifying(authority)
        for service in ("https", "imaps", "pop3s", "smtps"):
            with (
                socket.create_connection(("127.0.0.1", STANDARD_PORTS[service]), 10) as plain,
                context.wrap_socket(plain, server_hostname=name) as secured,
            ):
                assert secured.version()
        for service in ("smtp", "submission"):
            with smtplib.SMTP("127.0.0.1", STANDARD_PORTS[service]) as smtp:
                smtp._host = name  # type: ignore[attr-defined]  # what smtplib compares the certificate with
                smtp.starttls(context=context)
    page = client.get("/server/certificates/").content.decode()
    assert "Pebble Intermediate CA" in page
    assert certificate.fingerprint in page
    chain_file, key_file = files_of(plane.layout, certificate)
    assert (chain_file.stat().st_mode & 0o777, key_file.stat().st_mode & 0o777) == (0o644, 0o600)
    answers = plane.layout.acme_answers / ".well-known" / "acme-challenge"
    assert list(answers.glob("*")) == []


def test_renewal_by_hand_brings_another_certificate_for_the_same_key_and_cuts_no_session(
    plane: MailInstance,
) -> None:
    certificate = order(MAIL)
    await_served(plane, certificate)
    first, key = certificate.fingerprint, files_of(plane.layout, certificate)[1].read_bytes()
    with socket.create_connection(("127.0.0.1", STANDARD_PORTS["imap"]), 10) as session:
        assert session.recv(1000)
        out = io.StringIO()
        call_command("certificate", "renew", str(certificate.pk), stdout=out)
        node_fetch_certificate(certificate.pk)
        certificate.refresh_from_db()
        assert certificate.fingerprint != first
        assert certificate.error == ""
        await_served(plane, certificate)
        session.sendall(b"a NOOP\r\n")
        assert session.recv(1000).startswith(b"a OK")
    assert files_of(plane.layout, certificate)[1].read_bytes() == key


def test_certificate_near_its_end_is_renewed_by_itself_and_a_young_one_is_left_alone(
    plane: MailInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = order(MAIL)
    first = certificate.fingerprint
    node_look_at_certificates()
    certificate.refresh_from_db()
    assert certificate.fingerprint == first
    in_its_last_third(monkeypatch, certificate)
    node_look_at_certificates()
    certificate.refresh_from_db()
    assert certificate.fingerprint != first
    monkeypatch.undo()
    await_served(plane, certificate)


def in_its_last_third(monkeypatch: pytest.MonkeyPatch, certificate: Certificate) -> None:
    """The authority issues for years; all of them count as the time in which it is renewed."""
    leaf = x509.load_pem_x509_certificate(certificate.chain.encode())
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    monkeypatch.setattr(acme, "RENEW_BEFORE", life)
    monkeypatch.setattr(acme, "RENEW_SHARE", 1)


def test_renewal_that_fails_keeps_the_old_one_says_why_and_waits_an_hour(
    plane: MailInstance, world: World, root: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = order(MAIL)
    await_served(plane, certificate)
    first = certificate.fingerprint
    in_its_last_third(monkeypatch, certificate)
    # Nobody answers there.
    world.set_record(MAIL, "A", "127.0.0.99")
    node_look_at_certificates()
    certificate.refresh_from_db()
    assert (certificate.state, certificate.fingerprint) == ("active", first)
    assert "connection refused" in certificate.error
    assert plane.apply().files == []
    assert served(plane, MAIL) == {first}
    assert "127.0.0.99:80" in logged_in(root).get("/server/certificates/").content.decode()
    # It is in order again, but the authority is not asked before an hour is over.
    world.set_record(MAIL, "A", "127.0.0.1")
    assert acme.due_for_acme() == []
    Certificate.objects.update(tried_at=timezone.now() - timedelta(hours=1))
    node_look_at_certificates()
    await_served(plane, certificate)
    assert (certificate.error, certificate.fingerprint == first) == ("", False)


def test_authority_whose_own_certificate_is_not_trusted_gets_no_request(
    plane: MailInstance, settings: Settings, tmp_path: Path
) -> None:
    settings.QMAILUX_ACME_CA_FILE = ""
    certificate = order(MAIL)
    assert certificate.state == "failed"
    assert "certificate verify failed" in certificate.error.lower()


def test_programs_of_the_server_verify_it_by_the_authority_of_its_own_acme_server(
    plane: MailInstance, authority: AcmeServer
) -> None:
    await_served(plane, order(SERVER), SERVER)
    settings_of_webmail = (plane.layout.etc / "webmail" / "config.inc.php").read_text()
    assert str(authority.authorities) in settings_of_webmail
