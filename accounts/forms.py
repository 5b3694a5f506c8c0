"""Forms parse and shape what people type; the rules are in the actions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.addresses import is_same_address, parse_targets
from accounts.models import MOST_SUBJECT, Account, Autoresponder, Forwarding, Language, LockMode
from accounts.quotas import parse_quota_mb
from qmailux_site.errors import ActionRefused

MEBIBYTE = 1024 * 1024
# Addresses and the like: the browser neither corrects nor fills them in.
AS_TYPED = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


def add_refusal(form: forms.Form, refusal: ActionRefused) -> None:
    """Show the sentence at the field it is about, or above the form."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)


class PanelForm(forms.Form):
    """Errors are linked to their field for screen readers; the browser's own bubbles stay away."""

    use_required_attribute = False


class QuotaField(forms.CharField):
    """Megabytes to bytes; empty is None."""

    def clean(self, value: Any) -> int | None:
        try:
            return parse_quota_mb(super().clean(value))
        except ActionRefused as refusal:
            raise forms.ValidationError(refusal.message) from refusal


def _password_field(label: Any, *, autocomplete: str, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, strip=False, widget=widget, help_text=help_text)


def _date_input() -> forms.DateInput:
    """The browser's own calendar, which takes and gives ISO dates only."""
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class LoginForm(AuthenticationForm):
    """The address and password of the mailbox."""

    use_required_attribute = False
    error_messages = {
        "invalid_login": _("Address and password do not match, or the account is locked."),
        "inactive": _("The account is locked."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Address")
        self.fields["username"].widget.attrs.update(
            {
                "autocomplete": "username",
                "inputmode": "email",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        )
        self.fields["password"].label = _("Password")


class CodeForm(PanelForm):
    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "none"}),
    )

    def clean_code(self) -> str:
        """Phones show the digits in groups."""
        return "".join(str(self.cleaned_data["code"]).split()).lower()


class CurrentPasswordForm(PanelForm):
    current = _password_field(_("Current password"), autocomplete="current-password")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account

    def clean_current(self) -> str:
        current: str = self.cleaned_data["current"]
        if not self.account.check_password(current):
            raise forms.ValidationError(_("This is not your current password."))
        return current


class OwnPasswordForm(CurrentPasswordForm):
    password = _password_field(
        _("New password"),
        autocomplete="new-password",
        help_text=_("At least 8 characters. Several words are easier to remember than one with signs."),
    )
    # The current password stays at home.
    password.widget.attrs.update(
        {
            "hx-post": reverse_lazy("password-strength"),
            "hx-trigger": "input changed delay:400ms",
            "hx-target": "#strength",
            "hx-params": "password,csrfmiddlewaretoken",
        }
    )
    repeated = _password_field(_("New password again"), autocomplete="new-password")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "password" in cleaned and "repeated" in cleaned and cleaned["password"] != cleaned["repeated"]:
            self.add_error("repeated", _("The two new passwords differ."))
        return cleaned


class AppPasswordForm(PanelForm):
    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("So that you recognise it later, such as: phone, Thunderbird at work."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class NewPasswordForm(PanelForm):
    """For somebody else's account; empty makes a random one. Seen while it is typed: it is handed on."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        required=False,
        widget=forms.TextInput(attrs=AS_TYPED),
        help_text=_("Empty: a random password, which is shown once."),
    )


class AccountForm(PanelForm):
    name = forms.CharField(label=_("Name"), max_length=150, required=False)
    quota = QuotaField(
        label=_("Quota"), help_text=_("In MB, or with a unit: 2 GB. 0 is unlimited."), max_length=30
    )
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)

    def changes(self) -> dict[str, Any]:
        """What edit_account takes. A quota that was not touched stays as it is to the byte."""
        changes = {"name": self.cleaned_data["name"], "language": self.cleaned_data["language"]}
        if "quota" in self.changed_data:
            changes["quota_bytes"] = self.cleaned_data["quota"]
        return changes


def initial_of(account: Account) -> dict[str, Any]:
    """An account as AccountForm shows it."""
    quota = account.quota_bytes
    shown = f"{quota // MEBIBYTE // 1024} GB" if quota and quota % (1024 * MEBIBYTE) == 0 else None
    return {"name": account.name, "language": account.language, "quota": shown or f"{quota // MEBIBYTE}"}


class NewAccountForm(NewPasswordForm):
    localpart = forms.CharField(
        label=_("Name before the @"),
        max_length=80,
        widget=forms.TextInput(attrs=AS_TYPED),
    )
    name = forms.CharField(label=_("Name"), max_length=150, required=False)
    quota = QuotaField(
        label=_("Quota"),
        required=False,
        help_text=_("In MB, or with a unit: 2 GB. 0 is unlimited; empty takes the domain's default."),
    )
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices, required=False)
    field_order = ["localpart", "name", "password", "quota", "language"]


class LockForm(PanelForm):
    mode = forms.ChoiceField(
        label=_("Incoming mail"), choices=LockMode.choices, widget=forms.RadioSelect, initial=LockMode.ACCEPT
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, required=False, help_text=_("Seen by whoever manages the domain.")
    )


class DeleteForm(PanelForm):
    """Typed, because it cannot be undone by a click."""

    typed = forms.CharField(
        label=_("Type the address to confirm"),
        widget=forms.TextInput(attrs=AS_TYPED),
    )
    with_aliases = forms.BooleanField(label=_("Also delete aliases that lead only here"), required=False)

    def __init__(self, *args: Any, expected: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if not is_same_address(typed, self.expected):
            raise forms.ValidationError(_("This is another text than the address."))
        return typed


class TargetsForm(PanelForm):
    targets = forms.CharField(
        label=_("Where its mail goes"),
        widget=forms.Textarea(attrs={"rows": 4, **AS_TYPED}),
        help_text=_("One address a line, or separated by commas."),
    )


class AliasForm(TargetsForm):
    localpart = forms.CharField(
        label=_("Name before the @"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs=AS_TYPED),
        help_text=_("* is the catch-all: it takes mail to names that do not exist."),
    )
    field_order = ["localpart", "targets"]

    def clean_localpart(self) -> str:
        localpart: str = self.cleaned_data["localpart"].strip()
        if not localpart:
            raise forms.ValidationError(_("Enter a name, or * for the catch-all."))
        return localpart


class ForwardingForm(PanelForm):
    targets = forms.CharField(
        label=_("Forward the mail to"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, **AS_TYPED}),
        help_text=_("One address a line, or separated by commas. Empty: nothing is forwarded."),
    )
    keeps_copy = forms.BooleanField(label=_("Keep a copy in this mailbox"), required=False)

    def clean_targets(self) -> tuple[str, ...]:
        text: str = self.cleaned_data["targets"]
        try:
            return parse_targets(text) if text.strip() else ()
        except ActionRefused as refusal:
            raise forms.ValidationError(refusal.message) from refusal


def forwarding_of(account: Account) -> dict[str, Any]:
    """As ForwardingForm shows it; a copy is kept unless somebody decided otherwise."""
    found = Forwarding.objects.filter(account=account).prefetch_related("targets").first()
    if found is None:
        return {"keeps_copy": True}
    return {
        "targets": "\n".join(target.address for target in found.targets.all()),
        "keeps_copy": found.keeps_copy,
    }


class AutoresponderForm(PanelForm):
    HOURS_OF_UNIT = {"hours": 1, "days": 24}

    is_on = forms.BooleanField(label=_("Answer who writes to me"), required=False)
    subject = forms.CharField(label=_("Subject"), max_length=MOST_SUBJECT)
    text = forms.CharField(
        label=_("Text"), strip=False, max_length=60_000, widget=forms.Textarea(attrs={"rows": 9})
    )
    starts_on = forms.DateField(
        label=_("First day"), required=False, widget=_date_input(), help_text=_("Empty: at once.")
    )
    ends_on = forms.DateField(
        label=_("Last day"), required=False, widget=_date_input(), help_text=_("Empty: until switched off.")
    )
    every = forms.IntegerField(
        label=_("Answer the same person again after"), min_value=1, max_value=365, initial=7
    )
    unit = forms.ChoiceField(
        label=_("Counted in"), choices=[("days", _("days")), ("hours", _("hours"))], initial="days"
    )

    def clean_subject(self) -> str:
        """A line break that was pasted in becomes a blank."""
        return " ".join(str(self.cleaned_data["subject"]).split())

    def settings(self) -> dict[str, Any]:
        """What set_autoresponder takes."""
        cleaned = dict(self.cleaned_data)
        hours = cleaned.pop("every") * self.HOURS_OF_UNIT[cleaned.pop("unit")]
        return {**cleaned, "interval_hours": hours}


def autoresponder_of(account: Account) -> dict[str, Any]:
    """As AutoresponderForm shows it."""
    found = Autoresponder.objects.filter(account=account).first()
    if found is None:
        return {"is_on": True}
    unit = "hours" if found.interval_hours % 24 else "days"
    return {
        "is_on": found.is_on,
        "subject": found.subject,
        "text": found.text,
        "starts_on": found.starts_on,
        "ends_on": found.ends_on,
        "every": found.interval_hours // AutoresponderForm.HOURS_OF_UNIT[unit],
        "unit": unit,
    }
