"""How the parts do, what was updated and what was taught: what the superadmin's page shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from antispam.models import PartState, TaughtBatch, TaughtMessage, UpdateRun

# Whoever looks at the parts comes twice a minute; after this nobody knows.
KNOWN_FOR = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Part:
    """is_known: somebody has looked lately. fault: "" when it runs."""

    is_known: bool
    fault: str


@dataclass(frozen=True, slots=True)
class Updated:
    """kind: with its label. last: the newest run, None when there was none; before: the last good one."""

    kind: UpdateRun.Kind
    version: str
    made_at: datetime | None
    fault: str
    last: UpdateRun | None
    brought: UpdateRun | None

    @property
    def age_days(self) -> int | None:
        return (timezone.now() - self.made_at).days if self.made_at else None


def faults_of_parts() -> dict[str, Part]:
    """By the daemon's name; of several nodes the worst."""
    since = timezone.now() - KNOWN_FOR
    found: dict[str, Part] = {}
    for state in PartState.objects.order_by("fault"):
        found[state.name] = Part(state.looked_at >= since, state.fault)
    return found


def updated(kind: UpdateRun.Kind) -> Updated:
    state = PartState.objects.filter(name=kind).order_by("-fault", "looked_at").first()
    facts: dict[str, Any] = state.facts if state else {}
    runs = UpdateRun.objects.filter(kind=kind)
    return Updated(
        kind=kind,
        version=str(facts.get("version", "")),
        made_at=_moment(str(facts.get("made_at", ""))),
        fault=state.fault if state else "",
        last=runs.first(),
        brought=runs.exclude(result="").first(),
    )


def taught_since(day: date, month: date) -> dict[str, int]:
    """How much people taught, on the day and since the month's beginning, and how many people they were."""
    begin = timezone.make_aware(datetime.combine(day, datetime.min.time()))
    first = timezone.make_aware(datetime.combine(month, datetime.min.time()))
    taught = TaughtMessage.objects.filter(batch__started_at__gte=first)
    good, today = Q(failure=""), Q(batch__started_at__gte=begin)
    spam, ham = Q(batch__kind=TaughtBatch.Kind.SPAM), Q(batch__kind=TaughtBatch.Kind.HAM)
    return taught.aggregate(
        spam_today=Count("id", filter=good & today & spam),
        ham_today=Count("id", filter=good & today & ham),
        spam=Count("id", filter=good & spam),
        ham=Count("id", filter=good & ham),
        failed=Count("id", filter=~good),
        people=Count("batch__account", filter=good, distinct=True),
    )


def _moment(text: str) -> datetime | None:
    """Of a fact that the worker noted; one without a zone is the machine's."""
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if timezone.is_aware(found) else timezone.make_aware(found)
