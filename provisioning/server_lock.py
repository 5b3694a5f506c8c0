"""The lock of the whole server, as the machine itself knows it: to be seen and lifted while the database is
down.
"""

from __future__ import annotations

import logging

from accounts.actor import Actor
from enforcement.actions import unlock_server
from enforcement.models import ServerLock
from provisioning.daemons import postfix
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.render.dovecot import SERVER_LOCK
from provisioning.render.files import HEADER, RenderedFile
from provisioning.render.postfix import LOCK_ALL_LOGINS, settings_of_unlocked
from provisioning.stores import open_store
from qmailux_site.errors import CommandFailed

log = logging.getLogger(__name__)

LOCK_FILE = "etc/server-lock"
# Left by whoever lifted the lock on the machine: the database still has it.
LIFTED = "state/server-lock-lifted"
_STORES = ("lock", "lock_login", "lock_reject", "lock_defer")


def server_lock_file() -> RenderedFile:
    """Who, why, since when; empty of facts while the server is not locked."""
    lock = ServerLock.objects.first()
    lines = [f"# {HEADER}"]
    if lock is not None:
        until = lock.until.isoformat() if lock.until else ""
        facts = {
            "reason": lock.reason,
            "mode": lock.mode,
            "by": lock.set_by,
            "since": lock.since.isoformat(),
            "until": until,
        }
        lines += [f"{name}: {' '.join(value.split())}" for name, value in facts.items()]
    return RenderedFile(LOCK_FILE, "\n".join([*lines, ""]).encode(), daemon="", mode=0o600)


def lock_on(host: Host) -> dict[str, str]:
    """What the machine knows of the lock; empty when there is none."""
    text = (host.read(LOCK_FILE) or b"").decode("utf-8", "replace")
    lines = [line.partition(": ") for line in text.splitlines() if not line.startswith("#")]
    return {name: value for name, _colon, value in lines if name}


def lift_on_machine(host: Host, layout: Layout) -> None:
    """Without the database: the lock goes from the stores and the settings at once, and from the database
    when it is back.
    """
    host.write(RenderedFile(LIFTED, f"{HEADER}\n".encode(), daemon="", mode=0o600))
    for name in _STORES:
        key = SERVER_LOCK[0] if name == "lock" else LOCK_ALL_LOGINS
        with host.lock(f"store-{name}"):
            open_store(host, layout, name).change({}, [key])
    folder = str(layout.etc / "postfix")
    with host.lock("settings"):
        host.run(["/usr/sbin/postconf", "-c", folder, "-e", *settings_of_unlocked()])
        host.write(RenderedFile(LOCK_FILE, f"# {HEADER}\n".encode(), daemon="", mode=0o600))
        try:
            host.run(postfix(layout).reload)
            host.run(["/usr/sbin/postqueue", "-c", folder, "-f"])
        except CommandFailed as error:
            log.warning("Postfix takes the settings up at its next start: %s", error)


def take_over_lift(host: Host) -> None:
    """The database is back, and hears that somebody lifted the lock on the machine meanwhile."""
    if host.read(LIFTED) is None:
        return
    unlock_server(by=Actor.console())
    host.remove(LIFTED)
