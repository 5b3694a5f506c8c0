"""manage.py trace: where is my mail?"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from accounts.actor import Actor
from maillog.access import sight_of
from maillog.export import FIELDS, rows_of, write_csv
from maillog.models import Direction, Entry, Handling, Kind, Verdict
from maillog.timeline import timeline_of
from maillog.trace import Question, find, question_of
from qmailux_site.errors import ActionRefused

PAUSE_SECONDS = 0.5
TEXTS = (
    "address",
    "sender",
    "recipient",
    "subject",
    "login",
    "message_id",
    "queue_id",
    "mechanism",
    "own_address",
)


class Command(BaseCommand):
    help = "Find messages, refusals and sessions in the mail plane's logs. What is given must all fit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "words",
            nargs="*",
            help="(start of an) address, @domain, subject word, <Message-ID>, queue id, IP, CIDR",
        )
        for name in TEXTS:
            parser.add_argument(f"--{name.replace('_', '-')}", default="")
        parser.add_argument("--ip", default="", help="client address or network")
        parser.add_argument("--verdict", default="", choices=["", *Verdict.values])
        parser.add_argument("--handling", default="", choices=["", *Handling.values])
        parser.add_argument("--direction", default="", choices=["", *Direction.values])
        parser.add_argument("--kind", default="", choices=["", *Kind.values])
        parser.add_argument("--since", default="", help="2026-11-25, 2026-11-25T10:00 or 3h, 2d")
        parser.add_argument("--until", default="")
        parser.add_argument("--limit", type=int, default=100, help="entries, newest first (default: 100)")
        parser.add_argument("--life", action="store_true", help="the whole life of each, with raw lines")
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--csv", action="store_true")
        parser.add_argument("--follow", action="store_true", help="go on with what comes in")

    def handle(self, *args: Any, **options: Any) -> None:
        question = _question(options)
        sight = sight_of(Actor.console())
        try:
            entries = list(find(question, sight).select_related("lines")[: options["limit"]])
        except ActionRefused as refusal:
            raise CommandError(refusal.message) from refusal
        if options["json"]:
            self.stdout.write(json.dumps(list(rows_of(entries)), ensure_ascii=False, indent=1))
            return
        if options["csv"]:
            write_csv(self.stdout, entries)
            return
        self._show(reversed(entries), life=options["life"])
        if options["follow"]:
            self._follow(question, options["life"])

    def _show(self, entries: Iterable[Entry], *, life: bool) -> None:
        for row, entry in ((next(rows_of([entry])), entry) for entry in entries):
            self.stdout.write("  ".join(str(row[name]) or "-" for name in FIELDS))
            if life:
                for step in timeline_of(entry, sight_of(Actor.console())):
                    self.stdout.write(f"    {step.stamp}  {step.words or step.line}")

    def _follow(self, question: Question, life: bool) -> None:
        last = Entry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        while True:
            time.sleep(PAUSE_SECONDS)
            found = find(question, sight_of(Actor.console())).filter(pk__gt=last).select_related("lines")
            entries = list(found.order_by("pk"))
            self._show(entries, life=life)
            last = entries[-1].pk if entries else last
            self.stdout.flush()


def _question(options: dict[str, Any]) -> Question:
    asked = {name: options[name] for name in (*TEXTS, "verdict", "handling", "direction", "kind")}
    question = question_of(" ".join(options["words"]), client=options["ip"], **asked)
    since, until = _moment(options["since"]), _moment(options["until"])
    return replace(question, since=since, until=until)


def _moment(text: str) -> datetime | None:
    """A date, a time, or how long ago."""
    if not text:
        return None
    unit = {"m": "minutes", "h": "hours", "d": "days"}.get(text[-1])
    if unit and text[:-1].isdecimal():
        return datetime.now(UTC) - timedelta(**{unit: int(text[:-1])})
    try:
        found = parse_datetime(text)
        if found is None and (day := parse_date(text)):
            found = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # made aware below
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"{text!r} is no date (2026-11-25), time (2026-11-25T10:00) or span (3h, 2d).")
    return found if timezone.is_aware(found) else timezone.make_aware(found)
