"""Acting for somebody else: who may, what the owner learns, and what is written down."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import notices
from accounts.actor import Actor
from accounts.models import Account, Notice
from audit import record as audit
from domains.models import Domain
from qmailux_site.errors import ActionRefused, NotAllowed
from webmail import sessions as webmail_sessions

MOST_REASON_CHARACTERS = 200


def check_impersonation(account: Account, *, by: Actor) -> None:
    """May the actor act for the account now? Asked at the start and at every request until the end.

    Refused: oneself, a superadmin, somebody with rights that the actor lacks, anybody while acting for
    somebody already, a locked account, and where the domain's policy says no.
    """
    if by.real is None or by.acting_as is not None:
        raise NotAllowed(_("You act for somebody already: go back first."))
    by.must_outrank(account)
    if account.pk == by.real.pk:
        raise NotAllowed(_("This is your own account."))
    if account.is_superuser:
        raise NotAllowed(_("Nobody acts for a superadmin."))
    domain = account.domain
    if account.is_locked or (domain is not None and domain.is_locked):
        raise ActionRefused("", _("%(address)s is locked: unlock it first.") % {"address": account.address})
    if domain is not None and domain.impersonation_policy == Domain.Impersonation.OFF:
        sentence = _("The server's rules for %(domain)s do not allow to act for its people.")
        raise ActionRefused("", sentence % {"domain": domain})


@transaction.atomic
def start_impersonation(account: Account, *, reason: str, by: Actor) -> str:
    """Write down who acts for whom and why; returns the reason as it is kept. The owner sees it in the own
    activity, and is told by mail where the domain's policy says so.
    """
    check_impersonation(account, by=by)
    reason = " ".join(reason.split())
    if not reason:
        raise ActionRefused("reason", _("Say why: the owner of the mailbox will read it."))
    if len(reason) > MOST_REASON_CHARACTERS:
        raise ActionRefused("reason", _("A reason has at most 200 characters."))
    audit.record(by, "impersonation.started", account.address, scope=_scope(account), reason=reason)
    policy = account.domain.impersonation_policy if account.domain else Domain.Impersonation.ALLOWED
    if by.real is not None and policy == Domain.Impersonation.NOTICE:
        kind = Notice.Kind.IMPERSONATION
        notices.record(account, kind, by=by, detail=by.real.address, reason=reason)
    return reason


def allow_writing(*, by: Actor) -> None:
    """From now on changes are made on behalf of the account. by: who acts for it, looking only so far."""
    if by.acting_as is not None:
        audit.record(by, "impersonation.writing", by.acting_as.address, scope=_scope(by.acting_as))


def end_impersonation(address: str, *, scope: str, why: str, by: Actor) -> None:
    """by: the real person. The account may be gone, so it is named by its address. What was opened for it in
    webmails ends.
    """
    webmail_sessions.end_opened_by(by.real, address)
    audit.record(by, "impersonation.ended", address, scope=scope, reason=why)


def _scope(account: Account) -> str:
    return account.domain.name if account.domain else ""
