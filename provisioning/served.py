"""Which certificate every port really shows: a file that is new is not yet one that is served."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from io import BufferedRWPair
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from alarms.actions import Trouble
from enforcement.models import Certificate
from provisioning.authority import expires_soon
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.probes import IMPLICIT_TLS
from provisioning.settings_files import mail_plane

SECONDS = 10
# What a client says before TLS begins on a port that is in the clear, and how the last line before it starts.
_STARTTLS = {
    "smtp": ((b"EHLO localhost\r\n", b"250 "), (b"STARTTLS\r\n", b"220")),
    "submission": ((b"EHLO localhost\r\n", b"250 "), (b"STARTTLS\r\n", b"220")),
    "imap": ((b"a STARTTLS\r\n", b"a OK"),),
    "pop3": ((b"STLS\r\n", b"+OK"),),
    "sieve": ((b"STARTTLS\r\n", b"OK"),),
}
_GREETING_ENDS = {"smtp": b"220 ", "submission": b"220 ", "imap": b"* OK", "pop3": b"+OK", "sieve": b"OK"}
SERVICES = (*IMPLICIT_TLS, *_STARTTLS)


def served_fingerprint(layout: Layout, service: str, *, name: str | None = None) -> str:
    """SHA-256 of what the service shows to a client that asks for the name, or for none. Raises OSError."""
    address = (layout.own_address, layout.port(service))
    with socket.create_connection(address, timeout=SECONDS) as plain:
        if service not in IMPLICIT_TLS:
            _begin_tls(plain, service)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(plain, server_hostname=name) as encrypted:
            shown = encrypted.getpeercert(binary_form=True) or b""
    return x509.load_der_x509_certificate(shown).fingerprint(hashes.SHA256()).hex()


def stale_services(layout: Layout, node: Node) -> Iterator[Trouble]:
    """Ports that show another certificate for the server's name than the stored one. A port that does not
    answer is another alarm's.
    """
    plane = mail_plane(layout)
    wanted = _fingerprint_of(plane.chain)
    for service in SERVICES:
        try:
            shown = served_fingerprint(layout, service, name=plane.name)
        except OSError:
            continue
        if shown != wanted:
            yield Trouble("certificate.stale", f"{node.name} {service}", {})


def own_is_due(layout: Layout) -> bool:
    """Whether one that our own authority has issued runs out soon: applying the settings renews it."""
    chosen = Certificate.objects.filter(kind=Certificate.Kind.OWN, state=Certificate.State.ACTIVE)
    files = [layout.tls / "server.crt", *(layout.tls / "hosts").glob("*.crt")]
    files += [layout.tls / "certificates" / f"{pk}.crt" for pk in chosen.values_list("pk", flat=True)]
    return any(expires_soon(path) for path in files if path.exists())


def _fingerprint_of(chain: Path) -> str:
    return x509.load_pem_x509_certificate(chain.read_bytes()).fingerprint(hashes.SHA256()).hex()


def _begin_tls(plain: socket.socket, service: str) -> None:
    stream = plain.makefile("rwb")
    _read_until(stream, _GREETING_ENDS[service])
    for said, answer in _STARTTLS[service]:
        stream.write(said)
        stream.flush()
        _read_until(stream, answer)


def _read_until(stream: BufferedRWPair, start: bytes) -> None:
    while not (line := stream.readline()).startswith(start):
        if not line or line.startswith((b"5", b"4", b"-ERR", b"NO", b"a NO", b"a BAD")):
            raise OSError(f"no TLS: {line!r}")
