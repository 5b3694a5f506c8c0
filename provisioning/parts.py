"""Whether the parts of a node run, asked by the worker: the panel's own user gets to no socket of theirs."""

from __future__ import annotations

from antispam.models import PartState
from provisioning import rules, signatures
from provisioning.daemons import Daemon, daemons
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.probes import probe, socket_fault
from qmailux_site.errors import HostUnreachable


def look_at_parts(node: Node, host: Host, layout: Layout) -> None:
    """What the panel shows is as old as this look: a minute at most."""
    for daemon in daemons(layout):
        _note(node, daemon.name, fault_of(daemon, layout))
    _note_signatures(node, layout)
    current = rules.in_use(host, layout)
    _note(node, "rules", "", version=current.version, made_at=current.made_at)


def fault_of(daemon: Daemon, layout: Layout) -> str:
    """In words; "" when it takes connections."""
    found = [probe(layout, service) for service in daemon.services]
    found += [socket_fault(path) for path in daemon.ready_sockets]
    return next((fault for fault in found if fault), "")


def _note_signatures(node: Node, layout: Layout) -> None:
    try:
        found = signatures.in_use(layout)
    except HostUnreachable as error:
        _note(node, "signatures", str(error))
        return
    made_at = found.made_at.isoformat() if found.made_at else ""
    _note(node, "signatures", "", version=found.version, made_at=made_at, program=found.program)


def _note(node: Node, name: str, fault: str, **facts: str) -> None:
    """While it cannot be asked, what is known of it stays."""
    values: dict[str, object] = {"fault": fault[:300]}
    if not fault:
        values["facts"] = facts
    PartState.objects.update_or_create(node=node, name=name, defaults=values)
