"""What people type into a list of senders."""

from __future__ import annotations

import pytest

from antispam.patterns import MOST_ENTRIES, Reach, reach_of, sender_pattern, sender_patterns
from provisioning.render.quoting import spamassassin_pattern
from qmailux_site.errors import ActionRefused


@pytest.mark.parametrize(
    ("typed", "stored", "reach"),
    [
        ("a@b.example", "a@b.example", Reach.ADDRESS),
        (" A@B.Example ", "a@b.example", Reach.ADDRESS),
        ('"Anna, N" <a@b.example>', "a@b.example", Reach.ADDRESS),
        ("b.example", "*@b.example", Reach.DOMAIN),
        ("@b.example", "*@b.example", Reach.DOMAIN),
        ("*@b.example", "*@b.example", Reach.DOMAIN),
        ("*.b.example", "*@*.b.example", Reach.PATTERN),
        ("sales-*@b.example", "sales-*@b.example", Reach.PATTERN),
        ("*@*.ru", "*@*.ru", Reach.PATTERN),
    ],
)
def test_SPM_02_entries_are_normalised(typed: str, stored: str, reach: Reach) -> None:
    assert sender_pattern(typed) == stored
    assert reach_of(stored) is reach
    assert spamassassin_pattern(stored) == stored
    assert sender_pattern(stored) == stored


@pytest.mark.parametrize("typed", ["*", "**", "*@*", "*@*.*", "@", "", "*example.net", "*@-"])
def test_SPM_02_what_would_match_everybody_or_strangers_is_refused(typed: str) -> None:
    with pytest.raises(ActionRefused):
        sender_pattern(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "a@example.org\nrequired_score -100",
        "a@example.org\rinclude x",
        "a # b",
        "a#b@example.org",
        "a@example.org b@example.org",
        "a\u2028score BAYES_00 50",
        "a(b)@example.org",
        "a@*.example.org)x",
        "x" * 10_000,
    ],
)
def test_SPM_03_an_entry_cannot_smuggle_another_setting(typed: str) -> None:
    with pytest.raises(ActionRefused):
        sender_pattern(typed)


def test_SPM_03_a_list_has_a_limit() -> None:
    with pytest.raises(ActionRefused):
        sender_patterns("\n".join(f"a{number}@example.org" for number in range(MOST_ENTRIES + 1)))


def test_a_pasted_list_holds_each_sender_once() -> None:
    assert sender_patterns("a@b.example, B.example;\n\na@b.example\r\n*@b.example") == (
        "a@b.example",
        "*@b.example",
    )
