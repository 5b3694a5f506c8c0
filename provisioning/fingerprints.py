"""Whether the stores of a machine hold what they should, found out without comparing entry with entry.

A copy of this process goes through the machine's stores while the database is read here. Of a store both tell
how many entries it has and the sum of their hashes. Text is hashed with a number that is drawn for each
process (object.__hash__, PYTHONHASHSEED) and that only its copies share: nobody can make other entries to the
same sum.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection

from provisioning.desired import Desired, all_entries
from provisioning.plan import StoreDiff, diff_of_all
from provisioning.stores import Store
from provisioning.values import Value
from qmailux_site.errors import QmailuxError

Fingerprint = tuple[int, int]
_FORK = multiprocessing.get_context("fork")


def fingerprint(entries: Iterable[tuple[str, Value]]) -> Fingerprint:
    """The hash of a pair is nearly the sum of its two halves': summed as it is, values that two keys have
    exchanged would often not be seen. As text it is hashed by SipHash, which leaves nothing of that.
    """
    hashes = list(map(hash, map(str, map(hash, entries))))
    return len(hashes), sum(hashes)


def compared(
    stores: Sequence[Store], hostname: str, progress: Callable[[str, int, int], None]
) -> tuple[Desired, dict[str, StoreDiff]]:
    """What the database wants, and of each store that is otherwise how; best without_garbage_collector."""
    progress("reading the database", 0, 1)
    with _told_beside(stores) as told:
        wanted = all_entries(hostname)
        on_machine = told()
    diffs: dict[str, StoreDiff] = {}
    for done, store in enumerate(stores):
        entries = wanted.entries[store.name]
        if on_machine.get(store.name) != fingerprint(entries.items()):
            progress(f"comparing {store.name}", done, len(stores))
            if diff := diff_of_all(entries, store.listing(), keep=wanted.broken):
                diffs[store.name] = diff
    return wanted, diffs


@contextmanager
def _told_beside(stores: Sequence[Store]) -> Iterator[Callable[[], dict[str, Fingerprint]]]:
    """The copy begins at once; what is yielded waits for it. A store that could not be read is left out: who
    reads it then will see why.
    """
    answer, told = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_tell, args=(stores, told), daemon=True)
    process.start()
    told.close()
    try:
        yield partial(_told, answer)
    finally:
        process.join()
        answer.close()


def _tell(stores: Sequence[Store], told: Connection) -> None:
    """In the copy."""
    found: dict[str, Fingerprint] = {}
    for store in stores:
        with suppress(QmailuxError):
            found[store.name] = fingerprint(store.listing())
    told.send(found)


def _told(answer: Connection) -> dict[str, Fingerprint]:
    try:
        found: dict[str, Fingerprint] = answer.recv()
    except EOFError:
        return {}
    return found
