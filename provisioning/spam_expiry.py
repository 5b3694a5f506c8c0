"""Dovecot itself empties the folder SPAM at a login or a delivery. This is for users who have neither."""

from __future__ import annotations

from datetime import datetime, timedelta

from antispam.models import SpamPreference
from domains.models import Domain
from provisioning.daemons import dovecot_conf
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.render.plane import Folders
from provisioning.spam import server_values

SECONDS = 6 * 3600


def expire_spam(node: Node, host: Host, layout: Layout, *, now: datetime) -> None:
    """What was saved there more days ago than the domain says, or the server. The moment of the save counts,
    not the message's own date; so what was moved in today has all its days before it.
    """
    default = server_values().days
    own = dict(
        SpamPreference.objects.filter(domain__node=node, spam_days__isnull=False).values_list(
            "domain__name", "spam_days"
        )
    )
    for name in Domain.objects.hosted().filter(node=node).values_list("name", flat=True).order_by("name"):
        since = now - timedelta(days=own.get(name) or default)
        host.run(_expunge(layout, f"*@{name}", since), timeout=SECONDS)


def _expunge(layout: Layout, users: str, since: datetime) -> list[str]:
    doveadm = ["/usr/bin/doveadm", "-c", str(dovecot_conf(layout))]
    return [
        *doveadm,
        "expunge",
        "-u",
        users,
        "mailbox",
        Folders().spam,
        "savedbefore",
        str(int(since.timestamp())),
    ]
