"""Why mail waits, where the reason is this server's own state and Postfix's words for it mislead."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

# Whole, so that no other server's answer is taken for ours. The lock of the server takes all of Postfix's
# outgoing services away, and a flush that goes past that finds no rule for the connection's TLS.
_LOCKED = re.compile(
    r"(delivery temporarily suspended: )?(deferred transport|client TLS configuration problem)"
)
_NO_LOGIN = re.compile(r"(delivery temporarily suspended: )?local data error while talking to \S+")


def own_reason(reply: str) -> str:
    """In plain words; "" for every other reason."""
    if _LOCKED.fullmatch(reply):
        return _("lock of the whole server: no mail leaves")
    if _NO_LOGIN.fullmatch(reply):
        return _("the password for the smarthost is missing: it must be set anew")
    return ""
