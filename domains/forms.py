"""Forms of domains."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import PanelForm, QuotaField
from accounts.models import Language


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
