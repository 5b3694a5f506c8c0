"""Guessing at the panel's door (PRM-13): who guesses is stopped, and nobody else."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import Account
from tests.conftest import PASSWORD
from tests.db.test_panel import plain_static

__all__ = ["plain_static"]
GUESSES = 10
pytestmark = pytest.mark.django_db


def attempt(login: str, password: str, address: str) -> int:
    """As nginx hands it on: the one address that it saw."""
    client = Client(headers={"x-forwarded-for": address})
    return client.post("/login/", {"username": login, "password": password}).status_code


def guess(login: str, *addresses: str) -> None:
    for number in range(GUESSES):
        attempt(login, f"zle-haslo-{number}", addresses[number % len(addresses)])


def test_PRM_13_the_address_of_a_webmail_or_an_office_is_not_closed_to_others(
    ala: Account, pola: Account
) -> None:
    guess(ala.address, "127.0.0.1")
    assert attempt(ala.address, PASSWORD, "127.0.0.1") == 429
    assert attempt(pola.address, PASSWORD, "127.0.0.1") == 302


def test_PRM_13_the_victim_comes_in_from_elsewhere(ala: Account) -> None:
    guess(ala.address, "192.0.2.7")
    assert attempt(ala.address, PASSWORD, "192.0.2.7") == 429
    assert attempt(ala.address, PASSWORD, "198.51.100.9") == 302


def test_PRM_13_an_IPv6_network_is_one_guesser(ala: Account) -> None:
    guess(ala.address, *(f"2001:db8:7:7::{number:x}" for number in range(1, GUESSES + 1)))
    assert attempt(ala.address, PASSWORD, "2001:db8:7:7:ffff::1") == 429
    assert attempt(ala.address, PASSWORD, "2001:db8:7:8::1") == 302


@pytest.mark.parametrize(
    "forged", ["127.0.0.1, 192.0.2.7", "<script>", "unknown", "192.0.2.7:80", "' OR 1=1"]
)
def test_PRM_13_what_is_no_address_opens_no_door(forged: str, ala: Account) -> None:
    guess(ala.address, forged)
    assert attempt(ala.address, PASSWORD, forged) == 429


@pytest.mark.parametrize(
    "login",
    ["ala@firma.test\nFailed login for pola@firma.test from 192.0.2.1", "pola@firma.test rip=192.0.2.1"],
)
def test_PRM_13_a_name_like_a_log_line_blames_nobody(login: str, pola: Account) -> None:
    guess(login, "192.0.2.7")
    for address in ("192.0.2.7", "192.0.2.1"):
        assert attempt(pola.address, PASSWORD, address) == 302
