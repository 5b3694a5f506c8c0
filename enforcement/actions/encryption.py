"""Mandatory encryption: of the mail programs of server, domains and accounts, and on the way to others."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.levels import Owner, key_of, record_change, scope_of
from accounts.actor import Actor
from audit import record as audit
from domains.models import Domain
from domains.names import canonical_domain
from enforcement.models import EncryptionRule, RemoteEncryption
from provisioning import outbox
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused


@transaction.atomic
def require_encryption(owner: Owner, *, starts_at: datetime | None = None, by: Actor) -> EncryptionRule:
    """No login without TLS from now on, or from ``starts_at``. Sessions without it end; those with it go on.

    owner: an account, a domain, or None for the whole server.
    """
    _must_own(owner, by)
    if starts_at is not None and starts_at <= timezone.now():
        raise ActionRefused("starts_at", _("This moment is over: leave it empty to start now."))
    EncryptionRule.objects.filter(**key_of(owner)).delete()
    rule = EncryptionRule.objects.create(
        **key_of(owner), starts_at=starts_at, is_in_force=starts_at is None, set_by=by.name()
    )
    starts = starts_at.isoformat(timespec="minutes") if starts_at else "now"
    audit.record(by, "encryption.required", str(rule), scope=scope_of(owner) or "server", starts=starts)
    if rule.is_in_force:
        _record(owner)
    return rule


@transaction.atomic
def allow_plaintext(owner: Owner, *, by: Actor) -> bool:
    """The rule goes, scheduled or in force. Returns whether there was one. Rules of other levels stay."""
    _must_own(owner, by)
    rule = EncryptionRule.objects.filter(**key_of(owner)).first()
    if rule is None:
        return False
    audit.record(by, "encryption.no_longer_required", str(rule), scope=scope_of(owner) or "server")
    rule.delete()
    _record(owner)
    return True


def begin_encryption_that_is_due(*, by: Actor) -> int:
    """Rules whose start has come; returns their number."""
    rules = EncryptionRule.objects.filter(is_in_force=False, starts_at__lte=timezone.now())
    due = list(rules.select_related("account__domain__node", "domain__node"))
    for rule in due:
        with transaction.atomic():
            if EncryptionRule.objects.filter(pk=rule.pk, is_in_force=False).update(is_in_force=True):
                owner: Owner = rule.account or rule.domain
                audit.record(by, "encryption.began", str(rule), scope=scope_of(owner) or "server")
                _record(owner)
    return len(due)


@transaction.atomic
def set_remote_encryption(*, domain: str, level: str, by: Actor) -> RemoteEncryption:
    """Mail to the domain leaves encrypted or waits in the queue, with the reason. Another level
    replaces it.
    """
    by.must_be_superadmin()
    if level not in RemoteEncryption.Level.values:
        raise ActionRefused("level", _("There is no such level of encryption."))
    name = canonical_domain(domain)
    rule, _is_new = RemoteEncryption.objects.update_or_create(
        domain=name, defaults={"level": level, "set_by": by.name()}
    )
    audit.record(by, "remote_encryption.set", name, scope="server", level=level)
    outbox.record(SERVER_SCOPE, [name])
    return rule


@transaction.atomic
def delete_remote_encryption(rule: RemoteEncryption, *, by: Actor) -> None:
    """Encrypted when the other server can, as all other mail."""
    by.must_be_superadmin()
    audit.record(by, "remote_encryption.deleted", rule.domain, scope="server")
    name = rule.domain
    rule.delete()
    outbox.record(SERVER_SCOPE, [name])


def _must_own(owner: Owner, by: Actor) -> None:
    if owner is None:
        by.must_be_superadmin()
    elif isinstance(owner, Domain):
        by.must_manage(owner)
    else:
        by.must_outrank(owner)
        if owner.domain is None:
            raise ActionRefused("", _("This login has no mailbox."))


def _record(owner: Owner) -> None:
    """The data first; for the server the daemons also stop offering logins without TLS: a setting."""
    if owner is None:
        outbox.record(SERVER_SCOPE, [outbox.SERVER_ENCRYPTION])
        outbox.record_settings()
    else:
        record_change(owner)
