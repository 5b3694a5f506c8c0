"""The form of who is told."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.addresses import parse_targets
from accounts.forms import AS_TYPED, PanelForm
from accounts.models import Language
from alarms.models import AlarmSettings
from qmailux_site.errors import ActionRefused


class AlarmSettingsForm(PanelForm):
    mail = forms.CharField(
        label=_("Mail to"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **AS_TYPED}),
        help_text=_("One address a line. One elsewhere too: while this server's mail is down, it gets none."),
    )
    sms = forms.CharField(
        label=_("SMS to"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "inputmode": "tel"}),
        help_text=_("One number a line, with the country's code. They get a text when something begins."),
    )
    webhook = forms.CharField(
        label=_("Webhook"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "An address that gets each alarm as JSON by POST: of a chat or a pager. Empty: unchanged."
        ),
    )
    webhook_key = forms.CharField(
        label=_("Key that signs what the webhook gets"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Counts together with a new address. The signature stands in X-QmaiLux-Signature."),
    )
    removes_webhook = forms.BooleanField(label=_("Take the webhook away"), required=False)
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)
    queue_limit = forms.IntegerField(
        label=_("Messages in the queue"), help_text=_("The alarm comes when more than that wait.")
    )

    def clean_mail(self) -> tuple[str, ...]:
        text: str = self.cleaned_data["mail"]
        try:
            return parse_targets(text) if text.strip() else ()
        except ActionRefused as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def chosen(self) -> dict[str, Any]:
        """As the action takes it."""
        typed = self.cleaned_data
        url = "" if typed["removes_webhook"] else typed["webhook"] or None
        return {
            "mail_addresses": typed["mail"],
            "sms_numbers": [line.strip() for line in typed["sms"].splitlines() if line.strip()],
            "webhook_url": url,
            "webhook_key": typed["webhook_key"],
            "language": typed["language"],
            "queue_limit": typed["queue_limit"],
        }


def initial_of(settings: AlarmSettings) -> dict[str, Any]:
    return {
        "mail": "\n".join(settings.mail_addresses),
        "sms": "\n".join(settings.sms_numbers),
        "language": settings.language,
        "queue_limit": settings.queue_limit,
    }
