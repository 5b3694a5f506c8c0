"""Forms of the webmail pages: they parse and shape; the rules are in actions.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import AS_TYPED, PanelForm
from webmail.models import Webmail, WebmailPreference


class LinesField(forms.CharField):
    """NAME=TEXT, one a line, as a dictionary."""

    widget = forms.Textarea(attrs={"rows": 3, **AS_TYPED})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name}={text}" for name, text in value.items())
        return value

    def to_python(self, value: Any) -> Any:
        lines = (line.strip() for line in (value or "").splitlines())
        return dict(line.partition("=")[::2] for line in lines if line)


def _text(label: Any, *, help_text: Any = "", required: bool = False) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=required,
        strip=True,
        widget=forms.TextInput(attrs=AS_TYPED),
    )


class WebmailForm(PanelForm):
    """A webmail and how one logs in to it."""

    title = _text(_("Name"), required=True)
    name = _text(
        _("Name in addresses"), required=True, help_text=_("Small letters: https://this.server/webmail/NAME/")
    )
    kind = forms.ChoiceField(
        label=_("Kind"), choices=[c for c in Webmail.Kind.choices if c[0] != "roundcube"]
    )
    folder = _text(_("Folder"), help_text=_("Where it is unpacked on this server; nothing is written there."))
    address = _text(_("Address"), help_text=_("Of one that runs elsewhere; it is passed on under our name."))
    method = forms.ChoiceField(label=_("Login"), choices=Webmail.Method.choices)
    login_path = _text(
        _("Page with its login form"), help_text=_("Empty when nothing has to be fetched first.")
    )
    post_path = _text(_("Where the form is sent"))
    user_field = _text(_("Field of the address"))
    password_field = _text(_("Field of the password"))
    extra_fields = LinesField(
        label=_("Further fields"),
        required=False,
        help_text=_("NAME=TEXT, one a line; {language} and {name} are the account's."),
    )
    token_pattern = _text(
        _("Pattern of the token"), help_text=_("A regular expression; its first group is sent.")
    )
    token_field = _text(_("Field of the token"))
    success_pattern = _text(
        _("Pattern of success"),
        help_text=_("Searched in the address that the login leads to, or in its page."),
    )
    cookie_names = _text(_("Cookies"), help_text=_("Parted by blanks, the session's first; empty is all."))
    landing_path = _text(_("Page after the login"))
    closed_folders = _text(_("Closed folders"), help_text=_("Of the folder; nobody gets anything from them."))


class WebmailPreferenceForm(PanelForm):
    """What a domain, or the server, offers, and its brand."""

    offered = forms.MultipleChoiceField(
        label=_("Offered"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    default_webmail = forms.ChoiceField(label=_("Chosen before somebody chooses"), required=False)
    product_name = _text(_("Product name"), help_text=_("Shown by the login page and by the webmails."))
    logo = forms.FileField(
        label=_("Logo"), required=False, help_text=_("A PNG, JPEG or GIF picture of at most 200 kB.")
    )
    remove_logo = forms.BooleanField(label=_("Take the logo away"), required=False)

    def __init__(
        self, *args: Any, webmails: Sequence[Webmail], preference: WebmailPreference, **kwargs: Any
    ) -> None:
        initial = {
            "offered": preference.offered,
            "default_webmail": preference.default_webmail,
            "product_name": preference.product_name,
        }
        kwargs["initial"] = initial
        super().__init__(*args, **kwargs)
        names = [(webmail.name, webmail.title) for webmail in webmails]
        cast(forms.MultipleChoiceField, self.fields["offered"]).choices = names
        nothing = _("as the server") if preference.domain_id else _("the settings panel")
        cast(forms.ChoiceField, self.fields["default_webmail"]).choices = [("", nothing), *names]
        if preference.domain_id:
            self.fields["offered"].help_text = _("None ticked: as the server.")
        else:
            self.fields["offered"].help_text = _("None ticked: all that are switched on.")
        if not preference.logo_type:
            del self.fields["remove_logo"]
