"""Sessions in the panel, ended from elsewhere."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.db import transaction

from accounts.actor import Actor
from accounts.browsing import PanelSession
from accounts.models import Account
from audit import record as audit
from qmailux_site.errors import NotAllowed


@transaction.atomic
def revoke_session(session: PanelSession, *, by: Actor) -> None:
    """Whoever goes on with it is asked to log in at the next click. The owner, or a superadmin."""
    by.must_act_in_person()
    if not PanelSession.objects.visible_to(by).filter(pk=session.pk).exists():
        raise NotAllowed("")
    Session.objects.filter(pk=session.session_id).delete()
    _note(session.account, by, address=session.address, name=session.browser_name)


@transaction.atomic
def revoke_other_sessions(account: Account, *, kept_key: str, by: Actor) -> int:
    """All of the account but the one with the key; returns how many."""
    by.must_act_in_person()
    by.must_be(account)
    others = PanelSession.objects.filter(account=account).exclude(session_id=kept_key)
    keys = list(others.values_list("session_id", flat=True))
    Session.objects.filter(pk__in=keys).delete()
    if keys:
        _note(account, by, count=len(keys))
    return len(keys)


def _note(account: Account, by: Actor, **details: str | int) -> None:
    scope = account.domain.name if account.domain else ""
    audit.record(by, "session.revoked", account.address, scope=scope, **details)
