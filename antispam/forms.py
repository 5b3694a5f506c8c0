"""Forms of the spam check's pages. They parse and shape; the rules are in the actions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import PanelForm
from antispam.languages import LANGUAGES
from antispam.models import SenderListEntry, SpamPreference
from antispam.patterns import sender_patterns
from antispam.protections import BY_NAME, OF_DOMAINS, OFF_ONLY
from qmailux_site.errors import ActionRefused

# How careful: from which score on mail is suspected, and from which it goes into the folder SPAM.
STRICTNESS = {"careful": (Decimal("8.0"), 12), "usual": (Decimal("5.0"), 10), "strict": (Decimal("3.0"), 6)}
INHERIT, OWN = "inherit", "own"
YES, NO = "yes", "no"


class DomainProtectionsForm(PanelForm):
    """One field for each protection that a domain may have otherwise."""

    def __init__(self, *args: Any, on_server: dict[str, bool], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in OF_DOMAINS:
            inherit = _("as the server has it: on") if on_server[name] else _("as the server has it: off")
            choices = [(INHERIT, inherit), (YES, _("on")), (NO, _("off"))]
            if name in OFF_ONLY and not on_server[name]:
                choices.remove((YES, _("on")))
            self.fields[name] = forms.ChoiceField(
                label=BY_NAME[name].title, choices=choices, help_text=BY_NAME[name].explanation
            )

    def choices(self) -> dict[str, bool | None]:
        meaning = {INHERIT: None, YES: True, NO: False}
        return {name: meaning[self.cleaned_data[name]] for name in OF_DOMAINS}


def protection_values(choices: dict[str, bool | None]) -> dict[str, str]:
    """As the form shows them."""
    words = {None: INHERIT, True: YES, False: NO}
    return {name: words[is_on] for name, is_on in choices.items()}


class SpamPreferenceForm(PanelForm):
    """below: what counts where nothing is chosen, as a sentence's part; "" at the server itself."""

    strictness = forms.ChoiceField(label=_("How strict"), widget=forms.RadioSelect)
    suspected = forms.DecimalField(
        label=_("Marked from"),
        required=False,
        localize=True,
        help_text=_("For “my own numbers”: from this score on the subject gets [SPAM]. One decimal."),
    )
    probable = forms.IntegerField(
        label=_("Into the folder SPAM from"),
        required=False,
        help_text=_("For “my own numbers”: a whole number up to 50, not below the first."),
    )
    is_scanned = forms.ChoiceField(label=_("Check mail for spam"), widget=forms.RadioSelect)
    languages = forms.MultipleChoiceField(
        label=_("Languages that are read here"),
        required=False,
        choices=list(LANGUAGES.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Mail in another language counts as suspicious. None ticked: every language is welcome."),
    )
    spam_days = forms.IntegerField(
        label=_("Days in the folder SPAM"),
        required=False,
        min_value=1,
        help_text=_("Then it is deleted. Empty: as elsewhere on the server."),
    )

    def __init__(self, *args: Any, below: str, has_days: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inherit = [(INHERIT, below)]
        self.fields["strictness"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            *inherit,
            *((name, _described(name)) for name in STRICTNESS),
            (OWN, _("my own numbers")),
        ]
        self.fields["is_scanned"].choices = [*inherit, (YES, _("yes")), (NO, _("no"))]  # type: ignore[attr-defined]
        if not has_days:
            del self.fields["spam_days"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("strictness") == OWN:
            for name in ("suspected", "probable"):
                if cleaned.get(name) is None and name not in self.errors:
                    self.add_error(name, _("Enter a number."))
        return cleaned

    def settings(self) -> dict[str, Any]:
        """What set_spam_preference takes."""
        cleaned = self.cleaned_data
        chosen = cleaned["strictness"]
        thresholds = STRICTNESS.get(chosen)
        if chosen == OWN:
            thresholds = (cleaned["suspected"], cleaned["probable"])
        return {
            "thresholds": thresholds,
            "is_scanned": {YES: True, NO: False}.get(cleaned["is_scanned"]),
            "languages": cleaned["languages"],
            "spam_days": cleaned.get("spam_days"),
        }


def preference_values(found: SpamPreference | None) -> dict[str, Any]:
    """As SpamPreferenceForm shows it."""
    if found is None:
        return {"strictness": INHERIT, "is_scanned": INHERIT}
    pair = (found.suspected, found.probable)
    named = next((name for name, thresholds in STRICTNESS.items() if thresholds == pair), OWN)
    return {
        "strictness": INHERIT if found.suspected is None else named,
        "suspected": found.suspected,
        "probable": found.probable,
        "is_scanned": INHERIT if found.is_scanned is None else (YES if found.is_scanned else NO),
        "languages": found.language_codes,
        "spam_days": found.spam_days,
    }


class SenderForm(PanelForm):
    """Addresses, domains or patterns for one of the two lists."""

    kind = forms.ChoiceField(
        label=_("What becomes of their mail"), choices=SenderListEntry.Kind.choices, widget=forms.RadioSelect
    )
    patterns = forms.CharField(
        label=_("Senders"),
        max_length=300_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "none"}),
        help_text=_(
            "One a line: an address, a domain (example.net), or what lies below a domain (*.example.net)."
        ),
    )

    def clean_patterns(self) -> tuple[str, ...]:
        try:
            return sender_patterns(self.cleaned_data["patterns"])
        except ActionRefused as refusal:
            raise forms.ValidationError(refusal.message) from refusal


def _described(name: str) -> Any:
    return {
        "careful": _("careful: only obvious spam (marked from 8, folder SPAM from 12)"),
        "usual": _("usual (marked from 5, folder SPAM from 10)"),
        "strict": _("strict: wanted mail may be marked too (marked from 3, folder SPAM from 6)"),
    }[name]


class AllowedForm(forms.Form):
    """What goes past the protections."""

    value = forms.CharField(
        label=_("Network, address or domain"),
        max_length=300,
        help_text=_("Such as 192.0.2.0/24, 2001:db8::/48, raporty@firma.example or firma.example"),
    )
    passes_viruses = forms.BooleanField(label=_("past the virus check too"), required=False)
