"""Certificates on the machine: keys are made here, and stay here.

Each certificate has two files in ``node/tls/certificates``: NUMBER.crt and NUMBER.key, the latter readable
by root alone.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone

from accounts import vault
from enforcement.models import Certificate
from provisioning.authority import ensure_certificate_for, is_key_of, write_private
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane, ServedCertificate
from qmailux_site.errors import QmailuxError

log = logging.getLogger(__name__)

_NUMBERED = re.compile(r"([0-9]+)\.(crt|key)")
SNI_MAP = "sni"
_SNI_MARK = "state/sni-mark"


def settle_certificates(layout: Layout) -> None:
    """Make ordered keys, requests and certificates, renew ours, put uploaded ones in place. One that fails
    says why, and its names are served as before.
    """
    folder = layout.tls / "certificates"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for certificate in Certificate.objects.exclude(kind=Certificate.Kind.ACME):
        try:
            _settle(certificate, layout)
        except (QmailuxError, OSError, ValueError) as error:
            log.error("certificate %s: %s", certificate.pk, error)
            note_failure(certificate, str(error))


def forget_deleted(layout: Layout) -> None:
    """Files of certificates that are gone, once no daemon is told of them any more."""
    known = set(Certificate.objects.values_list("pk", flat=True))
    for path in (layout.tls / "certificates").iterdir():
        numbered = _NUMBERED.fullmatch(path.name)
        if numbered is not None and int(numbered[1]) not in known:
            path.unlink()


def served_certificates(layout: Layout) -> tuple[ServedCertificate, ...]:
    """Those in use whose files are in place, what was taken last first: it wins where names meet."""
    return tuple(
        ServedCertificate(row.pk, tuple(row.names), row.fingerprint)
        for row in Certificate.objects.serving()
        if all(path.exists() for path in files_of(layout, row))
    )


def default_mark(plane: MailPlane) -> str:
    """Changes when the certificates do that stand in files of fixed names."""
    files = [plane.layout.tls / "server.crt", *(plane.own_chain_of(address) for address in plane.addresses)]
    content = b"".join(path.read_bytes() for path in files if path.exists())
    return hashlib.sha256(content).hexdigest()[:16]


def build_sni_map(host: Host, layout: Layout, plane: MailPlane) -> bool:
    """Postfix keeps the PEM itself in the map, so a new file alone changes nothing. Returns whether it was
    built. The map holds private keys: source and map are root's alone.
    """
    pairs = plane.certificates_by_name
    mark = hashlib.sha256()
    for name, (chain, key) in pairs:
        for part in (name.encode(), chain.read_bytes(), key.read_bytes()):
            mark.update(part)
    if sni_map_exists(layout) and (host.read(_SNI_MARK) or b"") == mark.hexdigest().encode():
        return False
    lines = [f"{_sni_key(name)} {key}, {chain}\n" for name, (chain, key) in pairs]
    # The map takes the mode of its source.
    host.write(RenderedFile(f"maps/{SNI_MAP}", "".join(lines).encode(), daemon="", mode=0o600))
    stored = f"lmdb:{layout.maps / SNI_MAP}"
    try:
        host.run(["postmap", "-c", str(layout.etc / "postfix"), "-F", stored], timeout=120)
    finally:
        host.remove(f"maps/{SNI_MAP}")
    host.write(RenderedFile(_SNI_MARK, mark.hexdigest().encode(), daemon="", mode=0o600))
    return True


def sni_map_exists(layout: Layout) -> bool:
    return (layout.maps / f"{SNI_MAP}.lmdb").exists()


def note_taken(certificate: Certificate, chain_file: Path) -> None:
    """What was made or fetched here, for the panel."""
    content = chain_file.read_bytes()
    leaf = x509.load_pem_x509_certificates(content)[0]
    certificate.chain, certificate.issuer = content.decode(), leaf.issuer.rfc4514_string()[:300]
    certificate.not_after = leaf.not_valid_after_utc
    certificate.fingerprint = leaf.fingerprint(hashes.SHA256()).hex()
    certificate.state, certificate.error = Certificate.State.ACTIVE, ""
    certificate.taken_at = certificate.taken_at or timezone.now()
    certificate.save()


def note_failure(certificate: Certificate, reason: str) -> None:
    """One that is in use stays so."""
    if not certificate.fingerprint:
        certificate.state = Certificate.State.FAILED
    certificate.error = reason
    certificate.save(update_fields=["state", "error"])


def files_of(layout: Layout, certificate: Certificate) -> tuple[Path, Path]:
    """Chain and key."""
    folder = layout.tls / "certificates"
    return folder / f"{certificate.pk}.crt", folder / f"{certificate.pk}.key"


def _sni_key(name: str) -> str:
    """ "*.firma.test" is ".firma.test" for Postfix."""
    return name.removeprefix("*")


def _settle(certificate: Certificate, layout: Layout) -> None:
    chain_file, key_file = files_of(layout, certificate)
    if certificate.kind == Certificate.Kind.OWN:
        names = [x509.DNSName(name) for name in certificate.names]
        is_new = ensure_certificate_for(layout, chain_file, names, certificate.names[0])
        if is_new or certificate.state != Certificate.State.ACTIVE:
            note_taken(certificate, chain_file)
    elif certificate.state == Certificate.State.ACTIVE:
        _put_in_place(certificate, chain_file, key_file)
    elif certificate.kind == Certificate.Kind.SIGNED and not certificate.request:
        certificate.request = _request(certificate.names, key_file)
        certificate.state, certificate.error = Certificate.State.WAITING, ""
        certificate.save(update_fields=["request", "state", "error"])


def _put_in_place(certificate: Certificate, chain_file: Path, key_file: Path) -> None:
    """The key first: until the chain is there the old certificate is served."""
    if certificate.key_seal and (key := vault.get(certificate.sealed_name, key=certificate.key_seal)):
        write_private(key_file, key)
        Certificate.objects.filter(pk=certificate.pk).update(key_seal="")
        vault.remove(certificate.sealed_name)
    content = certificate.chain.encode()
    if chain_file.exists() and chain_file.read_bytes() == content:
        return
    if not is_key_of(x509.load_pem_x509_certificates(content)[0], key_file):
        raise ValueError("the key on the server does not belong to this certificate")
    write_private(chain_file, content, mode=0o644)


def _request(names: Sequence[str], key_file: Path) -> str:
    """A new key, unless there is one, and a signing request for the names."""
    if not key_file.exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        pem = fresh.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_private(key_file, pem)
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key on the server is not one that QmaiLux made")
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
