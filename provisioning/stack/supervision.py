"""supervisord of an instance: started, asked and ended over its unix socket."""

from __future__ import annotations

import http.client
import resource
import subprocess
import sys
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from supervisor.xmlrpc import SupervisorTransport

from provisioning.layout import Layout
from provisioning.render import supervisor
from provisioning.render.supervisor import Program

RUNNING = "RUNNING"
GONE_WRONG = ("FATAL", "EXITED", "UNKNOWN")
WANTED_OPEN_FILES = 65536


@dataclass(frozen=True, slots=True)
class ProgramState:
    """name, supervisor's word for the state (RUNNING, STOPPED, FATAL, ...), pid (0 when none), and why."""

    name: str
    state: str
    pid: int
    reason: str

    @property
    def is_active(self) -> bool:
        """Whether it has a process, or may get one."""
        return self.state in (RUNNING, "STARTING", "BACKOFF", "STOPPING")


def control_folder(layout: Layout) -> Path:
    """What root writes to start and end the instance. Root's alone: in ``run`` the panel's user could put a
    link in its place.
    """
    return layout.home / "supervisor"


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The supervisord of one instance."""

    layout: Layout

    @property
    def socket(self) -> Path:
        return control_folder(self.layout) / "supervisor.sock"

    @property
    def pid_file(self) -> Path:
        return control_folder(self.layout) / "supervisord.pid"

    @property
    def conf(self) -> Path:
        return control_folder(self.layout) / "supervisord.conf"

    def write_conf(self, programs: Sequence[Program]) -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limit = WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_OPEN_FILES)
        content = supervisor.settings(
            self.layout, programs, control=control_folder(self.layout), open_files=limit
        )
        self.conf.write_bytes(content)
        self.conf.chmod(0o600)

    def spawn(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """In a session of its own: Ctrl-C in the terminal must not reach it or the daemons past us."""
        self.socket.unlink(missing_ok=True)
        with (self.layout.log / "supervisord.out").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self.conf)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )

    def is_running(self) -> bool:
        return self.pid() != 0

    def pid(self) -> int:
        """0 when none answers."""
        try:
            return cast("int", self._call("getPID"))
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return 0

    def states(self) -> list[ProgramState]:
        """By name; [] when no supervisord answers."""
        try:
            rows = cast("list[dict[str, object]]", self._call("getAllProcessInfo"))
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return []
        return [
            ProgramState(
                name=str(row["name"]),
                state=str(row["statename"]),
                pid=int(str(row["pid"])),
                reason=str(row["spawnerr"] or row["description"]),
            )
            for row in rows
        ]

    def state(self, name: str) -> ProgramState:
        for state in self.states():
            if state.name == name:
                return state
        return ProgramState(name, "UNKNOWN", 0, "supervisord does not answer")

    def start(self, *names: str) -> None:
        """Begin to start programs; readiness is for who asked to find out."""
        for name in names:
            self._call("startProcess", name, False)

    def stop(self, *names: str) -> None:
        """End programs and wait until they have ended."""
        for name in names:
            self._call("stopProcess", name, True)

    def begin_to_stop(self, *names: str) -> None:
        """Send SIGTERM to those that run; whether they have ended is for who asked to find out."""
        active = {state.name for state in self.states() if state.is_active}
        for name in names:
            if name in active:
                self._call("stopProcess", name, False)

    def shut_down(self) -> None:
        """Ends all that is left, and itself; returns at once."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: object) -> object:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        finally:
            transport.close()
