"""What is told of a store is the same for the same entries only."""

from __future__ import annotations

import pytest

from provisioning.fingerprints import fingerprint
from provisioning.values import Sealed, Value

ENTRIES: dict[str, Value] = {
    "ala@firma.test": "1",
    "jan@firma.test": "2",
    "firma.test": ("firma.test", 0, None),
    "@firma.test": Sealed(("login",), "mark"),
}


def test_order_and_what_is_no_part_of_a_value_do_not_count() -> None:
    opened = ENTRIES | {"@firma.test": Sealed(("login",), "mark", box="box", secret="opened")}
    assert fingerprint(ENTRIES.items()) == fingerprint(reversed(opened.items()))


@pytest.mark.parametrize(
    "others",
    [
        {"ala@firma.test": "2", "jan@firma.test": "1"},
        {"jan@firma.test": "3"},
        {"ola@firma.test": "1"},
        {"firma.test": ("firma.test", 0, "")},
        {"@firma.test": Sealed(("login",), "other mark")},
    ],
)
def test_any_difference_counts(others: dict[str, Value]) -> None:
    assert fingerprint(ENTRIES.items()) != fingerprint((ENTRIES | others).items())


def test_values_that_two_keys_have_exchanged_always_count() -> None:
    for number in range(500):
        here, there = f"ala{number}@firma.test", f"jan{number}@firma.test"
        told = [fingerprint([(here, one), (there, other)]) for one, other in (("1", "2"), ("2", "1"))]
        assert told[0] != told[1]
        rows: list[Value] = [("a", number, None), ("b", number + 1, None)]
        assert fingerprint(zip((here, there), rows, strict=True)) != fingerprint(
            zip((here, there), reversed(rows), strict=True)
        )


def test_a_missing_entry_counts() -> None:
    assert fingerprint(ENTRIES.items()) != fingerprint(list(ENTRIES.items())[1:])
