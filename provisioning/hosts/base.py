"""The contract between the control plane and a machine of the mail plane (STYLE 23).

LocalHost and, later, SSHHost pass one suite (tests/contract/). A path is relative to the node's folder; a
command is an argv list with a timeout; what fails raises CommandFailed or HostUnreachable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from provisioning.render.files import RenderedFile

Row = tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Output:
    code: int
    stdout: bytes
    stderr: bytes


class Host(Protocol):
    def read(self, path: str) -> bytes | None:
        """Content of a file, or None when it is not there."""

    def write(self, file: RenderedFile) -> None:
        """Replace one file whole: temp beside, owner and mode first, fsync, rename. Makes missing folders."""

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error."""

    def remove_tree(self, path: str) -> None:
        """Erase a folder with all it holds; one that is not there is no error."""

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30, check: bool = True
    ) -> Output:
        """Run a command on the machine. With check, a code other than zero raises CommandFailed."""

    def lock(self, name: str, *, wait: bool = True) -> AbstractContextManager[bool]:
        """An exclusive lock that dies with its holder. Waiters are served in turn: a holder that lets go and
        asks again stands behind the one who waits. Yields False, without waiting, when wait is False and it
        is taken.
        """

    def make_folder(self, path: str, *, owner: str, group: str, mode: int) -> None:
        """The folder exists with this owner and mode; what is in it stays."""

    def create_rows(self, schema: str, version: int) -> None:
        """The accounts file exists with this schema. One of another version is emptied in place: Dovecot
        keeps it open, so it is never replaced.
        """

    def query_rows(self, table: str, keys: Sequence[str]) -> dict[str, Row]:
        """The rows of the accounts file that exist under these keys."""

    def list_rows(self, table: str) -> Iterator[Row]:
        """Every row of a table; the key is its first column."""

    def change_rows(self, table: str, upserts: Iterable[Row], deletes: Iterable[str]) -> None:
        """One transaction in place."""

    def free_bytes(self) -> int:
        """Free space where the node's folder lies."""
