"""What people type about SMS on new mail."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actions.notification import MOST_AN_HOUR, NotificationSettings
from accounts.forms import PanelForm
from accounts.models import Account
from accounts.notifying import DEFAULT_AN_HOUR, Notification


class NumberForm(PanelForm):
    number = forms.CharField(
        label=_("Number of the mobile phone"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"}),
        help_text=_("With its country, such as +48 601 234 567. An SMS with a code goes there."),
    )


class GatewayTrialForm(NumberForm):
    """Where an SMS of the superadmin's goes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["number"].help_text = _("With its country, such as +48 601 234 567.")


def _phrases(label: Any, help_text: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "none"})
    return forms.CharField(label=label, required=False, widget=widget, help_text=help_text)


def _time(label: Any) -> forms.TimeField:
    widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    return forms.TimeField(label=label, required=False, widget=widget)


class NotificationForm(PanelForm):
    is_on = forms.BooleanField(label=_("Tell me of new mail by SMS"), required=False)
    senders = _phrases(
        _("From these senders"), _("An address, a name or a part of it; one a line. Empty: from everybody.")
    )
    subjects = _phrases(
        _("Or with these words in the subject"), _("One a line. Without senders and words every mail counts.")
    )
    quiet_from = _time(_("Quiet from"))
    quiet_until = _time(_("Quiet until"))
    most_an_hour = forms.IntegerField(
        label=_("At most so many SMS an hour"),
        min_value=1,
        max_value=MOST_AN_HOUR,
        help_text=_("What comes beyond it, or in quiet hours, is told of together afterwards."),
    )

    def settings(self) -> NotificationSettings:
        return NotificationSettings(**self.cleaned_data)


def notification_of(account: Account) -> dict[str, Any]:
    """As NotificationForm shows it."""
    stored = Notification.objects.filter(account=account).first()
    if stored is None:
        return {"is_on": True, "most_an_hour": DEFAULT_AN_HOUR}
    names = ("is_on", "senders", "subjects", "quiet_from", "quiet_until", "most_an_hour")
    return {name: getattr(stored, name) for name in names}
