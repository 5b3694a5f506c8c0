"""What stands under a key of a store: on the machine, and as it should."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from provisioning.hosts.base import Row
from qmailux_site.sealing import Purpose


@dataclass(frozen=True, slots=True)
class Sealed:
    """With a secret that the database holds sealed. Two are the same when columns and mark are: so the
    secret is opened only where something is to be written.

    columns: what is no secret. mark: of the sealed text; the machine keeps it beside the secret. secret:
    empty until it is opened, and of what the machine has.
    """

    columns: tuple[str, ...]
    mark: str
    box: str = field(default="", compare=False, repr=False)
    purpose: Purpose = field(default=(), compare=False)
    secret: str = field(default="", compare=False, repr=False)

    @property
    def is_clear(self) -> bool:
        """In the database too: from before there were seals."""
        return self.mark == clear_mark(self.secret)


Value = str | Row | Sealed


def desired_secret(columns: tuple[str, ...], *, purpose: Purpose, box: str, clear: str) -> Sealed:
    """clear: a secret that is not sealed yet, which is newer than the seal beside it. Else empty."""
    if clear:
        return Sealed(columns, clear_mark(clear), secret=clear)
    mark = hashlib.sha256("\0".join((*purpose, box)).encode()).hexdigest()
    return Sealed(columns, mark, box=box, purpose=purpose)


def clear_mark(secret: str) -> str:
    """Of a secret beside which the machine keeps no mark."""
    return f"clear {hashlib.sha256(secret.encode()).hexdigest()}"


def mark_line(value: Sealed) -> str:
    """What the machine keeps beside the secret: the mark, and a check of both."""
    return f"{value.mark} {_check(value.mark, value.secret)}"


def mark_in(line: str, secret: str) -> str:
    """The mark in such a line; one that nothing has where the secret is another than was written."""
    mark, _blank, check = line.partition(" ")
    return mark if check == _check(mark, secret) else "changed"


def _check(mark: str, secret: str) -> str:
    return hashlib.sha256(f"{mark}\0{secret}".encode()).hexdigest()
