"""Locking and unlocking an account."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.leaving import Departure
from accounts.models import Account, LockMode, State
from accounts.rights import Right
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused

LOCK_FIELDS = ["state", "lock_mode", "lock_reason", "locked_at", "locked_by", "locked_until"]


@transaction.atomic
def lock_account(
    account: Account,
    *,
    reason: str = "",
    mode: str = LockMode.ACCEPT,
    until: datetime | None = None,
    by: Actor,
) -> Account:
    """No login of any protocol, panel included; running sessions end; incoming mail as ``mode`` says.
    Mail of the account that waits in the queue is held. until: when the server unlocks it by itself.

    An account whose owner has left has an ordinary lock from then on: forwarding and autoresponder rest.
    The domain's lock stands beside it: the strictest wins, and unlocking one leaves the other.
    """
    by.must_outrank(account)
    if by.person is not None and by.person.pk == account.pk:
        raise ActionRefused("", _("You cannot lock the account you are logged in with."))
    if mode not in LockMode.values:
        raise ActionRefused("mode", _("Incoming mail is accepted, rejected or deferred."))
    check_end(until)
    return _save(account, State.LOCKED, mode, reason, "account.locked", by, until=until)


@transaction.atomic
def unlock_account(account: Account, *, by: Actor) -> Account:
    """The account's own lock goes; a lock of its domain stays."""
    by.must_outrank(account, Right.UNLOCK)
    return _save(account, State.ACTIVE, account.lock_mode, "", "account.unlocked", by)


def check_end(until: datetime | None) -> None:
    """A lock that ends before it begins is refused."""
    if until is not None and until <= timezone.now():
        raise ActionRefused("until", _("This moment is over: a lock ends in the future."))


def _save(
    account: Account,
    state: str,
    mode: str,
    reason: str,
    action: str,
    by: Actor,
    *,
    until: datetime | None = None,
) -> Account:
    fresh = Account.objects.select_for_update(of=("self",)).select_related("domain__node").get(pk=account.pk)
    fresh.state, fresh.lock_mode, fresh.lock_reason = state, mode, reason
    is_locked = state == State.LOCKED
    fresh.locked_at, fresh.locked_until = (timezone.now(), until) if is_locked else (None, None)
    fresh.locked_by = by.name() if is_locked else ""
    fresh.full_clean(validate_unique=False, validate_constraints=False)
    fresh.save(update_fields=LOCK_FIELDS)
    Departure.objects.filter(account=fresh).delete()
    scope = fresh.domain.name if fresh.domain else ""
    audit.record(by, action, fresh.address, scope=scope, reason=reason, mode=mode)
    if fresh.domain is not None:
        outbox.record(fresh.domain.scope, [fresh.address], nodes=[fresh.domain.node])
    return fresh
