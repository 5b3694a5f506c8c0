"""Who logged in, from where, and as whom: what was typed is a name, whatever it looks like (LOG-08)."""

from __future__ import annotations

import smtplib
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from maillog.access import sight_of
from maillog.export import client_address
from maillog.ingest import Ingester
from maillog.models import Entry
from maillog.trace import Question, find
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.panel import log_in
from tests.mail.wire import CLIENT_ADDRESS, Tls, Wire

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])


@pytest.fixture
def ingester(tmp_path: Path) -> Ingester:
    return Ingester(tmp_path / "lock")


def smtp_login(wire: Wire, login: str, password: str = PASSWORD) -> None:
    with wire.submission() as client:
        wire.smtp_login(client, login, password)


def sessions(plane: MailInstance, ingester: Ingester, count: int, asked: Question) -> list[Entry]:
    """The sessions found, the newest first, once there are so many."""
    found: list[Entry] = []

    def enough() -> bool:
        ingester.run(plane.layout.node_log)
        found[:] = find(asked, sight_of(Actor.console())).select_related("lines")
        return len(found) >= count

    wait_until(enough, what=f"{count} of {asked}")
    return found


def test_LOG_08_a_login_is_told_by_its_account_and_a_failed_one_by_what_was_typed(
    plane: MailInstance, firma: Domain, jan: Account, console: Actor, ingester: Ingester
) -> None:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=[jan.address], by=console)
    plane.apply()
    wire = Wire(plane.layout)
    smtp_login(wire, jan.address.upper())
    (entry,) = sessions(plane, ingester, 1, Question(kind="session", login=jan.address))
    assert (entry.login, entry.verdict, entry.service) == (jan.address, "logged-in", "smtp")
    assert client_address(entry.client) == CLIENT_ADDRESS
    assert jan.address.upper() in entry.lines.text

    typed = [
        f"anna@{firma.name}, sasl_username={jan.address}",
        f" {jan.address} x",
        f"łucja@{firma.name}",
        alias.address,
    ]
    for login in typed:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp_login(wire, login)
    failed = sessions(plane, ingester, len(typed), Question(verdict="login-failed", client=CLIENT_ADDRESS))
    assert {client_address(entry.client) for entry in failed} == {CLIENT_ADDRESS}
    # None of them is told as a login of jan's.
    assert len(sessions(plane, ingester, 1, Question(kind="session", login=jan.address))) == 1
    told = {entry.login for entry in failed}
    assert {typed[0], alias.address} <= told, told


def test_LOG_08_roundcube_says_for_whom_it_comes(
    plane: MailInstance, jan: Account, ingester: Ingester, visitor: BrowserContext
) -> None:
    plane.apply()
    page = visitor.new_page()
    log_in(page, jan, "roundcube")
    page.wait_for_selector("#messagelist")
    through = sessions(plane, ingester, 1, Question(kind="session", login=jan.address))[-1]
    assert f"x-originating-ip={client_address(through.client)}" in through.lines.text


@pytest.mark.parametrize(("tls", "told"), [("implicit", "203.0.113.9"), ("starttls", CLIENT_ADDRESS)])
def test_LOG_08_only_the_server_itself_is_believed_for_whom_it_comes(
    plane: MailInstance, jan: Account, ingester: Ingester, tls: Tls, told: str
) -> None:
    """Implicit TLS comes from the server's own address here, the other from elsewhere."""
    plane.apply()
    with Wire(plane.layout).imap(jan.address, PASSWORD, tls, for_whom="203.0.113.9"):
        pass
    (entry,) = sessions(plane, ingester, 1, Question(kind="session", login=jan.address))
    assert client_address(entry.client) == told
