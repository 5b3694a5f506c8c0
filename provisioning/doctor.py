"""Is everything as it should be? Every check: ok, warning or error, and an error says what to do (DESIGN
5).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from django.db import DatabaseError, connection
from django.utils import timezone

from provisioning.daemons import daemons
from provisioning.desired import SERVER_HOME
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.logins import count_logins
from provisioning.models import AppliedRevision, Change
from provisioning.probes import probe
from provisioning.settings_files import mail_plane, settings_files
from qmailux_site.errors import SetupError

Level = Literal["ok", "warning", "error"]
PENDING_TOO_LONG = timedelta(minutes=1)
CERTIFICATE_WARNING = timedelta(days=14)
LOWEST_FREE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer. remedy: what to do about it, "" when nothing is wrong."""

    check: str
    level: Level
    text: str
    remedy: str = ""


Check = Callable[[Layout], Iterator[Finding]]


def examine(layout: Layout) -> list[Finding]:
    """Run every check on this machine; a check that cannot work is a finding too."""
    checks: tuple[Check, ...] = (
        _programs,
        _database,
        _daemons,
        _changes,
        _settings,
        _disk,
        _certificate,
        _plaintext_logins,
        _server_mailbox,
        _confinement,
    )
    findings: list[Finding] = []
    for check in checks:
        findings += check(layout)
    return findings


def _programs(layout: Layout) -> Iterator[Finding]:
    wanted = {
        "postfix": "postfix",
        "dovecot": "dovecot-core",
        "postmap": "postfix",
        "sievec": "dovecot-sieve",
    }
    missing = {program: package for program, package in wanted.items() if shutil.which(program) is None}
    for program, package in missing.items():
        yield Finding("programs", "error", f"{program} is not installed", f"apt-get install {package}")
    if not missing:
        yield Finding("programs", "ok", "all programs of the mail plane are installed")


def _database(layout: Layout) -> Iterator[Finding]:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield Finding(
            "database",
            "error",
            f"not reachable: {error}",
            "start it; mail goes on meanwhile, changes have to wait",
        )
    else:
        yield Finding("database", "ok", f"{connection.vendor} answers")


def _daemons(layout: Layout) -> Iterator[Finding]:
    for daemon in daemons(layout):
        for service in daemon.services:
            fault = probe(layout, service)
            name = f"{daemon.name} {service}"
            if fault:
                yield Finding(
                    name,
                    "error",
                    f"port {layout.port(service)}: {fault}",
                    f"look into {daemon.log}; manage.py stack up",
                )
            else:
                yield Finding(name, "ok", f"answers on port {layout.port(service)}")


def _changes(layout: Layout) -> Iterator[Finding]:
    failed = AppliedRevision.objects.exclude(error="")
    for applied in failed[:20]:
        yield Finding(
            "changes",
            "error",
            f"{applied.scope}: {applied.error}",
            "mend the cause, then manage.py apply",
        )
    old = Change.objects.filter(created_at__lt=timezone.now() - PENDING_TOO_LONG).count()
    if old:
        yield Finding(
            "changes",
            "error",
            f"{old} changes wait for more than a minute",
            "is the worker running? manage.py apply",
        )
    elif not failed.exists():
        yield Finding("changes", "ok", "nothing waits, nothing failed")


def _settings(layout: Layout) -> Iterator[Finding]:
    host = LocalHost(layout)
    try:
        wanted = settings_files(layout)
    except (KeyError, SetupError) as error:
        yield Finding("settings", "error", f"cannot be rendered: {error}", "make up")
        return
    differing = [file.path for file in wanted if host.read(file.path) != file.content]
    if differing:
        yield Finding(
            "settings",
            "warning",
            f"not as rendered: {', '.join(differing)}",
            "manage.py apply --all puts them right",
        )
    else:
        yield Finding("settings", "ok", "all settings files are as rendered")


def _disk(layout: Layout) -> Iterator[Finding]:
    usage = shutil.disk_usage(layout.node)
    share = usage.free / usage.total
    text = f"{usage.free // 1024**3} GB free ({share:.0%})"
    if share < LOWEST_FREE_SHARE:
        yield Finding("disk", "warning", text, "make room before mail has to wait")
    else:
        yield Finding("disk", "ok", text)


def _certificate(layout: Layout) -> Iterator[Finding]:
    path = mail_plane(layout).chain
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        yield Finding("certificate", "error", f"{path}: {error}", "make up makes one from our own authority")
        return
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    text = f"valid for {left.days} days"
    if left < CERTIFICATE_WARNING:
        yield Finding(
            "certificate",
            "warning" if left > timedelta(0) else "error",
            text,
            "renew it; make up renews ours",
        )
    else:
        yield Finding("certificate", "ok", text)


def _plaintext_logins(layout: Layout) -> Iterator[Finding]:
    counted = count_logins(layout.node_log)
    if counted.without_tls:
        yield Finding(
            "logins",
            "warning",
            f"{counted.without_tls} of {counted.total} logins in the current log were without TLS"
            f" ({len(counted.accounts)} accounts)",
            "ask their owners to switch TLS on in the mail program",
        )
    else:
        yield Finding("logins", "ok", f"all {counted.total} logins in the current log used TLS")


def _server_mailbox(layout: Layout) -> Iterator[Finding]:
    waiting = _messages(layout.mail / SERVER_HOME / "Maildir")
    if waiting:
        yield Finding(
            "server mailbox",
            "warning",
            f"{waiting} messages to postmaster wait in the server's own mailbox",
            "give every domain a postmaster (manage.py domain edit NAME --postmaster ADDRESS)",
        )
    else:
        yield Finding("server mailbox", "ok", "no message waits for the server's postmaster")


def _messages(maildir: Path) -> int:
    return sum(1 for folder in ("new", "cur") for _file in (maildir / folder).glob("*"))


def _confinement(layout: Layout) -> Iterator[Finding]:
    """Which AppArmor profile each daemon runs under: Debian's confine some by path (DESIGN 5)."""
    if not Path("/sys/kernel/security/apparmor").exists():
        yield Finding("apparmor", "ok", "not active on this machine")
        return
    for daemon in daemons(layout):
        try:
            pid = daemon.pid_file.read_text(encoding="ascii").strip()
            profile = Path(f"/proc/{pid}/attr/current").read_text(encoding="ascii").strip(" \n\0")
        except OSError:
            continue
        yield Finding("apparmor", "ok", f"{daemon.name} runs under {profile}")
