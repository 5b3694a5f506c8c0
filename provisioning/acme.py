"""Free certificates by ACME (RFC 8555): certbot asks, and our nginx shows its answers on port 80."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from enforcement.models import Certificate
from provisioning import outbox
from provisioning.authority import write_private
from provisioning.certificates import files_of, note_failure, note_taken
from provisioning.hosts.base import Host, Output
from provisioning.layout import Layout
from qmailux_site.errors import CommandFailed

CERTBOT_SECONDS = 300
# At the latest; one that is good for less than three months has its last third.
RENEW_BEFORE = timedelta(days=30)
RENEW_SHARE = 3
# Authorities count failures and shut out for them (Let's Encrypt after five an hour).
TRY_AGAIN_AFTER = timedelta(hours=1)
LAST_LINES = 20
# Lines of certbot's that are the same each time.
NOISE = ("Saving debug log", "Ask for help", "Some challenges have failed", "Renewing an existing")


def due_for_acme() -> list[int]:
    """Ordered ones, and those that run out soon; ids. After a failure not before an hour is over."""
    found = Certificate.objects.filter(kind=Certificate.Kind.ACME).order_by("pk")
    ordered = found.filter(state=Certificate.State.ORDERED)
    active = found.filter(state=Certificate.State.ACTIVE)
    now = timezone.now()
    return [each.pk for each in ordered] + [each.pk for each in active if _is_due(each, now)]


def _is_due(certificate: Certificate, now: datetime) -> bool:
    """In the last third of its life, or in its last month."""
    tried = certificate.tried_at
    if certificate.error and tried is not None and now < tried + TRY_AGAIN_AFTER:
        return False
    leaf = x509.load_pem_x509_certificate(certificate.chain.encode())
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    return leaf.not_valid_after_utc - now < min(RENEW_BEFORE, life / RENEW_SHARE)


def fetch(certificate: Certificate, host: Host, layout: Layout) -> None:
    """Ask for the certificate, or renew it. When the authority refuses, or cannot be reached, its words are
    kept beside it, and what was served before goes on.
    """
    state = layout.state / "acme"
    chain_file, key_file = files_of(layout, certificate)
    name = f"certificate-{certificate.pk}"
    argv = [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email"),
        # What is in use is asked for when it is to be renewed. The key stays, for an smtpd that starts while
        # the files of a certificate are replaced would read one new and one old.
        *("--force-renewal" if certificate.fingerprint else "--keep-until-expiring", "--reuse-key"),
        *("--expand", "--webroot", f"--webroot-path={layout.acme_answers}"),
        *(f"--config-dir={state / 'config'}", f"--work-dir={state / 'work'}", f"--logs-dir={state / 'log'}"),
        *(f"--cert-name={name}", f"--server={settings.QMAILUX_ACME_SERVER}"),
        *(part for host_name in certificate.names for part in ("-d", host_name)),
    ]
    if settings.QMAILUX_ACME_CA_FILE:
        argv = ["env", f"REQUESTS_CA_BUNDLE={settings.QMAILUX_ACME_CA_FILE}", *argv]
    certificate.tried_at = timezone.now()
    certificate.save(update_fields=["tried_at"])
    try:
        done = host.run(argv, timeout=CERTBOT_SECONDS, check=False)
        if done.code == 0:
            live = state / "config" / "live" / name
            write_private(key_file, (live / "privkey.pem").read_bytes())
            write_private(chain_file, (live / "fullchain.pem").read_bytes(), mode=0o644)
    except (CommandFailed, OSError) as error:
        note_failure(certificate, str(error))
        return
    if done.code != 0:
        note_failure(certificate, _why(done))
        return
    note_taken(certificate, chain_file)
    with transaction.atomic():
        outbox.record_settings()


def _why(done: Output) -> str:
    """What the authority has met stands in certbot's output, what certbot itself has in its errors."""
    said = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace").splitlines()
    told = [line for line in said if line.strip() and not line.startswith(NOISE)]
    return "\n".join(told[-LAST_LINES:]) or f"certbot ended with code {done.code}"
