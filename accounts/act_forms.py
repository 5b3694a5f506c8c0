"""Acts on many accounts: which there are for whom, and what each of them asks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from accounts.actor import Actor
from accounts.forms import LockForm, NewPasswordForm, PanelForm, QuotaField
from accounts.rights import Right
from domains.models import Domain


class QuotaForm(PanelForm):
    quota = QuotaField(
        label=_("Quota"), help_text=_("In MB, or with a unit: 2 GB. 0 is unlimited."), max_length=30
    )


class UnlockForm(PanelForm):
    """Nothing to be asked."""


class DeleteManyForm(PanelForm):
    typed = forms.CharField(
        label=_("Type the number of accounts to confirm"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    with_aliases = forms.BooleanField(label=_("Also delete aliases that lead only to them"), required=False)

    def __init__(self, *args: Any, expected: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != str(self.expected):
            raise forms.ValidationError(_("This is another number."))
        return typed


ACTS: dict[str, tuple[Any, Right]] = {
    "lock": (pgettext_lazy("act", "lock"), Right.MANAGE),
    "unlock": (pgettext_lazy("act", "unlock"), Right.UNLOCK),
    "quota": (pgettext_lazy("act", "set the quota"), Right.MANAGE),
    "password": (pgettext_lazy("act", "set passwords"), Right.MANAGE),
    "export": (pgettext_lazy("act", "save as CSV"), Right.SEE),
    "delete": (pgettext_lazy("act", "delete"), Right.MANAGE),
}


def acts_for(actor: Actor, domain: Domain) -> list[tuple[str, Any]]:
    """What the person may do to many accounts of the domain."""
    rights = actor.rights_on(domain.name)
    return [(key, label) for key, (label, right) in ACTS.items() if right in rights]


def act_form(act: str, posted: Any, *, count: int) -> forms.Form:
    """What the act asks; posted is None before it was asked."""
    if act == "delete":
        return DeleteManyForm(posted, expected=count)
    kinds = {"lock": LockForm, "unlock": UnlockForm, "quota": QuotaForm, "password": NewPasswordForm}
    return kinds[act](posted)


def question_of(act: str, count: int) -> str:
    """The page's title, and what its button says."""
    sentences = {
        "lock": ngettext("Lock %(count)d account", "Lock %(count)d accounts", count),
        "unlock": ngettext("Unlock %(count)d account", "Unlock %(count)d accounts", count),
        "quota": ngettext("Set the quota of %(count)d account", "Set the quota of %(count)d accounts", count),
        "password": ngettext("Set %(count)d new password", "Set %(count)d new passwords", count),
        "delete": ngettext("Delete %(count)d account", "Delete %(count)d accounts", count),
    }
    return sentences[act] % {"count": count}
