"""What people upload as a certificate: read, put in order, and refused with the precise reason.

Pure: nothing is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.utils.translation import gettext as _

from provisioning.layout import covers
from qmailux_site.errors import ActionRefused

LARGEST_BYTES = 200 * 1024
SMALLEST_RSA_BITS = 2048
# Authorities that everybody trusts.
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
_PKCS12_START = b"\x30\x82"


@dataclass(frozen=True, slots=True)
class Checked:
    """chain: PEM, the server's certificate first. names: what it is for, in lower case."""

    chain: str
    names: tuple[str, ...]
    issuer: str
    not_after: datetime
    fingerprint: str


def check_certificate(
    raw: bytes,
    *,
    public_key: bytes,
    wanted: list[str],
    own_authority: bytes,
    now: datetime,
) -> Checked:
    """The chain in its right order. public_key: of the key that it must fit, in DER. wanted: host names that
    it must be for, all of them. Raises ActionRefused at the field "certificate".
    """
    certificates = _certificates(_cleaned(raw))
    leaf = _leaf(certificates, public_key)
    _refuse_wrong_time(leaf, now)
    _refuse_wrong_use(leaf)
    names = _names(leaf)
    for name in wanted:
        if not any(covers(have, name) for have in names):
            _refuse(
                _("The certificate is for %(have)s, and not for %(name)s.")
                % {"have": ", ".join(names) or "–", "name": name}
            )
    own = x509.load_pem_x509_certificates(own_authority) if own_authority else []
    chain = _chain(leaf, certificates, own)
    for link in chain[1:]:
        _refuse_wrong_time(link, now)
    return Checked(
        chain="".join(link.public_bytes(serialization.Encoding.PEM).decode() for link in chain),
        names=tuple(names),
        issuer=leaf.issuer.rfc4514_string()[:300],
        not_after=leaf.not_valid_after_utc,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
    )


def check_key(raw: bytes) -> tuple[bytes, bytes]:
    """The private key in PEM, and its public half in DER. Refused: one with a passphrase, or a weak one."""
    text = _cleaned(raw, field="key")
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except TypeError:
        _refuse(_("The key has a passphrase: take it off first (openssl pkey -in key.pem)."), field="key")
    except (ValueError, UnsupportedAlgorithm):
        _refuse(_("This is no private key in PEM form."), field="key")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SMALLEST_RSA_BITS:
        _refuse(_("The RSA key has %(bits)d bits; at least 2048 are needed.") % {"bits": key.key_size}, "key")
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        _refuse(_("Only RSA and EC keys are understood by all mail programs."), field="key")
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, public_half(key)


def public_half(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_half_of_request(request: str) -> bytes:
    """Of the key that a signing request was made with."""
    return (
        x509.load_pem_x509_csr(request.encode())
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _cleaned(raw: bytes, field: str = "certificate") -> bytes:
    """Without the byte order mark and the line ends of other systems."""
    if len(raw) > LARGEST_BYTES:
        _refuse(_("This is too large for a certificate: at most 200 kB."), field)
    text = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").strip()
    if not text:
        _refuse(_("Nothing was given."), field)
    return text + b"\n"


def _certificates(text: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN" not in text:
        return [_der(text.rstrip(b"\n"))]
    try:
        return x509.load_pem_x509_certificates(text)
    except ValueError:
        _refuse(_("There is no readable certificate in it."))


def _der(raw: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(raw)
    except ValueError:
        if raw.startswith(_PKCS12_START):
            _refuse(_("This is a PKCS#12 file: turn it into PEM first (openssl pkcs12 -in file.p12 -nodes)."))
        _refuse(_("This is no certificate, neither in PEM nor in DER form."))


def _leaf(certificates: list[x509.Certificate], public_key: bytes) -> x509.Certificate:
    leaf = next((each for each in certificates if _public_key_of(each) == public_key), None)
    if leaf is None:
        _refuse(_("The certificate does not belong to this key."))
    return leaf


def _public_key_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _refuse_wrong_time(certificate: x509.Certificate, now: datetime) -> None:
    name = certificate.subject.rfc4514_string()
    if certificate.not_valid_after_utc <= now:
        when = certificate.not_valid_after_utc.date().isoformat()
        _refuse(_("The certificate %(name)s expired on %(when)s.") % {"name": name, "when": when})
    if certificate.not_valid_before_utc > now:
        when = certificate.not_valid_before_utc.date().isoformat()
        _refuse(_("The certificate %(name)s is not valid before %(when)s.") % {"name": name, "when": when})


def _refuse_wrong_use(leaf: x509.Certificate) -> None:
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            _refuse(_("This is the certificate of an authority, not of a server."))
    except x509.ExtensionNotFound:
        pass
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in uses:
        _refuse(_("The certificate is not meant for servers."))


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]


def _chain(
    leaf: x509.Certificate, given: list[x509.Certificate], own: list[x509.Certificate]
) -> list[x509.Certificate]:
    """From the leaf up to, and without, a root that programs have themselves. The order given does not
    matter; a link that is missing is refused.
    """
    chain = [leaf]
    while not _is_signed_by(chain[-1], chain[-1]):
        above = next((other for other in given if _is_signed_by(chain[-1], other)), None)
        if above is not None and above not in chain:
            chain.append(above)
            continue
        if any(_is_signed_by(chain[-1], root) for root in [*own, *_trusted()]):
            break
        issuer = chain[-1].issuer.rfc4514_string()
        _refuse(_("The chain is not whole: the certificate of %(issuer)s is missing.") % {"issuer": issuer})
    return chain


def _trusted() -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(TRUSTED.read_bytes()) if TRUSTED.exists() else []


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _refuse(sentence: str, field: str = "certificate") -> NoReturn:
    raise ActionRefused(field, sentence)
