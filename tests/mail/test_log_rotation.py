"""Logs are cut once a day while mail goes on; the trace reads the old and the new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.actor import Actor
from accounts.models import Account
from maillog.access import sight_of
from maillog.ingest import Ingester
from maillog.trace import Question, find
from provisioning.rotation import is_rotated_by_the_system, rotate_logs
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

pytestmark = pytest.mark.django_db(databases=["default", "logs"])


def rotated(plane: MailInstance, name: str) -> list[Path]:
    return [path for path in plane.layout.node_log.glob(f"{name}-*") if path.suffix != ".gz"]


def test_what_comes_after_a_rotation_stands_in_the_new_logs(
    plane: MailInstance, jan: Account, tmp_path: Path
) -> None:
    plane.apply()
    wire = Wire(plane.layout)
    wire.deliver(jan.address, text=letter("Wczoraj"))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["Wczoraj"])
    assert not is_rotated_by_the_system(plane.layout)
    rotate_logs(plane.host, plane.layout, now=True)
    (before,) = rotated(plane, "mail.log")
    assert rotated(plane, "dovecot.log")

    wire.deliver(jan.address, text=letter("Dzisiaj"))
    wait_until(lambda: "Dzisiaj" in plane.log("mail.log"), what="the new log")
    wait_until(lambda: "Dzisiaj" in plane.log("dovecot.log"), what="Dovecot's new log")
    assert "Dzisiaj" not in before.read_text()

    ingester = Ingester(tmp_path / "lock")
    question = Question(recipient=jan.address, verdict="delivered")

    def both() -> bool:
        ingester.run(plane.layout.node_log)
        return find(question, sight_of(Actor.console())).count() == 2

    wait_until(both, what="both messages in the trace")


def test_what_is_not_due_is_left(plane: MailInstance) -> None:
    rotate_logs(plane.host, plane.layout)
    before = rotated(plane, "mail.log")
    rotate_logs(plane.host, plane.layout)
    assert rotated(plane, "mail.log") == before
