"""The processes of an instance, read from /proc: so that none is left behind when it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from provisioning.daemons import daemons
from provisioning.layout import Layout
from provisioning.stack.programs import MARK

PROC = Path("/proc")


class Process(NamedTuple):
    """A process, told apart from a later one of the same number by its start."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state != "Z"


class _Stat(NamedTuple):
    state: str
    parent: int
    started: str


def processes_of(layout: Layout) -> set[Process]:
    """Those that carry the instance's mark, the daemons of its pid files, and all that descend from them."""
    stats = _all_stats()
    roots = {pid for pid in stats if _has_mark(pid, layout)} | _daemon_pids(layout)
    found = roots & stats.keys()
    grew = True
    while grew:
        children = {pid for pid, stat in stats.items() if stat.parent in found} - found
        found |= children
        grew = bool(children)
    return {Process(pid, stats[pid].started) for pid in found - {os.getpid()} if stats[pid].state != "Z"}


def end_processes(found: Collection[Process], *, seconds: float = 10) -> list[Process]:
    """SIGTERM, and SIGKILL for who has not ended in time. Returns those that had to be killed."""
    _signal(found, signal.SIGTERM)
    if not wait_for_end(found, seconds=seconds):
        late = [process for process in found if process.is_alive]
        _signal(late, signal.SIGKILL)
        wait_for_end(late, seconds=seconds)
        return late
    return []


def wait_for_end(found: Collection[Process], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while any(process.is_alive for process in found):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def name_of(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "?"


def _signal(found: Collection[Process], number: signal.Signals) -> None:
    for process in found:
        if process.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _daemon_pids(layout: Layout) -> set[int]:
    """From the pid files; a stale one may name a stranger, so the command line must name our home."""
    pids = set()
    for daemon in daemons(layout):
        try:
            pid = int(daemon.pid_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if _names_home(pid, layout):
            pids.add(pid)
    return pids


def _names_home(pid: int, layout: Layout) -> bool:
    try:
        return f"{layout.home}/".encode() in (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def _has_mark(pid: int, layout: Layout) -> bool:
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    # A program that names itself (postgrey) writes over its environment; the name still says whose it is.
    if not environment.strip(b" \0"):
        return _names_home(pid, layout)
    return f"{MARK}={layout.home}".encode() in environment.split(b"\0")


def _all_stats() -> dict[int, _Stat]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            found[int(entry.name)] = stat
    return found


def _stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name in parentheses may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], parent=int(fields[1]), started=fields[19])
