"""What is to be known of a daemon, and the command lines of more than one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning.layout import MAIL_USER, Layout

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Daemon:
    """One daemon of an instance, started as root in the foreground.

    start: never forks away; ends on SIGTERM within seconds, its children with it. prepare: commands to run
    before each start, in order; every one must end with 0. check: ends with non-zero when the rendered
    settings are wrong; what it prints on stderr is shown to the operator. reload: takes up changed settings,
    cuts no session. ready_sockets: unix sockets that exist once it works. services: names in
    ``layout.STANDARD_PORTS`` that it listens on. stop_seconds: how long to wait after SIGTERM before SIGKILL.
    """

    name: str
    start: Argv
    prepare: tuple[Argv, ...]
    check: tuple[Argv, ...]
    reload: Argv
    pid_file: Path
    log: Path
    services: tuple[str, ...]
    ready_sockets: tuple[Path, ...]
    stop_seconds: int = 10


def with_own_syslog(layout: Layout, *argv: str) -> Argv:
    """The command line of a daemon that logs to /dev/log alone: it sees this instance's socket there."""
    return (str(layout.bin / "with-syslog"), *argv)


def logs_to_syslog(daemon: Daemon) -> bool:
    return Path(daemon.start[0]).name == "with-syslog"


def own_service(
    layout: Layout, name: str, socket: Path, files: Mapping[str, Path], *, user: str = MAIL_USER
) -> Daemon:
    """One of provisioning/node_programs. Dovecot's group, for it reads the accounts file. user "": root."""
    pid_file = socket.with_suffix(".pid")
    return Daemon(
        name=name,
        start=(
            str(layout.bin / name),
            *(f"--{option}={path}" for option, path in files.items()),
            f"--socket={socket}",
            f"--pid={pid_file}",
            *((f"--user={user}", "--group=dovecot") if user else ()),
        ),
        prepare=(("/bin/rm", "-f", str(pid_file), str(socket)),),
        check=(),
        # Nothing to read again: what they go by is data. A new program is taken up at the next start.
        reload=("/usr/bin/pkill", "-TERM", "--pidfile", str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "mail.log",
        services=(),
        ready_sockets=(socket,),
    )
