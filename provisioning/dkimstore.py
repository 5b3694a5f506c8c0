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
from provisioning.values import Sealed, Value, clear_mark, mark_in, mark_line

TABLE = "dkim"
# After the key's end, where the signer reads no more: from what the key was opened.
MARK = "sealed "


@dataclass(frozen=True, slots=True)
class DkimStore(FileStore):
    """Keys by domain name; the columns are name, selector and the domain that signs. The private key lies in
    a file of its own, never in the accounts file.
    """

    name: str = TABLE

    def create(self) -> None:
        """The daemon does not start without its tables."""
        if any(self.host.read(path) is None for path in ("dkim/signing_table", "dkim/key_table")):
            self._write_tables()

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        before = self.host.query_rows(TABLE, [*upserts, *deletes])
        keys = [value for value in upserts.values() if isinstance(value, Sealed)]
        for key in keys:
            content = _content(key).encode()
            self.host.write(
                RenderedFile(_path(key.columns), content, "", 0o600, owner="opendkim", group="opendkim")
            )
        self.host.change_rows(TABLE, [key.columns for key in keys], deletes)
        self._write_tables()
        self.host.run(dkim_signer(self.layout).reload, check=False)  # one that does not run yet reads them
        kept = {_path(key.columns) for key in keys}
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

    def _as_on_disk(self, row: Row) -> Value:
        content = (self.host.read(_path(row)) or b"").decode("ascii", "replace")
        private, mark, line = content.partition(f"\n{MARK}")
        private += "\n" if mark else ""
        columns = tuple(str(column) for column in row)
        return Sealed(columns, mark_in(line.rstrip("\n"), private) if mark else clear_mark(private))


def _content(key: Sealed) -> str:
    return key.secret if key.is_clear else f"{key.secret}{MARK}{mark_line(key)}\n"


def _path(row: Row) -> str:
    return f"dkim/keys/{row[0]}.{row[1]}"
