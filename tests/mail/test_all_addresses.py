"""A server that is bound to all its addresses, as in production, gets one with a name of its own."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from accounts.actor import Actor
from domains import address_actions
from domains.models import IPAddress
from provisioning.layout import Layout
from tests.mail.instance import MailInstance, wait_until
from tests.mail.world import SERVER, own_network


@pytest.fixture(scope="module")
def running(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[MailInstance]:
    with tempfile.TemporaryDirectory(prefix="qxa-") as home, own_network(Path(home)):
        instance = MailInstance(Layout(Path(home), "*", 0, SERVER))
        with django_db_blocker.unblock():
            instance.start()
            instance.node().delete()
        yield instance
        instance.stop()


def greets_as(name: str, host: str, port: int = 25) -> bool:
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            return name in connection.makefile().readline()
    except OSError:
        return False


def assert_greets_as(name: str, host: str, port: int = 25) -> None:
    wait_until(lambda: greets_as(name, host, port), what=f"{host} port {port} greets as {name}")


def test_first_address_with_a_name_and_the_way_back(running: MailInstance, db: None) -> None:
    master = running.processes["postfix"]
    own = address_actions.add_address(
        address="127.0.0.11",
        hostname="mail.alfa.example",
        node=running.node(),
        is_present=True,
        by=Actor.console(),
    )
    running.apply()
    for port in (25, 587, 143):
        assert_greets_as("mail.alfa.example", "127.0.0.11", port)
        for other in ("127.0.0.1", "::1", "fd00::12"):
            assert_greets_as(SERVER, other, port)
    address_actions.delete_address(IPAddress.objects.get(pk=own.pk), by=Actor.console())
    running.apply()
    for host in ("127.0.0.11", "fd00::12"):
        assert_greets_as(SERVER, host)
    assert master.poll() is None
    assert "fatal" not in running.log("mail.log")
