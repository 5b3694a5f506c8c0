"""The trace as Prometheus reads it. Sums of the last hour are gauges: what goes later must not count back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from maillog.models import Entry, LogFile
from maillog.operations import AUDIT
from maillog.retention import BARED

HOUR = timedelta(hours=1)
Sample = tuple[Mapping[str, str], float]


def metrics_text() -> str:
    """All of them, in Prometheus' text format."""
    now = timezone.now()
    recent = Entry.objects.filter(began_at__gte=now - HOUR).order_by()
    columns = ("kind", "direction", "verdict", "mechanism")
    entries: list[Sample] = [
        (dict(zip(columns, row[:-1], strict=True)), row[-1])
        for row in recent.values_list(*columns).annotate(count=Count("pk"))
    ]
    files = LogFile.objects.exclude(head__in=(AUDIT, BARED))
    names: dict[str, list[int]] = {}
    for name, lines, unknown in files.values_list("name", "line_count", "unknown_count"):
        sums = names.setdefault(name.partition(".log")[0], [0, 0])
        sums[0] += lines
        sums[1] += unknown
    last = files.order_by("-read_at").values_list("read_at", flat=True).first()
    parts = [
        _metric("qmailux_trace_entries_last_hour", "gauge", "messages, refusals and sessions", entries),
        _metric(
            "qmailux_log_lines_read",
            "gauge",
            "lines of the logs kept that were read",
            [({"log": name}, sums[0]) for name, sums in sorted(names.items())],
        ),
        _metric(
            "qmailux_log_lines_unknown",
            "gauge",
            "lines that were not understood",
            [({"log": name}, sums[1]) for name, sums in sorted(names.items())],
        ),
    ]
    if last is not None:
        age = (now - last).total_seconds()
        parts.append(_metric("qmailux_log_read_age_seconds", "gauge", "since a log was read on", [({}, age)]))
    return "".join(parts)


def _metric(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]
    for labels, number in samples:
        inner = ",".join(f'{label}="{_quoted(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{inner}}} {number:g}" if inner else f"{name} {number:g}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
