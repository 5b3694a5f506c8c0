"""One mail plane for a test process: tests use domains of their own names, so they do not meet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from django.conf import settings

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from tests.mail.instance import MailInstance

PASSWORD = "Zielona-Papuga-7"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def _running(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[MailInstance]:
    """Started once, from an empty database."""
    instance = MailInstance(settings.QMAILUX_LAYOUT)
    with django_db_blocker.unblock():  # type: ignore[attr-defined]  # pytest-django's blocker
        instance.start()
        instance.node().delete()
    yield instance
    instance.stop()


@pytest.fixture
def plane(_running: MailInstance, db: None) -> MailInstance:
    """The running mail plane; plane.apply() does what the worker would do."""
    _running.node()
    return _running


@pytest.fixture
def root_actor() -> Actor:
    return Actor.console()


@pytest.fixture
def firma(plane: MailInstance, root_actor: Actor) -> Domain:
    """A domain that no other test has."""
    return domain_actions.add_domain(name=f"firma{next(_numbers)}.test", by=root_actor)


@pytest.fixture
def jan(firma: Domain, root_actor: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="jan", password=PASSWORD, name="Jan Żak", by=root_actor)
