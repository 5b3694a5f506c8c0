"""The panel's Sieve scripts that a machine has, as a keyed store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provisioning.daemons import sievec_argv
from provisioning.hosts.base import Host, Row
from provisioning.layout import MAIL_USER, Layout
from provisioning.render.files import RenderedFile

TABLE = "script"


@dataclass(frozen=True, slots=True)
class ScriptStore:
    """Scripts by address. Dovecot reads the files, which are named by the mailbox; a table of the accounts
    file tells whose they are. A row is written after its files and removed after them, so a crash leaves
    nothing that the next apply would not see. Without its row a script does not run (accounts.sql).
    """

    host: Host
    layout: Layout
    name: str = TABLE

    def create(self) -> None:
        return  # the accounts file is made with all its tables

    def query(self, keys: Sequence[str]) -> dict[str, str | Row]:
        return {key: self._as_on_disk(row) for key, row in self.host.query_rows(TABLE, keys).items()}

    def listing(self) -> Iterator[tuple[str, str | Row]]:
        for row in self.host.list_rows(TABLE):
            yield str(row[0]), self._as_on_disk(row)

    def change(self, upserts: Mapping[str, str | Row], deletes: Sequence[str]) -> None:
        for row in self.host.query_rows(TABLE, deletes).values():
            for path in (self._path(row), self._compiled(row)):
                self.host.remove(path)
        rows = [row for row in upserts.values() if not isinstance(row, str)]
        for row in rows:
            self.host.write(_file(self._path(row), str(row[2])))
        if rows:
            # One process for all of them; Dovecot could not write beside the scripts (engine 1, 5).
            paths = [self.layout.node / self._path(row) for row in rows]
            self.host.run(sievec_argv(self.layout, *paths), timeout=30 + len(paths))
        self.host.change_rows(TABLE, rows, deletes)

    def _as_on_disk(self, row: Row) -> Row:
        """With the script that really stands there; an empty one where the compiled form is missing."""
        content = self.host.read(self._path(row)) or b""
        if self.host.read(self._compiled(row)) is None:
            content = b""
        return row[0], row[1], content.decode("utf-8", "replace")

    def _path(self, row: Row) -> str:
        return f"{self.layout.sieve.relative_to(self.layout.node)}/{row[1]}.sieve"

    def _compiled(self, row: Row) -> str:
        return self._path(row).removesuffix(".sieve") + ".svbin"


def _file(path: str, content: str) -> RenderedFile:
    return RenderedFile(path=path, content=content.encode(), daemon="", mode=0o640, group=MAIL_USER)
