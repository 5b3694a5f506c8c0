"""Which programs an instance consists of, how each is started, and in which order."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from provisioning.daemons import Daemon, daemons
from provisioning.layout import PANEL_USER, Layout
from provisioning.render.supervisor import Program

CODE = Path(__file__).resolve().parents[2]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# By it the processes of an instance are known, whoever their parent is.
MARK = "QMAILUX_INSTANCE"
NODE_WORKER = "node@qmailux"
PANEL_WORKER = "panel@qmailux"
# supervisord makes each child the leader of a group, who may not begin a session, as Postfix's master must.
# So: back into supervisord's group, then a session, then the daemon itself in the same process.
IN_OWN_SESSION = (
    "import os, sys; os.setpgid(0, os.getpgid(os.getppid())); os.setsid();"
    " os.execv(sys.argv[1], sys.argv[1:])"
)
NOT_FOR_PROGRAMS = {"QMAILUX_KEEP_ROOT", "QMAILUX_WORKER"}


def has_own_redis(environment: Mapping[str, str]) -> bool:
    """Unless the operator named another broker."""
    return not environment.get("QMAILUX_BROKER_URL")


def broker_url(layout: Layout, environment: Mapping[str, str]) -> str:
    return environment.get("QMAILUX_BROKER_URL") or f"redis+socket://{redis_socket(layout)}"


def redis_socket(layout: Layout) -> Path:
    return layout.run / "redis.sock"


def panel_socket(layout: Layout) -> Path:
    return layout.run / "panel.sock"


def beat_schedule(layout: Layout) -> Path:
    return layout.home / "celery" / "beat-schedule"


def environment_of(layout: Layout) -> dict[str, str]:
    """What every program inherits: our settings, those of the layout, and nothing else of the caller's."""
    ours = {
        name: text
        for name, text in os.environ.items()
        if (name.startswith("QMAILUX_") and name not in NOT_FOR_PROGRAMS) or name in ("DATABASE_URL", "TZ")
    }
    return ours | {
        "QMAILUX_HOME": str(layout.home),
        "QMAILUX_BIND": layout.bind,
        "QMAILUX_PORT_OFFSET": str(layout.offset),
        "QMAILUX_HOSTNAME": layout.hostname,
        MARK: str(layout.home),
        "DJANGO_SETTINGS_MODULE": "qmailux_site.settings",
        "PATH": SYSTEM_PATH,
        "LANG": "C.UTF-8",
        "HOME": str(layout.home),
        # Root must not leave files in a checkout; only `make` compiles.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def programs(layout: Layout, environment: Mapping[str, str]) -> list[Program]:
    """In the order of their start; they end the other way round, so that the mail plane outlives the
    panel.
    """
    first = [_redis(layout)] if has_own_redis(environment) else []
    return [*first, *(_daemon(layout, daemon) for daemon in daemons(layout)), *_python_programs(layout)]


def _redis(layout: Layout) -> Program:
    """A private one, on a socket alone, with nothing to keep: the outbox is the truth."""
    argv = ("redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no")
    socket = ("--unixsocket", str(redis_socket(layout)), "--unixsocketperm", "770")
    # A title of its own would overwrite the mark in /proc.
    quiet = ("--set-proc-title", "no")
    return Program(
        name="redis",
        argv=(*argv, *socket, *quiet, "--dir", str(layout.run)),
        user=PANEL_USER,
        folder=layout.run,
        log=layout.log / "redis.log",
        umask="027",
    )


def _daemon(layout: Layout, daemon: Daemon) -> Program:
    """What it logs itself goes to its own log; this is for what it says before it can."""
    return Program(
        name=daemon.name,
        argv=(sys.executable, "-ISc", IN_OWN_SESSION, *daemon.start),
        user="root",
        folder=layout.node,
        log=layout.log / f"{daemon.name}.log",
        stop_seconds=daemon.stop_seconds,
    )


def _python_programs(layout: Layout) -> list[Program]:
    return [
        _python(layout, "web", _gunicorn(layout)),
        _python(layout, "worker", _celery_worker(PANEL_WORKER, queue="celery", processes=2), stop_seconds=30),
        _python(
            layout,
            "node-worker",
            _celery_worker(NODE_WORKER, queue="node", processes=3),
            user="root",
            stop_seconds=30,
            environment={"QMAILUX_WORKER": "node"},
        ),
        _python(layout, "beat", _celery_beat(layout)),
        # Of the mail plane, though in Python: it needs no broker, and bears a database that is away.
        _python(layout, "learner", ("django", "learn", "run", "--watch"), user="root", stop_seconds=60),
        # Root: the mail plane's logs are readable to nobody else.
        _python(layout, "logs", ("django", "logs", "ingest", "--follow"), user="root"),
    ]


def _python(
    layout: Layout,
    name: str,
    arguments: tuple[str, ...],
    *,
    user: str = PANEL_USER,
    stop_seconds: int = 10,
    environment: Mapping[str, str] | None = None,
) -> Program:
    return Program(
        name=name,
        argv=(sys.executable, "-m", *arguments),
        user=user,
        folder=CODE,
        log=layout.log / f"{name}.log",
        umask="027",
        stop_seconds=stop_seconds,
        environment=environment or {},
    )


def _gunicorn(layout: Layout) -> tuple[str, ...]:
    return (
        *("gunicorn", "qmailux_site.wsgi:application", "--bind", f"unix:{panel_socket(layout)}"),
        *("--workers", "2", "--timeout", "120", "--graceful-timeout", "8", "--no-control-socket"),
        # Only nginx gets to the socket: the folder's mode sees to that.
        *("--forwarded-allow-ips", "*", "--worker-tmp-dir", str(layout.run)),
    )


def _celery_worker(name: str, *, queue: str, processes: int) -> tuple[str, ...]:
    return (
        *("celery", "-A", "qmailux_site", "worker", "--loglevel", "INFO", "-Q", queue, "-n", name),
        *("--concurrency", str(processes), "--pool", "prefork", "--without-gossip", "--without-mingle"),
    )


def _celery_beat(layout: Layout) -> tuple[str, ...]:
    beat = ("celery", "-A", "qmailux_site", "beat", "--loglevel", "WARNING")
    return (*beat, "--schedule", str(beat_schedule(layout)), "--pidfile=")
