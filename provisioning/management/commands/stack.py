"""manage.py stack: start and end the instance."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import CommandError

from provisioning import stack
from qmailux_site.console import SubcommandCommand, add_json
from qmailux_site.errors import SetupError


class Command(SubcommandCommand):
    help = (
        "Prepare, start, end and look at all programs of this instance. `make up` does all that comes before."
    )
    verbs: ClassVar[dict[str, str]] = {
        "prepare": "make the folders, the secret key and the certificate; what exists is kept",
        "up": "start everything, wait until it is ready, show the logs until Ctrl-C ends it (or: --detach)",
        "down": "end everything and wait for it",
        "status": "what runs; exit code 1 unless everything does",
    }

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except CommandError as error:
            if isinstance(error.__cause__, stack.StackError):
                error.returncode = int(error.__cause__.code)
            elif isinstance(error.__cause__, SetupError):
                error.returncode = int(stack.ExitCode.HOME_UNUSABLE)
            raise

    def add_up_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--detach", action="store_true", help="leave it running in the background")

    def add_status_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_prepare(self, options: dict[str, Any]) -> None:
        stack.prepare(settings.QMAILUX_LAYOUT)

    def verb_up(self, options: dict[str, Any]) -> None:
        stack.up(settings.QMAILUX_LAYOUT, detach=options["detach"], say=self._say)

    def verb_down(self, options: dict[str, Any]) -> None:
        layout = settings.QMAILUX_LAYOUT
        ended = stack.down(layout, say=self._say)
        self._say(f"ended: {layout.home}" if ended else f"nothing runs in {layout.home}")

    def verb_status(self, options: dict[str, Any]) -> None:
        layout = settings.QMAILUX_LAYOUT
        found = stack.status(layout)
        if options["json"]:
            facts = {"home": str(layout.home), "is_running": found.is_running, "is_well": found.is_well}
            rows = [asdict(program) for program in found.programs]
            self._say(json.dumps(facts | {"programs": rows, "addresses": dict(found.addresses)}, indent=1))
        elif found.is_running:
            for program in found.programs:
                self._say(f"{program.name:12}  {program.state:8}  {program.reason}")
        if not found.is_running:
            raise CommandError(f"nothing runs in {layout.home}", returncode=1)
        if not found.is_well:
            raise CommandError("not everything runs", returncode=1)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
