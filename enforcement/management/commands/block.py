"""manage.py block: who may not connect."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import CommandError

from accounts.actor import Actor
from enforcement import actions
from enforcement.models import Block
from provisioning.blocks import words_of
from provisioning.models import SERVER_SCOPE, Node
from qmailux_site.console import Fact, SubcommandCommand, add_json, add_yes
from qmailux_site.moments import parse_moment


class Command(SubcommandCommand):
    help = "Block addresses and networks, list them, lift the block."
    verbs: ClassVar[dict[str, str]] = {
        "add": "no connection from there any more; open ones end",
        "list": "who is blocked, why, until when, and what it met",
        "delete": "lift a block, or all of an address",
    }

    def add_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("network", help="192.0.2.7, 192.0.2.0/24 or 2001:db8::/64")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--service", choices=Block.Service.values, default=Block.Service.ALL)
        parser.add_argument("--until", default="", metavar="TIME", help="2026-11-30T08:00, or 45m, 6h, 2d")
        add_yes(parser)

    def verb_add(self, options: dict[str, Any]) -> None:
        own = os.environ.get("SSH_CLIENT", "").partition(" ")[0]
        if own and actions.is_in(own, options["network"]):
            self.confirm(f"You come from {own} yourself. Block it?", yes=options["yes"])
        block = actions.add_block(
            network=options["network"],
            reason=options["reason"],
            service=options["service"],
            until=parse_moment(options["until"]),
            by=Actor.console(),
        )
        self.stdout.write(f"blocked {block}: {block.get_service_display()}")
        self.say_life(SERVER_SCOPE, block.key)
        self._say_ways(only_without_filter=True)

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        self.show([_facts(block) for block in Block.objects.all()], as_json=options["json"])
        if not options["json"]:
            self._say_ways()

    def _say_ways(self, *, only_without_filter: bool = False) -> None:
        """As it was at the last look, every ten seconds."""
        for node in Node.objects.order_by("pk"):
            if node.filter_fault or not only_without_filter:
                self.stdout.write(f"{node}: {words_of(node.filter_fault)}")

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("network")
        parser.add_argument("--service", choices=Block.Service.values, default="", help="this one only")
        parser.add_argument("--login", default="", help="this login only")

    def verb_delete(self, options: dict[str, Any]) -> None:
        network = actions.parse_network(options["network"])
        found = Block.objects.filter(network=str(network))
        if options["service"]:
            found = found.filter(service=options["service"])
        if options["login"]:
            found = found.filter(login=options["login"])
        blocks = list(found)
        if not blocks:
            raise CommandError(f"{network} is not blocked.")
        for block in blocks:
            key = block.key
            actions.lift_block(block, by=Actor.console())
            self.stdout.write(f"lifted {block}: {block.get_service_display()} {block.login}".rstrip())
            self.say_life(SERVER_SCOPE, key)


def _facts(block: Block) -> dict[str, Fact]:
    return {
        "network": block.network,
        "service": block.service,
        "login": block.login,
        "until": block.until.isoformat(timespec="seconds") if block.until else None,
        "reason": block.reason,
        "by": "automatic" if block.is_automatic else block.set_by,
        "since": block.created_at.isoformat(timespec="seconds"),
        "hits": block.hits,
        "last hit": block.last_hit_at.isoformat(timespec="seconds") if block.last_hit_at else None,
    }
