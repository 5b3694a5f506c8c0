"""Running mail sessions of accounts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from provisioning.hosts.base import Host
from provisioning.layout import Layout

log = logging.getLogger(__name__)

# Past this number it is cheaper to ask who is there first.
MOST_BLIND_KICKS = 20


def kick(host: Host, layout: Layout, names: Sequence[str]) -> None:
    """End the IMAP, POP3 and ManageSieve sessions of accounts, or of all accounts of a domain.

    names: addresses or domain names. A daemon that is down has no sessions: that is no error.
    """
    doveadm = ["doveadm", "-c", str(layout.etc / "dovecot" / "dovecot.conf")]
    if len(names) > MOST_BLIND_KICKS:
        connected = _connected(host, doveadm)
        names = [name for name in names if "@" not in name or name in connected]
    for name in names:
        user = name if "@" in name else f"*@{name}"
        done = host.run([*doveadm, "kick", user], timeout=20, check=False)
        if done.code not in (0, 68):  # 68: nobody of that name was connected
            log.info(
                "kick user=%s code=%s: %s", user, done.code, done.stderr.decode("utf-8", "replace").strip()
            )


def _connected(host: Host, doveadm: list[str]) -> set[str]:
    who = host.run([*doveadm, "-f", "tab", "who"], timeout=60, check=False)
    return {line.split("\t")[0] for line in who.stdout.decode("utf-8", "replace").splitlines()[1:]}
