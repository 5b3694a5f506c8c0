"""Guessed passwords: who is stopped, and that nobody else is."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client
from django.utils import timezone

from accounts import actions as account_actions
from accounts.actor import Actor
from accounts.models import Account, LastLogin
from domains.models import Domain
from enforcement import actions
from enforcement.models import Block, LoginLog
from provisioning.guessing import look_for_guessing
from provisioning.stopped import new_lines
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance
from tests.mail.wire import Wire, client_context

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])
OFFICE, HOME = "127.0.7.1", "127.0.7.2"
WRONG = "Zle-Haslo-1"


@pytest.fixture
def plane(running_in_world: MailInstance, db: None) -> Iterator[MailInstance]:
    # What the tests before have left in the log is not this one's.
    position = LoginLog(node=running_in_world.node())
    list(new_lines(position, running_in_world.host))
    position.save()
    yield running_in_world
    for left in Block.objects.all():
        actions.lift_block(left, by=Actor.console())
    running_in_world.apply()


@pytest.fixture
def ola(firma: Domain, console: Actor) -> Account:
    return account_actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)


def look(plane: MailInstance) -> None:
    look_for_guessing(plane.node(), plane.host, plane.layout)
    plane.apply()


def imap(source: str, login: str, password: str = PASSWORD) -> bool:
    """Whether the login gets in. Without TLS: so it costs nothing."""
    with socket.create_connection(("127.0.0.1", 143), 30, source_address=(source, 0)) as raw:
        stream = raw.makefile("rwb")
        stream.readline()
        stream.write(f'a LOGIN "{login}" "{password}"\r\n'.encode())
        stream.flush()
        while not (line := stream.readline()).startswith(b"a "):
            assert line, "connection closed"
        return line.startswith(b"a OK")


def smtp(source: str, login: str, password: str = PASSWORD) -> bool:
    with smtplib.SMTP("127.0.0.1", 587, source_address=(source, 0)) as client:
        client.starttls(context=client_context())
        try:
            Wire.smtp_login(client, login, password)
        except smtplib.SMTPAuthenticationError:
            return False
        return True


def guesses(way: object, source: str, logins: list[str]) -> None:
    """All at once: each wrong password costs the guesser two seconds."""
    with ThreadPoolExecutor(len(logins)) as pool:
        assert not any(pool.map(lambda login: way(source, login, WRONG), logins))  # type: ignore[operator]


@pytest.mark.parametrize("way", [imap, smtp])
def test_twenty_wrong_passwords_from_one_phone_never_stop_a_colleague_behind_the_same_address(
    plane: MailInstance, jan: Account, ola: Account, root: Account, way: object
) -> None:
    assert callable(way)
    plane.apply()
    guesses(way, OFFICE, [jan.address] * 19)
    look(plane)
    assert not Block.objects.exists()
    guesses(way, OFFICE, [jan.address])
    look(plane)
    ban = Block.objects.get()
    assert (ban.address, ban.login, ban.is_automatic) == (OFFICE, jan.address, True)
    assert ban.until is not None
    assert not way(OFFICE, jan.address)
    assert way(OFFICE, ola.address)
    assert way(HOME, jan.address)
    other = smtp if way is imap else imap
    assert other(OFFICE, jan.address)
    look(plane)
    ban.refresh_from_db()
    assert ban.hits == 1
    page = logged_in(root).get("/server/blocks/").content.decode()
    assert "20 wrong passwords in 10 minutes" in page
    assert jan.address in page
    logged_in(root).post(f"/server/blocks/{ban.pk}/lift/")
    plane.apply()
    assert way(OFFICE, jan.address)


def test_somebody_who_goes_through_a_list_of_names_is_shut_out_of_that_service(
    plane: MailInstance, jan: Account, firma: Domain
) -> None:
    plane.apply()
    guesses(imap, OFFICE, [f"{name}@{firma.name}" for name in "abcdefghijkl" for _time in range(3)])
    look(plane)
    found = Block.objects.get()
    assert (found.address, found.login, found.service) == (OFFICE, "", "imap")
    with pytest.raises(OSError, match=r"refused|reset"):
        imap(OFFICE, jan.address)
    assert smtp(OFFICE, jan.address)
    assert imap(HOME, jan.address)


def test_an_address_from_which_others_log_in_is_never_closed_for_all(
    plane: MailInstance, jan: Account, firma: Domain
) -> None:
    plane.apply()
    LastLogin.objects.create(account=jan, protocol="imap", address=OFFICE, at=timezone.now())
    guesses(imap, OFFICE, [f"{name}@{firma.name}" for name in "abcdefghijkl" for _time in range(3)])
    look(plane)
    assert not Block.objects.exists()
    assert imap(OFFICE, jan.address)


def test_a_locked_account_that_goes_on_trying_is_nobody_who_guesses(
    plane: MailInstance, jan: Account, console: Actor
) -> None:
    account_actions.lock_account(jan, reason="urlop", by=console)
    plane.apply()
    with ThreadPoolExecutor(20) as pool:
        assert not any(pool.map(lambda _n: imap(OFFICE, jan.address), range(25)))
    look(plane)
    assert not Block.objects.exists()


def test_a_phone_that_still_does_without_TLS_shuts_nobody_out(
    plane: MailInstance, jan: Account, console: Actor
) -> None:
    actions.require_encryption(jan, by=console)
    plane.apply()
    with ThreadPoolExecutor(30) as pool:
        assert not any(pool.map(lambda _n: imap(OFFICE, jan.address), range(60)))
    look(plane)
    assert not Block.objects.exists()
    actions.allow_plaintext(jan, by=console)
    plane.apply()
    assert imap(OFFICE, jan.address)


def test_guessing_at_the_panel_stands_in_the_same_list_and_is_lifted_there(
    plane: MailInstance, jan: Account, ola: Account, root: Account
) -> None:
    def enters(person: Account, password: str = PASSWORD) -> bool:
        values = {"username": person.address, "password": password}
        answer = Client().post("/login/", values, HTTP_X_FORWARDED_FOR=OFFICE)
        return answer.status_code == 302

    for _time in range(10):
        assert not enters(jan, WRONG)
    ban = Block.objects.get()
    assert (ban.address, ban.login, ban.service) == (OFFICE, jan.address, "web")
    assert not enters(jan)
    assert enters(ola)
    ban.refresh_from_db()
    assert ban.hits >= 1
    logged_in(root).post(f"/server/blocks/{ban.pk}/lift/")
    assert enters(jan)


def test_reading_goes_on_where_it_ended(plane: MailInstance, jan: Account) -> None:
    plane.apply()
    guesses(imap, HOME, [jan.address] * 20)
    look(plane)
    actions.lift_block(Block.objects.get(), by=Actor.console())
    look(plane)
    assert not Block.objects.exists()
