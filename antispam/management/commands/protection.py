"""manage.py protection: switch what stands between the world and the mailboxes."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone

from accounts.actor import Actor
from antispam.actions import (
    allow_past,
    ask_for_update,
    domain_choices,
    set_domain_protections,
    stop_allowing,
)
from antispam.actions.protections import set_protection, states
from antispam.blocklists import silent_lists
from antispam.counts import stopped_since
from antispam.models import AllowedPast, UpdateRun
from antispam.protections import BY_NAME
from domains.naming import domain_named
from qmailux_site.console import Fact, SubcommandCommand, add_json


class Command(SubcommandCommand):
    help = "List, switch and set the protections of the server."
    verbs: ClassVar[dict[str, str]] = {
        "list": "every protection as a message meets them, what goes past it, and what it stopped",
        "enable": "switch one on",
        "disable": "switch one off",
        "inherit": "a domain has one as the server has it",
        "allow": "let a network, address or domain past them, as far as list says of each",
        "disallow": "it meets them again",
        "allowed": "what goes past them",
        "update": "fetch new virus signatures or spam rules with the next look, within half a minute",
        "set": "set an option of one, such as: set dnsbl sites bl.example.org=127.0.0.2",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)
        parser.add_argument("--domain", help="what this domain has otherwise than the server")

    def add_enable_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--domain", help="for this domain alone")

    add_disable_arguments = add_enable_arguments

    def add_inherit_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--domain", required=True)

    def add_allow_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("value")
        parser.add_argument("--viruses-too", action="store_true", help="past the virus check too")

    def add_disallow_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("value")

    def add_allowed_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def add_update_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=UpdateRun.Kind.values)

    def add_set_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("option")
        parser.add_argument("words", nargs="*", help="the option's new words; none empties it")

    def verb_list(self, options: dict[str, Any]) -> None:
        if options["domain"]:
            self._list_of_domain(options)
            return
        today = timezone.localdate()
        day, month = stopped_since(today), stopped_since(today - timedelta(days=29))
        rows: list[dict[str, Fact]] = []
        for name, (is_on, given) in states().items():
            rows.append(
                {
                    "name": name,
                    "on": is_on,
                    "stage": str(BY_NAME[name].stage),
                    "goes past": str(BY_NAME[name].past),
                    "stopped today": day.get(name, 0),
                    "stopped in 30 days": month.get(name, 0),
                    **{option: list(words) for option, words in given.items()},
                }
            )
        if not options["json"]:
            rows = [{**row, "on": "on" if row["on"] else "off"} for row in rows]
        self.show(rows, as_json=options["json"], bare=3)

    def _list_of_domain(self, options: dict[str, Any]) -> None:
        rows: list[dict[str, Fact]] = []
        for name, is_on in domain_choices(domain_named(options["domain"])).items():
            rows.append(
                {"name": name, "on": states()[name][0] if is_on is None else is_on, "own": is_on is not None}
            )
        self.show(rows, as_json=options["json"], bare=2)

    def verb_enable(self, options: dict[str, Any]) -> None:
        self._switch(options, is_on=True)

    def verb_disable(self, options: dict[str, Any]) -> None:
        self._switch(options, is_on=False)

    def verb_inherit(self, options: dict[str, Any]) -> None:
        self._switch(options, is_on=None)

    def _switch(self, options: dict[str, Any], *, is_on: bool | None) -> None:
        name, where = options["name"], ""
        if options["domain"]:
            domain = domain_named(options["domain"])
            set_domain_protections(domain, {name: is_on}, by=Actor.console())
            where = f"{domain.name} "
        else:
            set_protection(name, is_on=is_on, by=Actor.console())
        word = "as the server has it" if is_on is None else ("on" if is_on else "off")
        self.stdout.write(f"{where}{name}: {word}")

    def verb_set(self, options: dict[str, Any]) -> None:
        name, option, words = options["name"], options["option"], options["words"]
        silent = silent_lists({option: words})
        set_protection(name, options={option: words}, by=Actor.console())
        for zone in silent:
            self.stderr.write(f"{zone} does not answer as a block list does")
        self.stdout.write(f"{name} {option}: {' '.join(words)}")

    def verb_allow(self, options: dict[str, Any]) -> None:
        entry = allow_past(options["value"], passes_viruses=options["viruses_too"], by=Actor.console())
        self.stdout.write(f"{entry.value}: goes past the protections")

    def verb_disallow(self, options: dict[str, Any]) -> None:
        stop_allowing(options["value"], by=Actor.console())
        self.stdout.write(f"{options['value']}: meets the protections")

    def verb_allowed(self, options: dict[str, Any]) -> None:
        rows: list[dict[str, Fact]] = [
            {"value": entry.value, "kind": str(entry.kind), "viruses too": entry.passes_viruses}
            for entry in AllowedPast.objects.all()
        ]
        self.show(rows, as_json=options["json"], bare=2)

    def verb_update(self, options: dict[str, Any]) -> None:
        ask_for_update(UpdateRun.Kind(options["kind"]), by=Actor.console())
        self.stdout.write(f"{options['kind']}: asked for")
