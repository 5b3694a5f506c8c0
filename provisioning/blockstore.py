"""Blocked addresses that a machine has, as a keyed store: a table of the accounts file, which a program on
the machine puts into the packet filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provisioning.daemons import address_blocks
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.values import Value

TABLE = "block"


@dataclass(frozen=True, slots=True)
class BlockStore:
    host: Host
    layout: Layout
    name: str = TABLE

    def create(self) -> None:
        return  # the accounts file is made with all its tables

    def query(self, keys: Sequence[str]) -> dict[str, Value]:
        return dict(self.host.query_rows(TABLE, keys))

    def listing(self) -> Iterator[tuple[str, Value]]:
        for row in self.host.list_rows(TABLE):
            yield str(row[0]), row

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        rows = (row for row in upserts.values() if isinstance(row, tuple))
        self.host.change_rows(TABLE, rows, deletes)
        self.host.run(address_blocks(self.layout), timeout=60)
