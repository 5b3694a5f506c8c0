"""What the keyed stores share whose values are files, told apart by a table of the accounts file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provisioning.hosts.base import Host, Row
from provisioning.layout import Layout
from provisioning.values import Value


@dataclass(frozen=True, slots=True)
class FileStore(ABC):
    """name: of the store and of its table, whose rows say whose file is whose."""

    host: Host
    layout: Layout
    name: str

    def create(self) -> None:
        return  # the accounts file is made with all its tables

    def query(self, keys: Sequence[str]) -> dict[str, Value]:
        return {key: self._as_on_disk(row) for key, row in self.host.query_rows(self.name, keys).items()}

    def listing(self) -> Iterator[tuple[str, Value]]:
        for row in self.host.list_rows(self.name):
            yield str(row[0]), self._as_on_disk(row)

    @abstractmethod
    def _as_on_disk(self, row: Row) -> Value:
        """The row with what really stands in its file, so that drift is seen."""
