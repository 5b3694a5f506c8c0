"""manage.py policy: what is enforced on the whole server. Show and unlock work with the database down."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError

from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from domains.names import canonical_domain
from enforcement import actions
from enforcement.models import EncryptionRule, RemoteEncryption, ServerLock
from enforcement.preview import logins_without_tls
from provisioning.hosts.local import LocalHost
from provisioning.models import SERVER_SCOPE
from provisioning.outbox import SERVER_ENCRYPTION, SERVER_LOCK
from provisioning.server_lock import lift_on_machine, lock_on
from qmailux_site.console import Fact, SubcommandCommand, add_json
from qmailux_site.moments import parse_moment


class Command(SubcommandCommand):
    help = "Show and set what is enforced on the whole server."
    verbs: ClassVar[dict[str, str]] = {
        "show": "what is enforced: by whom, why, since when (with the database down too)",
        "lock": "lock the whole server: no login, no submission, no outgoing delivery",
        "unlock": "lift the lock of the whole server (with the database down too)",
        "encryption": "mandatory TLS for mail programs: preview, required, optional",
        "remote": "how mail to another domain must be encrypted",
    }

    def add_show_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_show(self, options: dict[str, Any]) -> None:
        self.show_one(self._facts(), as_json=options["json"])

    def add_lock_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="everybody who cannot work will read it")
        parser.add_argument(
            "--mode",
            choices=ServerLock.Mode.values,
            default=ServerLock.Mode.DEFER,
            help="what incoming mail meets",
        )
        parser.add_argument("--until", default="", metavar="TIME", help="2026-11-30T08:00, or 45m, 6h, 2d")

    def verb_lock(self, options: dict[str, Any]) -> None:
        actions.lock_server(
            reason=options["reason"],
            mode=options["mode"],
            until=parse_moment(options["until"]),
            by=Actor.console(),
        )
        self.stdout.write("locked the whole server")
        self.say_life(SERVER_SCOPE, SERVER_LOCK)

    def verb_unlock(self, options: dict[str, Any]) -> None:
        try:
            was_locked = actions.unlock_server(by=Actor.console())
        except DatabaseError as error:
            host = LocalHost(settings.QMAILUX_LAYOUT)
            if not lock_on(host):
                raise CommandError(f"The server is not locked. (The database is down: {error})") from error
            lift_on_machine(host, settings.QMAILUX_LAYOUT)
            self.stdout.write(
                "unlocked on this machine; the database is down, and hears of it when it is back"
            )
            return
        if not was_locked:
            raise CommandError("The server is not locked.")
        self.stdout.write("unlocked the whole server")
        self.say_life(SERVER_SCOPE, SERVER_LOCK)

    def add_encryption_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("state", choices=["preview", "required", "optional"])
        parser.add_argument("--domain", default="")
        parser.add_argument("--account", default="")
        parser.add_argument("--start", default="", metavar="TIME", help="2026-11-30T08:00, or 45m, 6h, 2d")
        add_json(parser)

    def verb_encryption(self, options: dict[str, Any]) -> None:
        owner = _owner(options)
        if options["state"] == "preview":
            self.show(_preview(owner), as_json=options["json"])
            return
        if options["state"] == "required":
            rule = actions.require_encryption(
                owner, starts_at=parse_moment(options["start"]), by=Actor.console()
            )
            self.stdout.write(f"{rule}: no login without TLS" + (" from then on" if rule.starts_at else ""))
        elif not actions.allow_plaintext(owner, by=Actor.console()):
            raise CommandError("There was no such rule.")
        else:
            self.stdout.write("logins without TLS are possible again, as far as no other rule forbids them")
        if isinstance(owner, Account):
            self.say_life(owner.domain.scope if owner.domain else "", owner.address)
        elif owner is not None:
            self.say_life(owner.scope, owner.name)
        else:
            self.say_life(SERVER_SCOPE, SERVER_ENCRYPTION)

    def add_remote_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain", nargs="?", default="", help="without one: list the rules")
        parser.add_argument("level", nargs="?", choices=[*RemoteEncryption.Level.values, "delete"])
        add_json(parser)

    def verb_remote(self, options: dict[str, Any]) -> None:
        if not options["domain"] or options["level"] is None:
            rows: list[dict[str, Fact]] = [
                {"domain": rule.domain, "level": rule.level, "by": rule.set_by}
                for rule in RemoteEncryption.objects.all()
            ]
            self.show(rows, as_json=options["json"])
            return
        if options["level"] == "delete":
            rule = RemoteEncryption.objects.filter(domain=canonical_domain(options["domain"])).first()
            if rule is None:
                raise CommandError("There is no such rule.")
            actions.delete_remote_encryption(rule, by=Actor.console())
            self.stdout.write(f"deleted the rule of {options['domain']}")
            return
        set_rule = actions.set_remote_encryption(
            domain=options["domain"], level=options["level"], by=Actor.console()
        )
        self.stdout.write(f"mail to {set_rule.domain}: {set_rule.level}")
        self.say_life(SERVER_SCOPE, set_rule.domain)

    def _facts(self) -> dict[str, Fact]:
        try:
            lock = ServerLock.objects.first()
        except DatabaseError as error:
            found = lock_on(LocalHost(settings.QMAILUX_LAYOUT))
            return {"locked": bool(found), **found, "database": f"down: {str(error).splitlines()[0]}"}
        rules: list[str] = [
            f"{rule} from {rule.starts_at:%Y-%m-%dT%H:%M}"
            if rule.starts_at and not rule.is_in_force
            else f"{rule}"
            for rule in EncryptionRule.objects.select_related("domain", "account").order_by("pk")
        ]
        if lock is None:
            return {"locked": False, "encryption required": rules}
        return {
            "locked": True,
            "reason": lock.reason,
            "mode": lock.mode,
            "by": lock.set_by,
            "since": lock.since.isoformat(timespec="seconds"),
            "until": lock.until.isoformat(timespec="seconds") if lock.until else None,
            "encryption required": rules,
        }


def _owner(options: dict[str, Any]) -> Account | Domain | None:
    if options["account"]:
        account = Account.objects.visible_to(Actor.console()).filter(address=options["account"].lower())
        found: Account | Domain | None = account.select_related("domain__node").first()
    elif options["domain"]:
        name = canonical_domain(options["domain"])
        found = Domain.objects.visible_to(Actor.console()).select_related("node").filter(name=name).first()
    else:
        return None
    if found is None:
        raise CommandError(f"There is no {options['account'] or options['domain']}.")
    return found


def _preview(owner: Account | Domain | None) -> list[dict[str, Fact]]:
    return [
        {
            "account": login.address,
            "over": login.protocol,
            "logins": login.count,
            "last": login.last_at.isoformat(timespec="seconds"),
        }
        for login in logins_without_tls(owner)
    ]
