"""The owner is told by mail who acts for them, and why."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts import actions, notices
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire

__all__ = ["plain_static"]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def test_owner_gets_a_letter_with_person_and_reason_at_the_start(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor
) -> None:
    actions.edit_account(jan, language="en", by=console)
    pola = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, by=console)
    domain_actions.set_managers(firma, addresses=[pola.address], by=console)
    plane.apply()
    logged_in(pola).post(reverse("impersonate", args=[jan.pk]), {"reason": "Prosił o pomoc"})
    notices.send_waiting()
    wait_until(lambda: wire.subjects(jan.address, PASSWORD), what="the letter")
    (letter,) = wire.messages(jan.address, PASSWORD)
    assert letter["Subject"] == f"{pola.address} acts for you in your panel."
    text = letter.get_content()
    assert "Reason: Prosił o pomoc" in text
    assert "127.0.0.1" in text
    assert "Activity" in text
