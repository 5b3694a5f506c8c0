"""Secrets of the mail plane that the instance makes itself."""

from __future__ import annotations

import os
import pwd
import secrets
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.public import PrivateKey

from provisioning.layout import PANEL_USER, Layout
from qmailux_site.sealing import key_id, key_ids

# What Roundcube's cipher (AES-192) wants.
WEBMAIL_SECRET_LENGTH = 24
# The signing key of the sign-in tokens. Two names take turns: what was signed under the one before is good
# for its hour, though nothing can be signed under it any more.
KEY_NAMES = ("a", "b")


def webmail_secret(layout: Layout) -> str:
    """What Roundcube encrypts the passwords in its sessions with; made at first. Only root reads it."""
    path = layout.secrets / "webmail"
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(WEBMAIL_SECRET_LENGTH)[:WEBMAIL_SECRET_LENGTH].encode())
    return path.read_text(encoding="ascii")


def forward_secret(layout: Layout) -> str:
    """What signs the senders of mail that aliases pass on; made at first. With a new one nothing that is on
    its way back finds its sender any more.
    """
    path = layout.secrets / "forward"
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(WEBMAIL_SECRET_LENGTH).encode())
    return path.read_text(encoding="ascii")


def ensure_sealing_key(layout: Layout) -> None:
    """What secrets in the database are sealed with exists. A public half whose private one is gone is
    replaced: nobody could open what would be sealed with it. Keys from before stay.
    """
    layout.sealing_keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = layout.sealing_public
    if public.exists() and key_id(public.read_bytes()) in key_ids(layout.sealing_keys):
        return
    fresh = PrivateKey.generate()
    half = bytes(fresh.public_key)
    write_secret(layout.sealing_keys / key_id(half), bytes(fresh))
    write_secret(public, half, gid=pwd.getpwnam(PANEL_USER).pw_gid)


def write_secret(path: Path, content: bytes, *, gid: int = 0) -> None:
    """Replaced whole. gid: a group that may read it beside root; 0 is nobody."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        os.fchown(stream.fileno(), 0, gid)
        os.fchmod(stream.fileno(), 0o640 if gid else 0o600)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def public_webmail_keys(layout: Layout) -> dict[str, bytes]:
    """By name; the first key is made at first."""
    if not _signing_file(layout).exists():
        _put_signing_key(layout, KEY_NAMES[0], _new_key(layout, KEY_NAMES[0]))
    files = {name: _public_file(layout, name) for name in KEY_NAMES}
    return {name: path.read_bytes() for name, path in files.items() if path.exists()}


def begin_rotation(layout: Layout) -> bytes:
    """Make the next key, so that its public half can go to the nodes; finish_rotation puts it in use."""
    current = _signing_file(layout).read_text(encoding="ascii").partition("\n")[0].removeprefix("key ")
    return _new_key(layout, next(name for name in KEY_NAMES if name != current))


def finish_rotation(layout: Layout, private: bytes) -> None:
    """From now on tokens are signed by it; the key before is gone."""
    current = _signing_file(layout).read_text(encoding="ascii").partition("\n")[0].removeprefix("key ")
    _put_signing_key(layout, next(name for name in KEY_NAMES if name != current), private)


def seconds_since_rotation(layout: Layout) -> float:
    return time.time() - _signing_file(layout).stat().st_mtime


def _new_key(layout: Layout, name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_secret(_public_file(layout, name), public)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _put_signing_key(layout: Layout, name: str, private: bytes) -> None:
    gid = pwd.getpwnam(PANEL_USER).pw_gid
    write_secret(_signing_file(layout), f"key {name}\n".encode() + private, gid=gid)


def _signing_file(layout: Layout) -> Path:
    return layout.secrets / "webmail_signing.pem"


def _public_file(layout: Layout, name: str) -> Path:
    return layout.secrets / f"webmail_public_{name}.pem"
