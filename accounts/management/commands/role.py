"""manage.py role: who may do what."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.naming import account_named
from accounts.roles import Role, RoleGrant
from domains.models import Domain
from domains.naming import domain_named
from qmailux_site.console import Fact, SubcommandCommand, add_json

EVERYWHERE = "*"


class Command(SubcommandCommand):
    help = "Show, give and take roles: superadmin, postmaster, help_desk, auditor."
    verbs = {
        "list": "list who has which role",
        "grant": "give a role in a domain, or everywhere",
        "revoke": "take a role away",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domain", help="of this domain alone")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["domain"]) if options["domain"] else None
        self.show(list(_holders(domain)), as_json=options["json"])

    def add_grant_arguments(self, parser: ArgumentParser) -> None:
        _add_place(parser)

    def verb_grant(self, options: dict[str, Any]) -> None:
        account, role, domain = _place(options)
        actions.grant_role(account, role=role, domain=domain, by=Actor.console())
        self.stdout.write(f"granted {role} to {account.address}{f' in {domain.name}' if domain else ''}")

    def add_revoke_arguments(self, parser: ArgumentParser) -> None:
        _add_place(parser)

    def verb_revoke(self, options: dict[str, Any]) -> None:
        account, role, domain = _place(options)
        actions.revoke_role(account, role=role, domain=domain, by=Actor.console())
        self.stdout.write(f"revoked {role} of {account.address}{f' in {domain.name}' if domain else ''}")


def _add_place(parser: ArgumentParser) -> None:
    parser.add_argument("address", help="the account")
    parser.add_argument("role", choices=Role.values)
    parser.add_argument("domain", nargs="?", help="where; * is everywhere; nothing for a superadmin")


def _place(options: dict[str, Any]) -> tuple[Account, str, Domain | None]:
    """Everywhere is said on purpose: a forgotten domain must not be more than was meant."""
    role, name = options["role"], options["domain"]
    if role != Role.SUPERADMIN and not name:
        raise CommandError("Name the domain, or * for everywhere.")
    domain = domain_named(name) if name and name != EVERYWHERE else None
    return account_named(options["address"]), role, domain


def _holders(domain: Domain | None) -> Iterator[dict[str, Fact]]:
    if domain is None:
        for address in Account.objects.filter(is_superuser=True).values_list("address", flat=True):
            yield {"address": address, "role": "superadmin", "domain": EVERYWHERE}
    managers = Domain.objects.exclude(managers=None)
    grants = RoleGrant.objects.select_related("account", "domain")
    if domain is not None:
        managers, grants = managers.filter(pk=domain.pk), grants.filter(domain=domain)
    for address, name in managers.order_by("name").values_list("managers__address", "name"):
        yield {"address": address, "role": "postmaster", "domain": name}
    for grant in grants:
        where = grant.domain.name if grant.domain else EVERYWHERE
        yield {"address": grant.account.address, "role": grant.role, "domain": where}
