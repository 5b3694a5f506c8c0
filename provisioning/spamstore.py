"""Preferences of SpamAssassin that a machine has, as a keyed store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioning.filestore import FileStore
from provisioning.hosts.base import Host, Row
from provisioning.layout import MAIL_USER
from provisioning.render.files import RenderedFile
from provisioning.spam import PREFERENCES
from provisioning.values import Value

TABLE = "spam_file"


@dataclass(frozen=True, slots=True)
class SpamFileStore(FileStore):
    """Files by address or domain name. spamd reads them, named by the mailbox; a table of the accounts file
    tells whose they are. A row is written after its file and removed after it, so a crash leaves nothing that
    the next apply would not see.
    """

    name: str = TABLE

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        for row in self.host.query_rows(TABLE, deletes).values():
            self.host.remove(str(row[1]))
        rows = [row for row in upserts.values() if isinstance(row, tuple)]
        for row in rows:
            self._write(str(row[1]), str(row[2]))
        self.host.change_rows(TABLE, rows, deletes)

    def _write(self, path: str, content: str) -> None:
        """A mailbox's folder is the mail user's: what was taught lies beside the preferences."""
        folder, _slash, name = path.rpartition("/")
        if name == PREFERENCES:
            make_mailbox_folder(self.host, folder)
        self.host.write(
            RenderedFile(path=path, content=content.encode(), daemon="", mode=0o640, group=MAIL_USER)
        )

    def _as_on_disk(self, row: Row) -> Row:
        content = self.host.read(str(row[1])) or b""
        return row[0], row[1], content.decode("utf-8", "replace")


def make_mailbox_folder(host: Host, folder: str) -> None:
    """folder: ``spam.folder_of``. The one above is root's, so that it can never be put elsewhere."""
    host.make_folder(folder.rpartition("/")[0], owner="root", group="root", mode=0o755)
    host.make_folder(folder, owner=MAIL_USER, group=MAIL_USER, mode=0o700)
