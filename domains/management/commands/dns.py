"""manage.py dns: what DNS says of a domain's mail, and what to publish."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.core.management.base import CommandError

from accounts.actor import Actor
from domains.dns_checks import look_at_dns
from domains.naming import domain_named
from qmailux_site.console import Fact, SubcommandCommand, add_json


class Command(SubcommandCommand):
    help = "Check MX, SPF, DKIM, DMARC and reverse names of a domain."
    verbs: ClassVar[dict[str, str]] = {"check": "look into DNS, and say what to publish"}

    def add_check_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("domain")
        add_json(parser)

    def verb_check(self, options: dict[str, Any]) -> None:
        findings = look_at_dns(domain_named(options["domain"]), by=Actor.console())
        rows: list[dict[str, Fact]] = [
            {
                "kind": finding.kind,
                "name": finding.name,
                "verdict": finding.verdict,
                "publish": finding.wanted,
                "found": finding.found,
            }
            for finding in findings
        ]
        self.show(rows, as_json=options["json"])
        bad = [finding for finding in findings if finding.verdict != "good"]
        if bad:
            raise CommandError(
                f"{len(bad)} of {len(findings)} records are not as they should be.", returncode=1
            )
