"""manage.py ip: the server's addresses, and which domain uses which."""

from __future__ import annotations

import ipaddress
import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.actions import levels
from accounts.actor import Actor
from accounts.naming import account_named
from domains import address_actions as actions
from domains.models import Domain, IPAddress
from domains.naming import domain_named
from enforcement.actions import begin_quarantine, end_quarantine
from enforcement.quarantine import smarthost_of
from provisioning.hosts import host_of
from provisioning.models import SERVER_SCOPE, Node
from provisioning.presence import is_local, local_networks, look_at_addresses
from qmailux_site.console import Fact, SubcommandCommand, add_json, add_yes

DEFAULT = "default"


class Command(SubcommandCommand):
    help = "Add, assign and check the server's IP addresses."
    verbs = {
        "add": "add an address with its host name",
        "list": "list addresses and the domains that use them",
        "edit": "change an address's host name or state",
        "delete": "delete an address that no domain uses",
        "default": "mail of domains without an own address leaves from this one",
        "assign": "give a domain an address of its own",
        "quarantine": "what an account or a domain sends leaves by the address for suspected mail",
        "check": "look whether the machine has the addresses and whether DNS names them",
    }

    def add_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("hostname", help="the name in greetings and headers")
        parser.add_argument("--absent", action="store_true", help="take one that the machine does not have")

    def verb_add(self, options: dict[str, Any]) -> None:
        parsed = actions.parse_address(options["address"])
        node = _only_node()
        present = is_local(str(parsed), local_networks(host_of(node)))
        if not present and not options["absent"]:
            raise CommandError(f"This machine does not have the address {parsed}. Repeat with --absent.")
        row = actions.add_address(
            address=str(parsed),
            hostname=options["hostname"],
            node=node,
            is_present=present,
            by=Actor.console(),
        )
        self.stdout.write(f"added {row.address} as {row.hostname}")
        self.say_life(SERVER_SCOPE, "*")

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        rows = IPAddress.objects.visible_to(Actor.console()).order_by("pk")
        self.show([_facts(row) for row in rows], as_json=options["json"])

    def add_edit_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--hostname")
        parser.add_argument("--state", choices=IPAddress.State.values)

    def verb_edit(self, options: dict[str, Any]) -> None:
        row = _address(options["address"])
        actions.edit_address(row, hostname=options["hostname"], state=options["state"], by=Actor.console())
        self.stdout.write(f"changed {row.address}")
        self.say_life(SERVER_SCOPE, "*")

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        add_yes(parser)

    def verb_delete(self, options: dict[str, Any]) -> None:
        row = _address(options["address"])
        self.confirm(f"Delete the address {row}?", yes=options["yes"])
        actions.delete_address(row, by=Actor.console())
        self.stdout.write(f"deleted {row.address}")
        self.say_life(SERVER_SCOPE, "*")

    def add_default_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--off", action="store_true", help="let the machine choose again")

    def verb_default(self, options: dict[str, Any]) -> None:
        row = _address(options["address"])
        change = actions.clear_default_address if options["off"] else actions.set_default_address
        change(row, by=Actor.console())
        self.stdout.write(f"{row.address} is {'no longer ' if options['off'] else ''}the default")
        self.say_life(SERVER_SCOPE, "*")

    def add_assign_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain")
        parser.add_argument("address", nargs="?", help=f"for both ways; '{DEFAULT}' for the server's default")
        parser.add_argument("--inbound", metavar="ADDRESS", help="where mail arrives")
        parser.add_argument("--outbound", metavar="ADDRESS", help="where mail leaves")

    def verb_assign(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["domain"])
        inbound = options["inbound"] or options["address"]
        outbound = options["outbound"] or options["address"]
        if inbound is None and outbound is None:
            raise CommandError(f"Name an address, or '{DEFAULT}'.")
        actions.set_domain_addresses(
            domain,
            inbound=domain.inbound_address if inbound is None else _address_or_default(inbound),
            outbound=domain.outbound_address if outbound is None else _address_or_default(outbound),
            by=Actor.console(),
        )
        self.stdout.write(
            f"assigned {domain.name}: in {inbound or 'as before'}, out {outbound or 'as before'}"
        )
        self.say_life(domain.scope, domain.name)

    def add_quarantine_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("who", help="an account's address, or a domain")
        parser.add_argument("--off", action="store_true", help="it leaves as before")

    def verb_quarantine(self, options: dict[str, Any]) -> None:
        who = options["who"]
        owner = account_named(who) if "@" in who else domain_named(who)
        if options["off"]:
            end_quarantine(owner, by=Actor.console())
            self.stdout.write(f"{owner}: leaves as before")
        else:
            row = begin_quarantine(owner, by=Actor.console())
            self.stdout.write(f"{owner}: leaves by {row.address.address}")
            if smarthost := smarthost_of(owner):
                self.stdout.write(
                    f"{owner}: still by the smarthost {smarthost.server}, whose address is seen"
                )
        key = owner.name if isinstance(owner, Domain) else owner.address
        self.say_life(levels.scope_of(owner), key)

    def add_check_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_check(self, options: dict[str, Any]) -> None:
        for node in Node.objects.all():
            look_at_addresses(node, host_of(node))
        rows = [_findings(row) for row in IPAddress.objects.order_by("pk")]
        self.show(rows, as_json=options["json"])
        bad = [row for row in rows if row["present"] is False or row["reverse name"] != row["hostname"]]
        if bad:
            raise CommandError(
                f"{len(bad)} of {len(rows)} addresses are not as they should be.", returncode=1
            )


def _only_node() -> Node:
    node = Node.objects.order_by("pk").first()
    if node is None:
        raise CommandError("There is no server yet: run manage.py setup.")
    return node


def _address(text: str) -> IPAddress:
    parsed = actions.parse_address(text)
    row = IPAddress.objects.visible_to(Actor.console()).filter(address=str(parsed)).first()
    if row is None:
        raise CommandError(f"There is no address {parsed}.")
    return row


def _address_or_default(text: str) -> IPAddress | None:
    return None if text == DEFAULT else _address(text)


def _facts(row: IPAddress) -> dict[str, Fact]:
    users = Domain.objects.using_address(row)
    return {
        "address": row.address,
        "hostname": row.hostname,
        "state": row.state,
        "default": row.is_default,
        "present": row.is_present,
        "listed": row.listed_in,
        "domains": list(users.order_by("name").values_list("name", flat=True)),
    }


def _findings(row: IPAddress) -> dict[str, Fact]:
    return {
        "address": row.address,
        "hostname": row.hostname,
        "present": row.is_present,
        "reverse name": _reverse_name(row.address),
        "name leads back": _leads_back(row),
    }


def _reverse_name(address: str) -> str | None:
    try:
        return socket.gethostbyaddr(address)[0].lower()
    except OSError:
        return None


def _leads_back(row: IPAddress) -> bool:
    """Receivers believe a reverse name only if the name has the address (FCrDNS)."""
    try:
        found = socket.getaddrinfo(row.hostname, 25, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(ipaddress.ip_address(entry[4][0]) == ipaddress.ip_address(row.address) for entry in found)
