"""The outbox: one commit with the change, revisions in commit order, nothing lost with a dead broker."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.actions import add_domain
from domains.models import Domain
from provisioning import outbox
from provisioning.models import SERVER_SCOPE, Change, Node, Scope
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD


def test_change_and_order_are_one_commit(firma: Domain, console: Actor) -> None:
    before = Change.objects.count()
    with transaction.atomic():
        actions.add_account(domain=firma, localpart="ala", password=PASSWORD, by=console)
        transaction.set_rollback(True)
    assert Change.objects.count() == before
    assert not Account.objects.filter(localpart="ala").exists()


def test_order_names_the_key_and_the_next_revision(ala: Account) -> None:
    scope = Scope.objects.get(name="firma.test")
    change = Change.objects.latest("id")
    assert change.keys == ["ala@firma.test"]
    assert change.revision == scope.revision


def test_record_outside_a_transaction_is_a_programming_error(transactional_db: None) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        outbox.record("firma.test", ["x@firma.test"])


def test_wholesale_orders_count_as_bulk_and_settings_have_a_lane_of_their_own(node: Node) -> None:
    outbox.record("firma.test", [outbox.everything_under("firma.test")])
    outbox.record(SERVER_SCOPE)
    assert Change.objects.small(node).count() == 0
    assert [change.scope for change in Change.objects.bulk(node)] == ["firma.test"]
    assert [change.scope for change in Change.objects.settings(node)] == [SERVER_SCOPE]


def test_dead_broker_costs_no_change(transactional_db: None, caplog: pytest.LogCaptureFixture) -> None:
    Node.objects.get_or_create(name="local")
    with transaction.atomic():
        outbox.record("firma.test", ["x@firma.test"])
    assert Change.objects.filter(scope="firma.test").exists()
    assert "broker unreachable" in caplog.text


def test_setup_and_nothing_after_it_is_silent_of_the_broker_that_starts_later(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    call_command("setup")
    assert Change.objects.filter(scope=SERVER_SCOPE).exists()
    assert "broker unreachable" not in caplog.text
    with transaction.atomic():
        outbox.record("firma.test", ["x@firma.test"])
    assert "broker unreachable" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_revisions_are_numbered_in_commit_order() -> None:
    """A slow transaction holds the scope's row: a later one waits instead of passing with a higher number."""
    node = Node.objects.get_or_create(name="local")[0]
    entered, leave = threading.Event(), threading.Event()
    committed: list[tuple[str, int]] = []

    def slow() -> None:
        with transaction.atomic():
            revision = outbox.record("firma.test", ["slow@firma.test"], nodes=[node])
            entered.set()
            leave.wait(timeout=10)
        committed.append(("slow", revision))
        connection.close()

    def quick() -> None:
        entered.wait(timeout=10)
        with transaction.atomic():
            revision = outbox.record("firma.test", ["quick@firma.test"], nodes=[node])
        committed.append(("quick", revision))
        connection.close()

    threads = [threading.Thread(target=slow), threading.Thread(target=quick)]
    for thread in threads:
        thread.start()
    entered.wait(timeout=10)
    threads[1].join(timeout=0.3)
    assert committed == []
    leave.set()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(committed, key=lambda item: item[1]) == [("slow", 1), ("quick", 2)]


@pytest.mark.django_db(transaction=True)
def test_CON_04_same_name_at_the_same_moment_exists_once() -> None:
    console = Actor.console()
    Node.objects.get_or_create(name="local")
    domain = add_domain(name="firma.test", by=console)
    stored = actions.add_account(domain=domain, localpart="wzor", password=PASSWORD, by=console).password
    for number in range(25):
        outcomes: list[str] = []
        barrier = threading.Barrier(2)

        def as_account(
            number: int = number, barrier: threading.Barrier = barrier, outcomes: list[str] = outcomes
        ) -> None:
            barrier.wait()
            _try(
                outcomes,
                lambda: actions.add_account(
                    domain=domain, localpart=f"x{number}", password_hash=stored, by=console
                ),
            )

        def as_alias(
            number: int = number, barrier: threading.Barrier = barrier, outcomes: list[str] = outcomes
        ) -> None:
            barrier.wait()
            _try(
                outcomes,
                lambda: actions.add_alias(
                    domain=domain, localpart=f"x{number}", targets=["wzor@firma.test"], by=console
                ),
            )

        threads = [threading.Thread(target=as_account), threading.Thread(target=as_alias)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert sorted(outcomes) == ["done", "refused"], outcomes


def _try(outcomes: list[str], act: Callable[[], object]) -> None:
    try:
        act()
        outcomes.append("done")
    except ActionRefused:
        outcomes.append("refused")
    finally:
        connection.close()


@pytest.mark.django_db
def test_a_single_change_waits_for_nothing_that_an_import_has_left() -> None:
    node = Node.objects.get_or_create(name="local")[0]
    with transaction.atomic():
        for number in range(30):
            keys = [f"u{at}@d{number}.test" for at in range(99)]
            outbox.record(f"d{number}.test", keys, nodes=[node])
        outbox.record("firma.test", ["ala@firma.test"], nodes=[node])
    waiting = Change.objects.small(node)
    first = waiting.next_batch()
    assert [change.scope for change in first] == ["firma.test"]
    # The oldest of the others follow, as many as one batch takes; who failed is not asked again.
    second = waiting.next_batch(without=[first[0].pk])
    assert [change.scope for change in second] == [f"d{number}.test" for number in range(5)]
