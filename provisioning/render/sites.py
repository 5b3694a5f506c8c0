"""The webmails that a node serves, as plain values.

Pure: no Django, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["roundcube", "squirrelmail", "folder", "address"]
ROUNDCUBE_FOLDER = "/var/lib/roundcube/public_html"


@dataclass(frozen=True, slots=True)
class WebmailSite:
    """One webmail below ``/webmail/NAME/``.

    folder: its web root, for those that run here. address: where requests are passed on to, for the others.
    doors: its own login pages, relative; people are led to ours instead. closed: folders of it that nobody
    gets anything from.
    """

    name: str
    kind: Kind
    folder: str = ""
    address: str = ""
    doors: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    is_offered: bool = True

    @property
    def path(self) -> str:
        return f"/webmail/{self.name}/"

    @property
    def runs_here(self) -> bool:
        return self.kind != "address"


@dataclass(frozen=True, slots=True)
class Brand:
    """What a webmail calls itself. domain: "" for everybody without a brand of their own."""

    domain: str
    name: str
    logo: str = ""


ROUNDCUBE = WebmailSite("roundcube", "roundcube", folder=ROUNDCUBE_FOLDER)
