"""Does a program of the instance do its work? Asked by real questions, not by a pause."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from celery import Celery
from kombu.exceptions import OperationalError

from provisioning.daemons import Daemon, daemons
from provisioning.events import learner_fault
from provisioning.layout import LOGS_LOCK, Layout
from provisioning.probes import probe
from provisioning.stack.programs import (
    NODE_WORKER,
    PANEL_WORKER,
    beat_schedule,
    broker_url,
    panel_socket,
    redis_socket,
)

# What is missing, in words; "" when it works.
Question = Callable[[], str]
TIMEOUT_SECONDS = 3


def questions(layout: Layout, environment: Mapping[str, str]) -> dict[str, Question]:
    """By the program's name."""
    asked: dict[str, Question] = {daemon.name: _of_daemon(layout, daemon) for daemon in daemons(layout)}
    broker = broker_url(layout, environment)
    asked |= {
        "redis": lambda: _redis_fault(redis_socket(layout)),
        "web": lambda: _web_fault(panel_socket(layout)),
        "worker": lambda: _worker_fault(broker, PANEL_WORKER),
        "node-worker": lambda: _worker_fault(broker, NODE_WORKER),
        "learner": lambda: learner_fault(layout),
        "beat": lambda: _beat_fault(beat_schedule(layout)),
        "logs": lambda: _logs_fault(layout),
    }
    return asked


def _of_daemon(layout: Layout, daemon: Daemon) -> Question:
    def fault() -> str:
        for path in daemon.ready_sockets:
            if not path.exists():
                return f"no socket {path} yet"
        for service in daemon.services:
            if wrong := probe(layout, service, timeout_seconds=TIMEOUT_SECONDS):
                return f"port {layout.port(service)} ({service}): {wrong}"
        return ""

    return fault


def _redis_fault(path: Path) -> str:
    try:
        with _connect(path) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(100)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return "" if answer.startswith(b"+PONG") else f"{path}: unexpected answer {answer[:40]!r}"


def _web_fault(path: Path) -> str:
    """Any answer but a server's own fault: what the page says is the page's business."""
    head = ("HEAD / HTTP/1.0", "Host: localhost", "X-Forwarded-Proto: https", "X-Forwarded-For: 127.0.0.1")
    request = "\r\n".join([*head, "", ""]).encode()
    try:
        with _connect(path, seconds=10) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection, method="HEAD")
            response.begin()
    except (OSError, http.client.HTTPException) as error:
        return f"{path}: {error}"
    return "" if response.status < 500 else f"{path}: it answers with {response.status}"


def _worker_fault(broker: str, name: str) -> str:
    # A connection of its own: pooled ones outlive the broker they led to.
    app = Celery(broker=broker, set_as_current=False)
    with app.connection_for_write() as connection:
        faults: tuple[type[BaseException], ...] = (OperationalError, OSError, *connection.connection_errors)
        try:
            asked = app.control.inspect(destination=[name], timeout=TIMEOUT_SECONDS, connection=connection)
            answers = asked.ping()
        except faults as error:
            return f"the broker {broker} does not answer: {error}"
    return "" if answers else f"the worker {name} does not answer"


def _beat_fault(schedule: Path) -> str:
    """It answers nobody; what it can be known by is its schedule, to which the dbm adds an ending of its
    own.
    """
    found = any(schedule.parent.glob(f"{schedule.name}*"))
    return "" if found else f"no {schedule} yet"


def _logs_fault(layout: Layout) -> str:
    """It answers nobody either; it has its lock file from its first look at the logs on."""
    path = layout.node_run / LOGS_LOCK
    return "" if path.exists() else f"no {path} yet"


def _connect(path: Path, *, seconds: float = TIMEOUT_SECONDS) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(seconds)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection
