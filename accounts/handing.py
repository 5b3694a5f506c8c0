"""Whether a password is known to somebody beside its owner, and must be changed at the first panel login."""

from __future__ import annotations

from django.conf import settings

from accounts.actor import Actor
from accounts.models import Account


def is_handed_over(by: Actor, *, to: Account | None = None) -> bool:
    """by: who sets the password. What is typed at the server's console, files included, counts only where the
    server's rule says always; what the server sets itself never does.
    """
    rule = settings.QMAILUX_PASSWORD_CHANGE
    if by.person is None:
        return rule == "always" and by.channel == "command"
    return rule != "never" and (to is None or by.person.pk != to.pk)
