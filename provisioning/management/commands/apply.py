"""manage.py apply: bring the mail plane to the state of the database, now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.apply import Applier
from provisioning.bookkeeping import Outcome
from provisioning.models import Node
from provisioning.plan import StoreDiff
from provisioning.tasks import applier_for
from qmailux_site.console import progress_bar
from qmailux_site.errors import ApplyIncomplete, QmailuxError

# A new machine gets a hundred: --json names them all.
MOST_FILES_NAMED = 5
# As in machine/common.sh: the instance can go on.
INCOMPLETE = 9
WORDS = {"upserts": "written", "deletes": "deleted", "write": "to write", "delete": "to delete"}


class Command(BaseCommand):
    help = (
        "Apply pending changes; --all compares everything; --check only reports drift (exit code 1). "
        "Exit code 9: everything is applied but the objects that are named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--all", action="store_true", help="compare everything and write what differs")
        what.add_argument(
            "--check", action="store_true", help="report what --all would write; exit 1 if anything"
        )
        parser.add_argument("--node", help="one node by name; default: all")
        parser.add_argument("--confirm-deletions", action="store_true", help="even if much would be removed")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        results: dict[str, object] = {}
        drifted = False
        try:
            for node in _nodes(options["node"]):
                applier = applier_for(node)
                applier.progress = progress_bar()
                if options["check"]:
                    drift = _numbers(applier.check())
                    drifted = drifted or bool(drift)
                    results[node.name] = drift
                else:
                    results[node.name] = _apply(applier, options).as_plan()
        except ApplyIncomplete as error:
            raise CommandError(str(error), returncode=INCOMPLETE) from error
        except QmailuxError as error:
            raise CommandError(str(error)) from error
        self._show(results, as_json=options["json"], check=options["check"])
        if drifted:
            raise CommandError("The mail plane differs from the database.", returncode=1)

    def _show(self, results: dict[str, object], *, as_json: bool, check: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(results))
            return
        for node, result in results.items():
            nothing = "no drift" if check else "nothing to write"
            self.stdout.write(f"{node}: {_sentence(result) or nothing}")


def _apply(applier: Applier, options: dict[str, Any]) -> Outcome:
    if options["all"]:
        return applier.apply_all(confirm_deletions=options["confirm_deletions"])
    return applier.apply_pending(trigger="command")


def _nodes(name: str | None) -> list[Node]:
    nodes = Node.objects.order_by("name")
    if name is None:
        return list(nodes)
    found = list(nodes.filter(name=name))
    if not found:
        raise CommandError(f"There is no node {name}.")
    return found


def _numbers(drift: dict[str, StoreDiff | list[str]]) -> dict[str, object]:
    return {
        name: {"write": len(diff.upserts), "delete": len(diff.deletes)}
        if isinstance(diff, StoreDiff)
        else diff
        for name, diff in drift.items()
    }


def _sentence(result: object) -> str:
    """What was written, or differs, in one line that a person reads."""
    if not isinstance(result, dict):
        return ""
    parts = [
        f"{WORDS.get(name, name)} {_counted(value)}"
        for name, value in result.items()
        if value and name != "files"
    ]
    return "; ".join(parts + ([_files(result["files"])] if result.get("files") else []))


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {WORDS.get(name, name)}" for name, number in numbers.items() if number)


def _files(paths: Sequence[str]) -> str:
    count = f"{len(paths)} settings file" + ("s" if len(paths) > 1 else "")
    return f"{count}: {', '.join(paths)}" if len(paths) <= MOST_FILES_NAMED else count
