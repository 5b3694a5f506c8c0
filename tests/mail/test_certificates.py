"""Certificates: what every port shows, which are refused, and that nobody's session is cut for one."""

from __future__ import annotations

import imaplib
import io
import json
import smtplib
import ssl
import stat
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import idna
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from accounts import actions as account_actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.views.mail_programs import has_own_authority
from alarms.models import Alarm
from domains import actions as domain_actions
from domains import address_actions
from domains.models import Domain, IPAddress
from enforcement import actions
from enforcement.models import Certificate
from provisioning.authority import ensure_certificate
from provisioning.probes import IMPLICIT_TLS
from provisioning.served import SERVICES, served_fingerprint, stale_services
from provisioning.settings_files import mail_plane
from provisioning.tasks import node_look_at_certificates
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.other_authority import OtherAuthority, fingerprint, new_key, pem, pem_of_key, signed
from tests.mail.wire import Wire, client_context

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])
SESSIONS = 50
OTHER = OtherAuthority()


@pytest.fixture
def wire(plane: MailInstance) -> Iterator[Wire]:
    plane.apply()
    yield Wire(plane.layout)
    Certificate.objects.all().delete()
    Domain.objects.update(inbound_address=None, outbound_address=None)
    IPAddress.objects.all().delete()
    plane.applier().apply_all(confirm_deletions=True)


@pytest.fixture
def mail_name(firma: Domain) -> str:
    return f"mail.{firma.name}"


def upload(*names: str, last_day: int = 90) -> x509.Certificate:
    """Taken by the action, at once; returns the server's own."""
    key = new_key()
    leaf = OTHER.issue(*names, key=key, last_day=last_day)
    actions.upload_certificate(chain=_whole(leaf), key=pem_of_key(key), by=Actor.console())
    return leaf


def upload_in_the_panel(client: Client, chain: bytes, key: bytes, names: str = "") -> str:
    """What the page says."""
    files = {"certificate": SimpleUploadedFile("c.pem", chain), "key": SimpleUploadedFile("k.pem", key)}
    answer = client.post("/server/certificates/upload/", {**files, "good_for": names}, follow=True)
    return str(answer.content.decode())


def shown(plane: MailInstance, name: str | None) -> set[str]:
    """Fingerprints on all ports."""
    return {served_fingerprint(plane.layout, service, name=name) for service in SERVICES}


def shown_until(plane: MailInstance, name: str | None, wanted: x509.Certificate) -> None:
    wait_until(lambda: shown(plane, name) == {fingerprint(wanted)}, what=f"{name} on every port")


def stored(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize("way", ["panel", "command"])
def test_TLS_01_a_certificate_of_another_authority_is_shown_everywhere_and_no_session_is_cut(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain, root: Account, tmp_path: Path, way: str
) -> None:
    ola = account_actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=Actor.console())
    plane.apply()
    names = (plane.layout.hostname, f"mail.{firma.name}")
    key = new_key()
    leaf = OTHER.issue(*names, key=key)
    chain = _whole(leaf)
    with ExitStack() as stack:
        people = [jan, ola] * (SESSIONS // 2)
        reading = [stack.enter_context(wire.imap(person.address, PASSWORD)) for person in people]
        sending = [stack.enter_context(wire.submission()) for _person in people]
        for client, person in zip(sending, people, strict=True):
            wire.smtp_login(client, person.address, PASSWORD)
        started = time.monotonic()
        if way == "panel":
            assert "is taken" in upload_in_the_panel(logged_in(root), chain, pem_of_key(key))
        else:
            (tmp_path / "chain.pem").write_bytes(chain)
            (tmp_path / "key.pem").write_bytes(pem_of_key(key))
            assert "taken as" in run("upload", str(tmp_path / "chain.pem"), str(tmp_path / "key.pem"))
        plane.apply()
        for name in (None, *names):
            shown_until(plane, name, leaf)
        took = time.monotonic() - started
        assert [client.noop()[0] for client in reading] == ["OK"] * SESSIONS
        assert [client.noop()[0] for client in sending] == [250] * SESSIONS
        assert sending[0].mail(jan.address)[0] == 250
        assert sending[0].rcpt(ola.address)[0] == 250
    print(f"shown on {len(SERVICES)} ports under {len(names) + 1} names after {took:.2f} s")
    page = logged_in(root).get("/server/certificates/").content.decode()
    assert fingerprint(leaf) in page
    assert "Other Middle" in page
    assert not list(stale_services(plane.layout, plane.node()))


def test_TLS_01_a_port_that_still_shows_the_old_one_is_an_alarm(wire: Wire, plane: MailInstance) -> None:
    node_look_at_certificates()
    assert not Alarm.objects.open().exists()
    upload(plane.layout.hostname)
    plane.apply()
    chain = mail_plane(plane.layout).chain
    content = chain.read_bytes()
    key = serialization.load_pem_private_key(mail_plane(plane.layout).key.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    # A file that is new, and nobody was told.
    chain.write_bytes(pem(OTHER.issue(plane.layout.hostname, key=key)))
    node_look_at_certificates()
    stale = {str(alarm.about) for alarm in Alarm.objects.open().filter(name="certificate.stale")}
    assert stale == {f"{plane.node().name} {service}" for service in SERVICES}
    chain.write_bytes(content)
    node_look_at_certificates()
    assert not Alarm.objects.open().filter(name="certificate.stale").exists()


def test_TLS_01_the_answer_to_a_request_is_taken_and_its_key_never_left_the_server(
    wire: Wire, plane: MailInstance, root: Account, mail_name: str
) -> None:
    client = logged_in(root)
    client.post("/server/certificates/", {"kind": "signed", "names": mail_name.upper()})
    plane.apply()
    ordered = Certificate.objects.get()
    assert (ordered.state, ordered.names) == ("waiting", [mail_name])
    page = client.get(f"/server/certificates/{ordered.pk}/").content.decode()
    assert "BEGIN CERTIFICATE REQUEST" in page
    foreign = pem(OTHER.issue(mail_name, key=new_key()), OTHER.middle, OTHER.root).decode()
    answer = client.post(f"/server/certificates/{ordered.pk}/", {"certificate": foreign})
    assert "does not belong to this key" in answer.content.decode()
    signed_chain = OTHER.answer(ordered.request)
    client.post(f"/server/certificates/{ordered.pk}/", {"certificate": signed_chain.decode()})
    plane.apply()
    shown_until(plane, mail_name, x509.load_pem_x509_certificates(signed_chain)[0])
    key_file = plane.layout.tls / "certificates" / f"{ordered.pk}.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    secret = key_file.read_text().splitlines()[1]
    for path in ("/server/certificates/", f"/server/certificates/{ordered.pk}/"):
        assert secret not in client.get(path).content.decode()
    assert secret not in json.dumps(list(Certificate.objects.values()), default=str)


def test_private_keys_are_roots_alone_inside_maps_too(
    wire: Wire, plane: MailInstance, mail_name: str
) -> None:
    upload(mail_name)
    plane.apply()
    number = Certificate.objects.get().pk
    folder = plane.layout.tls
    private = [
        plane.layout.maps / "sni.lmdb",
        folder / "certificates" / f"{number}.key",
        folder / "server.key",
        plane.layout.secrets / "ca.key",
    ]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o600] * len(private)
    assert {path.stat().st_uid for path in private} == {0}
    # Nothing else on the machine holds the key any more.
    secret = private[1].read_bytes().splitlines()[1]
    holders = subprocess.run(
        ["grep", "-rlF", "-e", secret.decode(), str(plane.layout.home)], capture_output=True, check=False
    ).stdout.decode()
    assert holders.split() == [str(private[1])]
    assert not list((plane.layout.run / "bulk").glob("certificate-*"))


def _whole(leaf: x509.Certificate) -> bytes:
    return pem(leaf, OTHER.middle, OTHER.root)


def _bad(kind: str, name: str) -> tuple[bytes, bytes]:
    """Chain and key that must be refused."""
    key = new_key()
    leaf = OTHER.issue(name, key=key)
    whole, own = _whole(leaf), pem_of_key(key)
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  # it is refused
    bundle = pkcs12.serialize_key_and_certificates(
        b"x", key, leaf, [OTHER.middle], serialization.BestAvailableEncryption(b"haslo")
    )
    authority = signed(name, key.public_key(), OTHER.middle.subject, OTHER.middle_key)
    return {
        "wrong key": (whole, pem_of_key(new_key())),
        "chain missing": (pem(leaf), own),
        "link missing": (pem(leaf, OTHER.root), own),
        "expired": (
            pem(OTHER.issue(name, key=key, first_day=-90, last_day=-1), OTHER.middle, OTHER.root),
            own,
        ),
        "not yet valid": (_whole(OTHER.issue(name, key=key, first_day=1)), own),
        "foreign name": (_whole(OTHER.issue("mail.obca.example", key=key)), own),
        "passphrase": (whole, pem_of_key(key, b"haslo")),
        "weak key": (_whole(OTHER.issue(name, key=weak)), pem_of_key(weak)),
        "PKCS#12": (bundle, own),
        "no certificate": (b"Dzien dobry", own),
        "no key": (whole, whole),
        "1 MB": (whole + b"\n" * 1_000_000, own),
        "for clients": (_whole(OTHER.issue(name, key=key, use=ExtendedKeyUsageOID.CLIENT_AUTH)), own),
        "authority": (pem(authority, OTHER.middle, OTHER.root), own),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("wrong key", "does not belong to this key"),
        ("chain missing", "The chain is not whole: the certificate of CN=Other Middle is missing"),
        ("link missing", "The chain is not whole: the certificate of CN=Other Middle is missing"),
        ("expired", "expired on"),
        ("not yet valid", "is not valid before"),
        ("foreign name", "none of it is a host name of this server"),
        ("passphrase", "The key has a passphrase"),
        ("weak key", "has 1024 bits"),
        ("PKCS#12", "This is a PKCS#12 file"),
        ("no certificate", "This is no certificate"),
        ("no key", "This is no private key in PEM form"),
        ("1 MB", "too large"),
        ("for clients", "not meant for servers"),
        ("authority", "certificate of an authority"),
    ],
)
def test_TLS_04_a_bad_upload_is_refused_with_the_reason_and_the_old_one_is_still_served(
    wire: Wire, plane: MailInstance, root: Account, mail_name: str, kind: str, sentence: str
) -> None:
    old = upload(mail_name)
    plane.apply()
    before = Certificate.objects.get()
    chain, key = _bad(kind, mail_name)
    page = upload_in_the_panel(logged_in(root), chain, key)
    assert sentence in page
    assert key.decode("ascii", "replace").splitlines()[1] not in page
    assert Certificate.objects.get() == before
    assert plane.apply().files == []
    assert shown(plane, mail_name) == {fingerprint(old)}


@pytest.mark.parametrize("shape", ["wrong order", "CRLF and BOM", "RSA", "key and chain of one file", "DER"])
def test_TLS_04_what_other_systems_write_is_put_right(
    wire: Wire, plane: MailInstance, mail_name: str, shape: str
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048) if shape == "RSA" else new_key()
    leaf = OTHER.issue(mail_name, key=key)
    chain, own = _whole(leaf), pem_of_key(key)
    if shape == "wrong order":
        chain = pem(OTHER.root, OTHER.middle, leaf)
    elif shape == "CRLF and BOM":
        chain, own = (b"\xef\xbb\xbf" + part.replace(b"\n", b"\r\n") for part in (chain, own))
    elif shape == "key and chain of one file":
        chain = own = own + chain
    elif shape == "DER":
        leaf = signed(mail_name, key.public_key(), *_own_authority(plane), names=(mail_name,))
        chain = leaf.public_bytes(serialization.Encoding.DER)
    actions.upload_certificate(chain=chain, key=own, by=Actor.console())
    plane.apply()
    shown_until(plane, mail_name, leaf)
    served = x509.load_pem_x509_certificates(Certificate.objects.get().chain.encode())
    assert [each.subject for each in served[:1]] == [leaf.subject]
    for above, below in zip(served[1:], served, strict=False):
        below.verify_directly_issued_by(above)


def _own_authority(plane: MailInstance) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
    key = serialization.load_pem_private_key((plane.layout.secrets / "ca.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return stored(plane.layout.tls / "ca.crt").subject, key


def test_TLS_04_a_wildcard_is_good_for_one_level_only(
    wire: Wire, plane: MailInstance, firma: Domain, root: Account
) -> None:
    key = new_key()
    leaf = OTHER.issue(f"*.{firma.name}", key=key)
    chain = _whole(leaf)
    page = upload_in_the_panel(logged_in(root), chain, pem_of_key(key), f"a.b.{firma.name}")
    assert f"and not for a.b.{firma.name}" in page
    assert not Certificate.objects.exists()
    assert "is taken" in upload_in_the_panel(logged_in(root), chain, pem_of_key(key), f"mail.{firma.name}")
    plane.apply()
    shown_until(plane, f"mail.{firma.name}", leaf)
    default = fingerprint(stored(mail_plane(plane.layout).chain))
    # Postfix and nginx know a name for all levels below only: they show a certificate that fits as little.
    for service in ("imaps", "pop3s", "sieve"):
        assert served_fingerprint(plane.layout, service, name=f"a.b.{firma.name}") == default, service


def test_TLS_06_national_letters_unknown_names_and_none(wire: Wire, plane: MailInstance) -> None:
    domain_actions.add_domain(name="żółw-tls.example", by=Actor.console())
    key = new_key()
    name = f"mail.{idna.encode('żółw-tls').decode()}.example"
    leaf = OTHER.issue(name, key=key)
    actions.upload_certificate(chain=_whole(leaf), key=pem_of_key(key), by=Actor.console())
    plane.apply()
    shown_until(plane, name, leaf)
    own, default = fingerprint(leaf), fingerprint(stored(mail_plane(plane.layout).chain))
    for service in SERVICES:
        asked = openssl(plane, service)
        assert asked(name) == own, service
        assert asked(name.upper()) == own, service
        # A client that speaks such a name is served: with the one that it means, or with the default.
        assert asked(f"{name}.") in {own, default}, service
        for other in ("mail.nieznany.example", "", "127.0.0.1"):
            assert asked(other) == default, (service, other)


def openssl(plane: MailInstance, service: str) -> Callable[[str], str]:
    """What openssl is shown by the service, by the name that it sends."""
    words = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3", "sieve": "sieve"}

    def ask(name: str) -> str:
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{plane.layout.port(service)}"]
        argv += ["-servername", name] if name else ["-noservername"]
        argv += [] if service in IMPLICIT_TLS else ["-starttls", words[service]]
        done = subprocess.run(argv, input=b"", capture_output=True, timeout=30, check=False)
        start = done.stdout.index(b"-----BEGIN CERTIFICATE")
        return fingerprint(x509.load_pem_x509_certificate(done.stdout[start:]))

    return ask


def test_TLS_03_ordered_renewed_replaced_and_deleted_and_every_file_passes_its_test(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account
) -> None:
    console = Actor.console()
    row = address_actions.add_address(
        address="127.0.0.31", hostname=f"mx.{firma.name}", node=plane.node(), is_present=True, by=console
    )
    address_actions.set_domain_addresses(firma, inbound=row, outbound=row, by=console)
    plane.apply()
    own_host = plane.layout.tls / "hosts" / f"mx.{firma.name}.crt"
    assert shown(plane, f"mx.{firma.name}") == {fingerprint(stored(own_host))}
    master = (plane.layout.etc / "postfix" / "master.cf").read_bytes()
    ordered = actions.order_certificate(
        kind="own", names=[plane.layout.hostname, f"imap.{firma.name}"], by=console
    )
    plane.apply()
    _all_in_order(plane)
    first = _of(ordered)
    shown_until(plane, f"imap.{firma.name}", first)
    # Replaced: the domain's own address shows the bought one without SNI too.
    bought = upload(f"mx.{firma.name}", plane.layout.hostname)
    plane.apply()
    _all_in_order(plane)
    shown_until(plane, plane.layout.hostname, bought)
    assert _without_sni(plane, "127.0.0.31") == {fingerprint(bought)}
    actions.delete_certificate(Certificate.objects.get(kind="uploaded"), by=console)
    plane.apply()
    _all_in_order(plane)
    shown_until(plane, plane.layout.hostname, first)
    assert _without_sni(plane, "127.0.0.31") == {fingerprint(stored(own_host))}
    actions.delete_certificate(ordered, by=console)
    plane.apply()
    _all_in_order(plane)
    assert (plane.layout.etc / "postfix" / "master.cf").read_bytes() == master
    assert list((plane.layout.tls / "certificates").iterdir()) == []
    with wire.imap(jan.address, PASSWORD) as client:
        assert client.noop()[0] == "OK"


def _of(certificate: Certificate) -> x509.Certificate:
    certificate.refresh_from_db()
    return x509.load_pem_x509_certificates(certificate.chain.encode())[0]


def _all_in_order(plane: MailInstance) -> None:
    for name in ("postfix", "dovecot", "nginx"):
        for check in plane.daemon(name).check:
            plane.host.run(check)
    plane.host.run(["postfix", "-c", str(plane.layout.etc / "postfix"), "check"], timeout=60)


def _without_sni(plane: MailInstance, address: str) -> set[str]:
    found: set[bytes | None] = set()
    with smtplib.SMTP_SSL(address, plane.layout.port("smtps"), context=client_context()) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        found.add(client.sock.getpeercert(binary_form=True))
    with imaplib.IMAP4_SSL(address, plane.layout.port("imaps"), ssl_context=client_context()) as imap:
        assert isinstance(imap.sock, ssl.SSLSocket)
        found.add(imap.sock.getpeercert(binary_form=True))
    return {fingerprint(x509.load_der_x509_certificate(raw or b"")) for raw in found}


def test_TLS_07_our_own_is_renewed_before_its_time_and_comes_back_when_the_bought_one_goes(
    wire: Wire, plane: MailInstance
) -> None:
    server = plane.layout.tls / "server.crt"
    assert has_own_authority()
    issuer, authority_key = _own_authority(plane)
    old = stored(server)
    names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ending = (
        x509.CertificateBuilder(extensions=list(old.extensions))
        .subject_name(old.subject)
        .issuer_name(issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(_in_days(20))
        .sign(authority_key, hashes.SHA256())
    )
    server.write_bytes(pem(ending, stored(plane.layout.tls / "ca.crt")))
    node_look_at_certificates()
    plane.apply()
    renewed = stored(server)
    assert renewed.not_valid_after_utc > _in_days(700)
    assert renewed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == names
    shown_until(plane, plane.layout.hostname, renewed)
    bought = upload(plane.layout.hostname)
    plane.apply()
    shown_until(plane, plane.layout.hostname, bought)
    assert not has_own_authority()
    actions.delete_certificate(Certificate.objects.get(), by=Actor.console())
    plane.apply()
    shown_until(plane, plane.layout.hostname, renewed)
    shown_until(plane, None, renewed)
    assert has_own_authority()


def _in_days(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@pytest.fixture
def home() -> Iterator[Path]:
    """With a path as short as a home's must be."""
    with tempfile.TemporaryDirectory(prefix="qxc-") as folder:
        yield Path(folder)


def test_TLS_07_a_server_of_another_name_gets_a_certificate_for_it(home: Path, plane: MailInstance) -> None:
    layout = replace(plane.layout, home=home)
    ensure_certificate(layout)
    before = stored(layout.tls / "server.crt")
    renamed = replace(layout, hostname="nowa.nazwa.example")
    assert ensure_certificate(renamed)
    after = stored(layout.tls / "server.crt")
    names = after.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "nowa.nazwa.example" in names.get_values_for_type(x509.DNSName)
    assert fingerprint(after) != fingerprint(before)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("certificate", *arguments, stdout=out)
    return out.getvalue()


def test_certificates_from_the_command_line(
    wire: Wire, plane: MailInstance, mail_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    assert "ordered as" in run("request", mail_name)
    plane.apply()
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["state"], listed["names"]) == ("waiting", [mail_name])
    number = str(listed["number"])
    request = json.loads(run("show", number, "--json"))["request"]
    answer = tmp_path / "answer.pem"
    answer.write_bytes(pem(OTHER.issue(mail_name, key=new_key()), OTHER.middle))
    with pytest.raises(CommandError, match="does not belong to this key"):
        run("answer", number, str(answer))
    answer.write_bytes(OTHER.answer(request))
    assert "taken" in run("answer", number, str(answer))
    plane.apply()
    shown_until(plane, mail_name, x509.load_pem_x509_certificates(answer.read_bytes())[0])
    with pytest.raises(CommandError, match="Repeat with --yes"):
        run("delete", number)
    run("delete", number, "--yes")
    assert "ordered as" in run("issue", mail_name)
    plane.apply()
    assert json.loads(run("list", "--json"))[0]["state"] == "active"
    with pytest.raises(CommandError, match="no certificate 999"):
        run("show", "999")
    with pytest.raises(CommandError, match=r"obca\.example is neither a name of this server"):
        run("request", "mail.obca.example")


def test_postmaster_sees_what_the_domains_programs_are_shown(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, mail_name: str
) -> None:
    upload(mail_name)
    domain_actions.set_managers(firma, addresses=[jan.address], by=Actor.console())
    page = logged_in(jan).get(f"/domain/{firma.name}/certificates/").content.decode()
    assert mail_name in page
    assert "Other Middle" in page
    assert plane.layout.hostname in page
    assert logged_in(jan).get("/server/certificates/").status_code == 403


def test_a_failed_configuration_test_leaves_the_old_certificate_in_force(
    wire: Wire, plane: MailInstance, mail_name: str
) -> None:
    old = upload(mail_name)
    plane.apply()
    new = upload(mail_name)
    number = Certificate.objects.latest("pk").pk
    assert fingerprint(new) != fingerprint(old)
    # The disk lost the key between the check and the start: nothing of it gets in force.
    (plane.layout.run / "bulk" / f"certificate-{number}").unlink()
    plane.apply()
    broken = Certificate.objects.get(pk=number)
    assert "does not belong" in broken.error
    assert shown(plane, mail_name) == {fingerprint(old)}
    with pytest.raises(ActionRefused):
        actions.answer_request(broken, answer=b"", by=Actor.console())


def test_ACME_that_cannot_be_reached_says_so_and_changes_nothing(
    wire: Wire, plane: MailInstance, root: Account, mail_name: str
) -> None:
    old = upload(mail_name)
    plane.apply()
    client = logged_in(root)
    with override_settings(QMAILUX_ACME_SERVER="https://127.0.0.1:9/directory"):
        client.post("/server/certificates/", {"kind": "acme", "names": mail_name})
        node_look_at_certificates()
    failed = Certificate.objects.get(kind="acme")
    assert failed.state == "failed"
    assert "127.0.0.1" in failed.error
    assert "127.0.0.1" in client.get("/server/certificates/").content.decode()
    assert plane.apply().files == []
    assert shown(plane, mail_name) == {fingerprint(old)}
    with pytest.raises(ActionRefused, match="no certificate for"):
        actions.order_certificate(kind="acme", names=[f"*.{mail_name}"], by=Actor.console())


def test_what_an_ACME_authority_looks_for_is_shown_on_port_80(wire: Wire, plane: MailInstance) -> None:
    folder = plane.layout.acme_answers / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slowo").write_text("slowo.odcisk")
    address = f"http://127.0.0.1:{plane.layout.port('http')}"
    with urllib.request.urlopen(f"{address}/.well-known/acme-challenge/slowo") as answer:  # noqa: S310  # ours
        assert answer.read() == b"slowo.odcisk"
