"""What must change: the difference between the desired entries and those that the machine has (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
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
    wanted: Mapping[str, Value], found: Iterator[tuple[str, Value]], *, keep: Container[str] = ()
) -> StoreDiff:
    """Compare everything; what the machine has and we do not want is deleted, unless its key is one to
    keep.
    """
    existing = dict(found)
    # Nearly always so, and found out in one step.
    if existing == wanted:
        return StoreDiff({}, ())
    if not existing:
        return StoreDiff(wanted, ())
    upserts = {key: value for key, value in wanted.items() if existing.get(key) != value}
    return StoreDiff(upserts, tuple(key for key in existing if key not in wanted and key not in keep))


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
