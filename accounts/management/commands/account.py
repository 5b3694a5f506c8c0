"""manage.py account: mailboxes and logins."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts import actions
from accounts.actor import Actor
from accounts.addresses import parse_address
from accounts.bulk import CheckedRow, check_file, hash_passwords
from accounts.csvfile import MAX_ERRORS, BadFile
from accounts.leaving_forms import leaving_of
from accounts.models import Account, Alias, DeletedMailbox, LockMode
from accounts.naming import account_named
from accounts.passwords import imported_hash, random_password
from accounts.quotas import format_bytes, parse_quota_mb
from domains.names import canonical_domain
from domains.naming import domain_named
from provisioning.account_check import facts_of, facts_of_alias
from qmailux_site.console import (
    Fact,
    SubcommandCommand,
    add_dry_run,
    add_json,
    add_yes,
    dry_run_of,
    password_from_stdin,
    progress_bar,
    secrets_kept,
)
from qmailux_site.moments import parse_moment


class Command(SubcommandCommand):
    help = "Add, show and change accounts. Passwords never stand in arguments: --password-stdin or --random."
    verbs = {
        "add": "add an account",
        "list": "list accounts",
        "show": "show one account",
        "check": "what is wrong with an account, and what to do about it (exit code 1: something is)",
        "edit": "change name, quota or language",
        "password": "set a password",
        "rename": "give an account another address; mail and aliases follow",
        "lock": "lock an account: no login, incoming mail as chosen",
        "leave": "somebody leaves: lock, answer, hand the mail over to a colleague, until a day",
        "unlock": "lift the lock of an account",
        "delete": "delete an account; its mail is kept for some days",
        "deleted": "list the deleted mailboxes that can be restored",
        "restore": "bring a deleted account back as it was, with its mail",
        "import": "add accounts from a CSV file: all or none",
    }

    def add_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--name", default="")
        parser.add_argument("--quota", metavar="MB", default="", help="0 is unlimited; default: the domain's")
        parser.add_argument("--language", choices=["pl", "en"], default="")
        _add_despite_deleted(parser)
        _add_password_source(parser, with_hash=True)
        add_json(parser)
        add_dry_run(parser)

    def verb_add(self, options: dict[str, Any]) -> None:
        address = parse_address(options["address"])
        domain = domain_named(address.domain)
        password, stored = _password(options)

        def add() -> Account:
            return actions.add_account(
                domain=domain,
                localpart=address.localpart,
                password=password,
                password_hash=stored,
                name=options["name"],
                quota_bytes=parse_quota_mb(options["quota"]),
                language=options["language"],
                despite_deleted=options["despite_deleted"],
                by=Actor.console(),
            )

        if options["dry_run"]:
            dry_run_of(add)
            self.stdout.write("would be added")
            return
        account = add()
        shown = {"password": password} if options["random"] else {}
        self.show_one({"added": account.address, **shown}, as_json=options["json"])
        if not options["json"]:
            self.say_life(domain.scope, account.address)

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domain", default="")
        parser.add_argument("--search", default="", help="part of the address or the name")
        parser.add_argument("--locked", action="store_true", help="locked themselves or through their domain")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        accounts = Account.objects.visible_to(Actor.console()).search(options["search"])
        if options["domain"]:
            accounts = accounts.filter(domain=domain_named(options["domain"]))
        if options["locked"]:
            accounts = accounts.locked()
        rows: list[dict[str, Fact]] = [
            {
                "address": account.address,
                "name": account.name,
                "state": account.state,
                "quota_bytes": account.quota_bytes,
            }
            for account in accounts.order_by("address").iterator(chunk_size=2000)
        ]
        self.show(rows, as_json=options["json"])

    def add_show_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        add_json(parser)

    def verb_show(self, options: dict[str, Any]) -> None:
        self.show_one(_facts(account_named(options["address"])), as_json=options["json"])

    def add_check_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        add_json(parser)

    def verb_check(self, options: dict[str, Any]) -> None:
        alias = Alias.objects.filter(address=options["address"].strip().lower()).first()
        facts = facts_of_alias(alias) if alias else facts_of(account_named(options["address"]))
        self.show(facts, as_json=options["json"])
        if any(fact["level"] == "bad" for fact in facts):
            sys.exit(1)

    def add_edit_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--name")
        parser.add_argument("--quota", metavar="MB")
        parser.add_argument("--language", choices=["pl", "en"])

    def verb_edit(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        quota = None if options["quota"] is None else _quota(options["quota"], account)
        actions.edit_account(
            account, name=options["name"], quota_bytes=quota, language=options["language"], by=Actor.console()
        )
        self.stdout.write(f"changed {account.address}")
        self._say(account)

    def add_password_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        _add_password_source(parser, with_hash=False)

    def verb_password(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        password, _stored = _password(options)
        actions.change_password(account, password=password, by=Actor.console())
        self.stdout.write(
            f"password of {account.address} set" + (f": {password}" if options["random"] else "")
        )
        self._say(account)

    def add_rename_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("new_address")
        parser.add_argument("--keep-alias", action="store_true", help="the old address stays as an alias")
        _add_despite_deleted(parser)

    def verb_rename(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        new = parse_address(options["new_address"])
        renamed = actions.rename_account(
            account,
            domain=domain_named(new.domain),
            localpart=new.localpart,
            keep_old_as_alias=options["keep_alias"],
            despite_deleted=options["despite_deleted"],
            by=Actor.console(),
        )
        self.stdout.write(f"{account.address} is now {renamed.address}")
        self._say(renamed)

    def add_lock_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--reason", default="")
        parser.add_argument(
            "--mode", choices=LockMode.values, default=LockMode.ACCEPT, help="what incoming mail meets"
        )
        parser.add_argument("--until", default="", metavar="TIME", help="2026-11-30T08:00, or 45m, 6h, 2d")

    def verb_lock(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        actions.lock_account(
            account,
            reason=options["reason"],
            mode=options["mode"],
            until=parse_moment(options["until"]),
            by=Actor.console(),
        )
        self.stdout.write(f"locked {account.address}")
        self._say(account)

    def add_leave_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--colleague", required=True, metavar="ADDRESS", help="who takes the mail")
        parser.add_argument("--until", required=True, metavar="DAY", help="the last day, such as 2026-12-31")
        parser.add_argument("--subject", default="", help="of the answer to who writes; default: a plain one")
        parser.add_argument("--text-file", type=Path, metavar="FILE", help="the answer; default: a plain one")
        parser.add_argument("--delete", action="store_true", help="delete the account after the last day")
        parser.add_argument("--reason", default="")

    def verb_leave(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        opening = leaving_of(account)
        text_file: Path | None = options["text_file"]
        departure = actions.begin_departure(
            account,
            colleague=account_named(options["colleague"]),
            subject=options["subject"] or opening["subject"],
            text=text_file.read_text(encoding="utf-8") if text_file else opening["text"],
            ends_on=_day(options["until"]),
            deletes_account=options["delete"],
            reason=options["reason"],
            by=Actor.console(),
        )
        self.stdout.write(f"locked {account.address}; its mail is copied to {options['colleague']}")
        if missing := departure.missing_bytes:
            self.stderr.write(
                f"The quota of {options['colleague']} is too small by about {format_bytes(missing)}."
            )
        self._say(account)

    def add_unlock_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")

    def verb_unlock(self, options: dict[str, Any]) -> None:
        account = actions.unlock_account(account_named(options["address"]), by=Actor.console())
        self.stdout.write(f"unlocked {account.address}")
        if account.domain is not None and account.domain.is_locked:
            self.stdout.write(f"its domain {account.domain.name} is still locked")
        self._say(account)

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument(
            "--with-aliases", action="store_true", help="also delete aliases that lead only there"
        )
        add_yes(parser)

    def verb_delete(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        pointing = list(account.alias_targets.values_list("alias__address", flat=True)[:20])
        for address in pointing:
            self.stdout.write(f"alias {address} leads to {account.address}")
        self.confirm(f"Delete {account.address}?", yes=options["yes"])
        scope = account.domain.scope if account.domain else ""
        address = account.address
        actions.delete_account(account, remove_orphans=options["with_aliases"], by=Actor.console())
        self.stdout.write(
            f"deleted {address}; its mail is set aside for some days, where no login reaches it"
        )
        if scope:
            self.say_life(scope, address)

    def add_deleted_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--domain", default="")
        add_json(parser)

    def verb_deleted(self, options: dict[str, Any]) -> None:
        kept = DeletedMailbox.objects.visible_to(Actor.console()).restorable().order_by("-pk")
        if options["domain"]:
            kept = kept.filter(domain_name=canonical_domain(options["domain"]))
        rows: list[dict[str, Fact]] = [
            {"address": address, "deleted": deleted_at.isoformat(timespec="seconds")}
            for address, deleted_at in kept.values_list("address", "deleted_at")
        ]
        self.show(rows, as_json=options["json"])

    def add_restore_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="of several of that address the last one comes back")

    def verb_restore(self, options: dict[str, Any]) -> None:
        address = str(parse_address(options["address"]))
        kept = DeletedMailbox.objects.visible_to(Actor.console()).restorable()
        mailbox = kept.filter(address=address).order_by("-pk").first()
        if mailbox is None:
            raise CommandError(f"There is no deleted mailbox {address}.")
        account = actions.restore_mailbox(mailbox, by=Actor.console())
        self.stdout.write(f"restored {account.address} as it was")
        self._say(account)

    def add_import_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", help="CSV: address[,password][,password_hash][,name][,quota_mb][,language]"
        )
        parser.add_argument(
            "--passwords-file", help="new file, readable by you only, for the random passwords"
        )
        parser.add_argument("--json", action="store_true", help="print faults and result as JSON")
        add_dry_run(parser)

    def verb_import(self, options: dict[str, Any]) -> None:
        rows = self._checked_rows(options)
        random = [row for row in rows if row.is_random]
        if random and not options["passwords_file"] and not options["dry_run"]:
            raise CommandError(
                f"{len(random)} rows have no password: name a --passwords-file for the random ones."
            )
        if options["dry_run"]:
            self.show_one(
                {"would be added": len(rows), "random passwords": len(random)}, as_json=options["json"]
            )
            return
        passwords = [(row.account.address, row.password) for row in random]
        with secrets_kept(options["passwords_file"], ("address", "password"), passwords):
            progress = progress_bar()
            accounts = list(hash_passwords(rows, lambda done, total: progress("passwords", done, total)))
            added = actions.add_accounts(accounts, by=Actor.console())
        self.show_one({"added": added, "random passwords": len(random)}, as_json=options["json"])

    def _checked_rows(self, options: dict[str, Any]) -> list[CheckedRow]:
        try:
            raw = sys.stdin.buffer.read() if options["file"] == "-" else Path(options["file"]).read_bytes()
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}") from error
        try:
            return check_file(raw, by=Actor.console())
        except BadFile as bad:
            faults: list[dict[str, Fact]] = [
                {"line": error.line, "column": error.column, "fault": error.message} for error in bad.errors
            ]
            self.show(faults, as_json=options["json"])
            number = f"at least {MAX_ERRORS}" if len(faults) == MAX_ERRORS else len(faults)
            raise CommandError(f"{number} faults, nothing was added.") from bad

    def _say(self, account: Account) -> None:
        if account.domain is not None:
            self.say_life(account.domain.scope, account.address)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError("A day is written as 2026-12-31.") from error


def _quota(text: str, account: Account) -> int:
    quota = parse_quota_mb(text)
    if quota is not None:
        return quota
    return account.domain.default_quota_bytes if account.domain else 0


def _add_despite_deleted(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--despite-deleted", action="store_true", help="also an address whose deleted mailbox is still kept"
    )


def _add_password_source(parser: ArgumentParser, *, with_hash: bool) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    source.add_argument("--random", action="store_true", help="make a random password and print it")
    if with_hash:
        source.add_argument("--hash-stdin", action="store_true", help="read a hash of another system")


def _password(options: dict[str, Any]) -> tuple[str, str]:
    """Plain password and stored hash, one of them empty."""
    if options["random"]:
        return random_password(), ""
    text = password_from_stdin()
    return ("", imported_hash(text)) if options.get("hash_stdin") else (text, "")


def _facts(account: Account) -> dict[str, Fact]:
    domain = account.domain
    return {
        "address": account.address,
        "name": account.name,
        "state": account.state,
        "lock mode": account.lock_mode if account.is_locked else None,
        "lock reason": account.lock_reason or None,
        "locked by": account.locked_by or None,
        "locked since": account.locked_at.isoformat(timespec="seconds") if account.locked_at else None,
        "locked until": account.locked_until.isoformat(timespec="seconds") if account.locked_until else None,
        "domain state": domain.state if domain else None,
        "quota bytes": account.quota_bytes,
        "language": account.language,
        "superadmin": account.is_superuser,
        "postmaster of": list(account.managed_domains.values_list("name", flat=True)),
        "aliases": list(account.alias_targets.values_list("alias__address", flat=True)),
        "mailbox": account.home if account.has_mailbox else None,
        "created": account.created_at.isoformat(timespec="seconds"),
        "password changed": account.password_changed_at.isoformat(timespec="seconds")
        if account.password_changed_at
        else None,
    }
