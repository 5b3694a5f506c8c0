"""supervisord.conf: the programs of an instance under supervisor (DESIGN 5).

Pure. The programs inherit supervisord's own environment, so no secret (DATABASE_URL) stands in this file.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioning.layout import Layout
from provisioning.render.engine import render
from provisioning.render.quoting import ini_value
from qmailux_site.errors import UnsafeValue


@dataclass(frozen=True, slots=True)
class Program:
    """One program under supervision.

    log: what it prints. environment: beside what it inherits. umask: octal text, such as "027".
    stop_seconds: how long it may take after SIGTERM before SIGKILL.
    """

    name: str
    argv: tuple[str, ...]
    user: str
    folder: Path
    log: Path
    umask: str = "022"
    stop_seconds: int = 10
    environment: Mapping[str, str] = field(default_factory=dict)


def settings(layout: Layout, programs: Sequence[Program], *, control: Path, open_files: int) -> bytes:
    """The whole supervisord.conf; programs in the order of their start. control: for socket and pid file."""
    return render(
        "supervisor/supervisord.conf.j2",
        socket=ini_value(str(control / "supervisor.sock")),
        pid_file=ini_value(str(control / "supervisord.pid")),
        log_file=ini_value(str(layout.log / "supervisord.log")),
        log_folder=ini_value(str(layout.log)),
        open_files=open_files,
        programs=[_quoted(program) for program in programs],
    )


def _quoted(program: Program) -> dict[str, object]:
    return {
        "name": ini_value(program.name),
        "command": ini_value(shlex.join(program.argv)),
        "folder": ini_value(str(program.folder)),
        "user": ini_value(program.user),
        "umask": ini_value(program.umask),
        "stop_seconds": program.stop_seconds,
        "log": ini_value(str(program.log)),
        "environment": ",".join(
            f"{name}={environment_value(text)}" for name, text in sorted(program.environment.items())
        ),
    }


def environment_value(text: str) -> str:
    """In double quotes, as supervisor's own splitting of "environment" wants it."""
    if '"' in text or "\\" in text:
        raise UnsafeValue("environment in supervisord.conf", text)
    return f'"{ini_value(text)}"' if text else '""'
