"""Which addresses the machine has: nothing may listen on another one (engine 2, 0).

For IPv4 the kernel's own table of local addresses is asked, not the interfaces: it also knows whole blocks
that were given to the machine by a route.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from typing import Any

from accounts.actor import Actor
from domains import address_actions
from domains.models import IPAddress
from provisioning.hosts.base import Host
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.render.plane import NodeAddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def local_networks(host: Host) -> list[Network]:
    """What a program on the machine can bind to: single addresses and, for IPv4, whole blocks."""
    routes = _asked(host, "-4", "route", "show", "table", "local", "type", "local")
    # An IPv6 block that a route gives to the machine cannot be bound to: only interfaces' addresses can, when
    # no other machine has been found to have them.
    interfaces = _asked(host, "-6", "address", "show")
    singles = [
        entry["local"]
        for interface in interfaces
        for entry in interface.get("addr_info", [])
        if entry.get("scope") != "link" and not entry.get("tentative") and not entry.get("dadfailed")
    ]
    return [ipaddress.ip_network(text) for text in [*(route["dst"] for route in routes), *singles]]


def _asked(host: Host, *question: str) -> list[dict[str, Any]]:
    """Empty on a machine without this family."""
    output = host.run(["ip", "-j", *question], check=False)
    answer: list[dict[str, Any]] = json.loads(output.stdout or b"[]")
    return answer


def is_local(address: str, networks: Iterable[Network]) -> bool:
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in networks if network.version == parsed.version)


def addresses_of_this_machine(layout: Layout) -> tuple[tuple[NodeAddress, ...], tuple[str, ...]]:
    """Those with a name of their own, and all others of the machine. Asked of the kernel at each look."""
    rows = list(IPAddress.objects.filter(node__kind=Node.Kind.LOCAL).order_by("pk"))
    if not rows:
        return (), ()
    networks = local_networks(LocalHost(layout))
    named = tuple(
        NodeAddress(
            number=row.pk,
            address=row.address,
            hostname=row.hostname,
            is_present=is_local(row.address, networks),
            is_default=row.is_default,
        )
        for row in rows
    )
    return named, _single_addresses(networks)


def look_at_addresses(node: Node, host: Host) -> list[IPAddress]:
    """Note which addresses of the node the machine has; returns those that came or went since."""
    rows = list(IPAddress.objects.filter(node=node))
    if not rows:
        return []
    networks = local_networks(host)
    present = {row.pk: is_local(row.address, networks) for row in rows}
    return address_actions.note_presence(present, by=Actor.task())


def _single_addresses(networks: Iterable[Network]) -> tuple[str, ...]:
    singles = {network.network_address for network in networks if network.num_addresses == 1}
    usable = (address for address in singles if not address.is_link_local and not address.is_multicast)
    return tuple(
        str(address) for address in sorted(usable, key=lambda address: (address.version, int(address)))
    )
