"""How the daemons of the mail plane are started, tested, reloaded and stopped.

Pure: argument lists, no I/O. The stack (supervisor, systemd units) and the activation of settings read them
here.

Before the first start: ``provisioning.render.plane.directories``, the rendered files, the maps
(``postmap -c DIR lmdb:FILE``, an empty one too: Postfix refuses mail while a map file is missing),
accounts.sqlite, then ``prepare_argv``. Every daemon must run with stdin, stdout and stderr that are not the
caller's pipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from provisioning.layout import Layout

Argv = tuple[str, ...]

POSTFIX_MASTER = "/usr/lib/postfix/sbin/master"
NGINX = "/usr/sbin/nginx"
POSTFIX_POST_INSTALL = "/usr/lib/postfix/sbin/post-install"


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


def postfix_folder(layout: Layout) -> Path:
    return layout.etc / "postfix"


def dovecot_conf(layout: Layout) -> Path:
    return layout.etc / "dovecot" / "dovecot.conf"


def postfix(layout: Layout) -> Daemon:
    """Postfix's master itself, not ``postfix start-fg``: the latter is a shell whose end would leave master
    running, and its ``postfix check`` takes 13 seconds with 500 addresses (engine 2, 1)."""
    folder = str(postfix_folder(layout))
    return Daemon(
        name="postfix",
        # -s: stay in the foreground and lead a process group of its own.
        start=(POSTFIX_MASTER, "-c", folder, "-s"),
        prepare=(
            # Makes the queue's folders with their owners from our own postfix-files.
            ("/usr/sbin/postfix", "-c", folder, "post-install", "create-missing"),
            # Puts misplaced queue files right, as "postfix start" does.
            ("/usr/sbin/postsuper", "-c", folder),
        ),
        check=(("/usr/sbin/postconf", "-c", folder, "-n"), ("/usr/sbin/postconf", "-c", folder, "-M")),
        reload=("/usr/sbin/postfix", "-c", folder, "reload"),
        pid_file=layout.queue / "pid" / "master.pid",
        log=layout.node_log / "mail.log",
        services=("smtp", "submission", "smtps"),
        ready_sockets=(layout.queue / "public" / "sieve", layout.queue / "public" / "qmgr"),
    )


def dovecot(layout: Layout) -> Daemon:
    """Dovecot. Its sockets for Postfix lie in queue/private, so the queue must be prepared first."""
    conf = str(dovecot_conf(layout))
    folder = str(postfix_folder(layout))
    return Daemon(
        name="dovecot",
        start=("/usr/sbin/dovecot", "-F", "-c", conf),
        prepare=(("/usr/sbin/postfix", "-c", folder, "post-install", "create-missing"),),
        check=(("/usr/bin/doveconf", "-c", conf, "-n"),),
        reload=("/usr/bin/doveadm", "-c", conf, "reload"),
        pid_file=layout.node_run / "dovecot" / "master.pid",
        log=layout.node_log / "dovecot.log",
        services=("imap", "imaps", "pop3", "pop3s", "sieve"),
        ready_sockets=(
            layout.queue / "private" / "dovecot-lmtp",
            layout.queue / "private" / "auth",
            layout.queue / "private" / "quota-status",
        ),
    )


def nginx_conf(layout: Layout) -> Path:
    return layout.etc / "nginx" / "nginx.conf"


def nginx(layout: Layout) -> Daemon:
    """nginx: TLS for the panel. It answers 502 while the web process is away, so it starts by itself."""
    conf = str(nginx_conf(layout))
    return Daemon(
        name="nginx",
        start=(NGINX, "-c", conf, "-g", "daemon off;"),
        prepare=(),
        check=((NGINX, "-t", "-q", "-c", conf),),
        reload=(NGINX, "-c", conf, "-s", "reload"),
        pid_file=layout.node_run / "nginx.pid",
        log=layout.node_log / "nginx.log",
        services=("https", "http"),
        ready_sockets=(),
    )


def daemons(layout: Layout) -> tuple[Daemon, ...]:
    """In the order of their start; stop them the other way round."""
    return dovecot(layout), postfix(layout), nginx(layout)


def postmap_argv(layout: Layout, *arguments: str) -> Argv:
    """``postmap`` with this instance's configuration: postmap_argv(layout, "-r", "-i", "lmdb:...")."""
    return ("/usr/sbin/postmap", "-c", str(postfix_folder(layout)), *arguments)


def sievec_argv(layout: Layout, *scripts: Path) -> Argv:
    """Compile scripts with this instance's configuration: it decides which extensions a script may use."""
    return ("/usr/bin/sievec", "-c", str(dovecot_conf(layout)), *map(str, scripts))
