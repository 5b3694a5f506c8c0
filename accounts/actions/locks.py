"""Locking and unlocking an account."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import Account, LockMode, State
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused


@transaction.atomic
def lock_account(account: Account, *, reason: str = "", mode: str = LockMode.ACCEPT, by: Actor) -> Account:
    """No login of any protocol, panel included; running sessions end; incoming mail as ``mode`` says.

    The domain's lock stands beside it: the strictest wins, and unlocking one leaves the other.
    """
    by.must_outrank(account)
    if by.person is not None and by.person.pk == account.pk:
        raise ActionRefused("", _("You cannot lock the account you are logged in with."))
    if mode not in LockMode.values:
        raise ActionRefused("mode", _("Incoming mail is accepted, rejected or deferred."))
    return _save(account, State.LOCKED, mode, reason, "account.locked", by)


@transaction.atomic
def unlock_account(account: Account, *, by: Actor) -> Account:
    """The account's own lock goes; a lock of its domain stays."""
    by.must_outrank(account)
    return _save(account, State.ACTIVE, account.lock_mode, "", "account.unlocked", by)


def _save(account: Account, state: str, mode: str, reason: str, action: str, by: Actor) -> Account:
    fresh = Account.objects.select_for_update(of=("self",)).select_related("domain__node").get(pk=account.pk)
    fresh.state, fresh.lock_mode, fresh.lock_reason = state, mode, reason
    fresh.full_clean(validate_unique=False, validate_constraints=False)
    fresh.save(update_fields=["state", "lock_mode", "lock_reason"])
    scope = fresh.domain.name if fresh.domain else ""
    audit.record(by, action, fresh.address, scope=scope, reason=reason, mode=mode)
    if fresh.domain is not None:
        outbox.record(fresh.domain.scope, [fresh.address], nodes=[fresh.domain.node])
    return fresh
