"""Letters of the server itself to addresses elsewhere: they leave as mail of the account's domain does."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from django.conf import settings

from domains.models import Domain
from provisioning.hosts import host_of
from provisioning.hosts.base import Host
from provisioning.layout import Layout


def new_letter(*, domain: Domain, recipient: str, subject: str, text: str) -> EmailMessage:
    """From the domain's own postmaster, so that SPF and signatures are those of the domain."""
    letter = EmailMessage()
    letter["From"] = f"postmaster@{domain.name}"
    letter["To"] = recipient
    letter["Subject"] = subject
    letter["Date"] = formatdate(localtime=True)
    letter["Message-ID"] = make_msgid(domain=settings.QMAILUX_LAYOUT.hostname)
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    return letter


def post(letter: EmailMessage, *, domain: Domain, recipient: str, layout: Layout) -> None:
    """Queued for the recipient when it returns; else CommandFailed. Through the socket of Sieve's mail, for
    port 25 takes nothing for elsewhere.
    """
    host = host_of(domain.node)
    program = str(layout.bin / "qmailux-submit")
    sender = f"postmaster@{domain.name}"
    argv = [program, *_service(host, domain), "-f", sender, "--", recipient]
    host.run(argv, stdin=letter.as_bytes(), timeout=60)


def _service(host: Host, domain: Domain) -> list[str]:
    """Of the domain's own address, where it has one."""
    row = host.query_rows("domain_host", [domain.name]).get(domain.name)
    return [str(row[2]), str(row[3])] if row is not None and row[2] else []
