"""DKIM keys that a machine has, as a keyed store.

OpenDKIM reads a key at each message, but which key is whose only at its start and at SIGUSR1, which cuts no
session. A key's file has its selector in its name: so the old one signs, with the old key, until the tables
are read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioning.daemons import dkim_signer
from provisioning.filestore import FileStore
from provisioning.hosts.base import Row
from provisioning.render.files import HEADER, RenderedFile

TABLE = "dkim"
DkimRow = tuple[str, str, str, str]  # domain name, selector, domain that signs, private key


@dataclass(frozen=True, slots=True)
class DkimStore(FileStore):
    """Keys by domain name. The private key lies in a file of its own, never in the accounts file."""

    name: str = TABLE

    def create(self) -> None:
        """The daemon does not start without its tables."""
        if any(self.host.read(path) is None for path in ("dkim/signing_table", "dkim/key_table")):
            self._write_tables()

    def change(self, upserts: Mapping[str, str | Row], deletes: Sequence[str]) -> None:
        before = self.host.query_rows(TABLE, [*upserts, *deletes])
        rows = [row for row in upserts.values() if not isinstance(row, str)]
        for row in rows:
            self.host.write(
                RenderedFile(_path(row), str(row[3]).encode(), "", 0o600, owner="opendkim", group="opendkim")
            )
        self.host.change_rows(TABLE, [row[:3] for row in rows], deletes)
        self._write_tables()
        self.host.run(dkim_signer(self.layout).reload, check=False)  # one that does not run yet reads them
        kept = {_path(row) for row in rows}
        for row in before.values():
            if _path(row) not in kept:
                self.host.remove(_path(row))

    def _write_tables(self) -> None:
        rows = sorted(self.host.list_rows(TABLE))
        signing = "".join(f"{name} {name}\n" for name, *_rest in rows)
        keys = "".join(
            f"{name} {signer}:{selector}:{self.layout.node / _path((name, selector))}\n"
            for name, selector, signer in rows
        )
        for table, content in (("key_table", keys), ("signing_table", signing)):
            self.host.write(RenderedFile(f"dkim/{table}", f"# {HEADER}\n{content}".encode(), "", 0o644))

    def _as_on_disk(self, row: Row) -> Row:
        content = self.host.read(_path(row)) or b""
        return (*row, content.decode("ascii", "replace"))


def _path(row: Row) -> str:
    return f"dkim/keys/{row[0]}.{row[1]}"
