"""Is everything as it should be? Every check: ok, warning or error, and an error says what to do (DESIGN
5).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from django.db import DatabaseError, connection
from django.utils import timezone

from antispam.counts import UNSCANNED, stopped_since
from antispam.models import TaughtMessage, UpdateRun
from enforcement.models import Certificate
from provisioning import rules
from provisioning.blocks import words_of
from provisioning.certificates import files_of
from provisioning.daemons import Daemon, address_blocks, daemons, logs_to_syslog
from provisioning.desired import SERVER_HOME
from provisioning.events import learner_fault
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.logins import count_logins
from provisioning.models import AppliedRevision, Change
from provisioning.probes import probe, socket_fault
from provisioning.sealed_secrets import look_at_secrets
from provisioning.settings_files import mail_plane, settings_files
from provisioning.signatures import in_use
from qmailux_site.errors import CommandFailed, HostUnreachable, SetupError

Level = Literal["ok", "warning", "error"]
PENDING_TOO_LONG = timedelta(minutes=1)
CERTIFICATE_WARNING = timedelta(days=14)
SIGNATURES_WARNING = timedelta(days=7)
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
        _learner,
        _signatures,
        _rules,
        _unscanned,
        _settings,
        _secrets,
        _blocks,
        _disk,
        certificate_findings,
        _plaintext_logins,
        _server_mailbox,
        _confinement,
        _syslog,
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
        "spamd": "spamd",
        "spamc": "spamc",
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
        if not daemon.services:
            yield _daemon_without_ports(daemon)
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


def _daemon_without_ports(daemon: Daemon) -> Finding:
    for path in daemon.ready_sockets:
        if fault := socket_fault(path):
            remedy = f"look into {daemon.log}; manage.py stack up"
            return Finding(daemon.name, "error", f"{path}: {fault}", remedy)
    return Finding(daemon.name, "ok", "takes connections on its socket")


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


def _learner(layout: Layout) -> Iterator[Finding]:
    """Who teaches, and what could not be taught."""
    if fault := learner_fault(layout):
        yield Finding(
            "learner", "error", fault, f"look into {layout.log / 'learner.log'}; manage.py stack up"
        )
        return
    failed = TaughtMessage.objects.exclude(failure="").filter(
        batch__started_at__gte=timezone.now() - timedelta(days=1)
    )
    if count := failed.count():
        text = f"{count} messages could not be taught since yesterday: {failed[0].failure}"
        yield Finding("learner", "warning", text, f"look into {layout.node_log / 'spamd.log'}")
    else:
        yield Finding("learner", "ok", "looks into the spool, nothing failed")


def _signatures(layout: Layout) -> Iterator[Finding]:
    try:
        found = in_use(layout)
    except HostUnreachable as error:
        yield Finding("signatures", "error", str(error), f"look into {layout.node_log / 'clamd.log'}")
        return
    remedy = f"does this machine reach database.clamav.net? {layout.node_log / 'freshclam.log'}"
    if not found.version:
        text = "the virus scanner has the test signature alone, and finds no virus"
        yield Finding("signatures", "warning", text, remedy)
        return
    age = datetime.now(UTC) - found.made_at if found.made_at else None
    text = f"version {found.version}, {age.days if age else '?'} days old"
    if age is None or age > SIGNATURES_WARNING:
        yield Finding("signatures", "warning", text, remedy)
    else:
        yield Finding("signatures", "ok", text)


def _rules(layout: Layout) -> Iterator[Finding]:
    """The spam check's rules, and how the last look for new ones ended."""
    found = rules.in_use(LocalHost(layout), layout)
    last = UpdateRun.objects.filter(kind=UpdateRun.Kind.RULES).exclude(ended_at=None).first()
    text = f"version {found.version}" if found.version else "as they came with SpamAssassin"
    if last is not None and last.error:
        yield Finding(
            "rules", "warning", f"{text}; last look: {last.error}", "manage.py protection update rules"
        )
    else:
        yield Finding("rules", "ok", text)


def _unscanned(layout: Layout) -> Iterator[Finding]:
    """Mail is delivered though the spam check fails, and never silently."""
    count = stopped_since(timezone.localdate()).get(UNSCANNED, 0)
    if count:
        text = f"{count} messages were delivered today without a spam check, which failed"
        yield Finding("unscanned", "warning", text, f"look into {layout.node_log / 'spamd.log'}")
    else:
        yield Finding("unscanned", "ok", "no delivery without a spam check today")


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


def _secrets(layout: Layout) -> Iterator[Finding]:
    """Whether what the database holds sealed can be opened here."""
    found = look_at_secrets(layout)
    if not found.has_key:
        yield Finding(
            "secrets",
            "error",
            f"the key that {layout.sealing_public} belongs to is not in {layout.sealing_keys}",
            "put it back from the backup, or manage.py stack prepare makes a new one",
        )
    if found.lost:
        yield Finding(
            "secrets",
            "error",
            f"sealed with a key that is not in {layout.sealing_keys}: {found.lost_in_words}; what the mail"
            " plane has goes on",
            "put that key back from the backup and manage.py apply --all; or set them anew: manage.py dkim"
            " rotate, manage.py domain smarthost",
        )
    if found.clear:
        text = f"{found.clear} secrets of an older version are not sealed yet"
        yield Finding("secrets", "warning", text, "the node's worker does it within a minute: does it run?")
    if found.is_well:
        yield Finding("secrets", "ok", "what is sealed in the database can be opened")


def _blocks(layout: Layout) -> Iterator[Finding]:
    """Which way blocked addresses are kept out, found out by trying."""
    try:
        done = LocalHost(layout).run([*address_blocks(layout), "--report"], timeout=60)
    except CommandFailed as failure:
        text = f"whether anybody is kept out is not known: {failure}"
        yield Finding("blocks", "error", text, "mend the cause, then manage.py apply")
        return
    fault = json.loads(done.stdout)["fault"]
    if fault:
        yield Finding(
            "blocks", "warning", words_of(fault), "install nftables, or run this with CAP_NET_ADMIN"
        )
    else:
        yield Finding("blocks", "ok", words_of(fault))


def _disk(layout: Layout) -> Iterator[Finding]:
    usage = shutil.disk_usage(layout.node)
    share = usage.free / usage.total
    text = f"{usage.free // 1024**3} GB free ({share:.0%})"
    if share < LOWEST_FREE_SHARE:
        yield Finding("disk", "warning", text, "make room before mail has to wait")
    else:
        yield Finding("disk", "ok", text)


def certificate_findings(layout: Layout) -> Iterator[Finding]:
    """The server's own certificate, and those of other names that are not in order."""
    plane = mail_plane(layout)
    by_acme = {files_of(layout, row)[0] for row in Certificate.objects.filter(kind=Certificate.Kind.ACME)}
    yield certificate_finding("certificate", plane.chain, is_acme=plane.chain in by_acme)
    for name, (chain, _key) in plane.certificates_by_name:
        finding = certificate_finding(f"certificate {name}", chain, is_acme=chain in by_acme)
        if chain != plane.chain and finding.level != "ok":
            yield finding


def certificate_finding(check: str, path: Path, *, is_acme: bool) -> Finding:
    """is_acme: it is renewed by itself, in the last third of its life."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return Finding(check, "error", f"{path}: {error}", "manage.py apply makes one from our own authority")
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    text = (
        f"valid for {left.days} days" if left.days else f"valid for {left.total_seconds() / 3600:.0f} hours"
    )
    # Some authorities issue for a day: half of the time in which it is renewed is left then.
    if left >= (min(CERTIFICATE_WARNING, life / 6) if is_acme else CERTIFICATE_WARNING):
        return Finding(check, "ok", text)
    level: Level = "warning" if left > timedelta(0) else "error"
    return Finding(check, level, text, "renew it (manage.py certificate list); ours renew themselves")


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


def _syslog(layout: Layout) -> Iterator[Finding]:
    """Whether the parts that know syslog alone see the receiver: else their lines are in no log of ours."""
    unheard = [d for d in daemons(layout) if logs_to_syslog(d) and not has_own_syslog(layout, d)]
    for daemon in unheard:
        yield Finding(
            "syslog",
            "warning",
            f"what {daemon.name} logs is lost: it has no /dev/log of this instance's own",
            f"may it not mount here? look into {layout.log / f'{daemon.name}.log'}; start it again",
        )
    if not unheard:
        yield Finding("syslog", "ok", "every part that knows syslog alone is heard")


def has_own_syslog(layout: Layout, daemon: Daemon) -> bool:
    """Whether the running daemon sees the receiver's socket as /dev/log."""
    try:
        pid = daemon.pid_file.read_text(encoding="ascii").strip()
        return Path(f"/proc/{pid}/root/dev/log").readlink() == layout.syslog_socket
    except OSError:
        return False


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
