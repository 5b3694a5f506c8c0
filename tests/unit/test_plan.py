"""The comparison of everything is right whatever differs, and in whatever order both come."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from provisioning.plan import diff_of_all
from provisioning.values import Value

KEYS = st.sampled_from([f"{letter}@firma.test" for letter in "abcdefghij"])
ENTRIES = st.lists(st.tuples(KEYS, st.sampled_from(["1", "2"])), unique_by=lambda entry: entry[0])
SORTED = ENTRIES.map(sorted)


def _after(found: Mapping[str, Value], upserts: Mapping[str, Value], deletes: tuple[str, ...]) -> object:
    return {key: value for key, value in {**found, **upserts}.items() if key not in deletes}


@given(ENTRIES | SORTED, ENTRIES | SORTED, st.sets(KEYS))
def test_what_differs_is_written_or_deleted_and_nothing_else(
    wanted: list[tuple[str, str]], found: list[tuple[str, str]], keep: set[str]
) -> None:
    before: dict[str, Value] = dict(found)
    aim: dict[str, Value] = dict(wanted)
    diff = diff_of_all(aim, iter(before.items()), keep=keep)
    kept = {key: value for key, value in before.items() if key in keep and key not in aim}
    assert _after(before, diff.upserts, diff.deletes) == {**kept, **aim}
    assert all(before.get(key) != value for key, value in diff.upserts.items())
    assert set(diff.deletes) == before.keys() - aim.keys() - keep


@given(ENTRIES.flatmap(lambda entries: st.tuples(st.just(entries), st.permutations(entries))))
def test_the_same_in_another_order_differs_in_nothing(
    both: tuple[list[tuple[str, str]], list[tuple[str, str]]],
) -> None:
    wanted, found = both
    assert not diff_of_all(dict(wanted), iter(found))
