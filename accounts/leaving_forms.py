"""The form of somebody who leaves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.forms import AS_TYPED, PanelForm, date_input
from accounts.models import MOST_SUBJECT, Account

ANSWERED_FOR = timedelta(days=90)


class LeaveForm(PanelForm):
    colleague = forms.CharField(
        label=_("Who takes the mail"),
        max_length=320,
        widget=forms.TextInput(attrs={"inputmode": "email", **AS_TYPED}),
        help_text=_("The address of a colleague's account on this server."),
    )
    subject = forms.CharField(label=_("Subject of the answer"), max_length=MOST_SUBJECT)
    text = forms.CharField(
        label=_("Answer to who writes"),
        strip=False,
        max_length=60_000,
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    ends_on = forms.DateField(
        label=_("Last day"),
        widget=date_input(),
        help_text=_("Until then mail is answered and handed on; then it is refused."),
    )
    deletes_account = forms.BooleanField(
        label=_("Delete the account then, and aliases that lead only here"), required=False
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, required=False, help_text=_("Seen by whoever manages the domain.")
    )


def leaving_of(account: Account) -> dict[str, Any]:
    """The form as it opens: an answer in the language of the account."""
    with translation.override(account.language):
        name = account.name or f"{account.localpart}@{account.domain}"
        subject = gettext("%(name)s no longer works here") % {"name": name}
        text = gettext("%(name)s no longer works here. Your message is read by a colleague.") % {"name": name}
    return {"subject": subject, "text": text, "ends_on": timezone.localdate() + ANSWERED_FOR}
