"""What a renderer returns: whole files, as plain data (STYLE 17, 18)."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = "managed by QmaiLux: changes made here are overwritten"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One file of the mail plane.

    path: relative to the node's folder, such as "etc/postfix/main.cf". daemon: whose configuration it is, so
    whose test and reload it needs ("postfix", "dovecot", "nginx"); "" when nobody has to be told.
    is_settled: its time of change lies some seconds back, for a reader that waits while a file looks new.
    """

    path: str
    content: bytes
    daemon: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    is_settled: bool = False
