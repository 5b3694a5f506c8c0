"""What people type to find mail."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.forms import PanelForm
from maillog import plainly
from maillog.debugging import MOST_MINUTES
from maillog.models import Direction, Handling, Kind, Mechanism, Verdict
from maillog.trace import Question, question_of

_ANY = [("", pgettext_lazy("any choice", "any"))]


def _date_field(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )


class TraceForm(PanelForm):
    """The one box, and what narrows it down."""

    q = forms.CharField(
        required=False, max_length=998, label=_("Address, subject, Message-ID, queue id or IP")
    )
    kind = forms.ChoiceField(label=_("What"), required=False, choices=[*_ANY, *Kind.choices])
    verdict = forms.ChoiceField(label=_("Fate"), required=False, choices=[*_ANY, *Verdict.choices])
    mechanism = forms.ChoiceField(label=_("Refused by"), required=False, choices=[*_ANY, *Mechanism.choices])
    handling = forms.ChoiceField(label=_("Handling"), required=False, choices=[*_ANY, *Handling.choices])
    direction = forms.ChoiceField(label=_("Direction"), required=False, choices=[*_ANY, *Direction.choices])
    since = _date_field(_("From day"))
    until = _date_field(_("To day"))

    def question(self) -> Question:
        """Of what was typed right; days are whole."""
        typed = getattr(self, "cleaned_data", {})
        until = typed.get("until")
        return question_of(
            typed.get("q") or "",
            **{
                name: typed.get(name) or ""
                for name in ("kind", "verdict", "mechanism", "handling", "direction")
            },
            since=_midnight(typed.get("since")),
            until=_midnight(until + timedelta(days=1)) if until else None,
        )

    @property
    def narrows(self) -> bool:
        """Is anything but the one box filled in?"""
        return any(value for name, value in getattr(self, "cleaned_data", {}).items() if name != "q")

    def fields_that_narrow(self) -> list[forms.BoundField]:
        return [field for field in self if field.name != "q"]


class OwnTraceForm(TraceForm):
    """For the owner of a mailbox, who finds by the same words and knows no ids and no server."""

    q = forms.CharField(required=False, max_length=998, label=_("Address or subject"))
    kind = forms.ChoiceField(label=_("What"), required=False, choices=[*_ANY, *plainly.KINDS.items()])
    verdict = forms.ChoiceField(
        label=_("What became of it"), required=False, choices=[*_ANY, *plainly.VERDICTS.items()]
    )
    mechanism = forms.ChoiceField(
        label=_("Why it was refused"), required=False, choices=[*_ANY, *plainly.MECHANISMS.items()]
    )
    handling = forms.ChoiceField(
        label=_("What was done with it"), required=False, choices=[*_ANY, *plainly.HANDLINGS.items()]
    )
    direction = forms.ChoiceField(
        label=_("Got or sent"), required=False, choices=[*_ANY, *plainly.DIRECTIONS.items()]
    )


class DebugForm(PanelForm):
    network = forms.CharField(
        label=_("Client address or network"), max_length=60, help_text=_("Such as 192.0.2.7 or 192.0.2.0/24.")
    )
    minutes = forms.IntegerField(
        label=_("For so many minutes"), min_value=1, max_value=MOST_MINUTES, initial=10
    )


def _midnight(day: date | None) -> datetime | None:
    return timezone.make_aware(datetime(day.year, day.month, day.day)) if day else None  # noqa: DTZ001
