"""What was measured, each figure beside the machine's own limit of the same run."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """goal: in words, with what the ratio or the figure should be."""

    name: str
    ours: str
    limit: str
    ratio: float | None
    goal: str

    def __str__(self) -> str:
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return f"{self.name:58} {self.ours:>24} | limit {self.limit:>28} | ratio {ratio:>6} | {self.goal}"


@dataclass(slots=True)
class Report:
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, ours: str, *, limit: str = "-", ratio: float | None = None, goal: str) -> None:
        figure = Figure(name, ours, limit, ratio, goal)
        self.figures.append(figure)
        print(f"\n{figure}", flush=True)

    def summary(self) -> str:
        return "\n".join([f"\n{machine()}", *map(str, self.figures)])


@dataclass(slots=True)
class Stopwatch:
    """seconds on the wall; cpu_seconds: of this process and its children that have ended (others on the
    machine do not count in it).
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    watch = Stopwatch()
    started, cpu_started = time.perf_counter(), sum(os.times()[:4])
    yield watch
    watch.seconds = time.perf_counter() - started
    watch.cpu_seconds = sum(os.times()[:4]) - cpu_started


def percentile(samples: Sequence[float], percent: int) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def milliseconds(samples: Sequence[float]) -> str:
    return f"p50 {percentile(samples, 50) * 1000:.0f}, p95 {percentile(samples, 95) * 1000:.0f} ms"


def machine() -> str:
    """The processor's name, cores, memory, and how busy others kept it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    load = os.getloadavg()[2]
    return (
        f"{name}, {os.cpu_count()} cores, {gigabytes:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load of the last 15 minutes {load:.1f}"
    )
