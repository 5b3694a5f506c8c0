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

from provisioning.stores import Store
from provisioning.values import Value
from qmailux_site.errors import QmailuxError

Fingerprint = tuple[int, int]
_FORK = multiprocessing.get_context("fork")


def fingerprint(entries: Iterable[tuple[str, Value]]) -> Fingerprint:
    hashes = list(map(hash, entries))
    return len(hashes), sum(hashes)


@contextmanager
def told_beside(stores: Sequence[Store]) -> Iterator[Callable[[], dict[str, Fingerprint]]]:
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
