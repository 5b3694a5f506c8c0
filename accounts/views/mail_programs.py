"""What to type into a mail program."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from enforcement.models import Certificate
from qmailux_site.middleware import PanelRequest


@dataclass(frozen=True, slots=True)
class MailServer:
    """One way to fetch or send mail."""

    label: str
    hint: str
    host: str
    port: int
    encryption: str
    is_recommended: bool = False


def mail_servers() -> list[MailServer]:
    """In the order in which one should try them."""
    layout = settings.QMAILUX_LAYOUT
    receiving, sending = _("Incoming mail"), _("Outgoing mail")
    on_server, once = _("mail stays on the server"), _("mail is fetched to one device")
    rows = (
        (f"{receiving}: IMAP", on_server, "imaps", "SSL/TLS", True),
        (f"{sending}: SMTP", _("with your password"), "smtps", "SSL/TLS", True),
        (f"{sending}: SMTP", _("if the other port is closed"), "submission", "STARTTLS", False),
        (f"{receiving}: POP3", once, "pop3s", "SSL/TLS", False),
        (f"{receiving}: IMAP", _("for older programs"), "imap", "STARTTLS", False),
        (f"{receiving}: POP3", _("for older programs"), "pop3", "STARTTLS", False),
    )
    return [
        MailServer(label, hint, layout.hostname, layout.port(service), encryption, is_recommended)
        for label, hint, service, encryption, is_recommended in rows
    ]


@login_required
def mail_programs(request: PanelRequest) -> HttpResponse:
    """Host, port and encryption of every protocol, ready to copy."""
    servers = mail_servers()
    values = {
        "recommended": [server for server in servers if server.is_recommended],
        "others": [server for server in servers if not server.is_recommended],
        "has_own_authority": has_own_authority(),
    }
    return render(request, "accounts/mail_programs.html", values)


@login_required
def authority(request: PanelRequest) -> HttpResponseBase:
    """The certificate of the server's own authority."""
    try:
        stream = _file("ca.crt").open("rb")
    except OSError as error:
        raise Http404 from error
    name = f"{settings.QMAILUX_LAYOUT.hostname}.crt"
    return FileResponse(stream, as_attachment=True, filename=name, content_type="application/x-x509-ca-cert")


def has_own_authority() -> bool:
    """Whether the server's certificate is one that our own authority has issued."""
    chosen = Certificate.objects.good_for(settings.QMAILUX_LAYOUT.hostname)
    if chosen is not None:
        return chosen.kind == Certificate.Kind.OWN
    try:
        stamp = _file("server.crt").stat().st_mtime_ns, _file("ca.crt").stat().st_mtime_ns
    except OSError:
        return False
    return _is_issued_by_ours(*stamp)


@lru_cache(maxsize=1)
def _is_issued_by_ours(_server_stamp: int, _authority_stamp: int) -> bool:
    """Read again only when a file has changed."""
    try:
        server, ours = (
            x509.load_pem_x509_certificate(_file(name).read_bytes()) for name in ("server.crt", "ca.crt")
        )
    except (OSError, ValueError):
        return False
    return server.issuer == ours.subject


def _file(name: str) -> Path:
    folder: Path = settings.QMAILUX_LAYOUT.tls
    return folder / name
