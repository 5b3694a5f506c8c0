"""The moment a log line names: stamps without a year or zone are completed (LOG-04, LOG-05). Pure.

A moment is seconds since 1970. A stamp that names no moment (31 November, the hour that spring skips) gives
None: it is shown as it stands and moved nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_DAY = 86400.0
_HALF_A_YEAR = 182 * _DAY
# Clocks are set back by seconds or minutes; more than this in the hour that comes twice is its second turn.
_STEP_BACK = 1800.0
_KEPT_STAMPS = 4096
# "Nov 25 16:08:35 2026"
_WITH_YEAR = 20


class Stamps:
    """Moments of one file's stamps, in the order of its lines.

    reference: what no line is later than by more than a day, such as the time of the file. last: moment of
    the line before, where reading goes on.
    """

    def __init__(self, zone: tzinfo, reference: float, last: float | None = None) -> None:
        self.zone = zone
        self.reference = reference
        self.last = last
        self._known: dict[str, float | None] = {}

    def moment(self, stamp: str) -> float | None:
        """None for a stamp that names no moment."""
        try:
            # Lines of the same second follow each other.
            found = self._known[stamp]
        except KeyError:
            found = self._read(stamp)
            if len(self._known) >= _KEPT_STAMPS or (found is not None and self._repeats(found)):
                self._known.clear()
            self._known[stamp] = found
        if found is not None and (self.last is None or found > self.last - _HALF_A_YEAR):
            self.last = found
        return found

    def _repeats(self, found: float) -> bool:
        """In the hours around a clock change the same text may mean another moment an hour later."""
        here = datetime.fromtimestamp(found, self.zone)
        return here.utcoffset() != datetime.fromtimestamp(found - 7200, self.zone).utcoffset()

    def _read(self, stamp: str) -> float | None:
        if stamp[:1].isdigit():
            return self._complete(stamp)
        try:
            month = _MONTHS[stamp[:3]]
            clock = (int(stamp[4:6]), int(stamp[7:9]), int(stamp[10:12]), int(stamp[13:15]))
            year = int(stamp[16:20]) if len(stamp) == _WITH_YEAR else None
        except (KeyError, ValueError):
            return None
        if year is not None:
            return self._local(lambda: datetime(year, month, *clock, tzinfo=self.zone))
        return self._without_year(month, *clock)

    def _complete(self, stamp: str) -> float | None:
        try:
            found = datetime.fromisoformat(stamp)
            return (found if found.tzinfo else found.replace(tzinfo=self.zone)).timestamp()
        except (ValueError, OverflowError, OSError):
            return None

    def _without_year(self, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
        latest = self.reference + _DAY
        start = datetime.fromtimestamp(self.reference if self.last is None else self.last, self.zone).year

        def in_year(year: int) -> float | None:
            return self._local(lambda: datetime(year, month, day, hour, minute, second, tzinfo=self.zone))

        found = in_year(start)
        if self.last is not None and found is not None:
            if found < self.last - _HALF_A_YEAR:
                found = in_year(start + 1) or found
            elif found > self.last + _HALF_A_YEAR:
                found = in_year(start - 1) or found
        is_leap_day = (month, day) == (2, 29)
        if (found is None and is_leap_day) or (found is not None and found > latest):
            # Not in the future; and 29 February keeps its year, the last one that had it.
            years = range(start, start - (9 if is_leap_day else 2), -1)
            earlier = (moment for year in years if (moment := in_year(year)) is not None)
            found = next((moment for moment in earlier if moment <= latest), found)
        return found

    def _local(self, build: Callable[[], datetime]) -> float | None:
        """The moment of a local time; of the hour that comes twice, the one that fits the line before."""
        try:
            first = build()
        except (ValueError, OverflowError):
            return None
        early, late = first.timestamp(), first.replace(fold=1).timestamp()
        if early == late:
            return early
        if early > late:
            return None
        behind = self.last is not None and early < self.last - _STEP_BACK
        return late if behind else early
