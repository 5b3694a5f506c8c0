"""Bars for a chart that the server draws. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, BOTTOM, LEFT = 720, 200, 24, 44
GAP = 0.25
GRID_LINES = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle. series: its colour's number."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A number at the left, or a label below."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    name: str
    series: Sequence[str]
    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[int]]]
    bars: Sequence[Bar]
    grid: Sequence[Mark]
    below: Sequence[Mark]
    width: int
    left: int
    written: Callable[[int], str]
    summary: str

    @property
    def total(self) -> int:
        return sum(sum(numbers) for _label, numbers in self.rows)

    @property
    def table(self) -> list[tuple[str, list[str]]]:
        return [(label, [self.written(number) for number in numbers]) for label, numbers in self.rows]


def chart_of(
    name: str,
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[int]]],
    *,
    unit: int = 1,
    written: Callable[[int], str] = str,
    width: int = WIDTH,
    left: int = LEFT,
    summary: str = "",
) -> Chart:
    """Stacked bars, one a label; every number stands in rows as well.

    unit: the grid's lines are round numbers of it; written: a number as people read it; summary: what the
    chart says in a few words, else the sum of all numbers.
    """
    sums = [sum(numbers[place] for _title, numbers in series) for place in range(len(labels))]
    top = _round_up(-(-max([1, *sums]) // unit)) * unit
    step = (width - left) / max(1, len(labels))
    scale = (HEIGHT - BOTTOM) / top
    bars = []
    for place, label in enumerate(labels):
        base = float(HEIGHT - BOTTOM)
        for number, (title, numbers) in enumerate(series):
            height = numbers[place] * scale
            if height:
                base -= height
                x = left + (place + GAP / 2) * step
                text = f"{label}: {title} {written(numbers[place])}"
                bars.append(
                    Bar(
                        round(x, 1),
                        round(base, 1),
                        round(step * (1 - GAP), 1),
                        round(height, 1),
                        number,
                        text,
                    )
                )
    marks = [top * part // GRID_LINES for part in range(GRID_LINES + 1)]
    return Chart(
        name,
        [title for title, _numbers in series],
        labels,
        [(label, [numbers[place] for _title, numbers in series]) for place, label in enumerate(labels)],
        bars,
        [Mark(round(HEIGHT - BOTTOM - mark * scale, 1), written(mark)) for mark in dict.fromkeys(marks)],
        [Mark(round(left + (place + 0.5) * step, 1), labels[place]) for place in _some(len(labels), width)],
        width,
        left,
        written,
        summary or str(sum(sums)),
    )


def _round_up(number: int) -> int:
    """To 1, 2 or 5 with noughts, and at least a grid line each."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= max(number, GRID_LINES):
                return factor * size
        size *= 10


def _some(count: int, width: int) -> range:
    """Labels that do not touch each other."""
    return range(0, count, max(1, -(-count // (width // 90))))
