"""Details of the audit for people: every name that is recorded has a label, and codes have words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.translation import override

from accounts.actions.sending import NUMBERS
from audit.details import LABELS, details_of
from domains.actions import EDITABLE
from enforcement.braking import MEASURES

ROOT = Path(__file__).resolve().parents[2]
# Of audit.record and those that hand on to it: what is no detail.
CALLS = ("audit.record", "_record", "record")
OTHERS = {"scope", "by", "at", "account", "accounts_too"}


def recorded() -> Iterator[tuple[str, str]]:
    """Names of details in calls of audit.record, with the file."""
    for package in ROOT.glob("*/__init__.py"):
        for path in package.parent.rglob("*.py"):
            if {"migrations", "tests"} & set(path.parts):
                continue
            source = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(source)) if "audit" in source else ():
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "audit.record",
                    "_record",
                    "record",
                ):
                    yield from ((str(path), word.arg) for word in node.keywords if word.arg)


def test_every_detail_that_is_recorded_has_a_label() -> None:
    found = [(path, name) for path, name in recorded() if name not in OTHERS]
    assert len(found) > 50
    assert [pair for pair in found if pair[1] not in LABELS] == []


@pytest.mark.parametrize("names", [EDITABLE, NUMBERS, MEASURES, ("name", "quota_bytes", "language")])
def test_every_setting_that_may_stand_in_a_list_has_a_label(names: tuple[str, ...]) -> None:
    assert set(names) <= LABELS.keys()


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({"mode": "reject", "reason": "urlop"}, {"poczta przychodząca": "odrzucaj", "powód": "urlop"}),
        (
            {"before": ["quota_bytes=1073741824"], "after": ["quota_bytes=0", "language=en"]},
            {"przed": "limit miejsca: 1\xa0GB", "po": "limit miejsca: bez limitu, język: angielski"},
        ),
        ({"after": ["max_accounts=None"]}, {"po": "najwięcej kont: bez limitu"}),
        (
            {"kind": "deny", "patterns": ["a@żółw.example"]},
            {"rodzaj": "zawsze spam", "nadawcy": "a@żółw.example"},
        ),
        ({"helo": "off"}, {"Nazwa w powitaniu": "wyłączone"}),
        ({"targets": ["jan@xn--w-uga1v8h.example"]}, {"cele": "jan@żółw.example"}),
        ({"is_on": True, "ends_on": ""}, {"włączone": "tak"}),
    ],
)
def test_codes_sizes_and_names_are_told_in_words(details: dict[str, object], told: dict[str, str]) -> None:
    with override("pl"):
        assert dict(details_of(details)) == told
