"""manage.py account: mailboxes and logins."""

from __future__ import annotations

import csv
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts import actions
from accounts.actor import Actor
from accounts.addresses import parse_address
from accounts.bulk import CheckedRow, check_file, hash_passwords
from accounts.csvfile import MAX_ERRORS, BadFile
from accounts.models import Account, LockMode
from accounts.passwords import imported_hash, random_password
from accounts.quotas import parse_quota_mb
from domains.models import Domain
from domains.names import canonical_domain
from qmailux_site.console import (
    Fact,
    SubcommandCommand,
    add_dry_run,
    add_json,
    add_yes,
    dry_run_of,
    progress_bar,
)


class Command(SubcommandCommand):
    help = "Add, show and change accounts. Passwords never stand in arguments: --password-stdin or --random."
    verbs = {
        "add": "add an account",
        "list": "list accounts",
        "show": "show one account",
        "edit": "change name, quota or language",
        "password": "set a password",
        "rename": "give an account another address; mail and aliases follow",
        "lock": "lock an account: no login, incoming mail as chosen",
        "unlock": "lift the lock of an account",
        "delete": "delete an account; its mail is kept for some days",
        "import": "add accounts from a CSV file: all or none",
    }

    def add_add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")
        parser.add_argument("--name", default="")
        parser.add_argument("--quota", metavar="MB", default="", help="0 is unlimited; default: the domain's")
        parser.add_argument("--language", choices=["pl", "en"], default="")
        _add_password_source(parser, with_hash=True)
        add_json(parser)
        add_dry_run(parser)

    def verb_add(self, options: dict[str, Any]) -> None:
        address = parse_address(options["address"])
        domain = _domain_of(address.domain)
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
            accounts = accounts.filter(domain=_domain_of(options["domain"]))
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

    def verb_rename(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        new = parse_address(options["new_address"])
        renamed = actions.rename_account(
            account,
            domain=_domain_of(new.domain),
            localpart=new.localpart,
            keep_old_as_alias=options["keep_alias"],
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

    def verb_lock(self, options: dict[str, Any]) -> None:
        account = account_named(options["address"])
        actions.lock_account(account, reason=options["reason"], mode=options["mode"], by=Actor.console())
        self.stdout.write(f"locked {account.address}")
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
        with _passwords_kept(options["passwords_file"], random):
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


def account_named(text: str) -> Account:
    """The account by its address in either spelling of the domain; an operator by its login. Raises
    CommandError.
    """
    address = text.strip().lower()
    accounts = Account.objects.visible_to(Actor.console()).select_related("domain__node")
    account = (
        accounts.filter(address=address).first() or accounts.filter(address=str(parse_address(text))).first()
    )
    if account is None:
        raise CommandError(f"There is no account {address}.")
    return account


def _domain_of(name: str) -> Domain:
    domain = (
        Domain.objects.visible_to(Actor.console())
        .select_related("node")
        .filter(name=canonical_domain(name))
        .first()
    )
    if domain is None:
        raise CommandError(f"There is no domain {name}.")
    return domain


def _quota(text: str, account: Account) -> int:
    quota = parse_quota_mb(text)
    if quota is not None:
        return quota
    return account.domain.default_quota_bytes if account.domain else 0


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
    # Bytes, not text: the locale of a bare console is ASCII, and a password may hold any letter.
    try:
        text = sys.stdin.buffer.read().decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise CommandError("The password is not UTF-8.") from error
    return ("", imported_hash(text)) if options.get("hash_stdin") else (text, "")


@contextmanager
def _passwords_kept(path: str, rows: list[CheckedRow]) -> Iterator[None]:
    """The random passwords are on the disk before anything is added: ones that nobody can read would be worse
    than none. When the body fails they are passwords of nobody, and the file goes again.
    """
    if not rows:
        yield
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["address", "password"])
            writer.writerows((row.account.address, row.password) for row in rows)
            stream.flush()
            os.fsync(stream.fileno())
        yield
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def _facts(account: Account) -> dict[str, Fact]:
    domain = account.domain
    return {
        "address": account.address,
        "name": account.name,
        "state": account.state,
        "lock mode": account.lock_mode if account.is_locked else None,
        "lock reason": account.lock_reason or None,
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
