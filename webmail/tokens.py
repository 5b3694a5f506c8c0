"""Tokens that stand for a password at the mail plane, for one mailbox and for minutes.

Dovecot checks them without asking anybody: an ES256 signature of the panel (engine 3, 1.4). The public key
is a rendered file; the private one lies in the instance's secrets, readable to the panel alone.
"""

from __future__ import annotations

import base64
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from provisioning.layout import Layout
from qmailux_site.errors import SetupError

SECONDS = 3600
AUDIENCE = "webmail"
SCOPE = "mail"
# Clocks inside one machine agree; a token is never from the future.
BACKDATED_SECONDS = 5


def new_token(layout: Layout, *, address: str, acting: str = "", seconds: int = SECONDS) -> str:
    """For the mailbox of the address. acting: whoever acts for its owner; Dovecot's log names them."""
    key_id, key = _signing_key(layout)
    now = int(time.time())
    claims = {
        "iss": f"https://{layout.hostname}/",
        "sub": address,
        "azp": AUDIENCE,
        "scope": SCOPE,
        "iat": now - BACKDATED_SECONDS,
        "nbf": now - BACKDATED_SECONDS,
        "exp": now + seconds,
    }
    if acting:
        claims["act"] = acting
    head = {"alg": "ES256", "typ": "JWT", "kid": key_id}
    signed = f"{_encoded_object(head)}.{_encoded_object(claims)}"
    first, second = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_encoded(first.to_bytes(32, 'big') + second.to_bytes(32, 'big'))}"


def _signing_key(layout: Layout) -> tuple[str, ec.EllipticCurvePrivateKey]:
    """The file holds the key's name in its first line, then the key."""
    path = layout.secrets / "webmail_signing.pem"
    try:
        key_id, _newline, pem = path.read_text(encoding="ascii").partition("\n")
    except OSError as error:
        raise SetupError(
            f"{path} cannot be read ({error.strerror}): manage.py apply --all makes it"
        ) from error
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SetupError(f"{path} is not the key that QmaiLux made: it must be an EC key")
    return key_id.removeprefix("key "), key


def _encoded_object(value: dict[str, object] | dict[str, str] | dict[str, int | str]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":"), sort_keys=True).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
