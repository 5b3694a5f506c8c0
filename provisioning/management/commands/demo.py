"""manage.py demo: fill the running instance through the ordinary doors, to look around in.

It grows with the project: whatever can become of a mail is shown here once.
"""

from __future__ import annotations

import smtplib
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from itertools import islice, product
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.actions import NewAccount, add_account, add_accounts, add_alias, edit_account, lock_account
from accounts.actions.accounts import hash_new_password
from accounts.actor import Actor
from accounts.models import Account, LockMode
from antispam.actions import allow_past
from domains.actions import add_domain, add_domain_alias, set_managers
from domains.models import Domain
from domains.names import canonical_domain
from provisioning.models import Change
from provisioning.probes import probe
from provisioning.stack import addresses
from qmailux_site.console import progress_bar
from qmailux_site.errors import QmailuxError

PASSWORD = "Demo-Papuga-7"  # noqa: S105  # everybody may know it
SMALLEST = 60
DOMAINS = {"zielona.example": "pl", "łąka.example": "pl", "harbour.example": "en"}
ALIAS_NAME = "zielona-firma.example"
SENDER = "nadawca@nadawcy.example"
FIRST_NAMES = ["Anna", "Bożena", "Celina", "Łucja", "Żaneta", "Adam", "Józef", "Kamil", "Leszek", "Michał"]
LAST_NAMES = ["Bąk", "Ćwik", "Gąska", "Kowal", "Łoś", "Wójcik"]
TIGHT_QUOTA_BYTES = 1_000_000
ACCOUNTS_A_DOMAIN = 20
DOMAINS_A_TRANSACTION = 100
LONGEST_WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Case:
    """A letter and what must become of it. refusal: the reply code at RCPT; 0 means it is taken."""

    recipient: str
    subject: str
    refusal: int = 0
    html: bool = False
    attachment_bytes: int = 0


class Command(BaseCommand):
    help = (
        "Fill the running instance: 3 domains, 60 accounts, aliases, and mail of every fate. "
        "A second run changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--size", type=int, default=SMALLEST, help="accounts in all; those past 60 get no mail"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        size: int = options["size"]
        if size < SMALLEST:
            raise CommandError(f"--size is at least {SMALLEST}.")
        if reason := probe(settings.QMAILUX_LAYOUT, "smtp"):
            raise CommandError(f"No instance runs here ({reason}): start it with `make up`.")
        try:
            self._fill(size)
        except QmailuxError as error:
            raise CommandError(str(error)) from error
        self._say_logins()

    def _fill(self, size: int) -> None:
        names = [canonical_domain(name) for name in DOMAINS]
        stored_hash = hash_new_password(PASSWORD, address="", name="")
        if Domain.objects.filter(name__in=names).count() == len(names):
            self.stdout.write("The demo is there.")
        else:
            with transaction.atomic():
                _add_small(stored_hash)
            wait_until_live()
            self._send_mail()
        if size > SMALLEST:
            _add_many(size - SMALLEST, stored_hash)
            self.stdout.write(f"{size} accounts are there; the worker goes on applying them.")

    def _send_mail(self) -> None:
        for case in _cases():
            code = deliver(case)
            if code != case.refusal:
                raise CommandError(f"{case.recipient} ({case.subject}) was answered with {code}.")
            fate = f"refused with {code}" if code else "delivered"
            self.stdout.write(f"{fate:16}  {case.recipient}  ({case.subject})")

    def _say_logins(self) -> None:
        found = addresses(settings.QMAILUX_LAYOUT)
        self.stdout.write("")
        for service in ("panel", "imaps", "pop3s", "submission"):
            self.stdout.write(f"{service:12}{found[service]}")
        for domain in Domain.objects.filter(name__in=[canonical_domain(name) for name in DOMAINS]):
            accounts = Account.objects.filter(domain=domain)
            postmaster = accounts.filter(managed_domains=domain).first()
            self.stdout.write(f"{domain}: {accounts.count()} accounts, postmaster {postmaster}")
        self.stdout.write(f"password of every demo account: {PASSWORD}")


def _add_small(stored_hash: str) -> None:
    """Everything the mail below needs, all or nothing."""
    by = Actor.console()
    # The sender's domain is in nobody's DNS, so no protection that asks there would take its mail.
    allow_past(SENDER, by=by)
    people = iter(product(FIRST_NAMES, LAST_NAMES))
    for name, language in DOMAINS.items():
        domain = add_domain(name=name, settings={"language": language}, by=by)
        accounts = [
            add_account(
                domain=domain,
                localpart=_localpart(first, last),
                password_hash=stored_hash,
                name=f"{first} {last}",
                language="en" if number % 4 == 3 else "",
                by=by,
            )
            for number, (first, last) in enumerate(islice(people, ACCOUNTS_A_DOMAIN))
        ]
        set_managers(domain, addresses=[accounts[0].address], by=by)
        add_alias(domain=domain, localpart="biuro", targets=[a.address for a in accounts[:3]], by=by)
        lock_account(accounts[-1], reason="umowa rozwiązana", mode=LockMode.REJECT, by=by)
        lock_account(accounts[-2], reason="urlop", by=by)
        edit_account(accounts[1], quota_bytes=TIGHT_QUOTA_BYTES, by=by)
    first_domain = Domain.objects.get(name=next(iter(DOMAINS)))
    add_domain_alias(first_domain, name=ALIAS_NAME, by=by)
    add_alias(domain=first_domain, localpart="", targets=[f"biuro@{first_domain.name}"], by=by)


def _cases() -> Iterator[Case]:
    """Every fate of a mail so far, in the order in which they can be seen."""
    for shown in DOMAINS:
        domain = canonical_domain(shown)
        owner, tight, *_others, locked = _recipients(domain)
        yield Case(owner, "Zwykły list")
        yield Case(owner.replace("@", "+faktury@"), "Na adres z plusem")
        yield Case(owner, "List w HTML", html=True)
        yield Case(owner, "Z załącznikiem", attachment_bytes=40_000)
        yield Case(f"biuro@{domain}", "Na alias")
        yield Case(locked, "Do zablokowanego konta", refusal=550)
        yield Case(tight, "Prawie pełna skrzynka", attachment_bytes=650_000)
        yield Case(tight, "Ponad limit", attachment_bytes=650_000, refusal=552)
    yield Case(f"biuro@{ALIAS_NAME}", "Na drugą nazwę domeny")
    yield Case("ktokolwiek@zielona.example", "Do skrzynki zbiorczej (catch-all)")
    yield Case("nikt@harbour.example", "Do nieznanego odbiorcy", refusal=550)
    yield Case("nikt@nieznana.example", "Do obcej domeny", refusal=554)


def _recipients(domain: str) -> list[str]:
    """In the order in which they were added."""
    return list(Account.objects.filter(domain__name=domain).order_by("pk").values_list("address", flat=True))


def deliver(case: Case) -> int:
    """The letter by port 25; 0 when taken, else the reply code.

    A mailbox fills when its mail has been stored, a moment after it was taken: so a refusal for lack of room
    is waited for.
    """
    text = _letter(case).as_bytes()
    layout = settings.QMAILUX_LAYOUT
    end = time.monotonic() + 10
    while True:
        with smtplib.SMTP(layout.own_address, layout.port("smtp"), local_hostname="nadawcy.example") as smtp:
            smtp.ehlo()
            smtp.mail(SENDER, [f"SIZE={len(text)}"])
            code = smtp.rcpt(case.recipient)[0]
            if code != 250:
                return code
            if case.refusal == 0:
                code = smtp.data(text)[0]
                return 0 if code == 250 else code
        if time.monotonic() > end:
            return 0
        time.sleep(0.1)


def wait_until_live() -> None:
    """Until the worker has applied everything."""
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while Change.objects.exists():
        if time.monotonic() > end:
            raise CommandError("saved, but nobody applies it: does the worker run (manage.py stack status)?")
        time.sleep(0.05)


def _letter(case: Case) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = SENDER, case.recipient, case.subject
    message.set_content("Dzień dobry,\n\nto jest list próbny.\n", cte="quoted-printable")
    if case.html:
        message.add_alternative("<p>Dzień dobry, to jest <b>list próbny</b>.</p>", subtype="html")
    if case.attachment_bytes:
        content = b"%PDF-1.4\n" + b"\0" * case.attachment_bytes
        message.add_attachment(content, maintype="application", subtype="pdf", filename="Umowa ąę.pdf")
    return message


def _add_many(count: int, stored_hash: str) -> None:
    """Domains with twenty accounts each. What a run before has added is passed over."""
    by = Actor.console()
    progress = progress_bar()
    sizes = [ACCOUNTS_A_DOMAIN] * (count // ACCOUNTS_A_DOMAIN)
    if count % ACCOUNTS_A_DOMAIN:
        sizes.append(count % ACCOUNTS_A_DOMAIN)
    there = set(Domain.objects.filter(name__endswith=".demo.example").values_list("name", flat=True))
    wanted = [(f"d{number:06}.demo.example", size) for number, size in enumerate(sizes)]
    missing = [(name, size) for name, size in wanted if name not in there]
    for start in range(0, len(missing), DOMAINS_A_TRANSACTION):
        progress("domains", start, len(missing))
        with transaction.atomic():
            rows = [
                NewAccount(domain=domain, localpart=f"konto{number:02}", password_hash=stored_hash)
                for name, size in missing[start : start + DOMAINS_A_TRANSACTION]
                for domain in [add_domain(name=name, by=by)]
                for number in range(size)
            ]
            add_accounts(rows, by=by)
    progress("domains", len(missing), len(missing))


def _localpart(first: str, last: str) -> str:
    plain = unicodedata.normalize("NFKD", f"{first}.{last}".lower().replace("ł", "l"))
    return plain.encode("ascii", "ignore").decode()
