"""manage.py alias: addresses without a mailbox, and the catch-all."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Prefetch

from accounts import actions, circles
from accounts.actor import Actor
from accounts.addresses import parse_targets
from accounts.models import Alias, AliasTarget
from accounts.querysets import AliasQuerySet
from domains.models import Domain, DomainAlias
from domains.names import canonical_domain
from qmailux_site.console import Fact, SubcommandCommand, add_dry_run, add_json, add_yes, dry_run_of


class Command(SubcommandCommand):
    help = "Add, list and delete aliases. '@example.org' or '*@example.org' is the catch-all."
    verbs = {
        "add": "add an alias",
        "list": "list aliases with their targets",
        "set": "replace the targets of an alias",
        "delete": "delete an alias",
    }

    def add_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument(
            "targets", nargs="+", help="where its mail goes; a comma-separated list works too"
        )
        add_dry_run(parser)

    def verb_add(self, options: dict[str, Any]) -> None:
        localpart, domain, domain_alias = _place_of(options["address"])
        targets = parse_targets(",".join(options["targets"]))

        def add() -> Alias:
            return actions.add_alias(
                domain=domain,
                domain_alias=domain_alias,
                localpart=localpart,
                targets=targets,
                by=Actor.console(),
            )

        if options["dry_run"]:
            dry_run_of(add)
            self.stdout.write("would be added")
            return
        alias = add()
        self.stdout.write(f"added {alias.address} -> {', '.join(targets)}")
        self.say_life(domain.scope, alias.address)

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domain", default="")
        parser.add_argument("--search", default="", help="part of the address or of a target")
        parser.add_argument("--broken", action="store_true", help="only with a target that reaches nobody")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        aliases = Alias.objects.visible_to(Actor.console()).search(options["search"])
        if options["domain"]:
            aliases = aliases.filter(domain__name=canonical_domain(options["domain"]))
        if options["broken"]:
            self.show(_broken_rows(aliases), as_json=options["json"])
            return
        rows: list[dict[str, Fact]] = [
            {"address": alias.address, "targets": [target.address for target in alias.targets.all()]}
            for alias in aliases.prefetch_related("targets").order_by("address").iterator(chunk_size=2000)
        ]
        self.show(rows, as_json=options["json"])

    def add_set_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("targets", nargs="+")

    def verb_set(self, options: dict[str, Any]) -> None:
        alias = _alias_named(options["address"])
        targets = parse_targets(",".join(options["targets"]))
        actions.set_alias_targets(alias, targets=targets, by=Actor.console())
        self.stdout.write(f"changed {alias.address} -> {', '.join(targets)}")
        self.say_life(alias.domain.scope, alias.address)

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        add_yes(parser)

    def verb_delete(self, options: dict[str, Any]) -> None:
        alias = _alias_named(options["address"])
        self.confirm(f"Delete the alias {alias.address}?", yes=options["yes"])
        actions.delete_alias(alias, by=Actor.console())
        self.stdout.write(f"deleted {alias.address}")
        self.say_life(alias.domain.scope, alias.address)


def _broken_rows(aliases: AliasQuerySet) -> list[dict[str, Fact]]:
    """A row for each target that reaches nobody, with the reason."""
    found = circles.broken(aliases).prefetch_related(Prefetch("targets", AliasTarget.objects.marked()))
    rows: list[dict[str, Fact]] = []
    for alias in found.order_by("address").iterator(chunk_size=2000):
        targets = list(alias.targets.all())
        circles.mark_ways(targets)
        wrong = [(target.address, circles.words_of(target)) for target in targets]
        rows += [{"address": alias.address, "target": name, "why": why} for name, why in wrong if why]
    return rows


def _place_of(text: str) -> tuple[str, Domain, DomainAlias | None]:
    """Local part, domain, and the alias name when the address lies in one."""
    localpart, at, host = text.strip().rpartition("@")
    if not at:
        raise CommandError(f"{text!r} is not an address of the form name@example.org.")
    name = canonical_domain(host)
    domain = Domain.objects.visible_to(Actor.console()).select_related("node").filter(name=name).first()
    if domain is not None:
        return localpart, domain, None
    alias = DomainAlias.objects.select_related("domain__node").filter(name=name).first()
    if alias is None:
        raise CommandError(f"There is no domain {name}.")
    return localpart, alias.domain, alias


def _alias_named(text: str) -> Alias:
    localpart, domain, domain_alias = _place_of(text)
    address = f"{localpart.lower().strip('*')}@{domain_alias.name if domain_alias else domain.name}"
    alias = (
        Alias.objects.visible_to(Actor.console())
        .select_related("domain__node")
        .filter(address=address)
        .first()
    )
    if alias is None:
        raise CommandError(f"There is no alias {address}.")
    return alias
