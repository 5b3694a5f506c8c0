"""What the trace sums up to: mail by hour or day, who sends and who is refused most, what looks bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour
from django.utils import timezone

from maillog.models import Direction, Entry, Kind, Verdict

TOP = 10
# Above these somebody should look: guesses, each shown with its number.
MANY_ADDRESSES = 5
MANY_RECIPIENTS = 500
MANY_BOUNCES = 20
SUSPECT_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """name: in the page's address. step: of one bar."""

    name: str
    length: timedelta
    step: timedelta


SPANS = {
    span.name: span
    for span in (
        Span("day", timedelta(days=1), timedelta(hours=1)),
        Span("week", timedelta(days=7), timedelta(days=1)),
        Span("month", timedelta(days=30), timedelta(days=1)),
    )
}


@dataclass(slots=True)
class Figures:
    """Numbers by the beginning of each bar, oldest first."""

    moments: list[datetime]
    came: Counter[datetime] = field(default_factory=Counter)
    went: Counter[datetime] = field(default_factory=Counter)
    deferred: Counter[datetime] = field(default_factory=Counter)
    refused: dict[str, Counter[datetime]] = field(default_factory=dict)

    @property
    def refused_in_all(self) -> Counter[str]:
        return Counter({name: counted.total() for name, counted in self.refused.items()})


@dataclass(frozen=True, slots=True)
class Suspicion:
    """kind: addresses, recipients or bounces."""

    kind: str
    login: str
    count: int


def figures_of(span: Span, *, now: datetime | None = None) -> Figures:
    """One walk over the entries of that time."""
    moments = list(_moments(span, now or timezone.now()))
    found = Figures(moments)
    truncated = (TruncHour if span.step < timedelta(days=1) else TruncDay)("began_at")
    rows = (
        Entry.objects.filter(began_at__gte=moments[0], kind__in=(Kind.MESSAGE, Kind.REFUSAL))
        .order_by()
        .annotate(moment=truncated)
        .values_list("moment", "kind", "direction", "verdict", "mechanism")
        .annotate(count=Count("pk"))
    )
    for moment, _kind, direction, verdict, mechanism, count in rows:
        if verdict == Verdict.REJECTED:
            found.refused.setdefault(mechanism or "other", Counter())[moment] += count
            continue
        counted = found.went if direction == Direction.OUT else found.came
        counted[moment] += count
        if verdict == Verdict.DEFERRED:
            found.deferred[moment] += count
    return found


def _moments(span: Span, now: datetime) -> Iterator[datetime]:
    local = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
    last = local if span.step < timedelta(days=1) else local.replace(hour=0)
    count = span.length // span.step
    for number in range(count - 1, -1, -1):
        if span.step < timedelta(days=1):
            yield timezone.localtime(now - number * span.step).replace(minute=0, second=0, microsecond=0)
        else:
            # Days by the calendar: the one of a clock change is 23 or 25 hours long.
            yield timezone.make_aware(last.replace(tzinfo=None) - timedelta(days=number))


def top_senders(span: Span) -> list[tuple[str, int]]:
    """By login: a sender that nobody has proven says nothing."""
    return _top(_since(span.length).filter(kind=Kind.MESSAGE).exclude(login=""), "login")


def top_refused(span: Span) -> list[tuple[str, int]]:
    """Clients, packed."""
    return _top(_since(span.length).filter(verdict=Verdict.REJECTED).exclude(client=""), "client")


def _top(entries: QuerySet[Entry], column: str) -> list[tuple[str, int]]:
    counted = entries.order_by().values_list(column).annotate(count=Count("pk")).order_by("-count", column)
    return list(counted[:TOP])


def suspicions() -> list[Suspicion]:
    """Logins of the last day: from many addresses, to many recipients, with many returned messages."""
    recent = _since(SUSPECT_WITHIN).exclude(login="").order_by().values("login")
    questions: list[tuple[str, Any, int]] = [
        (
            "addresses",
            Count("client", distinct=True, filter=~Q(verdict=Verdict.LOGIN_FAILED)),
            MANY_ADDRESSES,
        ),
        ("recipients", Sum("recipient_count", filter=Q(kind=Kind.MESSAGE)), MANY_RECIPIENTS),
        ("bounces", Count("pk", filter=Q(verdict=Verdict.BOUNCED)), MANY_BOUNCES),
    ]
    found = []
    for kind, counted, limit in questions:
        rows = recent.annotate(number=counted).filter(number__gte=limit).order_by(F("number").desc())
        found += [Suspicion(kind, row["login"], row["number"]) for row in rows[:TOP]]
    return found


def _since(length: timedelta) -> QuerySet[Entry]:
    return Entry.objects.filter(began_at__gte=timezone.now() - length)
