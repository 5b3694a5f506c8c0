"""One mail plane for a test process. Tests use domains of their own names, so they do not meet."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext
from pytest_django.plugin import DjangoDbBlocker

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.layout import Layout
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance
from tests.mail.panel import web_process
from tests.mail.world import SERVER, World, own_world

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


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Other people's mail servers and DNS, in a network of the module's own."""
    with tempfile.TemporaryDirectory(prefix="qxw-") as folder, own_world(Path(folder)) as entered:
        entered.server("remote1.example", "127.0.0.101")
        entered.server("remote6.example", "fd00::101")
        yield entered


@pytest.fixture(scope="module")
def running_in_world(
    world: World, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[MailInstance]:
    """A plane on the standard ports of that network."""
    with tempfile.TemporaryDirectory(prefix="qxo-") as home:
        instance = MailInstance(Layout(Path(home), "127.0.0.1", 0, SERVER))
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


@pytest.fixture(scope="module")
def address(running_plane: MailInstance, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), web_process(running_plane) as found:
        yield found


@pytest.fixture
def visitor(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A browser of its own; the certificate is of an authority that it does not know."""
    context = browser.new_context(ignore_https_errors=True, base_url=address, locale="pl")
    context.set_default_timeout(20_000)
    yield context
    context.close()
