"""What must hold before anything is started; each refusal is one sentence that names the remedy."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

from provisioning.daemons import daemons
from provisioning.layout import Layout
from provisioning.stack.failures import ExitCode, StackError

LEAST_FREE_BYTES = 50 * 1024 * 1024

# File -> the Debian package that brings it. What has a full path is started by it.
FILES_OF_PACKAGES = {
    "/usr/lib/postfix/sbin/master": "postfix",
    "/usr/lib/postfix/postfix-lmdb.so": "postfix-lmdb",
    "/usr/lib/postfix/postfix-pcre.so": "postfix-pcre",
    "/usr/sbin/dovecot": "dovecot-core",
    "/usr/lib/dovecot/imap": "dovecot-imapd",
    "/usr/lib/dovecot/pop3": "dovecot-pop3d",
    "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
    "/usr/lib/dovecot/managesieve": "dovecot-managesieved",
    "/usr/lib/dovecot/modules/auth/libdriver_sqlite.so": "dovecot-sqlite",
    "/usr/bin/sievec": "dovecot-sieve",
    "/usr/sbin/nginx": "nginx-light",
    "/usr/sbin/spamd": "spamd",
    "/usr/sbin/clamd": "clamav-daemon",
    "/usr/sbin/clamav-milter": "clamav-milter",
    "/usr/bin/clamdscan": "clamdscan",
    "/usr/bin/freshclam": "clamav-freshclam",
    "/usr/bin/policyd-spf": "postfix-policyd-spf-python",
    "/usr/sbin/opendkim": "opendkim",
    "/usr/sbin/opendmarc": "opendmarc",
    "/usr/sbin/postgrey": "postgrey",
    "/usr/lib/python3/dist-packages/Milter/__init__.py": "python3-milter",
    "/usr/bin/spamc": "spamc",
    "/usr/bin/spamassassin": "spamassassin",
    "/usr/sbin/php-fpm8.2": "php8.2-fpm",
    "/usr/share/roundcube/bin/updatedb.sh": "roundcube-core",
    "/usr/share/roundcube/plugins/managesieve": "roundcube-plugins",
    "/usr/sbin/logrotate": "logrotate",
    "/usr/share/php8.2-sqlite3": "php8.2-sqlite3",
}
PROGRAMS_OF_PACKAGES = {"ss": "iproute2"}
REDIS_OF_PACKAGE = {"redis-server": "redis-server"}


def require_root() -> None:
    if os.geteuid() != 0:
        raise StackError(
            ExitCode.NOT_ROOT, "this needs root (daemons run under users of their own): sudo make up"
        )


def require_usable_home(layout: Layout) -> None:
    """Others must be able to get to the home: every daemon has a user of its own."""
    for parent in layout.home.parents:
        if parent.exists() and not parent.stat().st_mode & 0o001:
            raise StackError(
                ExitCode.HOME_UNUSABLE,
                f"the daemons' users cannot get below {parent}: set QMAILUX_HOME to a folder elsewhere,"
                " such as /var/lib/qmailux-dev",
            )


def require_programs(*, own_redis: bool) -> None:
    """Everything that is started is installed."""
    programs = PROGRAMS_OF_PACKAGES | (REDIS_OF_PACKAGE if own_redis else {})
    missing = {name: package for name, package in programs.items() if shutil.which(name) is None}
    missing |= {file: package for file, package in FILES_OF_PACKAGES.items() if not Path(file).exists()}
    if missing:
        names = ", ".join(missing)
        packages = " ".join(dict.fromkeys(missing.values()))
        verb = "is" if len(missing) == 1 else "are"
        raise StackError(
            ExitCode.PROGRAM_MISSING, f"{names} {verb} not installed: apt-get install {packages}"
        )


def require_space(layout: Layout) -> None:
    free = shutil.disk_usage(layout.home).free
    if free < LEAST_FREE_BYTES:
        raise StackError(
            ExitCode.DISK_FULL,
            f"the disk of {layout.home} is full:"
            f" {free // 1024 // 1024} MB are free, {LEAST_FREE_BYTES // 1024 // 1024} MB are needed to start",
        )


def require_free_ports(layout: Layout) -> None:
    """No port of ours is taken. All that are taken are named, with the program."""
    services = [service for daemon in daemons(layout) for service in daemon.services]
    taken = [text for service in services if (text := _who_has(layout, service))]
    if taken:
        verb = "is" if len(taken) == 1 else "are"
        raise StackError(
            ExitCode.PORT_TAKEN,
            f"{_and(taken)} {verb} taken: end what listens there, or set another QMAILUX_PORT_OFFSET",
        )


def _who_has(layout: Layout, service: str) -> str:
    """'port 10025 (smtp, by master, pid 17)' when it is taken; '' when we can have it."""
    port = layout.port(service)
    for family, address in _listen_on(layout.bind):
        fault = _try_to_listen(family, address, port)
        if fault == errno.EADDRINUSE:
            holder = _holder_of(port)
            return f"port {port} ({service}{holder})"
        if fault == errno.EADDRNOTAVAIL:
            raise StackError(
                ExitCode.FAILED, f"the address {layout.bind} (QMAILUX_BIND) is not on this machine"
            )
        if fault:
            raise StackError(
                ExitCode.FAILED, f"cannot listen on {layout.bind} port {port}: {os.strerror(fault)}"
            )
    return ""


def _listen_on(bind: str) -> Iterable[tuple[socket.AddressFamily, str]]:
    if bind == "*":
        yield socket.AF_INET, "0.0.0.0"  # noqa: S104  # that is what "*" means
        if Path("/proc/net/if_inet6").exists():
            yield socket.AF_INET6, "::"
    else:
        yield (socket.AF_INET6 if ":" in bind else socket.AF_INET), bind


def _try_to_listen(family: socket.AddressFamily, address: str, port: int) -> int:
    """The errno, 0 when it worked."""
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        # Connections in TIME_WAIT do not hinder the daemons either.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            attempt.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            attempt.bind((address, port))
            attempt.listen(1)
        except OSError as error:
            return error.errno or errno.EINVAL
    return 0


def _holder_of(port: int) -> str:
    """', by master, pid 17'; '' when the kernel does not tell."""
    done = subprocess.run(
        ["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, timeout=10, check=False
    )
    found = re.search(r'\("([^"]+)",pid=(\d+)', done.stdout)
    return f", by {found[1]}, pid {found[2]}" if found else ""


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
