"""manage.py certificate: list, make, request, answer, upload and delete certificates."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError

from accounts.actor import Actor
from enforcement import actions
from enforcement.models import Certificate
from provisioning.models import SERVER_SCOPE
from qmailux_site.console import Fact, SubcommandCommand, add_json, add_yes


class Command(SubcommandCommand):
    help = "Certificates of the server's names. Private keys are never shown."
    verbs: ClassVar[dict[str, str]] = {
        "list": "every certificate, its names, state and end",
        "show": "one, with its signing request and chain",
        "issue": "make one by our own authority, or by ACME",
        "request": "make a key and a signing request for another authority",
        "answer": "take the signed answer to a request",
        "upload": "take a chain and its key",
        "renew": "ask ACME again, or make a new one of our own authority",
        "delete": "delete one; its names are served with the one before",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        self.show([_facts(certificate) for certificate in Certificate.objects.all()], as_json=options["json"])

    def add_show_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", type=int)
        add_json(parser)

    def verb_show(self, options: dict[str, Any]) -> None:
        certificate = _numbered(options["number"])
        facts = {**_facts(certificate), "request": certificate.request, "chain": certificate.chain}
        self.show_one(facts, as_json=options["json"])

    def add_issue_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="+")
        parser.add_argument("--acme", action="store_true", help="fetched by certbot, instead of our own")

    def verb_issue(self, options: dict[str, Any]) -> None:
        kind = Certificate.Kind.ACME if options["acme"] else Certificate.Kind.OWN
        self._ordered(kind, options["names"])

    def add_request_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="+")

    def verb_request(self, options: dict[str, Any]) -> None:
        self._ordered(Certificate.Kind.SIGNED, options["names"])

    def add_answer_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", type=int)
        parser.add_argument("file", help="certificate and chain; - reads standard input")

    def verb_answer(self, options: dict[str, Any]) -> None:
        certificate = actions.answer_request(
            _numbered(options["number"]), answer=_content(options["file"]), by=Actor.console()
        )
        self.stdout.write(f"taken: {certificate} until {certificate.not_after:%Y-%m-%d}")
        self.say_life(SERVER_SCOPE, "*")

    def add_upload_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("chain", help="file with the certificate and its chain")
        parser.add_argument("key", help="file with the private key")
        parser.add_argument("--name", action="append", default=[], help="it must be good for this host")

    def verb_upload(self, options: dict[str, Any]) -> None:
        certificate = actions.upload_certificate(
            chain=_content(options["chain"]),
            key=_content(options["key"]),
            names=options["name"],
            by=Actor.console(),
        )
        self.stdout.write(f"taken as {certificate.pk}: {certificate} until {certificate.not_after:%Y-%m-%d}")
        self.say_life(SERVER_SCOPE, "*")

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", type=int)
        add_yes(parser)

    def verb_delete(self, options: dict[str, Any]) -> None:
        certificate = _numbered(options["number"])
        self.confirm(f"Delete the certificate for {certificate}?", yes=options["yes"])
        actions.delete_certificate(certificate, by=Actor.console())
        self.stdout.write(f"deleted {options['number']}")
        self.say_life(SERVER_SCOPE, "*")

    def add_renew_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("number", type=int)

    def verb_renew(self, options: dict[str, Any]) -> None:
        certificate = _numbered(options["number"])
        if certificate.kind == Certificate.Kind.OWN:
            self._ordered(certificate.kind, certificate.names)
            return
        actions.fetch_again(certificate, by=Actor.console())
        self.stdout.write(f"the ACME authority is asked again for {certificate}; see certificate show")

    def _ordered(self, kind: str, names: list[str]) -> None:
        certificate = actions.order_certificate(kind=kind, names=names, by=Actor.console())
        self.stdout.write(f"ordered as {certificate.pk}: {certificate}")
        if kind == Certificate.Kind.ACME:
            self.stdout.write(f"certbot asks the authority: manage.py certificate show {certificate.pk}")
            return
        self.say_life(SERVER_SCOPE, "*")


def _numbered(number: int) -> Certificate:
    certificate = Certificate.objects.filter(pk=number).first()
    if certificate is None:
        raise CommandError(f"There is no certificate {number}.")
    return certificate


def _content(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def _facts(certificate: Certificate) -> dict[str, Fact]:
    return {
        "number": certificate.pk,
        "names": list(certificate.names),
        "kind": certificate.kind,
        "state": certificate.state,
        "until": certificate.not_after.isoformat(timespec="seconds") if certificate.not_after else None,
        "issuer": certificate.issuer,
        "fingerprint": certificate.fingerprint[:16],
        "error": certificate.error,
    }
