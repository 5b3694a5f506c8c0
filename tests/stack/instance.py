"""A whole instance in its own home, driven by manage.py as its operator drives it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning import stack
from provisioning.layout import Layout
from provisioning.stack.processes import Process, processes_of
from tests.mail.wire import Wire

CODE = Path(__file__).resolve().parents[2]
PASSWORD = "Zielona-Papuga-7"
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Instance:
    """make() does what `make up` does before the start; up() and down() are the stack's own."""

    layout: Layout

    @property
    def wire(self) -> Wire:
        return Wire(self.layout)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "QMAILUX_HOME": str(self.layout.home),
            "QMAILUX_PORT_OFFSET": str(self.layout.offset),
            "QMAILUX_BIND": self.layout.bind,
            "QMAILUX_HOSTNAME": self.layout.hostname,
        }

    def run(
        self,
        *arguments: str,
        stdin: str = "",
        before: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Done:
        """manage.py with the arguments, behind the words of ``before`` (setpriv, unshare)."""
        return subprocess.run(
            [*before, sys.executable, str(CODE / "manage.py"), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            env=self.environment | dict(environment or {}),
            check=False,
        )

    def manage(self, *arguments: str, stdin: str = "") -> str:
        """manage.py, which must succeed; returns what it printed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def make(self) -> None:
        for arguments in (
            ("stack", "prepare"),
            ("migrate", "-v", "0"),
            ("migrate", "-v", "0", "--database", "logs"),
            ("collectstatic", "--noinput", "-v", "0"),
            ("setup",),
            ("apply", "--all"),
        ):
            self.manage(*arguments)

    def up(self) -> bool:
        return stack.up(self.layout, detach=True, say=lambda _line: None)

    def down(self) -> bool:
        return stack.down(self.layout, say=lambda _line: None)

    def add_account(self, address: str) -> str:
        """Returns what the command said of it."""
        return self.manage("account", "add", address, "--password-stdin", stdin=PASSWORD)

    def subjects(self, address: str) -> list[str]:
        return self.wire.subjects(address, PASSWORD)

    def processes(self) -> set[Process]:
        return processes_of(self.layout)
