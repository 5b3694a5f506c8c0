"""Forms of domains."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import QuotaField
from accounts.models import Language


class NewDomainForm(forms.Form):
    name = forms.CharField(
        label=_("Domain"), max_length=260, help_text=_("Such as firma.example or żółw.example.")
    )
    language = forms.ChoiceField(label=_("Language of new accounts"), choices=Language.choices)
    default_quota = QuotaField(
        label=_("Quota of new accounts in MB"),
        required=False,
        help_text=_("0 is unlimited; empty takes the server's."),
    )
