"""manage.py doctor: every check, with the remedy."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.doctor import examine


class Command(BaseCommand):
    help = "Check the whole instance; exit 1 if anything is an error."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine(settings.QMAILUX_LAYOUT)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1))
        else:
            for finding in findings:
                remedy = f"  -> {finding.remedy}" if finding.remedy else ""
                self.stdout.write(f"{finding.level:8}{finding.check}: {finding.text}{remedy}")
        errors = sum(finding.level == "error" for finding in findings)
        if errors:
            raise CommandError(f"{errors} errors", returncode=1)
