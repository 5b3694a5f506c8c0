"""Forms of domains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import MEBIBYTE, PanelForm, QuotaField
from accounts.models import Language
from domains.models import Domain


class NewDomainForm(PanelForm):
    name = forms.CharField(
        label=_("Domain"), max_length=260, help_text=_("Such as example.org, with accents or without.")
    )
    language = forms.ChoiceField(label=_("Language of new accounts"), choices=Language.choices)
    default_quota = QuotaField(
        label=_("Quota of new accounts"),
        required=False,
        help_text=_("In MB, or with a unit: 2 GB. 0 is unlimited; empty takes the server's default."),
    )

    def chosen(self) -> dict[str, int | str | None]:
        """The settings that were chosen, as the action takes them."""
        settings: dict[str, int | str | None] = {"language": self.cleaned_data["language"]}
        if self.cleaned_data["default_quota"] is not None:
            settings["default_quota_bytes"] = self.cleaned_data["default_quota"]
        return settings


class DomainNameForm(PanelForm):
    name = forms.CharField(
        label=_("Name"), max_length=260, help_text=_("Such as example.org, with accents or without.")
    )


class OtherServerField(forms.CharField):
    """A name or IP address with a port, which the action reads; empty is none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=270, required=False, **options)


class RelayForm(PanelForm):
    """Whether the mailboxes are here (an empty server) or elsewhere."""

    to = OtherServerField(
        label=_("Other server"),
        help_text=_(
            "Its name or IP address, with a port where that is not 25: mail.example.org:2525."
            " Empty: the mailboxes are here."
        ),
    )
    recipients = forms.ChoiceField(
        label=_("Mail is taken for addresses"),
        choices=Domain.RelayRecipients.choices,
        widget=forms.RadioSelect,
    )


class SmarthostForm(PanelForm):
    """An empty server: mail leaves directly. The password is never shown; an empty one stays as it is."""

    to = OtherServerField(
        label=_("Smarthost"),
        help_text=_(
            "Its name or IP address, with a port where that is not 587: smtp.example.org:25."
            " Empty: mail leaves directly."
        ),
    )
    user = forms.CharField(
        label=_("User name"),
        max_length=254,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("Empty where it wants no login."),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=255,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Never shown again. Empty: the one that is set stays."),
    )


class LimitsForm(PanelForm):
    """Empty is no limit."""

    max_accounts = forms.IntegerField(label=_("Accounts"), min_value=0, max_value=2**31 - 1, required=False)
    max_aliases = forms.IntegerField(label=_("Aliases"), min_value=0, max_value=2**31 - 1, required=False)
    max_quota = QuotaField(
        label=_("Quotas of all accounts together"),
        required=False,
        help_text=_("In MB, or with a unit: 2 GB. Empty is no limit."),
    )
    max_account_quota = QuotaField(
        label=_("Largest quota of one account"),
        required=False,
        help_text=_("In MB, or with a unit: 2 GB. Empty is no limit."),
    )
    default_quota = QuotaField(
        label=_("Quota of new accounts"),
        help_text=_("In MB, or with a unit: 2 GB. 0 is unlimited."),
    )

    @classmethod
    def of(cls, domain: Domain, posted: Mapping[str, object] | None) -> LimitsForm:
        """With what is set now."""
        initial = {
            "max_accounts": domain.max_accounts,
            "max_aliases": domain.max_aliases,
            "max_quota": _shown(domain.max_quota_bytes),
            "max_account_quota": _shown(domain.max_account_quota_bytes),
            "default_quota": _shown(domain.default_quota_bytes),
        }
        return cls(posted, initial=initial)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in ("max_quota", "max_account_quota"):
            if cleaned.get(name) == 0:
                self.add_error(name, _("Leave it empty for no limit: 0 would allow no account at all."))
        return cleaned

    def settings(self) -> dict[str, int | str | None]:
        """What was touched, as the action takes it: an untouched size stays to the byte."""
        return {
            f"{name}_bytes" if name.endswith("quota") else name: self.cleaned_data[name]
            for name in self.changed_data
        }


def _shown(size_bytes: int | None) -> str:
    if size_bytes is None:
        return ""
    gibibyte = 1024 * MEBIBYTE
    if size_bytes and size_bytes % gibibyte == 0:
        return f"{size_bytes // gibibyte} GB"
    return f"{size_bytes // MEBIBYTE} MB"
