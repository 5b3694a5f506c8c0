"""Forms parse and shape what people type; the rules are in the actions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from accounts.models import Language, LockMode
from accounts.quotas import parse_quota_mb
from qmailux_site.errors import ActionRefused


def add_refusal(form: forms.Form, refusal: ActionRefused) -> None:
    """Show the sentence at the field it is about, or above the form."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)


class QuotaField(forms.CharField):
    """Megabytes to bytes; empty is None."""

    def clean(self, value: Any) -> int | None:
        try:
            return parse_quota_mb(super().clean(value))
        except ActionRefused as refusal:
            raise forms.ValidationError(refusal.message) from refusal


class LoginForm(AuthenticationForm):
    """The address and password of the mailbox."""

    error_messages = {
        "invalid_login": _("Address and password do not match, or the account is locked."),
        "inactive": _("The account is locked."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Address")
        self.fields["username"].widget.attrs.update({"autocomplete": "username", "inputmode": "email"})
        self.fields["password"].label = _("Password")


class OwnPasswordForm(forms.Form):
    current = forms.CharField(
        label=_("Current password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    password = forms.CharField(
        label=_("New password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 8 characters. Several words are easier to remember than one with signs."),
    )
    repeated = forms.CharField(
        label=_("New password again"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("password") != cleaned.get("repeated"):
            self.add_error("repeated", _("The two new passwords differ."))
        return cleaned


class NewPasswordForm(forms.Form):
    """For somebody else's account; empty makes a random one."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("Leave empty for a random password, which is shown once."),
    )


class AccountForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150, required=False)
    quota = QuotaField(label=_("Quota in MB"), required=False, help_text=_("0 is unlimited."))
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)


class NewAccountForm(NewPasswordForm):
    localpart = forms.CharField(label=_("Name before the @"), max_length=80)
    name = forms.CharField(label=_("Name"), max_length=150, required=False)
    quota = QuotaField(
        label=_("Quota in MB"),
        required=False,
        help_text=_("0 is unlimited; empty takes the domain's default."),
    )
    field_order = ["localpart", "name", "password", "quota"]


class LockForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=200, required=False)
    mode = forms.ChoiceField(label=_("Incoming mail"), choices=LockMode.choices)


class DeleteForm(forms.Form):
    """Typed, because it cannot be undone by a click."""

    typed = forms.CharField(label=_("Type the address to confirm"))
    with_aliases = forms.BooleanField(label=_("Also delete aliases that lead only here"), required=False)

    def __init__(self, *args: Any, expected: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"].strip().lower()
        if typed != self.expected:
            raise forms.ValidationError(_("This is not the address."))
        return typed


class AliasForm(forms.Form):
    localpart = forms.CharField(
        label=_("Name before the @"),
        max_length=80,
        required=False,
        help_text=_("Empty or * is the catch-all: mail to names that do not exist."),
    )
    targets = forms.CharField(
        label=_("Where its mail goes"),
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One address a line, or separated by commas."),
    )
