"""What the ops commands share: verbs, one error sentence, JSON, questions, waiting for live (STYLE 16)."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from tqdm import tqdm

from provisioning.life import Life, life_of
from qmailux_site.errors import ActionRefused, QmailuxError

Fact = str | int | bool | None | Sequence[str]
LONGEST_WAIT_SECONDS = 3.0


class SubcommandCommand(BaseCommand):
    """manage.py NOUN VERB ...: a verb is a method `verb_<name>`, its parser made by
    `add_<name>_arguments`.
    """

    verbs: ClassVar[Mapping[str, str]] = {}

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb, help_text in self.verbs.items():
            self._add_verb(verbs, verb, help_text)

    def _add_verb(self, verbs: _SubParsersAction[CommandParser], verb: str, help_text: str) -> None:
        parser = verbs.add_parser(verb, help=help_text, description=help_text)
        name = verb.replace("-", "_")
        add: Callable[[ArgumentParser], None] | None = getattr(self, f"add_{name}_arguments", None)
        if add is not None:
            add(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        verb: Callable[[dict[str, Any]], None] = getattr(self, f"verb_{options['verb'].replace('-', '_')}")
        try:
            verb(options)
        except ActionRefused as refusal:
            raise CommandError(refusal.message) from refusal
        except QmailuxError as error:
            raise CommandError(str(error)) from error
        except BrokenPipeError:
            sys.stderr.close()

    # What verbs use

    def show(self, rows: Sequence[Mapping[str, Fact]], *, as_json: bool, bare: int | None = None) -> None:
        """One line a fact, or all as JSON. bare: how many values of a line speak for themselves; those after
        them are named.
        """
        if as_json:
            self.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1))
            return
        for row in rows:
            values = [_plain(value) for value in row.values()]
            named = [f"{name}: {value}" for name, value in zip(row, values, strict=True)]
            self.stdout.write("  ".join(values if bare is None else [*values[:bare], *named[bare:]]))

    def show_one(self, facts: Mapping[str, Fact], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(facts, ensure_ascii=False, indent=1))
            return
        for name, value in facts.items():
            self.stdout.write(f"{name}: {_plain(value)}")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is destroyed; without a terminal --yes is needed."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question} Repeat with --yes.")
        if input(f"{question} Type yes: ").strip() != "yes":
            raise CommandError("Nothing was changed.")

    def say_life(self, scope: str, key: str, *, wait: bool = True) -> None:
        """Wait some seconds for the change to be live, and say how it stands."""
        started = time.monotonic()
        life = life_of(scope, key)
        while wait and life.state == "pending" and time.monotonic() - started < LONGEST_WAIT_SECONDS:
            time.sleep(0.02)
            life = life_of(scope, key)
        self.stdout.write(_life_sentence(life, time.monotonic() - started))
        if life.state == "failed":
            raise CommandError(f"saved, but not live: {life.error}")


def password_from_stdin() -> str:
    """All of standard input, without the newline at its end."""
    # Bytes, not text: the locale of a bare console is ASCII, and a password may hold any letter.
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise CommandError("The password is not UTF-8.") from error


@contextmanager
def secrets_kept(path: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[None]:
    """A new file for one person's eyes, on the disk before the body makes its secrets count: ones that nobody
    can read would be worse than none. When the body fails they open nothing, and the file goes again.
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
            writer.writerow(heading)
            writer.writerows(rows)
            stream.flush()
            os.fsync(stream.fileno())
        yield
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def progress_bar() -> Callable[[str, int, int], None]:
    """A function (step, done, total) that draws a bar on stderr when somebody is looking."""
    bar: tqdm[Any] | None = None

    def update(step: str, done: int, total: int) -> None:
        nonlocal bar
        if not sys.stderr.isatty():
            return
        if bar is None or bar.desc != f"{step}: ":
            if bar is not None:
                bar.close()
            bar = tqdm(total=total, desc=step, file=sys.stderr, leave=False)
        bar.total = total
        bar.update(done - bar.n)

    return update


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_yes(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def add_dry_run(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="check everything, change nothing")


def number_or_none(text: str) -> int | str | None:
    """For argparse: "none" takes a number away; "" is what was not given."""
    if text in ("", "none"):
        return None if text else ""
    return int(text)


class DryRun(Exception):
    """Rolls the transaction of a dry run back."""


def dry_run_of(action: Callable[[], object]) -> None:
    """Run the action with all its checks, and undo it."""
    try:
        with transaction.atomic():
            action()
            raise DryRun
    except DryRun:
        return


def _life_sentence(life: Life, seconds: float) -> str:
    if life.state == "live":
        return f"live after {seconds:.2f} s"
    if life.state == "pending":
        return "saved, not live yet: the server's worker will apply it (manage.py apply does it now)"
    return "saved, but not live"


def _plain(value: Fact) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (str, int)):
        return str(value)
    return ", ".join(value)
