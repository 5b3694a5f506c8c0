"""What to type into a mail program."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from qmailux_site.middleware import PanelRequest


@login_required
def mail_programs(request: PanelRequest) -> HttpResponse:
    """Host, port and encryption of every protocol, ready to copy."""
    layout = settings.QMAILUX_LAYOUT
    rows = [
        (_("Incoming mail (IMAP)"), layout.port("imaps"), "TLS"),
        (_("Incoming mail (POP3)"), layout.port("pop3s"), "TLS"),
        (_("Outgoing mail (SMTP)"), layout.port("smtps"), "TLS"),
        (_("Outgoing mail (SMTP)"), layout.port("submission"), "STARTTLS"),
    ]
    values = {"rows": rows, "host": layout.hostname, "own_authority": _authority().exists()}
    return render(request, "accounts/mail_programs.html", values)


@login_required
def authority(request: PanelRequest) -> HttpResponseBase:
    """The certificate of the server's own authority."""
    try:
        stream = _authority().open("rb")
    except OSError as error:
        raise Http404 from error
    return FileResponse(
        stream, as_attachment=True, filename="ca.crt", content_type="application/x-x509-ca-cert"
    )


def _authority() -> Path:
    path: Path = settings.QMAILUX_LAYOUT.tls / "ca.crt"
    return path
