"""The server that sends a domain's mail on, or that of the whole server."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actions.taken import locked_domain
from accounts.actor import Actor
from audit import record as audit
from domains.models import SUBMISSION_PORT, Domain, Smarthost
from domains.servers import other_server
from provisioning import outbox
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused
from qmailux_site.sealing import seal

# SMTP with TLS from the first byte.
WRAPPED_PORT = 465


@transaction.atomic
def set_smarthost(domain: Domain | None, *, to: str, user: str, password: str, by: Actor) -> Smarthost:
    """Mail from the domain (None: from every domain without one of its own) leaves by that server.

    to: its name or IP address, with ":port" where that is not 587. It must offer STARTTLS, on port 465 TLS
    from the first byte: else mail waits.
    user: empty where it wants no login. password: empty keeps the one that is set for the same server and
    user. Refused for this server itself.
    """
    by.must_be_superadmin()
    fresh = None if domain is None else locked_domain(domain)
    host, port = other_server(to, port=SUBMISSION_PORT)
    if port == WRAPPED_PORT and not user.strip():
        raise ActionRefused("user", _("Port 465 is for logins: enter a user name, or name another port."))
    before = Smarthost.objects.select_for_update(of=("self",)).filter(domain=fresh).first()
    row = Smarthost(domain=fresh, pk=before.pk if before else None, host=host, port=port, user=user.strip())
    _refuse_unusable(row, password)
    if password:
        row.sealed_password = seal(password, purpose=row.purpose)
    elif row.user:
        _keep_password(before, row)
    row.save()
    _record(by, "smarthost_set", fresh, [before, row], to=row.next_hop, user=row.user)
    return row


@transaction.atomic
def remove_smarthost(domain: Domain | None, *, by: Actor) -> None:
    """Mail leaves directly again, or by the server's smarthost; what waits does at its next attempt."""
    by.must_be_superadmin()
    fresh = None if domain is None else locked_domain(domain)
    row = Smarthost.objects.select_for_update(of=("self",)).filter(domain=fresh).first()
    if row is None:
        return
    Smarthost.objects.filter(pk=row.pk).delete()
    _record(by, "smarthost_removed", fresh, [row])


def _keep_password(before: Smarthost | None, row: Smarthost) -> None:
    """A password goes to the server it was given for, and to no other."""
    if before is None or (before.host, before.port, before.user) != (row.host, row.port, row.user):
        raise ActionRefused("password", _("Enter the password."))
    row.sealed_password, row.password = before.sealed_password, before.password


def _refuse_unusable(row: Smarthost, password: str) -> None:
    """What Postfix's map of passwords could not hold, or would read otherwise."""
    if ":" in row.user or not row.user.isprintable() or len(row.user) > 254:
        raise ActionRefused("user", _("A user name has no colon and no invisible characters."))
    if password and not row.user:
        raise ActionRefused("user", _("Enter the user name that the password belongs to."))
    if password != password.strip() or not password.isprintable() or len(password) > 255:
        raise ActionRefused(
            "password",
            _("A password has at most 255 characters, none of them invisible, and no blanks at its ends."),
        )


def _record(by: Actor, act: str, domain: Domain | None, rows: list[Smarthost | None], **details: str) -> None:
    if domain is None:
        audit.record(by, f"server.{act}", "server", **details)
    else:
        audit.record(by, f"domain.{act}", domain.name, scope=domain.name, **details)
    record_login(domain, [row for row in rows if row is not None])
    if domain is None:
        outbox.record_settings()


def record_login(domain: Domain | None, rows: list[Smarthost]) -> None:
    """By which server the domain's mail leaves, or that of all, is to be looked at again."""
    if domain is None:
        outbox.record(SERVER_SCOPE, [row.next_hop for row in rows])
        return
    names = domain.all_names()
    outbox.record(domain.scope, [*names, *(f"@{name}" for name in names)], nodes=[domain.node])
