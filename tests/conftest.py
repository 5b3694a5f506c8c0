"""The cast (STYLE 35) and what every test may use."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models.signals import post_migrate
from django.utils import translation
from playwright.sync_api import Browser, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from audit.guard import take_off_guard
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.models import Node
from provisioning.secrets import ensure_sealing_key

LOG_LINES = 40
LOG_BYTES = 20_000
PASSWORD = "Zielona-Papuga-7"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Django refuses its ORM in a thread with an event loop, which playwright has: tests only read through the
# browser.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the daemons wrote last: of a wait in vain nothing else tells the cause."""
    report = yield
    if report.failed:
        for log in sorted(settings.QMAILUX_LAYOUT.node_log.glob("*.log")):
            lines = log.read_bytes()[-LOG_BYTES:].decode("utf-8", "replace").splitlines()
            report.sections.append((f"end of {log.name}", "\n".join(lines[-LOG_LINES:])))
    return report


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Between tests the tables are emptied, which the audit's guard refuses; its own test sets it again."""
    post_migrate.disconnect(sender=apps.get_app_config("audit"), dispatch_uid="audit.guard")
    ensure_sealing_key(settings.QMAILUX_LAYOUT)
    with django_db_blocker.unblock():
        take_off_guard(connection)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests with a browser: a process bears a single Playwright."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Sentences are compared in English; a page that another test opened may have left its language
    active.
    """
    with translation.override("en"):
        yield


@pytest.fixture
def console() -> Actor:
    return Actor.console()


@pytest.fixture
def node(db: None) -> Node:
    return Node.objects.get_or_create(name="local")[0]


@pytest.fixture
def firma(node: Node, console: Actor) -> Domain:
    return domain_actions.add_domain(name="firma.test", by=console)


@pytest.fixture
def obca(node: Node, console: Actor) -> Domain:
    return domain_actions.add_domain(name="obca.test", by=console)


@pytest.fixture
def ala(firma: Domain, console: Actor) -> Account:
    """A user."""
    return actions.add_account(domain=firma, localpart="ala", password=PASSWORD, name="Ala Żak", by=console)


@pytest.fixture
def pola(firma: Domain, console: Actor) -> Account:
    """Postmaster of firma.test."""
    account = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, by=console)
    domain_actions.set_managers(firma, addresses=[account.address], by=console)
    return account


@pytest.fixture
def obcy(obca: Domain, console: Actor) -> Account:
    """Postmaster of obca.test, who must see nothing of firma.test."""
    account = actions.add_account(domain=obca, localpart="obcy", password=PASSWORD, by=console)
    domain_actions.set_managers(obca, addresses=[account.address], by=console)
    return account


@pytest.fixture
def hela(firma: Domain, console: Actor) -> Account:
    """Help desk of firma.test."""
    account = actions.add_account(domain=firma, localpart="hela", password=PASSWORD, by=console)
    actions.grant_role(account, role="help_desk", domain=firma, by=console)
    return account


@pytest.fixture
def audyt(firma: Domain, console: Actor) -> Account:
    """Auditor of firma.test."""
    account = actions.add_account(domain=firma, localpart="audyt", password=PASSWORD, by=console)
    actions.grant_role(account, role="auditor", domain=firma, by=console)
    return account


@pytest.fixture
def root(node: Node, console: Actor) -> Account:
    """The superadmin."""
    return actions.add_operator(address="root@localhost", password=PASSWORD, is_superuser=True, by=console)
