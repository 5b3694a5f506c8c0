"""What the program of the node reads and compares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.node_programs.quota_room import differences, used_bytes


@given(st.sets(st.text("ab12", max_size=3)), st.sets(st.text("ab12", max_size=3)))
def test_differences_are_those_of_sets(wanted: set[str], found: set[str]) -> None:
    new, gone = differences(sorted(wanted), sorted(found))
    assert (new, gone) == (sorted(wanted - found), sorted(found - wanted))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "ab" / "abcd"


def storage(home: Path, address: str) -> Path:
    folder = home / "usage" / address / "quota"
    folder.mkdir(parents=True)
    return folder / "storage"


def test_mailbox_that_was_never_made_is_empty(home: Path) -> None:
    assert used_bytes(str(home)) == 0


def test_mailbox_without_a_count_is_not_known(home: Path) -> None:
    home.mkdir(parents=True)
    assert used_bytes(str(home)) is None
    storage(home, "jan@firma.test")
    assert used_bytes(str(home)) is None


def test_the_highest_count_is_taken(home: Path) -> None:
    storage(home, "jan@firma.test").write_text("1200")
    assert used_bytes(str(home)) == 1200
    storage(home, "janek@firma.test").write_text("800\n")
    assert used_bytes(str(home)) == 1200


@pytest.mark.parametrize("text", ["", "-5", "1e3", "many", "٣"])
def test_what_is_no_number_is_not_known(home: Path, text: str) -> None:
    storage(home, "jan@firma.test").write_text("1200")
    storage(home, "janek@firma.test").write_text(text)
    assert used_bytes(str(home)) is None


def test_what_is_no_file_is_not_waited_for(home: Path, tmp_path: Path) -> None:
    """The mail user could put it there, and root reads it."""
    path = storage(home, "jan@firma.test")
    os.mkfifo(path)
    assert used_bytes(str(home)) is None
    path.unlink()
    path.mkdir()
    assert used_bytes(str(home)) is None
    path.rmdir()
    (tmp_path / "other").write_text("5")
    path.symlink_to(tmp_path / "other")
    assert used_bytes(str(home)) is None
