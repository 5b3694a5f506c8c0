"""Locks of accounts and domains: every login, open sessions, incoming mail as chosen, and back as it was."""

from __future__ import annotations

import imaplib
import smtplib

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter, panel_accepts

CODES = {"accept": 250, "reject": 550, "defer": 450}


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def can_log_in(wire: Wire, account: Account) -> dict[str, bool]:
    result = {"imap": wire.imap_login_command(account.address, PASSWORD) == "OK"}
    try:
        with wire.pop3(account.address, PASSWORD):
            result["pop3"] = True
    except Exception as error:
        if "AUTH" not in str(error):
            raise
        result["pop3"] = False
    with wire.submission() as client:
        try:
            wire.smtp_login(client, account.address, PASSWORD)
            result["smtp"] = True
        except smtplib.SMTPAuthenticationError:
            result["smtp"] = False
    try:
        wire.put_sieve(account.address, PASSWORD, "keep;")
        result["sieve"] = True
    except AssertionError:
        result["sieve"] = False
    result["panel"] = panel_accepts(account.address, PASSWORD)
    return result


def session_is_dead(imap: imaplib.IMAP4) -> None:
    """Within a second no command of it is answered any more."""

    def ended() -> bool:
        try:
            imap.noop()
        except (imaplib.IMAP4.error, OSError):
            return True
        return False

    wait_until(ended, seconds=1, what="the end of the session")


@pytest.mark.parametrize("mode", CODES)
def test_locked_account_cannot_log_in_and_mail_meets_the_chosen_fate(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, mode: str, firma: Domain
) -> None:
    domain_actions.add_domain_alias(firma, name=f"alias-{firma.name}", by=console)
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    actions.add_alias(domain=firma, localpart="sam", targets=[jan.address], by=console)
    actions.add_alias(domain=firma, localpart="dwoje", targets=[jan.address, ola.address], by=console)
    plane.apply()
    assert all(can_log_in(wire, jan).values())
    actions.lock_account(jan, mode=mode, reason="faktury", by=console)
    plane.apply()
    assert not any(can_log_in(wire, jan).values())
    domain = firma.name
    for address in (
        jan.address,
        f"jan+x@{domain}",
        f"jan@alias-{domain}",
        f"sam@{domain}",
        f"sam@alias-{domain}",
    ):
        assert wire.rcpt(address)[0] == CODES[mode], address
    assert wire.rcpt(f"dwoje@{domain}")[0] == 250
    actions.unlock_account(jan, by=console)
    plane.apply()
    assert all(can_log_in(wire, jan).values())
    assert wire.rcpt(f"sam@{domain}")[0] == 250


def test_lock_ends_running_sessions(wire: Wire, plane: MailInstance, jan: Account, console: Actor) -> None:
    plane.apply()
    with wire.imap(jan.address, PASSWORD) as imap, wire.submission() as smtp:
        wire.smtp_login(smtp, jan.address, PASSWORD)
        smtp.mail(jan.address)
        actions.lock_account(jan, by=console)
        plane.apply()
        session_is_dead(imap)
        assert smtp.rcpt(jan.address)[0] == 535


@pytest.mark.parametrize("mode", CODES)
def test_ADR_14_locked_domain_stops_everything_and_comes_back_as_it_was(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, mode: str, firma: Domain
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    actions.lock_account(ola, mode="reject", by=console)
    plane.apply()
    with wire.imap(jan.address, PASSWORD) as imap, wire.submission() as smtp:
        wire.smtp_login(smtp, jan.address, PASSWORD)
        smtp.mail(jan.address)
        domain_actions.lock_domain(firma, mode=mode, by=console)
        plane.apply()
        session_is_dead(imap)
        assert smtp.rcpt(jan.address)[0] == 535
    assert not any(can_log_in(wire, jan).values())
    assert wire.rcpt(jan.address)[0] == CODES[mode]
    # The strictest lock wins.
    assert wire.rcpt(ola.address)[0] == 550
    domain_actions.unlock_domain(firma, by=console)
    plane.apply()
    assert all(can_log_in(wire, jan).values())
    assert not any(can_log_in(wire, ola).values())


def test_domain_lock_reaches_aliases_of_other_domains(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    other = domain_actions.add_domain(name=f"inna-{firma.name}", by=console)
    actions.add_alias(domain=other, localpart="jan", targets=[jan.address], by=console)
    domain_actions.lock_domain(firma, mode="reject", by=console)
    plane.apply()
    assert wire.rcpt(f"jan@{other.name}")[0] == 550
    domain_actions.unlock_domain(firma, by=console)
    plane.apply()
    assert wire.rcpt(f"jan@{other.name}")[0] == 250


def test_accepting_lock_keeps_the_mail(wire: Wire, plane: MailInstance, jan: Account, console: Actor) -> None:
    actions.lock_account(jan, mode="accept", by=console)
    plane.apply()
    wire.deliver(jan.address, text=letter("czeka"))
    actions.unlock_account(jan, by=console)
    plane.apply()
    wait_until(lambda: "czeka" in wire.subjects(jan.address, PASSWORD))
