"""A real mail plane in its own home: Postfix and Dovecot started from the files that apply renders."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event, RLock, Thread

from provisioning.apply import Applier
from provisioning.authority import ensure_certificate
from provisioning.bookkeeping import Outcome
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
    over: Event = field(default_factory=Event)
    changing: RLock = field(default_factory=RLock)

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
        Thread(target=self._keep_up, daemon=True).start()

    def _keep_up(self) -> None:
        """As the supervisor does: what ends to read its settings anew is started again."""
        while not self.over.wait(0.1):
            for daemon in daemons(self.layout):
                process = self.processes.get(daemon.name)
                if "-TERM" in daemon.reload and process is not None and process.poll() is not None:
                    self._start_again(daemon, process)

    def _start_again(self, daemon: Daemon, ended: subprocess.Popen[bytes]) -> None:
        with self.changing:
            if self.processes.get(daemon.name) is ended:
                self.start_daemon(daemon)

    def start_daemon(self, daemon: Daemon, *, before: tuple[str, ...] = ()) -> None:
        """before: what its command line stands behind, such as unshare."""
        for argv in daemon.prepare:
            done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, check=False)
            assert done.returncode == 0, f"{argv}: {done.stderr.decode()}"
        output = (self.layout.node_log / f"{daemon.name}.out").open("ab")
        self.processes[daemon.name] = subprocess.Popen(
            [*before, *daemon.start], stdin=subprocess.DEVNULL, stdout=output, stderr=output
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
        with self.changing:
            process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(timeout=self.daemon(name).stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)

    def stop(self) -> None:
        self.over.set()
        for name in reversed(list(self.processes)):
            self.stop_daemon(name)

    def waiting(self) -> str:
        """What postqueue(1) lists."""
        return self.host.run([*self._postqueue(), "-p"], timeout=30).stdout.decode()

    def flush(self) -> None:
        """What waits is tried now."""
        self.host.run([*self._postqueue(), "-f"], timeout=30)

    def _postqueue(self) -> list[str]:
        return ["postqueue", "-c", str(self.layout.etc / "postfix")]

    def log(self, name: str) -> str:
        return (self.layout.node_log / name).read_text(encoding="utf-8", errors="replace")
