"""Forms for where mail goes: aliases and forwarding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.addresses import parse_targets
from accounts.forms import AS_TYPED, PanelForm, seen_in
from accounts.models import Account, Forwarding
from qmailux_site.errors import ActionRefused


class SeenTargets:
    """For forms with targets: those that stood on the page."""

    def seen(self) -> tuple[str, ...] | None:
        text = seen_in(self, "targets")  # type: ignore[arg-type]  # mixed into forms
        return None if text is None else tuple(text.split())


class TargetsForm(SeenTargets, PanelForm):
    targets = forms.CharField(
        show_hidden_initial=True,
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
    place = forms.ChoiceField(label=_("Under the name"), required=False)
    field_order = ["localpart", "place", "targets"]

    def __init__(self, *args: Any, places: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """places: the names of the domain, where there are several."""
        super().__init__(*args, **kwargs)
        if len(places) > 1:
            cast(forms.ChoiceField, self.fields["place"]).choices = places
        else:
            del self.fields["place"]

    def clean_localpart(self) -> str:
        localpart: str = self.cleaned_data["localpart"].strip()
        if not localpart:
            raise forms.ValidationError(_("Enter a name, or * for the catch-all."))
        return localpart


class ForwardingForm(SeenTargets, PanelForm):
    targets = forms.CharField(
        show_hidden_initial=True,
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
