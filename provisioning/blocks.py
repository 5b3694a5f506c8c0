"""What the packet filter and Dovecot are told of blocked addresses, and what they met."""

from __future__ import annotations

import json
from collections.abc import Iterable

from enforcement.actions import note_hits
from enforcement.models import Block
from provisioning.daemons import address_blocks
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Node

BlockRow = tuple[str, str, str, int]  # name, network, service, end
BanRow = tuple[str, str]  # name, "address|login|service"
# Whichever way it is, in a word of the command line.
FILTERED = "the packet filter keeps blocked addresses out"
REFUSED_BY_PARTS = (
    "the packet filter cannot be used ({fault}): Postfix, Dovecot and nginx refuse blocked addresses, which"
    " get a greeting, but no login and no mail through; an end takes effect within 10 seconds; hits are not"
    " counted"
)
# As Dovecot calls them.
_DOVECOT = {"submission": "smtp"}


def block_rows(names: Iterable[str] | None = None) -> list[BlockRow]:
    """For the packet filter: all, or those of these names."""
    return [
        (block.key, block.network, block.service, int(block.until.timestamp()) if block.until else 0)
        for block in _of(names)
        if not block.login
    ]


def ban_rows(names: Iterable[str] | None = None) -> list[BanRow]:
    """For Dovecot: one login from one address over one service. The panel looks after its own door."""
    return [
        (block.key, f"{block.address}|{block.login}|{_DOVECOT.get(block.service, block.service)}")
        for block in _of(names)
        if block.login and block.service != Block.Service.WEB
    ]


def settle_blocks(node: Node, host: Host, layout: Layout) -> None:
    """A filter that a restart or somebody else emptied is filled again, and what it met is counted; where it
    cannot be used, the parts refuse, which is noted at the node.
    """
    report = json.loads(host.run([*address_blocks(layout), "--report"], timeout=60).stdout)
    Node.objects.filter(pk=node.pk).exclude(filter_fault=report["fault"]).update(filter_fault=report["fault"])
    note_hits(report["hits"])


def words_of(fault: str) -> str:
    """Which way blocked addresses are kept out. fault: of the packet filter, empty when it does it."""
    return REFUSED_BY_PARTS.format(fault=fault) if fault else FILTERED


def _of(names: Iterable[str] | None) -> list[Block]:
    blocks = Block.objects.order_by("pk")
    if names is not None:
        numbers = [name.removeprefix("block:") for name in names if name.startswith("block:")]
        blocks = blocks.filter(pk__in=[number for number in numbers if number.isdigit()])
    return list(blocks)
