"""manage.py alarm: what is wrong with the server, and who is told of it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.actor import Actor
from accounts.models import Language
from alarms import actions
from alarms.models import Alarm, settings_in_force
from alarms.words import sentence_of, title_of
from qmailux_site.console import Fact, SubcommandCommand, add_json


class Command(SubcommandCommand):
    help = "Look at alarms, take care of one, and say who is told."
    verbs = {
        "list": "list open alarms; exit code 1 when there is one that nobody takes care of",
        "acknowledge": "say that you take care of an alarm",
        "settings": "show or change who is told",
        "test": "send a test message in every way that is set up",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--past", action="store_true", help="also what is over, the newest 100")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        visible = Alarm.objects.visible_to(Actor.console())
        alarms = [*visible.open(), *(visible.past()[:100] if options["past"] else ())]
        rows: list[dict[str, Fact]] = [
            {
                "id": alarm.pk,
                "name": alarm.name,
                "about": alarm.about,
                "since": alarm.raised_at.isoformat(timespec="seconds"),
                "until": alarm.cleared_at.isoformat(timespec="seconds") if alarm.cleared_at else None,
                "acknowledged by": alarm.acknowledged_by or None,
                "title": title_of(alarm),
                "text": sentence_of(alarm),
            }
            for alarm in alarms
        ]
        self.show(rows, as_json=options["json"])
        if any(alarm.is_open and alarm.acknowledged_at is None for alarm in alarms):
            sys.exit(1)

    def add_acknowledge_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", type=int, help="number from the list")

    def verb_acknowledge(self, options: dict[str, Any]) -> None:
        alarm = Alarm.objects.visible_to(Actor.console()).filter(pk=options["id"]).first()
        if alarm is None:
            raise CommandError(f"There is no alarm {options['id']}.")
        actions.acknowledge_alarm(alarm, by=Actor.console())
        self.stdout.write(f"acknowledged {alarm}")

    def add_settings_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--mail", action="append", metavar="ADDRESS", help="who is told; repeat, or ''")
        parser.add_argument("--sms", action="append", metavar="NUMBER", help="who gets texts; repeat, or ''")
        webhook = parser.add_mutually_exclusive_group()
        webhook.add_argument(
            "--webhook-stdin", action="store_true", help="read its address, and in a second line its key"
        )
        webhook.add_argument("--no-webhook", action="store_true")
        parser.add_argument("--language", choices=Language.values)
        parser.add_argument("--queue-limit", type=int, metavar="N", help="alarm when more messages wait")
        add_json(parser)

    def verb_settings(self, options: dict[str, Any]) -> None:
        url, key = _webhook(options)
        mail, numbers = options["mail"], options["sms"]
        if any(
            value is not None for value in (mail, numbers, url, options["language"], options["queue_limit"])
        ):
            actions.set_alarm_settings(
                mail_addresses=None if mail is None else [address for address in mail if address],
                sms_numbers=None if numbers is None else [number for number in numbers if number],
                webhook_url=url,
                webhook_key=key,
                language=options["language"],
                queue_limit=options["queue_limit"],
                by=Actor.console(),
            )
        chosen = settings_in_force()
        facts: dict[str, Fact] = {
            "mail": chosen.mail_addresses,
            "sms": chosen.sms_numbers,
            "webhook at": chosen.webhook_host or None,
            "language": chosen.language,
            "queue limit": chosen.queue_limit,
        }
        self.show_one(facts, as_json=options["json"])

    def verb_test(self, options: dict[str, Any]) -> None:
        messages = actions.send_test_alarm(by=Actor.console())
        self.stdout.write(f"on its way by {', '.join(message.channel for message in messages)}")


def _webhook(options: dict[str, Any]) -> tuple[str | None, str]:
    """Its address is a secret: it never stands in a command line."""
    if options["no_webhook"]:
        return "", ""
    if not options["webhook_stdin"]:
        return None, ""
    lines = sys.stdin.read().splitlines()
    return (lines[0] if lines else ""), (lines[1] if len(lines) > 1 else "")
