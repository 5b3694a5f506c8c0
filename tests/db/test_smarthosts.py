"""Smarthosts: what is refused at the page, and that the password is never shown."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import reverse

from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain, Smarthost
from domains.smarthost_actions import remove_smarthost, set_smarthost
from provisioning.models import Node
from qmailux_site.errors import ActionRefused
from qmailux_site.sealing import Opener
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]

pytestmark = pytest.mark.django_db
HOST = "smtp.daleko.example"


@pytest.fixture
def alfa(node: Node, console: Actor) -> Domain:
    return domain_actions.add_domain(name="alfa.example", by=console)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("user", {"to": f"{HOST}:465", "user": "", "password": ""}),
        ("to", {"to": "nie ma"}),
        ("user", {"user": "a:b"}),
        ("user", {"user": ""}),
        ("password", {"password": ""}),
        ("password", {"password": " tajne"}),
        ("password", {"password": "taj\nne"}),
    ],
)
def test_what_cannot_work_is_refused_at_its_field(
    field: str, wrong: dict[str, str], alfa: Domain, console: Actor
) -> None:
    with pytest.raises(ActionRefused) as refusal:
        set_smarthost(alfa, **{"to": HOST, "user": "jan", "password": "tajne"} | wrong, by=console)
    assert refusal.value.field == field
    assert not Smarthost.objects.exists()


def test_the_page_sets_it_keeps_the_password_and_never_shows_it(
    plain_static: None, alfa: Domain, root: Account
) -> None:
    client = logged_in(root)
    page = reverse("domain-smarthost", args=[alfa.name])
    client.post(page, {"to": HOST, "user": "jan", "password": "tajne-hasło"})
    client.post(page, {"to": HOST, "user": "jan", "password": ""})
    assert _password(alfa) == "tajne-hasło"
    assert "tajne-hasło" not in client.get(page).content.decode()
    # Another server is not given the password of this one.
    client.post(page, {"to": "obcy.example", "user": "jan", "password": ""})
    assert Smarthost.objects.get(domain=alfa).host == HOST
    client.post(page, {"to": "", "user": "", "password": ""})
    assert not Smarthost.objects.exists()


def test_an_ipv6_address_comes_back_from_the_page_as_it_was(
    plain_static: None, alfa: Domain, root: Account
) -> None:
    client = logged_in(root)
    page = reverse("domain-smarthost", args=[alfa.name])
    client.post(page, {"to": "2001:db8::7", "user": "jan", "password": "tajne"})
    assert 'value="[2001:db8::7]:587"' in client.get(page).content.decode()
    client.post(page, {"to": "[2001:db8::7]:587", "user": "jan", "password": ""})
    row = Smarthost.objects.get(domain=alfa)
    assert (row.host, row.port, _password(alfa)) == ("2001:db8::7", 587, "tajne")


def _password(domain: Domain) -> str:
    row = Smarthost.objects.get(domain=domain)
    opener = Opener(settings.QMAILUX_LAYOUT.sealing_keys)
    return opener.open(row.sealed_password, purpose=row.purpose)


def test_the_servers_smarthost_is_set_changed_and_taken_back(node: Node, console: Actor) -> None:
    set_smarthost(None, to=HOST, user="serwer", password="tajne", by=console)
    set_smarthost(None, to=f"{HOST}:465", user="serwer", password="inne", by=console)
    assert Smarthost.objects.get().next_hop == f"[{HOST}]:465"
    remove_smarthost(None, by=console)
    assert not Smarthost.objects.exists()
