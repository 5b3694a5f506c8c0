"""Forwarding as the panel sets it, looked at in both mailboxes."""

from __future__ import annotations

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

__all__ = ["plain_static"]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ola(firma: Domain, console: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)


def set_in_panel(account: Account, targets: str, *, keeps_copy: bool) -> None:
    typed = {"targets": targets} | ({"keeps_copy": "on"} if keeps_copy else {})
    assert logged_in(account).post("/forwarding/", typed).status_code == 302


def test_a_copy_is_kept_and_the_envelope_is_the_forwarding_mailbox(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    set_in_panel(jan, ola.address, keeps_copy=True)
    plane.apply()
    wire.deliver(jan.address, text=letter("z kopią"))
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["z kopią"])
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["z kopią"])
    assert str(wire.messages(ola.address, PASSWORD)[0]["Return-Path"]) == f"<{jan.address}>"


def test_without_a_copy_the_mailbox_stays_empty_and_an_end_brings_it_back(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    set_in_panel(jan, ola.address, keeps_copy=False)
    plane.apply()
    wire.deliver(jan.address, text=letter("bez kopii"))
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["bez kopii"])
    assert wire.subjects(jan.address, PASSWORD) == []
    assert str(wire.messages(ola.address, PASSWORD)[0]["Return-Path"]) == f"<{jan.address}>"
    set_in_panel(jan, "", keeps_copy=True)
    plane.apply()
    wire.deliver(jan.address, text=letter("znowu tutaj"))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["znowu tutaj"])
    assert wire.subjects(ola.address, PASSWORD) == ["bez kopii"]


def test_a_loop_of_two_ends_with_the_message_kept(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    set_in_panel(jan, ola.address, keeps_copy=False)
    set_in_panel(ola, jan.address, keeps_copy=False)
    plane.apply()
    wire.deliver(jan.address, text=letter("w kółko"))

    def kept() -> list[str]:
        return wire.subjects(jan.address, PASSWORD) + wire.subjects(ola.address, PASSWORD)

    wait_until(lambda: kept() == ["w kółko"])


def test_while_locked_mail_is_kept_and_not_forwarded(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    set_in_panel(jan, ola.address, keeps_copy=False)
    actions.lock_account(jan, reason="", by=console)
    plane.apply()
    wire.deliver(jan.address, text=letter("poczeka"))
    wait_until(lambda: any((plane.layout.mail / jan.home).rglob("new/*")), what="the message in the mailbox")
    assert wire.subjects(ola.address, PASSWORD) == []
    actions.unlock_account(jan, by=console)
    plane.apply()
    assert wire.subjects(jan.address, PASSWORD) == ["poczeka"]


def test_what_the_machine_lost_is_drift_and_made_anew(
    plane: MailInstance, jan: Account, ola: Account
) -> None:
    set_in_panel(jan, ola.address, keeps_copy=True)
    plane.applier().apply_all(confirm_deletions=True)
    assert plane.applier().check() == {}
    script = plane.layout.sieve / f"{jan.home}.sieve"
    script.with_suffix(".svbin").unlink()
    assert list(plane.applier().check()) == ["script"]
    plane.applier().apply_all(confirm_deletions=True)
    assert script.with_suffix(".svbin").exists()
    assert plane.applier().check() == {}


def test_a_deleted_account_leaves_no_script(
    plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    set_in_panel(jan, ola.address, keeps_copy=True)
    plane.apply()
    actions.delete_account(jan, by=console)
    plane.apply()
    assert list(plane.layout.sieve.rglob(f"{jan.uuid.hex}*")) == []


def filled_up(wire: Wire, plane: MailInstance, account: Account, console: Actor) -> None:
    """A quota that is used up."""
    actions.edit_account(account, quota_bytes=10_000, by=console)
    plane.apply()
    wire.deliver(account.address, text=letter("balast", "y" * 9_900))
    wait_until(lambda: wire.subjects(account.address, PASSWORD)[:1] == ["balast"])
    assert wire.rcpt(account.address, size=5_000)[0] == 552


def test_ALS_08_a_full_mailbox_that_only_forwards_passes_everything_on(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    filled_up(wire, plane, jan, console)
    set_in_panel(jan, ola.address, keeps_copy=False)
    plane.apply()
    wire.deliver(jan.address, text=letter("dalej", "z" * 5_000))
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["dalej"])
    assert "dalej" not in wire.subjects(jan.address, PASSWORD)
    set_in_panel(jan, "", keeps_copy=True)
    plane.apply()
    assert wire.rcpt(jan.address, size=5_000)[0] == 552


def test_ALS_08_forward_and_copy_are_independent_when_the_mailbox_is_full(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, firma: Domain, console: Actor
) -> None:
    ewa = actions.add_account(domain=firma, localpart="ewa", password=PASSWORD, by=console)
    filled_up(wire, plane, jan, console)
    set_in_panel(jan, ola.address, keeps_copy=True)
    plane.apply()
    wire.deliver(jan.address, text=letter("i tu, i tam", "z" * 5_000), sender=ewa.address)
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["i tu, i tam"])
    wait_until(lambda: len(wire.messages(ewa.address, PASSWORD)) == 1, what="the returned copy")
    returned = wire.messages(ewa.address, PASSWORD)[0]
    assert "Mailbox is full" in returned.as_string() or "Quota exceeded" in returned.as_string()
    assert "i tu, i tam" not in wire.subjects(jan.address, PASSWORD)
    assert wire.subjects(ola.address, PASSWORD) == ["i tu, i tam"]


def test_ALS_08_what_the_address_refuses_comes_back_into_the_mailbox(
    wire: Wire, plane: MailInstance, jan: Account, firma: Domain
) -> None:
    """The notice is not lost on the way to the address that refused the message."""
    set_in_panel(jan, f"nikt@{firma.name}", keeps_copy=False)
    plane.apply()
    wire.deliver(jan.address, text=letter("dokąd"))
    wait_until(lambda: len(wire.messages(jan.address, PASSWORD)) == 1, what="the notice")
    notice = wire.messages(jan.address, PASSWORD)[0]
    assert str(notice["Return-Path"]) == "<>"
    assert "Subject: =?utf-8?q?dok=C4=85d?=" in notice.as_string()
