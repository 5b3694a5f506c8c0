"""Files that hold passwords for a short while: encrypted, readable by the panel's user only.

They lie beside the sockets, which no backup holds, and their keys in the database, which has no copy of them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from cryptography.fernet import Fernet
from django.conf import settings


def new_key() -> str:
    return Fernet.generate_key().decode()


def put(name: str, content: bytes, *, key: str) -> None:
    """name: made by us, never typed. What was there is replaced; it is on the disk when this returns."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"{name}.new"
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(Fernet(key).encrypt(content))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(folder / name)


def get(name: str, *, key: str) -> bytes | None:
    """None when it is gone."""
    try:
        return Fernet(key).decrypt((_folder() / name).read_bytes())
    except FileNotFoundError:
        return None


def remove(name: str) -> None:
    (_folder() / name).unlink(missing_ok=True)


def remove_older_than(seconds: float) -> None:
    """Also what a crash left behind and no row names any more."""
    limit = time.time() - seconds
    for path in _folder().glob("*"):
        if path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)


def _folder() -> Path:
    folder: Path = settings.QMAILUX_LAYOUT.run / "bulk"
    return folder
