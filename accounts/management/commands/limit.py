"""manage.py limit: how much an account, a domain or the server may send."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import CommandError

from accounts import actions
from accounts.actions.sending import NUMBERS
from accounts.actor import Actor
from accounts.models import Account
from accounts.naming import account_named
from accounts.sending import SendingLimit, SendingUse
from domains.models import Domain
from domains.naming import domain_named
from provisioning.models import SERVER_SCOPE
from qmailux_site.console import Fact, SubcommandCommand, add_json, number_or_none

LEVELS = ("server", "every-account")


class Command(SubcommandCommand):
    help = "List and set sending limits."
    verbs: ClassVar[dict[str, str]] = {
        "list": "limits that are set",
        "set": "set some numbers of a limit; 'none' takes one away",
        "use": "what was sent in the last hour and day, and who was refused last",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    add_use_arguments = add_list_arguments

    def verb_list(self, options: dict[str, Any]) -> None:
        rows = SendingLimit.objects.visible_to(Actor.console()).select_related("account", "domain")
        facts: list[dict[str, Fact]] = [
            {
                "of": row.account.address if row.account else row.domain.name if row.domain else row.level,
                **{number: getattr(row, number) for number in NUMBERS},
            }
            for row in rows.order_by("level", "pk")
        ]
        self.show(facts, as_json=options["json"])

    def verb_use(self, options: dict[str, Any]) -> None:
        facts: list[dict[str, Fact]] = [
            {
                "name": row.name,
                **{number: getattr(row, number) for number in NUMBERS},
                "refused": row.refusal or None,
            }
            for row in SendingUse.objects.order_by("-recipients_hour", "name")
        ]
        self.show(facts, as_json=options["json"])

    def add_set_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("of", help="an address, a domain, 'server' or 'every-account'")
        for number in NUMBERS:
            parser.add_argument(f"--{number.replace('_', '-')}", metavar="N", type=number_or_none, default="")

    def verb_set(self, options: dict[str, Any]) -> None:
        of = _whose(options["of"])
        numbers = {number: options[number] for number in NUMBERS if options[number] != ""}
        if not numbers:
            raise CommandError("Name at least one number, such as --recipients-hour 200.")
        actions.set_sending_limit(of, numbers=numbers, by=Actor.console())
        self.stdout.write(f"set the limit of {options['of']}")
        if isinstance(of, Account) and of.domain is not None:
            self.say_life(of.domain.scope, of.address)
        elif isinstance(of, Domain):
            self.say_life(of.scope, of.name)
        else:
            self.say_life(SERVER_SCOPE, "*")


def _whose(text: str) -> Account | Domain | str:
    if text in LEVELS:
        return text
    return account_named(text) if "@" in text else domain_named(text)
