"""Sieve: server's script, panel's script, the user's own, in this order; a broken one costs no mail."""

from __future__ import annotations

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def test_scripts_run_server_then_panel_then_user(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    actions.set_forwarding(jan, targets=[ola.address], keeps_copy=True, by=console)
    plane.apply()
    # The user's own script sees what the server's has removed, and files what the panel's has forwarded.
    wire.put_sieve(
        jan.address,
        PASSWORD,
        'require ["fileinto","mailbox"]; if exists "X-Spam-Flag" { fileinto :create "Zle"; } '
        'else { fileinto :create "Wlasny"; }',
    )
    wire.deliver(
        jan.address, text=letter("kolejność", headers=["X-Spam-Flag: YES", "X-Spam-Level: ********"])
    )
    wait_until(lambda: "kolejność" in wire.subjects(jan.address, PASSWORD, "Wlasny"))
    wait_until(lambda: "kolejność" in wire.subjects(ola.address, PASSWORD))
    received = wire.messages(jan.address, PASSWORD, "Wlasny")[0]
    assert received["X-Spam-Flag"] is None


def test_broken_own_script_costs_no_mail(wire: Wire, plane: MailInstance, jan: Account) -> None:
    plane.apply()
    wire.put_sieve(jan.address, PASSWORD, "keep;")
    home = plane.layout.mail / jan.home
    (home / "sieve" / "own.sieve").write_text("this is no sieve at all {")
    wire.deliver(jan.address, text=letter("mimo wszystko"))
    wait_until(lambda: "mimo wszystko" in wire.subjects(jan.address, PASSWORD))


def test_autoresponse_of_an_own_script_leaves_through_the_instance(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    wire.put_sieve(jan.address, PASSWORD, 'require "vacation"; vacation :days 1 "Jestem na urlopie";')
    wire.deliver(
        jan.address,
        sender=ola.address,
        text=letter("pytanie", headers=[]).replace("kto@example.org", jan.address),
    )
    wait_until(
        lambda: any("pytanie" in s for s in wire.subjects(ola.address, PASSWORD)), what="the autoresponse"
    )
