"""manage.py domain: the hosted domains and their alias names."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Count

from accounts.actor import Actor
from accounts.models import Account, LockMode
from accounts.quotas import parse_quota_mb
from domains import actions
from domains.models import Domain, DomainAlias
from domains.names import canonical_domain, display_domain
from domains.naming import domain_named
from domains.relay_actions import keep_here, pass_on
from domains.smarthost_actions import remove_smarthost, set_smarthost
from provisioning.models import SERVER_SCOPE
from qmailux_site.console import (
    Fact,
    SubcommandCommand,
    add_dry_run,
    add_json,
    add_yes,
    dry_run_of,
    password_from_stdin,
)
from qmailux_site.moments import parse_moment


class Command(SubcommandCommand):
    help = "Add, show and change domains."
    verbs = {
        "add": "add a domain",
        "list": "list domains",
        "show": "show one domain",
        "edit": "change defaults, limits and postmasters of a domain",
        "relay": "pass a domain's mail on to another server, or keep it here again",
        "smarthost": "send a domain's mail, or the server's, by another server with a login",
        "lock": "lock a domain: no login, incoming mail as chosen",
        "unlock": "lift the lock of a domain",
        "delete": "delete a domain with its accounts and aliases",
        "alias-add": "add another name of a domain",
        "alias-delete": "delete another name of a domain",
    }

    def add_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        _add_settings(parser)
        add_dry_run(parser)

    def verb_add(self, options: dict[str, Any]) -> None:
        settings = _settings(options)
        if options["dry_run"]:
            dry_run_of(
                lambda: actions.add_domain(name=options["name"], settings=settings, by=Actor.console())
            )
            self.stdout.write("would be added")
            return
        domain = actions.add_domain(name=options["name"], settings=settings, by=Actor.console())
        self.stdout.write(f"added {domain.name}")
        self.say_life(domain.scope, domain.name)

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--search", default="", help="part of the name")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        domains = Domain.objects.visible_to(Actor.console()).search(options["search"]).order_by("name")
        counted = domains.annotate(number=Count("accounts")).values_list("name", "state", "number")
        rows: list[dict[str, Fact]] = [
            {"name": name, "state": state, "accounts": count}
            for name, state, count in counted.iterator(chunk_size=2000)
        ]
        self.show(rows, as_json=options["json"])

    def add_show_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        add_json(parser)

    def verb_show(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["name"])
        self.show_one(_facts(domain), as_json=options["json"])

    def add_edit_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        _add_settings(parser)
        parser.add_argument(
            "--postmaster", action="append", metavar="ADDRESS", help="who manages it; repeat, or ''"
        )

    def verb_edit(self, options: dict[str, Any]) -> None:
        domain = actions.edit_domain(
            domain_named(options["name"]), settings=_settings(options), by=Actor.console()
        )
        if options["postmaster"] is not None:
            addresses = [address.strip().lower() for address in options["postmaster"] if address.strip()]
            actions.set_managers(domain, addresses=addresses, by=Actor.console())
        self.stdout.write(f"changed {domain.name}")
        self.say_life(domain.scope, domain.name)

    def add_relay_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument(
            "--to", metavar="SERVER", help="name or IP address, with :port where that is not 25"
        )
        where.add_argument("--here", action="store_true", help="its mailboxes are here")
        parser.add_argument(
            "--recipients",
            choices=Domain.RelayRecipients.values,
            default=Domain.RelayRecipients.ASKED,
            help="whether the other server is asked for each, or the domain's aliases list them",
        )

    def verb_relay(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["name"])
        if options["here"]:
            keep_here(domain, by=Actor.console())
            self.stdout.write(f"mail of {domain.name} is kept here")
        else:
            fresh = pass_on(domain, to=options["to"], recipients=options["recipients"], by=Actor.console())
            self.stdout.write(f"mail of {domain.name} is passed on to {fresh.relay_server}")
        self.say_life(domain.scope, domain.name)

    def add_smarthost_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("name", nargs="?")
        whose.add_argument("--server", action="store_true", help="of every domain without one of its own")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--to", metavar="SERVER", help="name or IP address, with :port where not 587")
        where.add_argument("--off", action="store_true", help="mail leaves directly")
        parser.add_argument("--user", default="", help="empty where it wants no login")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )

    def verb_smarthost(self, options: dict[str, Any]) -> None:
        domain = None if options["server"] else domain_named(options["name"])
        whose = domain.name if domain else "the server"
        if options["off"]:
            remove_smarthost(domain, by=Actor.console())
            self.stdout.write(f"mail of {whose} leaves without a smarthost of its own")
        else:
            password = password_from_stdin() if options["password_stdin"] else ""
            row = set_smarthost(
                domain, to=options["to"], user=options["user"], password=password, by=Actor.console()
            )
            self.stdout.write(f"mail of {whose} leaves by {row.next_hop}")
        self.say_life(domain.scope if domain else SERVER_SCOPE, domain.name if domain else "*")

    def add_lock_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--reason", default="")
        parser.add_argument(
            "--mode", choices=LockMode.values, default=LockMode.DEFER, help="what incoming mail meets"
        )
        parser.add_argument("--until", default="", metavar="TIME", help="2026-11-30T08:00, or 45m, 6h, 2d")

    def verb_lock(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["name"])
        actions.lock_domain(
            domain,
            reason=options["reason"],
            mode=options["mode"],
            until=parse_moment(options["until"]),
            by=Actor.console(),
        )
        self.stdout.write(f"locked {domain.name}")
        self.say_life(domain.scope, domain.name)

    def add_unlock_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")

    def verb_unlock(self, options: dict[str, Any]) -> None:
        domain = actions.unlock_domain(domain_named(options["name"]), by=Actor.console())
        self.stdout.write(f"unlocked {domain.name}")
        self.say_life(domain.scope, domain.name)

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        add_yes(parser)

    def verb_delete(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["name"])
        count = Account.objects.filter(domain=domain).count()
        self.confirm(f"Delete {domain.name} with {count} accounts?", yes=options["yes"])
        deleted = actions.delete_domain(domain, by=Actor.console())
        self.stdout.write(f"deleted {domain.name} with {deleted} accounts; their mail is kept for some days")
        self.say_life(domain.name, domain.name)

    def add_alias_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the domain")
        parser.add_argument("alias", help="its other name")

    def verb_alias_add(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["name"])
        alias = actions.add_domain_alias(domain, name=options["alias"], by=Actor.console())
        self.stdout.write(f"added {alias.name} for {domain.name}")
        self.say_life(domain.scope, alias.name)

    def add_alias_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias")
        add_yes(parser)

    def verb_alias_delete(self, options: dict[str, Any]) -> None:
        name = canonical_domain(options["alias"])
        alias = DomainAlias.objects.select_related("domain").filter(name=name).first()
        if alias is None:
            raise CommandError(f"There is no domain alias {name}.")
        self.confirm(f"Delete the alias name {name} of {alias.domain.name}?", yes=options["yes"])
        scope = alias.domain.scope
        actions.delete_domain_alias(alias, by=Actor.console())
        self.stdout.write(f"deleted {name}")
        self.say_life(scope, name)


def _add_settings(parser: ArgumentParser) -> None:
    parser.add_argument("--default-quota", metavar="MB", help="quota of new accounts; 0 is unlimited")
    parser.add_argument("--language", choices=["pl", "en"], help="language of new accounts")
    parser.add_argument(
        "--impersonation", choices=Domain.Impersonation.values, help="may somebody act for its people"
    )
    parser.add_argument(
        "--recovery", choices=Domain.Recovery.values, help="how its people come to a new password"
    )
    parser.add_argument("--max-accounts", metavar="N", help="'' for no limit")
    parser.add_argument("--max-aliases", metavar="N", help="'' for no limit")
    parser.add_argument("--max-quota", metavar="MB", help="sum of all quotas; '' for no limit")
    parser.add_argument(
        "--max-account-quota", metavar="MB", help="largest quota of one account; '' for no limit"
    )
    parser.add_argument("--max-sms", metavar="N", help="SMS a month; '' for no limit")
    parser.add_argument("--max-account-sms", metavar="N", help="SMS a month of one account; '' for no limit")


def _settings(options: dict[str, Any]) -> dict[str, int | str | None]:
    settings: dict[str, int | str | None] = {}
    if options["default_quota"] is not None:
        settings["default_quota_bytes"] = parse_quota_mb(options["default_quota"]) or 0
    if options["language"] is not None:
        settings["language"] = options["language"]
    if options["impersonation"] is not None:
        settings["impersonation_policy"] = options["impersonation"]
    if options["recovery"] is not None:
        settings["recovery_policy"] = options["recovery"]
    for name in ("max_quota", "max_account_quota"):
        if options[name] is not None:
            settings[f"{name}_bytes"] = parse_quota_mb(options[name])
    for name in ("max_accounts", "max_aliases", "max_sms", "max_account_sms"):
        if options[name] is not None:
            settings[name] = _count(name, options[name])
    return settings


def _count(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise CommandError(f"--{name.replace('_', '-')} takes a whole number, not {text!r}.")
    return int(text)


def _facts(domain: Domain) -> dict[str, Fact]:
    return {
        "name": domain.name,
        "shown as": display_domain(domain.name),
        "kind": domain.kind,
        "passed on to": domain.relay_server or None,
        "recipients": domain.relay_recipients if domain.is_relay else None,
        "state": domain.state,
        "lock mode": domain.lock_mode if domain.is_locked else None,
        "lock reason": domain.lock_reason or None,
        "locked by": domain.locked_by or None,
        "locked since": domain.locked_at.isoformat(timespec="seconds") if domain.locked_at else None,
        "locked until": domain.locked_until.isoformat(timespec="seconds") if domain.locked_until else None,
        "alias names": list(domain.domain_aliases.values_list("name", flat=True)),
        "accounts": domain.accounts.count(),
        "aliases": domain.aliases.count(),
        "postmasters": list(domain.managers.values_list("address", flat=True)),
        "acting for its people": domain.impersonation_policy,
        "forgotten passwords": domain.recovery_policy,
        "default quota bytes": domain.default_quota_bytes,
        "max accounts": domain.max_accounts,
        "max aliases": domain.max_aliases,
        "max quota bytes": domain.max_quota_bytes,
        "max account quota bytes": domain.max_account_quota_bytes,
        "max sms": domain.max_sms,
        "max account sms": domain.max_account_sms,
        "server": domain.node.name,
    }
