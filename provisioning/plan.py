"""What must change: the difference between the desired entries and those that the machine has (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from provisioning.render.files import RenderedFile
from provisioning.values import Value
from qmailux_site.errors import ApplyRefused

# FLT-04: a database that lost its rows must not empty the mail plane.
DELETIONS_ALWAYS_FINE = 100
DELETIONS_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class StoreDiff:
    """Entries of one store to write and keys to delete."""

    upserts: Mapping[str, Value]
    deletes: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.upserts or self.deletes)


def diff_of_keys(wanted: Mapping[str, Value], found: Mapping[str, Value], keys: Iterable[str]) -> StoreDiff:
    """Compare under the keys only."""
    upserts = {key: value for key, value in wanted.items() if found.get(key) != value}
    deletes = tuple(sorted(key for key in keys if key in found and key not in wanted))
    return StoreDiff(upserts, deletes)


def diff_of_all(
    wanted: Mapping[str, Value], found: Iterable[tuple[str, Value]], *, keep: Container[str] = ()
) -> StoreDiff:
    """Compare everything; what the machine has and we do not want is deleted, unless its key is one to
    keep.

    Right for any order of the two. Quick, and without a second million in memory, where both come by their
    keys and differ in little, as they nearly always do.
    """
    missing: dict[str, Value] = {}
    others: list[tuple[str, Value]] = []
    entries = iter(wanted.items())
    expected = next(entries, None)
    for entry in found:
        if entry != expected:
            while expected is not None and expected[0] < entry[0]:
                missing[expected[0]] = expected[1]
                expected = next(entries, None)
            if entry != expected:
                others.append(entry)
                continue
        expected = next(entries, None)
    if expected is not None:
        missing[expected[0]] = expected[1]
        missing.update(entries)
    deletes: list[str] = []
    for key, value in others:
        if missing.get(key) == value:
            del missing[key]
        elif key not in wanted and key not in keep:
            deletes.append(key)
    return StoreDiff(missing, tuple(deletes))


def refuse_mass_deletion(store: str, diff: StoreDiff, *, existing: int) -> None:
    """Raises ApplyRefused when a full apply would remove more than a fifth of a store."""
    gone = len(diff.deletes)
    if gone > DELETIONS_ALWAYS_FINE and gone > existing * DELETIONS_SHARE:
        raise ApplyRefused(
            f"{gone} of {existing} entries of {store} would be removed: is this the right database? "
            "If so, repeat with --confirm-deletions."
        )


def changed_files(wanted: Iterable[RenderedFile], read: Mapping[str, bytes | None]) -> list[RenderedFile]:
    """The files whose content differs from what the machine has."""
    return [file for file in wanted if read.get(file.path) != file.content]
