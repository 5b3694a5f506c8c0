"""What to look for in the audit."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.forms import PanelForm
from audit.querysets import AuditQuerySet
from audit.words import ACTIONS


class AuditFilterForm(PanelForm):
    person = forms.CharField(label=_("Who"), max_length=254, required=False)
    target = forms.CharField(label=_("Object"), max_length=254, required=False)
    action = forms.ChoiceField(label=_("Act"), required=False)
    since = forms.DateField(
        label=_("From day"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("To day"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        named = sorted(((action, str(words)) for action, words in ACTIONS.items()), key=lambda pair: pair[1])
        action = self.fields["action"]
        assert isinstance(action, forms.ChoiceField)  # noqa: S101  # for the type checker
        action.choices = [("", _("all")), *named]

    def found(self, events: AuditQuerySet) -> AuditQuerySet:
        """None at all while a field is wrong: a filter that is read over would show too much."""
        if not self.is_valid():
            return events.none()
        chosen = self.cleaned_data
        events = events.by_person(chosen["person"].strip().lower()).on_target(
            chosen["target"].strip().lower()
        )
        return events.of_action(chosen["action"]).between(chosen["since"], chosen["until"])

    @property
    def is_narrowed(self) -> bool:
        return any(self.data.get(name) for name in self.fields)
