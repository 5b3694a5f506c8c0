"""Locking and unlocking the whole server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions import unlock_account
from accounts.actions.locks import check_end
from accounts.actor import Actor
from accounts.models import Account, State
from audit import record as audit
from domains.actions import unlock_domain
from domains.models import Domain
from enforcement.models import ServerLock
from provisioning import outbox
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused, QmailuxError

log = logging.getLogger(__name__)


@transaction.atomic
def lock_server(
    *, reason: str, mode: str = ServerLock.Mode.DEFER, until: datetime | None = None, by: Actor
) -> ServerLock:
    """No mail login of anybody, no submission, no outgoing delivery; running sessions end. Incoming mail as
    ``mode`` says. The panel stays open to superadmins alone. Locks of accounts and domains stay as they are.
    """
    by.must_be_superadmin()
    if mode not in ServerLock.Mode.values:
        raise ActionRefused("mode", _("Incoming mail is accepted, rejected or deferred."))
    if not reason.strip():
        raise ActionRefused("reason", _("Say why: everybody who cannot work will read it."))
    check_end(until)
    values = {
        "mode": mode,
        "reason": reason.strip()[:200],
        "set_by": by.name(),
        "since": timezone.now(),
        "until": until,
    }
    lock, _is_new = ServerLock.objects.update_or_create(pk=1, defaults=values)
    audit.record(by, "server.locked", "server", scope="server", reason=lock.reason, mode=mode)
    _record()
    return lock


@transaction.atomic
def unlock_server(*, by: Actor) -> bool:
    """Everything is as it was before; mail that waited leaves at once. Returns whether it was locked."""
    by.must_be_superadmin()
    count, _rows = ServerLock.objects.all().delete()
    if not count:
        return False
    audit.record(by, "server.unlocked", "server", scope="server")
    _record()
    return True


def lift_locks_that_are_over(*, by: Actor) -> int:
    """Locks whose end has come; returns their number. One that cannot be lifted leaves the others alone."""
    now = timezone.now()
    lifts: list[Callable[[], object]] = []
    for account in Account.objects.filter(state=State.LOCKED, locked_until__lte=now).select_related("domain"):
        lifts.append(lambda account=account: unlock_account(account, by=by))  # type: ignore[misc]  # bound
    for domain in Domain.objects.filter(state=State.LOCKED, locked_until__lte=now):
        lifts.append(lambda domain=domain: unlock_domain(domain, by=by))  # type: ignore[misc]  # bound
    if ServerLock.objects.filter(until__lte=now).exists():
        lifts.append(lambda: unlock_server(by=by))
    done = 0
    for lift in lifts:
        try:
            lift()
            done += 1
        except QmailuxError as error:
            log.error("a lock that is over was not lifted: %s", error)
    return done


def _record() -> None:
    """The data first: logins end within a second. Outgoing delivery is a setting, and follows."""
    outbox.record(SERVER_SCOPE, [outbox.SERVER_LOCK])
    outbox.record_settings()
