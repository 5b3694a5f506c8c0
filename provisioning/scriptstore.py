"""The panel's Sieve scripts that a machine has, as a keyed store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioning.daemons import sievec_argv
from provisioning.filestore import FileStore
from provisioning.hosts.base import Row
from provisioning.render.files import RenderedFile
from provisioning.render.sieve import script_file
from provisioning.values import Value

TABLE = "script"


@dataclass(frozen=True, slots=True)
class ScriptStore(FileStore):
    """Scripts by address. Dovecot reads the files, which are named by the mailbox; a table of the accounts
    file tells whose they are. A row is written after its files and removed after them, so a crash leaves
    nothing that the next apply would not see. Without its row a script does not run (accounts.sql).
    """

    name: str = TABLE

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        for row in self.host.query_rows(TABLE, deletes).values():
            script = _file(row)
            self.host.remove(script.path)
            self.host.remove(_compiled(script))
        rows = [row for row in upserts.values() if isinstance(row, tuple)]
        scripts = [_file(row) for row in rows]
        for script in scripts:
            self.host.write(script)
        if scripts:
            # One process for all of them; Dovecot could not write beside the scripts (engine 1, 5).
            paths = [self.layout.node / script.path for script in scripts]
            self.host.run(sievec_argv(self.layout, *paths), timeout=30 + len(paths))
        self.host.change_rows(TABLE, rows, deletes)

    def _as_on_disk(self, row: Row) -> Row:
        """With the script that really stands there; an empty one where the compiled form is missing."""
        script = _file(row)
        is_compiled = self.host.read(_compiled(script)) is not None
        content = (self.host.read(script.path) if is_compiled else None) or b""
        return row[0], row[1], content.decode("utf-8", "replace"), row[3]


def _file(row: Row) -> RenderedFile:
    _address, home, content, _forwards = row
    return script_file(str(home), str(content).encode())


def _compiled(script: RenderedFile) -> str:
    return script.path.removesuffix(".sieve") + ".svbin"
