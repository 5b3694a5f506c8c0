"""What a change should write, read for one group of stores after the other."""

from __future__ import annotations

from collections.abc import Collection

from provisioning.desired import Desired, entries_for
from qmailux_site.committed import committed_state


class Reading:
    """The desired entries of some keys. Each group of stores asks inside its own locks, so that an older
    state never overwrites a newer one; the database is read again only where somebody has committed since.
    """

    def __init__(self, keys: Collection[str], hostname: str) -> None:
        self._keys = keys
        self._hostname = hostname
        self._state = ""
        self._found: Desired | None = None

    def fresh(self) -> Desired:
        """As the database has it now, at the earliest when this was called."""
        state = committed_state()
        if self._found is None or state != self._state:
            self._state = state
            self._found = entries_for(self._keys, self._hostname)
        return self._found
