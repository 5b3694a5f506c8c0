"""Machines of the mail plane behind one contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from provisioning.hosts.base import Host
from provisioning.hosts.local import LocalHost
from qmailux_site.errors import HostUnreachable

if TYPE_CHECKING:
    from provisioning.models import Node


def host_of(node: Node) -> Host:
    """The host to work on the node's machine through."""
    if node.kind == "local":
        return LocalHost(settings.QMAILUX_LAYOUT)
    raise HostUnreachable(f"{node.name}: nodes over SSH are not there yet")
