"""Forms parse and shape what people type; the rules are in the actions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from accounts.addresses import is_same_address
from accounts.models import MOST_SUBJECT, Account, Autoresponder, Language, LockMode
from accounts.quotas import parse_quota_mb
from qmailux_site.errors import ActionRefused

PANEL_DOOR = "panel"
MEBIBYTE = 1024 * 1024
# Addresses and the like: the browser neither corrects nor fills them in.
AS_TYPED = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


def add_refusal(form: forms.Form, refusal: ActionRefused) -> None:
    """Show the sentence at the field it is about, or above the form."""
    form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)


def carried_out(form: forms.Form, act: Callable[[], object]) -> bool:
    """Whether the act went through; what refuses it is shown at its field."""
    try:
        act()
    except ActionRefused as refusal:
        add_refusal(form, refusal)
        return False
    return True


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


def date_input() -> forms.DateInput:
    """The browser's own calendar, which takes and gives ISO dates only."""
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class LoginForm(AuthenticationForm):
    """The address and password of the mailbox."""

    use_required_attribute = False
    error_messages = {
        "invalid_login": _("Address and password do not match, or the account is locked."),
        "inactive": _("The account is locked."),
    }

    # Where the person goes then; nothing chosen is the panel.
    door = forms.ChoiceField(label=_("Open"), required=False, widget=forms.RadioSelect)

    def __init__(self, *args: Any, doors: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if doors:
            cast(forms.ChoiceField, self.fields["door"]).choices = [*doors, (PANEL_DOOR, _("Settings"))]
        else:
            del self.fields["door"]
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


def seen_in(form: forms.Form, name: str) -> str | None:
    """What stood in the field when the page was made; None for a sender that does not say it."""
    field: str | None = form.data.get(form[name].html_initial_name)
    return field


class AccountForm(PanelForm):
    name = forms.CharField(label=_("Name"), max_length=150, required=False, show_hidden_initial=True)
    quota = QuotaField(
        label=_("Quota"),
        help_text=_("In MB, or with a unit: 2 GB. 0 is unlimited."),
        max_length=30,
        show_hidden_initial=True,
    )
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices, show_hidden_initial=True)

    def changes(self) -> dict[str, Any]:
        """What edit_account takes: what was touched, and what had been there. A quota that was not touched
        stays as it is to the byte.
        """
        keys = {"name": "name", "language": "language", "quota": "quota_bytes"}
        changes = {keys[name]: self.cleaned_data[name] for name in self.changed_data}
        seen: dict[str, Any] = {
            key: text for name, key in keys.items() if (text := seen_in(self, name)) is not None
        }
        if "quota_bytes" in seen:
            seen["quota_bytes"] = _quota_seen(seen["quota_bytes"])
        return {**changes, "seen": seen}


def _quota_seen(text: str) -> int | None:
    try:
        return parse_quota_mb(text)
    except ActionRefused:
        return None


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
    despite_deleted = forms.BooleanField(
        label=_("Give this address to somebody new; the deleted mailbox is kept"), required=False
    )
    field_order = ["localpart", "despite_deleted", "name", "password", "quota", "language"]

    def __init__(self, *args: Any, was_deleted: bool = False, **kwargs: Any) -> None:
        """was_deleted: the typed address has a mailbox that can be restored, so there is something to ask."""
        super().__init__(*args, **kwargs)
        if not was_deleted:
            del self.fields["despite_deleted"]


class LockForm(PanelForm):
    mode = forms.ChoiceField(
        label=_("Incoming mail"), choices=LockMode.choices, widget=forms.RadioSelect, initial=LockMode.ACCEPT
    )
    reason = forms.CharField(
        label=_("Reason"), max_length=200, required=False, help_text=_("Seen by whoever manages the domain.")
    )
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        help_text=_("The server unlocks by itself then. Empty: until somebody does."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class ImpersonationForm(PanelForm):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        help_text=_("The owner of the mailbox reads it, such as: asked me to set up the holiday reply."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
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


class AutoresponderForm(PanelForm):
    HOURS_OF_UNIT = {"hours": 1, "days": 24}

    is_on = forms.BooleanField(label=_("Answer who writes to me"), required=False)
    subject = forms.CharField(label=_("Subject"), max_length=MOST_SUBJECT)
    text = forms.CharField(
        label=_("Text"), strip=False, max_length=60_000, widget=forms.Textarea(attrs={"rows": 9})
    )
    starts_on = forms.DateField(
        label=_("First day"), required=False, widget=date_input(), help_text=_("Empty: at once.")
    )
    ends_on = forms.DateField(
        label=_("Last day"), required=False, widget=date_input(), help_text=_("Empty: until switched off.")
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


class BulkForm(PanelForm):
    """Pasted or uploaded; what is uploaded counts."""

    file = forms.FileField(label=_("CSV file"), required=False, allow_empty_file=True)
    text = forms.CharField(
        label=_("Or paste it here"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "autocapitalize": "none"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("file") and not str(cleaned.get("text", "")).strip():
            self.add_error("text", _("Paste some rows, or choose a file."))
        return cleaned

    def raw(self) -> bytes:
        if uploaded := self.cleaned_data["file"]:
            content: bytes = uploaded.read()
            return content
        return str(self.cleaned_data["text"]).encode()
