"""A million mutated lines of the logs: none raises."""

from __future__ import annotations

from tests.bench.figures import Report, stopwatch
from tests.unit.test_maillog import assert_mutated_lines_raise_nothing

LINES = 1_000_000


def test_a_million_mutated_lines_raise_nothing(report: Report) -> None:
    with stopwatch() as watch:
        assert_mutated_lines_raise_nothing(LINES)
    report.add("trace: mutated lines that raised nothing", f"{LINES:,} in {watch.seconds:,.0f} s", goal="all")
