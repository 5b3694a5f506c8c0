"""One mail plane for a test process. Tests use domains of their own names, so they do not meet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from django.conf import settings
from pytest_django.plugin import DjangoDbBlocker

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def running_plane(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[MailInstance]:
    """Started once, from an empty database."""
    instance = MailInstance(settings.QMAILUX_LAYOUT)
    with django_db_blocker.unblock():
        instance.start()
        instance.node().delete()
    yield instance
    instance.stop()


@pytest.fixture
def plane(running_plane: MailInstance, db: None) -> MailInstance:
    """The running mail plane; plane.apply() does what the worker would do."""
    running_plane.node()
    return running_plane


@pytest.fixture
def firma(plane: MailInstance, console: Actor) -> Domain:
    """A domain that no other test has."""
    return domain_actions.add_domain(name=f"firma{next(_numbers)}.test", by=console)


@pytest.fixture
def jan(firma: Domain, console: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="jan", password=PASSWORD, name="Jan Żak", by=console)
