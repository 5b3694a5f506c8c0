"""Settings become active: test beside, write, reload; a reload that fails restores the old files (DESIGN 4).

Data needs none of this: the daemons see changed entries by themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from provisioning.daemons import Daemon
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.render.files import RenderedFile
from qmailux_site.errors import CommandFailed

log = logging.getLogger(__name__)


def activate(host: Host, layout: Layout, daemon: Daemon | None, files: Sequence[RenderedFile]) -> None:
    """Put the changed files of one daemon in force. On any failure the old ones stand again; raises
    CommandFailed.

    daemon: None for programs and scripts that are read anew at each use.
    """
    before = {file.path: host.read(file.path) for file in files}
    try:
        for file in files:
            host.write(file)
        for check in daemon.check if daemon else ():
            host.run(check, timeout=60)
        _compile_sieve(host, layout, files)
        if daemon and is_running(host, daemon):
            host.run(daemon.reload, timeout=60)
    except Exception:
        _restore(host, layout, daemon, files, before)
        raise


def is_running(host: Host, daemon: Daemon) -> bool:
    """By the pid file, which is stale after a crash: so the pid is asked for."""
    pid = _pid(daemon.pid_file)
    return pid is not None and host.run(["kill", "-0", str(pid)], check=False).code == 0


def _pid(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() else None


def _compile_sieve(host: Host, layout: Layout, files: Sequence[RenderedFile]) -> None:
    """Dovecot runs as a user who cannot write beside the scripts: compile them now, as root."""
    for file in files:
        if file.path.endswith(".sieve"):
            host.run(
                ["sievec", "-c", str(layout.etc / "dovecot" / "dovecot.conf"), str(layout.node / file.path)]
            )


def _restore(
    host: Host,
    layout: Layout,
    daemon: Daemon | None,
    files: Sequence[RenderedFile],
    before: dict[str, bytes | None],
) -> None:
    """The state before, and the daemon told so: it may have taken up some of the new files."""
    for file in files:
        content = before[file.path]
        if content is None:
            host.remove(file.path)
        else:
            host.write(replace(file, content=content))
    if daemon is None:
        return
    log.warning("settings of daemon=%s restored", daemon.name)
    if all(content is not None for content in before.values()) and is_running(host, daemon):
        try:
            host.run(daemon.reload, timeout=60)
        except CommandFailed as error:
            log.error("reload after restore failed daemon=%s: %s", daemon.name, error)
