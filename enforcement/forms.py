"""Forms of the enforcement pages."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import AS_TYPED, LockForm, PanelForm
from enforcement.actions.braking import LARGEST
from enforcement.models import Block, Certificate, RemoteEncryption, ServerLock


class ServerLockForm(LockForm):
    """As the lock of an account; the reason is read by everybody, so it is needed."""

    def __init__(self, *args: object, **values: object) -> None:
        super().__init__(*args, **values)  # type: ignore[arg-type]  # handed on as they are
        self.fields["reason"].required = True
        self.fields["reason"].help_text = _("Everybody who cannot work will read it.")
        self.fields["mode"].initial = ServerLock.Mode.DEFER


class DomainLockForm(LockForm):
    def __init__(self, *args: object, **values: object) -> None:
        super().__init__(*args, **values)  # type: ignore[arg-type]  # handed on as they are
        self.fields["mode"].initial = ServerLock.Mode.DEFER


class StopForm(PanelForm):
    reason = forms.CharField(
        label=_("Reason"), max_length=200, help_text=_("The other postmasters read it, and the owner.")
    )


class BrakeForm(PanelForm):
    messages = forms.IntegerField(
        label=_("Messages to strangers within an hour"), min_value=0, max_value=LARGEST, required=False
    )
    recipients = forms.IntegerField(
        label=_("Different strangers within an hour"), min_value=0, max_value=LARGEST, required=False
    )
    bounces = forms.IntegerField(
        label=_("Percent of an hour's mail that comes back"), min_value=0, max_value=100, required=False
    )
    spam = forms.IntegerField(
        label=_("Messages within an hour that look like spam"),
        min_value=0,
        max_value=LARGEST,
        required=False,
        help_text=_("Counted while outgoing mail is searched for spam. 0 never stops."),
    )

    def __init__(self, *args: object, above: Mapping[str, int] | None = None, **values: object) -> None:
        """above: the numbers that an empty field stands for; None is those of the level above."""
        super().__init__(*args, **values)  # type: ignore[arg-type]  # handed on as they are
        for name, field in self.fields.items():
            words = (
                _("Empty: as the level above.") if above is None else _("Empty: %(n)d.") % {"n": above[name]}
            )
            field.help_text = f"{words} {field.help_text}".strip()


class EncryptionForm(PanelForm):
    starts_at = forms.DateTimeField(
        label=_("From"),
        required=False,
        help_text=_("Empty: at once."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class RemoteEncryptionForm(PanelForm):
    domain = forms.CharField(
        label=_("Domain of the other server"), max_length=253, widget=forms.TextInput(attrs=AS_TYPED)
    )
    level = forms.ChoiceField(
        label=_("Mail to it"),
        choices=RemoteEncryption.Level.choices,
        widget=forms.RadioSelect,
        initial="encrypt",
    )


class OrderForm(PanelForm):
    kind = forms.ChoiceField(
        label=_("Certificate"),
        choices=[
            (Certificate.Kind.OWN, _("made by our own authority")),
            (Certificate.Kind.SIGNED, _("signed by another authority: make a request")),
            (Certificate.Kind.ACME, _("fetched by ACME, which needs port 80 open to the world")),
        ],
        widget=forms.RadioSelect,
        initial=Certificate.Kind.OWN,
    )
    names = forms.CharField(
        label=_("Host names"),
        help_text=_("Parted by blanks, such as mail.firma.pl imap.firma.pl"),
        widget=forms.TextInput(attrs=AS_TYPED),
    )


class AnswerForm(PanelForm):
    certificate = forms.CharField(
        label=_("Signed certificate and chain"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, **AS_TYPED}),
    )


class UploadForm(PanelForm):
    certificate = forms.FileField(label=_("Certificate and chain"), help_text=_("PEM, in any order"))
    key = forms.FileField(
        label=_("Private key"), help_text=_("PEM without a passphrase; it is never shown again.")
    )
    good_for = forms.CharField(
        label=_("Host names that it must be good for"),
        required=False,
        help_text=_("Parted by blanks. Empty: all of this server and its domains that it names."),
        widget=forms.TextInput(attrs=AS_TYPED),
    )


class BlockForm(PanelForm):
    network = forms.CharField(
        label=_("Address or network"),
        max_length=60,
        help_text=_("Such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64"),
        widget=forms.TextInput(attrs=AS_TYPED),
    )
    service = forms.ChoiceField(label=_("What is closed"), choices=Block.Service.choices)
    reason = forms.CharField(label=_("Reason"), max_length=200)
    until = forms.DateTimeField(
        label=_("Until"),
        required=False,
        help_text=_("Empty: until somebody lifts it."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    may_shut_out_self = forms.BooleanField(label=_("Although it is my own address"), required=False)
