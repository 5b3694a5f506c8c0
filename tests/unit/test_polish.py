"""Polish as people write it: plurals, dates and times from now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.translation import ngettext, override

from qmailux_site.template_tags import ago, clock


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "Odblokuj 1 konto"),
        (2, "Odblokuj 2 konta"),
        (5, "Odblokuj 5 kont"),
        (12, "Odblokuj 12 kont"),
        (22, "Odblokuj 22 konta"),
        (112, "Odblokuj 112 kont"),
    ],
)
def test_nouns_follow_their_numbers(count: int, words: str) -> None:
    with override("pl"):
        found = ngettext("Unlock %(count)d account", "Unlock %(count)d accounts", count) % {"count": count}
    assert found == words


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(1, "1 minutę temu"), (3, "3 minuty temu"), (5, "5 minut temu"), (180, "3 godziny temu")],
)
def test_times_from_now(minutes: int, words: str) -> None:
    with override("pl"):
        assert words in ago(timezone.now() - timedelta(minutes=minutes, seconds=1)).replace("\xa0", " ")


def test_a_day_stands_in_the_genitive_and_the_year_where_it_is_another() -> None:
    with override("pl"), timezone.override(UTC):
        assert ">5 listopada 2020, 12:30<" in clock(datetime(2020, 11, 5, 12, 30, tzinfo=UTC))
