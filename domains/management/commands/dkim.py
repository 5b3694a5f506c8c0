"""manage.py dkim: the keys that sign a domain's mail."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import CommandError

from accounts.actor import Actor
from domains import dkim_actions as actions
from domains.dns_checks import look_at_key, pieces
from domains.models import DkimKey
from domains.naming import domain_named
from qmailux_site.console import Fact, SubcommandCommand, add_json, add_yes


class Command(SubcommandCommand):
    help = "Make, check, rotate and delete the DKIM keys of domains."
    verbs: ClassVar[dict[str, str]] = {
        "list": "keys with their state",
        "rotate": "make a key (the first or the next); it signs once DNS has it",
        "show": "the DNS records to publish",
        "check": "look into DNS; a key that waits begins to sign when its record is there",
        "force": "sign with the key that waits although DNS was not seen to have it",
        "delete": "delete a key; without the one that signs the domain's mail leaves unsigned",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", nargs="?")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        keys = DkimKey.objects.visible_to(Actor.console()).select_related("domain")
        if options["domain"]:
            keys = keys.filter(domain=domain_named(options["domain"]))
        rows: list[dict[str, Fact]] = [
            {
                "domain": key.domain.name,
                "selector": key.selector,
                "state": key.state,
                "published": key.is_published,
                "forced": key.is_forced,
            }
            for key in keys.order_by("domain__name", "-created_at")
        ]
        self.show(rows, as_json=options["json"])

    def add_rotate_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain")

    def verb_rotate(self, options: dict[str, Any]) -> None:
        key = actions.add_key(domain_named(options["domain"]), by=Actor.console())
        self.stdout.write(f"made {key.selector}: publish")
        self.stdout.write(_zone_line(key))

    add_show_arguments = add_rotate_arguments

    def verb_show(self, options: dict[str, Any]) -> None:
        for key in domain_named(options["domain"]).dkim_keys.select_related("domain"):
            self.stdout.write(_zone_line(key))

    add_check_arguments = add_rotate_arguments

    def verb_check(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["domain"])
        lacking = 0
        for key in domain.dkim_keys.exclude(state=DkimKey.State.RETIRED).select_related("domain"):
            found = look_at_key(key, by=Actor.console())
            key.refresh_from_db()
            answer = {True: "published", False: "not published", None: "DNS did not answer"}[found]
            lacking += found is not True
            self.stdout.write(f"{key.record_name}  {answer}  {key.state}")
        if lacking:
            raise CommandError(f"{lacking} keys are not as they should be.", returncode=1)
        self.say_life(domain.scope, domain.name)

    add_force_arguments = add_rotate_arguments

    def verb_force(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["domain"])
        key = domain.dkim_keys.waiting().select_related("domain").first()
        if key is None:
            raise CommandError(f"No key of {domain.name} waits for DNS.")
        actions.force_signing(key, by=Actor.console())
        self.stdout.write(f"{key.selector} signs")
        self.say_life(domain.scope, domain.name)

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain")
        parser.add_argument("selector")
        add_yes(parser)

    def verb_delete(self, options: dict[str, Any]) -> None:
        domain = domain_named(options["domain"])
        key = domain.dkim_keys.filter(selector=options["selector"]).select_related("domain").first()
        if key is None:
            raise CommandError(f"{domain.name} has no key {options['selector']}.")
        self.confirm(f"Delete the key {key}, which {key.get_state_display()}?", yes=options["yes"])
        actions.delete_key(key, by=Actor.console())
        self.stdout.write(f"deleted {options['selector']}")
        self.say_life(domain.scope, domain.name)


def _zone_line(key: DkimKey) -> str:
    return f"{key.record_name}. IN TXT ( {' '.join(pieces(key.record))} )"
