"""Many passwords at once: each gets its own stored form, and who cancels does not wait for the rest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from django.contrib.auth.hashers import check_password

from accounts import hashing
from accounts.hashing import WORTH_A_PROCESS, hashed

MANY = 4 * WORTH_A_PROCESS


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes that hash; none of them may be left."""
    begin, found = hashing._started, list[subprocess.Popen[str]]()

    def noted() -> subprocess.Popen[str]:
        found.append(begin())
        return found[-1]

    monkeypatch.setattr(hashing, "_started", noted)
    yield found
    assert all(process.returncode == 0 for process in found)


def test_each_password_gets_its_own_form_in_order(started: list[subprocess.Popen[str]]) -> None:
    passwords = [f"Zażółć\n\"gęślą\" '{number}'" if number % 3 else "" for number in range(MANY)]
    seen: list[int] = []
    stored = list(hashed(passwords, lambda done, total: seen.append(done)))
    assert started, "by processes of their own"
    assert seen == list(range(1, MANY + 1))
    for password, form in zip(passwords, stored, strict=True):
        assert check_password(password, form) if password else form == ""


def test_few_are_hashed_here(started: list[subprocess.Popen[str]]) -> None:
    passwords = [f"Zielona-Papuga-{number}" for number in range(3)]
    stored = list(hashed(passwords, lambda done, total: None))
    assert all(map(check_password, passwords, stored))
    assert not started


def test_who_cancels_does_not_wait_for_the_rest(
    started: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand would take minutes."""
    answer, answered = hashing._answer, list[str]()

    def noted(process: subprocess.Popen[str], password: str) -> str:
        answered.append(answer(process, password))
        return answered[-1]

    class Cancelled(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    monkeypatch.setattr(hashing, "_answer", noted)
    with pytest.raises(Cancelled):
        list(hashed(["Zielona-Papuga-7"] * 10_000, cancel))
    assert len(answered) < 100


def test_a_process_that_dies_is_a_clear_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(["true"], stdin=pipe, stdout=pipe, text=True)

    monkeypatch.setattr(hashing, "_started", dead)
    with pytest.raises(RuntimeError, match="has ended"):
        list(hashed(["Zielona-Papuga-7"] * MANY, lambda done, total: None))
