"""The forms of a filter: the rule, and its conditions row by row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actions.filters import MOST_CONDITIONS, Condition, RuleSettings
from accounts.filtering import MOST_VALUE_CHARACTERS, FilterCondition, FilterRule
from accounts.forms import PanelForm

EMPTY_ROWS = 2


class FilterForm(PanelForm):
    name = forms.CharField(label=_("Name"), max_length=100)
    joined = forms.ChoiceField(label=_("The rule fires when"), choices=FilterRule.Joined.choices)
    folder = forms.CharField(
        label=_("Move to the folder"),
        required=False,
        max_length=200,
        help_text=_("Made when it does not exist. Levels are parted by /, such as Klienci/Łódź."),
    )
    marks_read = forms.BooleanField(label=_("Mark as read"), required=False)
    flags = forms.BooleanField(label=_("Flag"), required=False)
    copy_to = forms.CharField(label=_("Forward a copy to"), required=False, max_length=254)
    discards = forms.BooleanField(label=_("Discard"), required=False)
    confirmed = forms.BooleanField(label=_("Yes, discarded mail may be lost for good"), required=False)
    stops = forms.BooleanField(label=_("Stop: no rule below looks at this mail"), required=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("discards") and not cleaned.get("confirmed"):
            self.add_error("confirmed", _("Confirm that this mail is to be lost."))
        return cleaned

    def settings(self, rows: Iterable[forms.Form]) -> RuleSettings:
        """What add_filter and edit_filter take. rows: of conditions; those without a text are not used."""
        values = {key: value for key, value in self.cleaned_data.items() if key != "confirmed"}
        used = [row.cleaned_data for row in rows if row.cleaned_data.get("value")]
        conditions = [Condition(row["part"], row["comparison"], row["value"]) for row in used]
        return RuleSettings(conditions=conditions, **values)


class ConditionForm(PanelForm):
    part = forms.ChoiceField(label=_("Part of the letter"), choices=FilterCondition.Part.choices)
    comparison = forms.ChoiceField(label=_("Comparison"), choices=FilterCondition.Comparison.choices)
    value = forms.CharField(
        label=_("Text to look for"),
        required=False,
        max_length=MOST_VALUE_CHARACTERS,
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )


ConditionFormSet = forms.formset_factory(
    ConditionForm,
    extra=EMPTY_ROWS,
    max_num=MOST_CONDITIONS,
    absolute_max=MOST_CONDITIONS + EMPTY_ROWS,
)


def filter_of(rule: FilterRule | None) -> dict[str, Any]:
    """As FilterForm shows it."""
    if rule is None:
        return {}
    names = ("name", "joined", "folder", "marks_read", "flags", "copy_to", "discards", "stops")
    return {name: getattr(rule, name) for name in names} | {"confirmed": rule.discards}


def conditions_of(rule: FilterRule | None) -> list[dict[str, Any]]:
    """As ConditionFormSet shows them."""
    if rule is None:
        return []
    names = ("part", "comparison", "value")
    return [{name: getattr(condition, name) for name in names} for condition in rule.conditions.all()]


class TrialForm(PanelForm):
    message = forms.CharField(
        label=_("Headers of a message"),
        required=False,
        strip=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_("As the mail program shows them (“source of the message”). Empty: your newest messages."),
    )
