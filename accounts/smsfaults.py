"""Why an SMS was not sent: stored as a code, told in the language of whoever reads it."""

from __future__ import annotations

import string

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class SmsFault(models.TextChoices):
    UNREACHABLE = "unreachable", gettext_lazy("The SMS gateway cannot be reached.")
    TIMED_OUT = "timed-out", gettext_lazy("The SMS gateway did not answer in time.")
    NOT_TAKEN = "not-taken", gettext_lazy("The SMS gateway did not take the message.")
    MAIL_NOT_TAKEN = (
        "mail-not-taken",
        gettext_lazy("The mail server did not take the message to the gateway."),
    )
    NO_MAILBOX = "no-mailbox", gettext_lazy("This login has no mailbox.")
    NO_DOMAIN = "no-domain", gettext_lazy("There is no domain yet that the mail could be sent from.")


_ANSWERED = "answered "


def answered(status: int) -> str:
    """The code of an answer that is no success."""
    return f"{_ANSWERED}{status}"


def fault_in_words(code: str) -> str:
    """Empty for none. What was stored before there were codes is a sentence in some language, so of it only
    that it failed is told.
    """
    if code in SmsFault:
        return str(SmsFault(code).label)
    status = code.removeprefix(_ANSWERED)
    if status != code and status and not set(status) - set(string.digits):
        return _("The SMS gateway answered with the status %(status)s.") % {"status": status}
    return str(SmsFault.NOT_TAKEN.label) if code else ""
