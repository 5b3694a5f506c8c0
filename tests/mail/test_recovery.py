"""Links and codes for a forgotten password arrive at an address elsewhere, and work as they came."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.recovering import PasswordReset, RecoveryAddress, RecoveryRequest
from domains import actions as domain_actions
from provisioning.recovery import send_waiting
from provisioning.tasks import node_send_recovery
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire
from tests.mail.world import World

__all__ = ["plain_static"]
NEW = "Calkiem-Inne-4"
ELSEWHERE = "ala@remote1.example"


@pytest.fixture
def plane(running_in_world: MailInstance, world: World, settings: Settings, db: None) -> MailInstance:
    settings.QMAILUX_LAYOUT = running_in_world.layout
    running_in_world.node()
    world.forget()
    return running_in_world


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ala(plane: MailInstance, console: Actor) -> Account:
    domain = domain_actions.add_domain(name="alfa.example", by=console)
    person = actions.add_account(domain=domain, localpart="ala", password=PASSWORD, language="pl", by=console)
    plane.apply()
    return person


def mailed(world: World, count: int) -> str:
    wait_until(lambda: len(world.to(ELSEWHERE)) == count, what=f"{count} letters elsewhere")
    arrival = world.to(ELSEWHERE)[-1]
    assert arrival.sender == "postmaster@alfa.example"
    assert arrival.message["From"] == "postmaster@alfa.example"
    text: str = arrival.message.get_content()
    return text


def test_a_mailed_code_confirms_and_a_mailed_link_opens_once(
    wire: Wire, plane: MailInstance, world: World, ala: Account
) -> None:
    client = logged_in(ala)
    client.post(reverse("recovery"), {"address": ELSEWHERE, "current": PASSWORD})
    assert send_waiting(plane.layout) == 1
    found = re.search(r"^(\d{8})\r?$", mailed(world, 1), re.MULTILINE)
    assert found is not None
    assert client.post(reverse("recovery-confirm"), {"code": found[1]}).status_code == 302
    assert RecoveryAddress.objects.get().address == ELSEWHERE

    Client().post(reverse("forgotten"), {"address": ala.address})
    node_send_recovery()
    link = re.search(r"https://srv\.host\.example(/forgotten/link/\S+)", mailed(world, 2))
    assert link is not None
    secret = link[1].split("/")[3]
    assert not PasswordReset.objects.filter(secret_hash=secret).exists()
    visitor = Client()
    assert visitor.get(link[1]).status_code == 302
    typed = {"password": NEW, "repeated": NEW}
    assert visitor.post(reverse("forgotten-password"), typed).status_code == 302
    plane.apply()
    with wire.imap(ala.address, NEW):
        pass
    assert client.get(reverse("home")).status_code == 302
    assert Client().get(link[1]).status_code == 410
    assert send_waiting(plane.layout) == 0


def test_nothing_is_mailed_for_an_address_that_does_not_exist(
    plane: MailInstance, world: World, ala: Account
) -> None:
    Client().post(reverse("forgotten"), {"address": "nikt@alfa.example"})
    Client().post(reverse("forgotten"), {"address": ala.address})
    assert send_waiting(plane.layout) == 0
    assert not RecoveryRequest.objects.filter(answered_at=None).exists()


def test_a_letter_waits_while_postfix_is_down(plane: MailInstance, world: World, ala: Account) -> None:
    logged_in(ala).post(reverse("recovery"), {"address": ELSEWHERE, "current": PASSWORD})
    daemon = plane.daemon("postfix")
    plane.stop_daemon("postfix")
    try:
        assert send_waiting(plane.layout) == 0
        assert RecoveryAddress.objects.get().code_hash == ""
    finally:
        plane.start_daemon(daemon)
    assert send_waiting(plane.layout) == 1
    mailed(world, 1)
