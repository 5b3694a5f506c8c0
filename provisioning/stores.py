"""The keyed stores of a node: the tables of the accounts file and the LMDB maps (DESIGN 4).

A store can be asked for some keys, listed, and changed in place. Values are compared with what the machine
has, not with our memory of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from provisioning.blockstore import TABLE as BLOCKS
from provisioning.blockstore import BlockStore
from provisioning.dkimstore import DkimStore
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.render import quoting
from provisioning.render.files import RenderedFile
from provisioning.render.postfix import DOMAIN_MAPS, MAPS, SECRET_MAPS
from provisioning.scriptstore import ScriptStore
from provisioning.sealedmap import SealedMapStore
from provisioning.spamstore import SpamFileStore
from provisioning.values import Value
from qmailux_site.errors import CommandFailed

TABLES = (
    "encryption",
    "account",
    "lock",
    "app_password",
    "domain_host",
    "spam",
    "sending_limit",
    "brake",
    "ban",
    "block",
)
# Files of which a table of the accounts file keeps account.
SCRIPTS = ("script", "spam_file", "dkim")
STORES = TABLES + SCRIPTS + MAPS

# From so many differing entries on, a full apply rebuilds whole stores.
REBUILD_FROM_CHANGES = 5000
# A single map: postmap -i and -d wait for the disk after each entry (0.2 ms at best, 5 ms on a busy one); a
# full build costs 6 us for each entry that the map will have, and waits once.
REBUILD_MAP_FROM_CHANGES = 50
REBUILD_MAP_FROM_SHARE = 1 / 100
BYTES_AN_ENTRY = 80  # measured


class Store(Protocol):
    @property
    def name(self) -> str: ...

    def create(self) -> None:
        """It exists, if only empty."""

    def query(self, keys: Sequence[str]) -> dict[str, Value]:
        """What the machine has under these keys."""

    def listing(self) -> Iterator[tuple[str, Value]]:
        """Everything the machine has."""

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        """Write in place, atomic per entry at least, and check that it arrived."""


@dataclass(frozen=True, slots=True)
class TableStore:
    """A table of the accounts file; a value is the whole row, its first column the key."""

    host: Host
    name: str

    def create(self) -> None:
        return  # the accounts file is made with all its tables (Host.create_rows)

    def query(self, keys: Sequence[str]) -> dict[str, Value]:
        return dict(self.host.query_rows(self.name, keys))

    def listing(self) -> Iterator[tuple[str, Value]]:
        for row in self.host.list_rows(self.name):
            yield str(row[0]), row

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        rows = (row for row in upserts.values() if isinstance(row, tuple))
        self.host.change_rows(self.name, rows, deletes)


@dataclass(frozen=True, slots=True)
class MapStore:
    """An LMDB map of Postfix, written by postmap only: no other LMDB library shares its locking."""

    host: Host
    layout: Layout
    name: str

    @property
    def path(self) -> Path:
        return self.layout.maps / self.name

    def create(self) -> None:
        self.host.remove(f"maps/{self.name}")  # the source of a build that was killed
        if self.host.read(f"maps/{self.name}.lmdb") is None:
            self.build({})

    def query(self, keys: Sequence[str]) -> dict[str, Value]:
        if self.name in DOMAIN_MAPS:
            keys = [key for key in keys if "@" not in key]
        if not keys:
            return {}
        found = self.host.run(
            self._postmap("-q", "-"),
            stdin="".join(f"{key}\n" for key in keys).encode(),
            timeout=120,
            check=False,
        )
        if found.code not in (0, 1):  # 1: not one of the keys exists
            raise CommandFailed(self._postmap("-q", "-"), found.code, found.stderr.decode("utf-8", "replace"))
        return dict(_entries(found.stdout))

    def listing(self) -> Iterator[tuple[str, Value]]:
        return _entries(self.host.run(self._postmap("-s"), timeout=300).stdout)

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        if self._rebuild_is_cheaper(len(upserts) + len(deletes)):
            self._rebuild(upserts, deletes)
        else:
            self._change_in_place(upserts, deletes)
            self._refuse_missing(self.query([*upserts, *deletes]), upserts, deletes)

    def build(self, entries: Mapping[str, Value]) -> None:
        """Replace the whole content: one transaction inside the same file, so readers never see half of
        it.
        """
        source = "".join(quoting.map_line(key, str(value)) for key, value in entries.items())
        relative = f"maps/{self.name}"
        # postmap gives a new map the mode of its source.
        mode = 0o600 if self.name in SECRET_MAPS else 0o644
        self.host.write(RenderedFile(path=relative, content=source.encode(), daemon="", mode=mode))
        try:
            self._clean_run(self._postmap(), timeout=600)
        finally:
            self.host.remove(relative)

    def _change_in_place(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        if deletes:
            # Exit code 1 says that a key was not there: that is the aim, _refuse_missing sees.
            gone = "".join(f"{key}\n" for key in deletes).encode()
            self.host.run(self._postmap("-d", "-"), stdin=gone, timeout=120, check=False)
        if upserts:
            source = "".join(quoting.map_line(key, str(value)) for key, value in upserts.items())
            # -r: plain -i keeps the old value of a key that exists, and exits with 0.
            self._clean_run(self._postmap("-r", "-i"), stdin=source.encode(), timeout=120)

    def _rebuild(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        entries = dict(self.listing())
        for key in deletes:
            entries.pop(key, None)
        entries.update(upserts)
        self.build(entries)
        found = dict(self.listing())
        if found != entries:
            self._refuse_missing(found, upserts, deletes)

    def _rebuild_is_cheaper(self, changes: int) -> bool:
        if changes < REBUILD_MAP_FROM_CHANGES:
            return False
        size = self.path.with_name(f"{self.name}.lmdb").stat().st_size
        return changes >= size / BYTES_AN_ENTRY * REBUILD_MAP_FROM_SHARE

    def _refuse_missing(
        self, found: Mapping[str, Value], upserts: Mapping[str, Value], deletes: Sequence[str]
    ) -> None:
        """found: what stands there after the change, read back."""
        wrong = [key for key, value in upserts.items() if found.get(key) != value]
        wrong += [key for key in deletes if key in found]
        if wrong:
            raise CommandFailed(
                self._postmap(), 0, f"{len(wrong)} entries did not arrive, such as {wrong[0]!r}"
            )

    def _clean_run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float) -> None:
        """A warning counts as failure: postmap only warns of a key that it met twice and dropped (ADR-02)."""
        done = self.host.run(argv, stdin=stdin, timeout=timeout)
        if b"warning:" in done.stderr:
            raise CommandFailed(argv, done.code, done.stderr.decode("utf-8", "replace"))

    def _postmap(self, *options: str) -> list[str]:
        return ["postmap", "-c", str(self.layout.etc / "postfix"), *options, f"lmdb:{self.path}"]


def open_store(host: Host, layout: Layout, name: str) -> Store:
    if name == "script":
        return ScriptStore(host, layout)
    if name == "spam_file":
        return SpamFileStore(host, layout)
    if name == BLOCKS:
        return BlockStore(host, layout)
    if name == "dkim":
        return DkimStore(host, layout)
    if name in TABLES:
        return TableStore(host, name)
    entries = MapStore(host, layout, name)
    return SealedMapStore(entries) if name in SECRET_MAPS else entries


def _entries(output: bytes) -> Iterator[tuple[str, Value]]:
    for line in output.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        key, _tab, value = line.partition("\t")
        yield key, value
