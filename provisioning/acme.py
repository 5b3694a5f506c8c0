"""Free certificates by ACME (RFC 8555): certbot asks, and our nginx shows its answers on port 80."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from enforcement.models import Certificate
from provisioning import outbox
from provisioning.authority import write_private
from provisioning.certificates import files_of, note_failure, note_taken
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from qmailux_site.errors import CommandFailed

CERTBOT_SECONDS = 300
RENEW_BEFORE = timedelta(days=30)
LAST_LINES = 12


def due_for_acme() -> list[int]:
    """Ordered ones, and those that run out within a month; ids."""
    soon = Q(state=Certificate.State.ACTIVE, not_after__lt=timezone.now() + RENEW_BEFORE)
    found = Certificate.objects.filter(Q(state=Certificate.State.ORDERED) | soon, kind=Certificate.Kind.ACME)
    return list(found.order_by("pk").values_list("pk", flat=True))


def fetch(certificate: Certificate, host: Host, layout: Layout) -> None:
    """Ask for the certificate, or renew it. When the authority refuses, or cannot be reached, its words are
    kept beside it, and what was served before goes on.
    """
    state = layout.state / "acme"
    chain_file, key_file = files_of(layout, certificate)
    name = f"certificate-{certificate.pk}"
    argv = [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email"),
        *("--keep-until-expiring", "--expand", "--webroot", f"--webroot-path={layout.acme_answers}"),
        *(f"--config-dir={state / 'config'}", f"--work-dir={state / 'work'}", f"--logs-dir={state / 'log'}"),
        *(f"--cert-name={name}", f"--server={settings.QMAILUX_ACME_SERVER}"),
        *(part for host_name in certificate.names for part in ("-d", host_name)),
    ]
    if settings.QMAILUX_ACME_CA_FILE:
        argv = ["env", f"REQUESTS_CA_BUNDLE={settings.QMAILUX_ACME_CA_FILE}", *argv]
    try:
        host.run(argv, timeout=CERTBOT_SECONDS)
        live = state / "config" / "live" / name
        write_private(key_file, (live / "privkey.pem").read_bytes())
        write_private(chain_file, (live / "fullchain.pem").read_bytes(), mode=0o644)
    except (CommandFailed, OSError) as error:
        note_failure(certificate, "\n".join(str(error).splitlines()[-LAST_LINES:]))
        return
    note_taken(certificate, chain_file)
    with transaction.atomic():
        outbox.record_settings()
