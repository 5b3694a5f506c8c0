"""A real mail plane in its own home: Postfix and Dovecot started from the files that apply renders."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from provisioning.apply import Applier, Outcome
from provisioning.authority import ensure_certificate
from provisioning.daemons import Daemon, daemons
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.probes import probe


def wait_until(condition: Callable[[], object], *, seconds: float = 20, what: str = "") -> None:
    """Poll without a fixed sleep; fails with what was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.02)


@dataclass(slots=True)
class MailInstance:
    """start() renders from the current database and starts the daemons; apply() is what the worker does."""

    layout: Layout
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def host(self) -> LocalHost:
        return LocalHost(self.layout)

    def node(self) -> Node:
        return Node.objects.get_or_create(name="local")[0]

    def applier(self) -> Applier:
        return Applier(node=self.node(), host=self.host, layout=self.layout)

    def apply(self) -> Outcome:
        return self.applier().apply_pending()

    def start(self) -> None:
        for folder in (self.layout.secrets, self.layout.run, self.layout.log, self.layout.node):
            folder.mkdir(parents=True, exist_ok=True)
        self.layout.home.chmod(0o755)
        ensure_certificate(self.layout)
        self.applier().apply_all()
        # Postfix first in preparation: Dovecot's sockets for it lie in its queue folder.
        for daemon in daemons(self.layout):
            self.start_daemon(daemon)

    def start_daemon(self, daemon: Daemon) -> None:
        for argv in daemon.prepare:
            done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
            assert done.returncode == 0, f"{argv}: {done.stderr.decode()}"
        output = (self.layout.node_log / f"{daemon.name}.out").open("ab")
        self.processes[daemon.name] = subprocess.Popen(
            daemon.start, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        for path in daemon.ready_sockets:
            wait_until(path.exists, what=f"{daemon.name}: {path}")
        for service in daemon.services:
            wait_until(partial(self._greets, service), what=f"{daemon.name} {service}")

    def _greets(self, service: str) -> bool:
        return not probe(self.layout, service)

    def daemon(self, name: str) -> Daemon:
        return next(daemon for daemon in daemons(self.layout) if daemon.name == name)

    def stop_daemon(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(timeout=self.daemon(name).stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)

    def stop(self) -> None:
        for name in reversed(list(self.processes)):
            self.stop_daemon(name)

    def log(self, name: str) -> str:
        return (self.layout.node_log / name).read_text(encoding="utf-8", errors="replace")
