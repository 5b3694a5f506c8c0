"""What the packet filter and Dovecot are told of blocked addresses, and what they met."""

from __future__ import annotations

import json
from collections.abc import Iterable

from enforcement.actions import note_hits
from enforcement.models import Block
from provisioning.daemons import address_blocks
from provisioning.hosts.base import Host
from provisioning.layout import Layout

BlockRow = tuple[str, str, str, int]  # name, network, service, end
BanRow = tuple[str, str]  # name, "address|login|service"
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


def settle_blocks(host: Host, layout: Layout) -> None:
    """A filter that a restart or somebody else emptied is filled again, and what it met is counted."""
    host.run(address_blocks(layout), timeout=60)
    note_hits(json.loads(host.run([*address_blocks(layout), "--hits"], timeout=60).stdout or b"{}"))


def _of(names: Iterable[str] | None) -> list[Block]:
    blocks = Block.objects.order_by("pk")
    if names is not None:
        numbers = [name.removeprefix("block:") for name in names if name.startswith("block:")]
        blocks = blocks.filter(pk__in=[number for number in numbers if number.isdigit()])
    return list(blocks)
