"""manage.py incident: accounts whose sending was stopped, and from which numbers on it is."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import CommandError

from accounts.actor import Actor
from accounts.models import Account
from accounts.naming import account_named
from domains.models import Domain
from domains.naming import domain_named
from enforcement import actions
from enforcement.braking import DEFAULTS, MEASURES, BrakeThresholds, Incident
from enforcement.incident_words import why
from provisioning.models import SERVER_SCOPE
from qmailux_site.console import Fact, SubcommandCommand, add_json, number_or_none


class Command(SubcommandCommand):
    help = "List accounts whose sending was stopped, stop one, let one go, set the thresholds."
    verbs: ClassVar[dict[str, str]] = {
        "list": "open incidents; with --past also those that are over",
        "stop": "stop an account's sending; reading and incoming mail go on, queued mail is held",
        "end": "let an account send again; held mail stays on hold (manage.py queue release --login ...)",
        "thresholds": "show the thresholds",
        "set": "set thresholds of 'server', a domain or an account; 0 never stops, 'none' is the level above",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--past", action="store_true", help="also those that are over, the newest 100")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        visible = Incident.objects.visible_to(Actor.console()).select_related("account")
        rows = [*visible.open(), *(visible.exclude(ended_at=None)[:100] if options["past"] else ())]
        facts: list[dict[str, Fact]] = [
            {
                "account": row.account.address,
                "since": row.began_at.isoformat(timespec="seconds"),
                "until": row.ended_at.isoformat(timespec="seconds") if row.ended_at else None,
                "why": why(row),
                "stopped by": row.began_by,
                "let go by": row.ended_by or None,
            }
            for row in rows
        ]
        self.show(facts, as_json=options["json"])

    def add_stop_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--reason", required=True)

    def verb_stop(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        actions.stop_sending(account, reason=options["reason"], by=Actor.console())
        self.stdout.write(f"stopped {account.address} from sending")
        self._say(account)

    def add_end_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")

    def verb_end(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        incident = Incident.objects.open().filter(account=account).first()
        if incident is None:
            raise CommandError(f"{account.address} is not stopped.")
        actions.end_incident(incident, by=Actor.console())
        self.stdout.write(f"{account.address} may send again")
        self._say(account)

    def add_thresholds_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_thresholds(self, options: dict[str, Any]) -> None:
        rows = list(BrakeThresholds.objects.select_related("account", "domain").order_by("level", "pk"))
        server = next((row for row in rows if row.level == "server"), None)
        whole: dict[str, Fact] = {"of": "server"}
        for measure in MEASURES:
            own = getattr(server, measure, None)
            whole[measure] = DEFAULTS[measure] if own is None else own
        others: list[dict[str, Fact]] = [
            {"of": str(row), **{measure: getattr(row, measure) for measure in MEASURES}}
            for row in rows
            if row.level != "server"
        ]
        self.show([whole, *others], as_json=options["json"])

    def add_set_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("of", help="an address, a domain, or 'server'")
        for measure in MEASURES:
            parser.add_argument(f"--{measure}", metavar="N", type=number_or_none, default="")

    def verb_set(self, options: dict[str, Any]) -> None:
        numbers = {measure: options[measure] for measure in MEASURES if options[measure] != ""}
        if not numbers:
            raise CommandError("Name at least one number, such as --messages 200.")
        of = _whose(options["of"])
        actions.set_brake(of, numbers=numbers, by=Actor.console())
        self.stdout.write(f"set the thresholds of {options['of']}")
        if isinstance(of, Account):
            self._say(of)
        elif isinstance(of, Domain):
            self.say_life(of.scope, of.name)
        else:
            self.say_life(SERVER_SCOPE, "*")

    def _say(self, account: Account) -> None:
        if account.domain is not None:
            self.say_life(account.domain.scope, account.address)


def _whose(text: str) -> Account | Domain | None:
    if text == "server":
        return None
    return account_named(text) if "@" in text else domain_named(text)
