"""Postfix and Dovecot, and the command lines of their tools with an instance's configuration."""

from __future__ import annotations

from pathlib import Path

from provisioning.daemons.daemon import Argv, Daemon
from provisioning.daemons.web import nginx_conf
from provisioning.layout import Layout

POSTFIX_MASTER = "/usr/lib/postfix/sbin/master"


def postfix_folder(layout: Layout) -> Path:
    return layout.etc / "postfix"


def dovecot_conf(layout: Layout) -> Path:
    return layout.etc / "dovecot" / "dovecot.conf"


def address_blocks(layout: Layout) -> Argv:
    """Puts blocked addresses into the packet filter, where an instance has a table of its own, or else tells
    the parts of them.
    """
    services = {
        "smtp": ("smtp",),
        "submission": ("submission", "smtps"),
        "imap": ("imap", "imaps"),
        "pop3": ("pop3", "pop3s"),
        "sieve": ("sieve",),
        "web": ("http", "https"),
    }
    ports = {name: [str(layout.port(each)) for each in members] for name, members in services.items()}
    ports["all"] = sorted({port for members in ports.values() for port in members}, key=int)
    return (
        str(layout.bin / "address-blocks"),
        str(layout.accounts_file),
        f"qmailux_{layout.offset}" if layout.offset else "qmailux",
        *(f"{name}={','.join(members)}" for name, members in ports.items()),
        # Who refuses where there is no packet filter.
        f"--folder={layout.blocks}",
        f"--maps={layout.maps}",
        f"--postfix={postfix_folder(layout)}",
        f"--postfix-reload={layout.bin / 'postfix-reload'}",
        f"--dovecot={dovecot_conf(layout)}",
        f"--nginx={nginx_conf(layout)}",
    )


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
            # Who is blocked stays so over a restart, with the control plane down too.
            ("/bin/sh", "-c", '"$@" || true', "sh", *address_blocks(layout)),
        ),
        check=((str(layout.bin / "postfix-check"),),),
        reload=(str(layout.bin / "postfix-reload"),),
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


def sievec_argv(layout: Layout, *scripts: Path) -> Argv:
    """Compile scripts with this instance's configuration: it decides which extensions a script may use."""
    return ("/usr/bin/sievec", "-c", str(dovecot_conf(layout)), *map(str, scripts))
