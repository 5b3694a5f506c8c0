"""Another certificate authority, with one that is between it and what it issues."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_of_key(key: Key, password: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def signed(
    subject: str,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    names: tuple[str, ...] = (),
    first_day: int = -1,
    last_day: int = 90,
    use: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> x509.Certificate:
    """names: of a server; without any it is an authority. first_day, last_day: from today."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject[:64]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=first_day))
        .not_valid_after(now + timedelta(days=last_day))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class OtherAuthority:
    """root signs middle, middle signs what is asked for."""

    root_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    middle_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @property
    def root(self) -> x509.Certificate:
        return signed(
            "Other Root", self.root_key.public_key(), named("Other Root"), self.root_key, last_day=999
        )

    @property
    def middle(self) -> x509.Certificate:
        return signed(
            "Other Middle", self.middle_key.public_key(), named("Other Root"), self.root_key, last_day=500
        )

    def issue(
        self,
        *names: str,
        key: Key,
        first_day: int = -1,
        last_day: int = 90,
        use: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> x509.Certificate:
        return signed(
            names[0],
            key.public_key(),
            named("Other Middle"),
            self.middle_key,
            names=names,
            first_day=first_day,
            last_day=last_day,
            use=use,
        )

    def answer(self, request: str) -> bytes:
        """The whole chain for a signing request."""
        asked = x509.load_pem_x509_csr(request.encode())
        found = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(found.get_values_for_type(x509.DNSName))
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        leaf = signed(names[0], key, named("Other Middle"), self.middle_key, names=names)
        return pem(leaf, self.middle, self.root)
