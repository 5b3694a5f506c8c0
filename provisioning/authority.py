"""The instance's own certificate authority, and the server certificate that it issues.

A certificate that the operator put in place of ours is never touched: ours are known by our CA's signature.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioning.layout import Layout
from qmailux_site.errors import SetupError

CA_LIFETIME = datetime.timedelta(days=3652)
SERVER_LIFETIME = datetime.timedelta(days=825)  # longer ones are refused by Apple's programs
RENEW_BEFORE = datetime.timedelta(days=30)
# A clock that is a little late must not refuse a fresh certificate.
SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
BACKDATED = datetime.timedelta(hours=1)


def ensure_certificate(layout: Layout) -> bool:
    """Make or renew ``node/tls``: ca.crt, server.crt (with its chain) and server.key, and ``secrets/ca.key``.

    Does nothing if all is well or the certificate is the operator's own. Returns whether something was
    written: the daemons must then load it. Refuses an operator's certificate that does not fit its key.
    """
    return _ensure(layout, layout.tls / "server.crt", names_of(layout), layout.hostname)


def ensure_host_certificate(layout: Layout, hostname: str) -> bool:
    """As ensure_certificate, for another name of the server: ``node/tls/hosts/NAME.crt`` and ``.key``."""
    return _ensure(layout, layout.tls / "hosts" / f"{hostname}.crt", [x509.DNSName(hostname)], hostname)


def ensure_certificate_for(
    layout: Layout, certificate_file: Path, names: list[x509.DNSName], hostname: str
) -> bool:
    """As ensure_certificate, for any file and names."""
    return _ensure(layout, certificate_file, list(names), hostname)


def write_private(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Whole or not at all, and never readable by others on the way."""
    _write(path, content, mode=mode)


def _ensure(layout: Layout, certificate_file: Path, names: list[x509.GeneralName], hostname: str) -> bool:
    layout.tls.mkdir(parents=True, exist_ok=True)
    authority_key, authority, is_new = _ensure_authority(layout)
    key_file = certificate_file.with_name(f"{certificate_file.name.removesuffix('.crt')}.key")
    if _is_settled(certificate_file, key_file, names, authority):
        return is_new
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issue(hostname, names, key, authority, authority_key)
    # The key first: a crash in between leaves a certificate of ours with a foreign key, which is made anew.
    _write(key_file, _pem_of_key(key), mode=0o600)
    _write(certificate_file, _pem(certificate) + _pem(authority), mode=0o644)
    return True


def authorities_of(layout: Layout, chain_file: Path, acme_authorities: Path | None = None) -> Path:
    """By which the instance's own programs verify the server's certificate: our authority, the root in its
    own chain, that of an ACME server of one's own, or the system's authorities.
    """
    own = layout.tls / "ca.crt"
    if not chain_file.exists():
        return own
    chain = x509.load_pem_x509_certificates(chain_file.read_bytes())
    if own.exists() and _is_signed_by(chain[0], _read_certificate(own)):
        return own
    if acme_authorities is not None and acme_authorities.exists():
        known = x509.load_pem_x509_certificates(acme_authorities.read_bytes())
        if any(_is_signed_by(chain[-1], root) for root in known):
            return acme_authorities
    return chain_file if chain[-1].issuer == chain[-1].subject else SYSTEM_AUTHORITIES


def expires_soon(path: Path) -> bool:
    """Whether the certificate in the file is due to be renewed."""
    return _expires_soon(_read_certificate(path))


def names_of(layout: Layout) -> list[x509.GeneralName]:
    """The subject alternative names of the server certificate."""
    names: list[x509.GeneralName] = [x509.DNSName(layout.hostname)]
    if layout.hostname != "localhost":
        names.append(x509.DNSName("localhost"))
    if layout.bind == "*":
        return names
    addresses = [ipaddress.ip_address(layout.bind)]
    if addresses[0].is_loopback:
        addresses += [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    return names + [x509.IPAddress(address) for address in dict.fromkeys(addresses)]


def _ensure_authority(layout: Layout) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate, bool]:
    key_file, certificate_file = layout.secrets / "ca.key", layout.tls / "ca.crt"
    if key_file.exists() and certificate_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        certificate = _read_certificate(certificate_file)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SetupError(f"{key_file} is not the key that QmaiLux made: it must be an EC key")
        if key.public_key() == certificate.public_key() and not _expires_soon(certificate):
            return key, certificate, False
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_sign(layout, key)
    _write(key_file, _pem_of_key(key), mode=0o600)
    _write(certificate_file, _pem(certificate), mode=0o644)
    return key, certificate, True


def _self_sign(layout: Layout, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "QmaiLux"),
            x509.NameAttribute(NameOID.COMMON_NAME, _common_name(f"QmaiLux CA {layout.hostname}")),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _issue(
    hostname: str,
    names: list[x509.GeneralName],
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(hostname))]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + SERVER_LIFETIME, authority.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _is_settled(
    certificate_file: Path, key_file: Path, names: list[x509.GeneralName], authority: x509.Certificate
) -> bool:
    """Whether certificate and key can stay: the operator's, or ours with the right names and time."""
    if not certificate_file.exists():
        return False
    certificate = _read_certificate(certificate_file)
    belongs_together = is_key_of(certificate, key_file)
    if certificate.issuer != authority.subject:
        if not belongs_together:
            raise SetupError(f"{certificate_file} and {key_file} do not belong together")
        return True
    return (
        belongs_together
        and _is_signed_by(certificate, authority)
        and not _expires_soon(certificate)
        and _names_in(certificate) == set(names)
    )


def _names_in(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def is_key_of(certificate: x509.Certificate, key_file: Path) -> bool:
    """Whether they belong together; a key that is not there belongs to nothing."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except FileNotFoundError:
        return False
    except (ValueError, TypeError) as error:
        raise SetupError(f"{key_file} is not a private key without a passphrase in PEM form") from error
    return key.public_key() == certificate.public_key()


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise SetupError(f"{path} is not a certificate in PEM form") from error


def _expires_soon(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < RENEW_BEFORE


def _common_name(text: str) -> str:
    """X.520 ends a common name at 64 characters; the full host name stands in the alternative names."""
    return text[:64]


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
