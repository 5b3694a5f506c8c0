"""Secrets in the database that only root's worker can open.

Whoever sets one needs the public half of a key pair; the private half lies in the secrets folder and is
root's alone. Inside the seal stands what the secret is for: moved to another row, it does not open there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path

from django.conf import settings
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from qmailux_site.errors import CannotOpen, KeyMissing, SetupError

# Such as ("dkim", domain, selector).
Purpose = tuple[str, ...]
KEY_ID_LENGTH = 16


def key_id(public: bytes) -> str:
    """Names a key pair: its file, and at the head of what is sealed for it."""
    return hashlib.sha256(public).hexdigest()[:KEY_ID_LENGTH]


def seal(secret: str, *, purpose: Purpose) -> str:
    """The sealed text. Raises SetupError where the instance has no key yet."""
    path: Path = settings.QMAILUX_LAYOUT.sealing_public
    try:
        public = path.read_bytes()
    except OSError as error:
        raise SetupError(
            f"{path} cannot be read ({error.strerror}): `manage.py stack prepare` makes it"
        ) from error
    box = SealedBox(PublicKey(public)).encrypt(_digest(purpose) + secret.encode())
    return f"{key_id(public)}:{base64.b64encode(box).decode()}"


def key_of(sealed: str) -> str:
    """The id of the key that opens it."""
    return sealed.partition(":")[0]


class Opener:
    """Opens what is sealed for the keys in a folder, each in a file that has its id as name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._boxes: dict[str, SealedBox[PrivateKey]] = {}

    def open(self, sealed: str, *, purpose: Purpose) -> str:
        """Raises CannotOpen, which says why, and nothing of the secret."""
        box = self._box(key_of(sealed))
        try:
            opened = box.decrypt(base64.b64decode(sealed.partition(":")[2], validate=True))
        except (CryptoError, ValueError, binascii.Error):
            raise CannotOpen("damaged: the seal does not open") from None
        digest = _digest(purpose)
        if not opened.startswith(digest):
            raise CannotOpen("sealed for something else")
        return opened[len(digest) :].decode()

    def _box(self, wanted: str) -> SealedBox[PrivateKey]:
        if wanted not in self._boxes:
            path = self._folder / wanted
            # The id comes from the database: it names a file of the folder, and no other.
            if wanted not in key_ids(self._folder):
                raise KeyMissing(f"sealed with the key {wanted}, which is not in {self._folder}")
            self._boxes[wanted] = SealedBox(PrivateKey(path.read_bytes()))
        return self._boxes[wanted]


def key_ids(folder: Path) -> set[str]:
    """Of the keys that are there. Root's question: the folder is closed to all others."""
    return {path.name for path in folder.glob("*") if len(path.name) == KEY_ID_LENGTH}


def _digest(purpose: Purpose) -> bytes:
    return hashlib.sha256("\0".join(purpose).encode()).digest()
