"""The map of logins at other servers, whose passwords the database holds sealed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from provisioning.render.postfix import smarthost_login_entry
from provisioning.values import Sealed, Value, clear_mark, mark_in, mark_line
from qmailux_site.errors import UnsafeValue

# In front of a key: from what its password was opened. Postfix asks for no key that begins so.
MARK = "sealed/"


class Entries(Protocol):
    """A store whose values are texts."""

    @property
    def name(self) -> str: ...

    def create(self) -> None: ...

    def query(self, keys: Sequence[str]) -> dict[str, Value]: ...

    def listing(self) -> Iterator[tuple[str, Value]]: ...

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class SealedMapStore:
    """entries: the map itself, where a login has one entry, and one more that says from what its password
    was opened. Whoever reads it sees the password beside that, so it tells nothing more.
    """

    entries: Entries

    @property
    def name(self) -> str:
        return self.entries.name

    def create(self) -> None:
        self.entries.create()

    def query(self, keys: Sequence[str]) -> dict[str, Value]:
        found = self.entries.query([*keys, *(f"{MARK}{key}" for key in keys)])
        return dict(_logins(found.items()))

    def listing(self) -> Iterator[tuple[str, Value]]:
        return _logins(self.entries.listing())

    def change(self, upserts: Mapping[str, Value], deletes: Sequence[str]) -> None:
        written: dict[str, Value] = {}
        gone = [*deletes, *(f"{MARK}{key}" for key in deletes)]
        for key, value in upserts.items():
            if not isinstance(value, Sealed):
                raise UnsafeValue("login at another server", key)
            entry = smarthost_login_entry(key, value.columns[0], value.secret)
            written[entry[0]] = entry[1]
            if value.is_clear:
                gone.append(f"{MARK}{key}")
            else:
                written[f"{MARK}{key}"] = mark_line(value)
        self.entries.change(written, gone)


def _logins(found: Iterable[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    entries = {key: str(value) for key, value in found}
    for key in {key.removeprefix(MARK): None for key in entries}:
        user, _colon, password = entries.get(key, "").partition(":")
        line = entries.get(f"{MARK}{key}")
        yield key, Sealed((user,), clear_mark(password) if line is None else mark_in(line, password))
