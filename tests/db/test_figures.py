"""Mail in numbers: what the charts, the lists and Prometheus are told."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from accounts.models import Account
from maillog.charts import HEIGHT, WIDTH, chart_of
from maillog.draft import packed
from maillog.figures import SPANS, figures_of, suspicions, top_refused, top_senders
from maillog.models import Entry
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]

pytestmark = pytest.mark.django_db(databases=["default", "logs"])


def entry(number: int, *, hours_ago: float = 0.0, **columns: Any) -> Entry:
    at = timezone.now() - timedelta(hours=hours_ago)
    values = {"kind": "message", "verdict": "delivered", "direction": "in", **columns}
    return Entry.objects.create(id=number, began_at=at, last_at=at, is_open=False, **values)


def rows(*kinds: dict[str, Any]) -> None:
    for number, columns in enumerate(kinds, 1):
        entry(number, **columns)


def by_hours_ago(counted: Counter[datetime], moments: list[datetime]) -> dict[int, int]:
    return {len(moments) - 1 - moments.index(moment): count for moment, count in counted.items()}


def test_each_hour_has_what_came_went_waits_and_was_refused() -> None:
    rows(
        {},
        {"direction": "local"},
        {"direction": "out", "hours_ago": 3},
        {"direction": "out", "verdict": "deferred", "hours_ago": 3},
        {"kind": "refusal", "verdict": "rejected", "mechanism": "dnsbl", "hours_ago": 2},
        {"verdict": "rejected", "mechanism": "virus", "hours_ago": 2},
        {"kind": "session", "verdict": "logged-in"},
        {"hours_ago": 30},
    )
    found = figures_of(SPANS["day"])
    assert len(found.moments) == 24
    assert by_hours_ago(found.came, found.moments) == {0: 2}
    assert by_hours_ago(found.went, found.moments) == {3: 2}
    assert by_hours_ago(found.deferred, found.moments) == {3: 1}
    refused = {name: by_hours_ago(counted, found.moments) for name, counted in found.refused.items()}
    assert refused == {"dnsbl": {2: 1}, "virus": {2: 1}}
    week = figures_of(SPANS["week"])
    assert (len(week.moments), week.came.total()) == (7, 3)


def test_days_of_a_clock_change_are_days() -> None:
    now = datetime.fromisoformat("2026-10-28T12:00:00+01:00")
    moments = figures_of(SPANS["week"], now=now).moments
    assert [f"{timezone.localtime(moment):%d %H:%M}" for moment in moments] == [
        f"{day} 00:00" for day in range(22, 29)
    ]


def test_who_sends_and_who_is_refused_most() -> None:
    ala = {"login": "ala@firma.test", "direction": "out"}
    rows(ala, ala, {"login": "ola@firma.test"}, {"sender": "udaje@firma.test"},
         {"kind": "refusal", "verdict": "rejected", "client": packed("192.0.2.7")})  # fmt: skip
    assert top_senders(SPANS["day"]) == [("ala@firma.test", 2), ("ola@firma.test", 1)]
    assert top_refused(SPANS["day"]) == [(packed("192.0.2.7"), 1)]


def test_logins_from_many_addresses_fan_out_and_bounces_are_worth_a_look() -> None:
    session = {"kind": "session", "verdict": "logged-in"}
    rows(
        *({**session, "login": "a@firma.test", "client": packed(f"192.0.2.{n}")} for n in range(5)),
        *({**session, "login": "b@firma.test", "client": packed(f"192.0.2.{n}")} for n in range(4)),
        {"login": "c@firma.test", "recipient_count": 500},
        *({"login": "d@firma.test", "verdict": "bounced"} for _n in range(20)),
    )
    assert [(found.kind, found.login, found.count) for found in suspicions()] == [
        ("addresses", "a@firma.test", 5),
        ("recipients", "c@firma.test", 500),
        ("bounces", "d@firma.test", 20),
    ]


def test_bars_fill_the_chart_and_say_their_number() -> None:
    chart = chart_of("x", ["a", "b"], [("in", [10, 0]), ("out", [5, 1])])
    assert [bar.title for bar in chart.bars] == ["a: in 10", "a: out 5", "b: out 1"]
    assert all(
        bar.y >= 0 and bar.y + bar.height <= HEIGHT and bar.x + bar.width <= WIDTH for bar in chart.bars
    )
    assert chart.rows == [("a", [10, 5]), ("b", [0, 1])]
    assert chart_of("x", [], []).total == 0


@pytest.mark.parametrize("span", ["day", "week", "month", "nonsense"])
def test_the_page_draws_them(root: Account, span: str) -> None:
    rows({}, {"kind": "refusal", "verdict": "rejected", "mechanism": "dnsbl", "client": packed("192.0.2.7")})
    page = logged_in(root).get(f"/server/figures/?span={span}").content.decode()
    assert page.count("<svg viewBox") == 2
    assert "192.0.2.7" in page


def test_metrics_are_for_this_machine_or_for_who_has_the_token(db: None) -> None:
    rows({}, {"direction": "out"})
    client = Client()
    answer = client.get("/metrics/")
    assert answer.status_code == 200
    line = 'qmailux_trace_entries_last_hour{kind="message",direction="in",verdict="delivered",mechanism=""} 1'
    assert line in answer.content.decode().splitlines()
    assert client.get("/metrics/", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 403
    with override_settings(QMAILUX_METRICS_TOKEN="sekret"):
        assert client.get("/metrics/").status_code == 403
        assert client.get("/metrics/", headers={"authorization": "Bearer zly"}).status_code == 403
        elsewhere = {"authorization": "Bearer sekret", "x-forwarded-for": "192.0.2.7"}
        assert client.get("/metrics/", headers=elsewhere).status_code == 200
