"""manage.py audit: who did what."""

from __future__ import annotations

import datetime
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.actor import Actor
from audit.export import HEADING, row_of, rows_of
from audit.models import AuditEvent
from audit.querysets import AuditQuerySet
from domains.names import canonical_domain
from qmailux_site.console import Fact, SubcommandCommand, add_json
from qmailux_site.csvexport import csv_lines

SHOWN = 50


class Command(SubcommandCommand):
    help = "Who did what, when and from where."
    verbs = {
        "list": "the newest acts first",
        "export": "all acts that match as CSV on standard output, from the oldest on",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        _add_filters(parser)
        parser.add_argument("--limit", type=int, default=SHOWN, help=f"at most so many (default {SHOWN})")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        if options["limit"] < 1:
            raise CommandError("--limit is at least 1.")
        newest = _found(options).order_by("-id")[: options["limit"]]
        rows: list[dict[str, Fact]] = [dict(zip(HEADING, row_of(event), strict=True)) for event in newest]
        self.show(rows, as_json=options["json"])

    def add_export_arguments(self, parser: ArgumentParser) -> None:
        _add_filters(parser)

    def verb_export(self, options: dict[str, Any]) -> None:
        for line in csv_lines(HEADING, rows_of(_found(options))):
            self.stdout.write(line, ending="")


def _add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("--person", default="", help="beginning of who did it, or on whose behalf")
    parser.add_argument("--target", default="", help="beginning of what it was done to")
    parser.add_argument("--action", default="", help='such as "account.locked", or "account" for all of them')
    parser.add_argument("--domain", default="", help="acts in this domain")
    parser.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="first day")
    parser.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="last day")


def _day(text: str) -> datetime.date:
    """argparse turns the ValueError into its own sentence."""
    return datetime.date.fromisoformat(text)


def _found(options: dict[str, Any]) -> AuditQuerySet:
    events = AuditEvent.objects.visible_to(Actor.console())
    if options["domain"]:
        events = events.in_domain(canonical_domain(options["domain"]))
    events = events.by_person(options["person"].lower()).on_target(options["target"].lower())
    return events.of_action(options["action"]).between(options["since"], options["until"])
