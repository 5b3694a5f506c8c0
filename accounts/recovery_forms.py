"""What somebody types who has forgotten the password, or prepares for it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import AS_TYPED, CurrentPasswordForm, PanelForm


def _address_input() -> forms.TextInput:
    return forms.TextInput(attrs={**AS_TYPED, "autocomplete": "username", "inputmode": "email"})


def _new_password(label: Any, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, strip=False, widget=widget, help_text=help_text)


class ForgottenForm(PanelForm):
    address = forms.CharField(label=_("Address of your mailbox"), max_length=254, widget=_address_input())


class OneTimeCodeForm(PanelForm):
    address = forms.CharField(label=_("Address of your mailbox"), max_length=254, widget=_address_input())
    code = forms.CharField(
        label=_("Code from the postmaster"),
        max_length=60,
        widget=forms.TextInput(attrs=AS_TYPED),
        help_text=_("Twelve letters and digits; blanks and capitals do not matter."),
    )


class ChosenPasswordForm(PanelForm):
    password = _new_password(
        _("New password"),
        _("At least 8 characters. Several words are easier to remember than one with signs."),
    )
    repeated = _new_password(_("New password again"))
    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        help_text=_("The six digits that your phone shows, or one of your recovery codes."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "none"}),
    )

    def __init__(self, *args: Any, asks_code: bool, **kwargs: Any) -> None:
        """asks_code: the account has a second factor, which is needed here too."""
        super().__init__(*args, **kwargs)
        if not asks_code:
            del self.fields["code"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned and "repeated" in cleaned and cleaned["password"] != cleaned["repeated"]:
            self.add_error("repeated", _("The two new passwords differ."))
        return cleaned

    def clean_code(self) -> str:
        return "".join(str(self.cleaned_data["code"]).split()).lower()


class RecoveryAddressForm(CurrentPasswordForm):
    """The password is asked: a panel left open must not be enough."""

    address = forms.CharField(
        label=_("Address elsewhere"),
        max_length=254,
        widget=forms.TextInput(attrs={**AS_TYPED, "inputmode": "email"}),
        help_text=_("One that you can read without this mailbox."),
    )
    field_order = ["address", "current"]
