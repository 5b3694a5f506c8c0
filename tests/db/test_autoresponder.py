"""The autoresponder: what is refused, who may, and whom it remembers."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.answered import AnsweredSender
from accounts.models import Account, Autoresponder
from audit.models import AuditEvent
from provisioning.answered import answers_in, save_answers
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]

FORM = {"is_on": "on", "subject": "Urlop", "text": "Wracam.", "every": "7", "unit": "days"}


def switch(account: Account, by: Actor, *, is_on: bool = True, hours: int = 1, text: str = "Wracam.") -> int:
    """The number of the period."""
    actions.set_autoresponder(account, is_on=is_on, subject="Urlop", text=text, interval_hours=hours, by=by)
    return Autoresponder.objects.get(account=account).period


def answered(account: Account, address: str = "ktos@obcy.example") -> AnsweredSender:
    return AnsweredSender.objects.create(
        autoresponder=Autoresponder.objects.get(account=account), address=address, answered_at=timezone.now()
    )


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"text": "  \n"}, "text"),
        ({"text": "a\x07b"}, "text"),
        ({"subject": "a\x1bb"}, "subject"),
        ({"every": "0"}, "every"),
        ({"starts_on": "2027-02-02", "ends_on": "2027-02-01"}, "ends_on"),
        ({"ends_on": "2020-01-01"}, "ends_on"),
        ({"unit": "minutes"}, "unit"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(ala: Account, typed: dict[str, str], field: str) -> None:
    answer = logged_in(ala).post("/autoresponder/", FORM | typed)
    assert list(answer.context["form"].errors) == [field]
    assert not Autoresponder.objects.exists()


def test_VAC_08_the_pause_has_a_floor_at_every_door(ala: Account, console: Actor) -> None:
    with pytest.raises(ActionRefused):
        switch(ala, console, hours=0)


def test_a_preview_saves_nothing(ala: Account) -> None:
    page = logged_in(ala).post("/autoresponder/", FORM | {"preview": "1"}).content.decode()
    assert 'id="preview"' in page
    assert "Wracam." in page
    assert not Autoresponder.objects.exists()


def test_the_postmaster_sets_it_for_somebody_and_does_not_see_whom_it_answered(
    pola: Account, ala: Account
) -> None:
    url = f"/domain/firma.test/accounts/{ala.pk}/autoresponder/"
    assert logged_in(pola).post(url, FORM).status_code == 302
    assert Autoresponder.objects.get().account == ala
    assert AuditEvent.objects.get(action="account.autoresponder_set").real == pola.address
    answered(ala, "tajny@obcy.example")
    assert "tajny@obcy.example" not in logged_in(pola).get(url).content.decode()


def test_somebody_else_cannot(obcy: Account, ala: Account) -> None:
    with pytest.raises(NotAllowed):
        switch(ala, Actor(real=obcy, channel="panel"))


def test_whom_somebody_else_answered_is_not_found(ala: Account, pola: Account, console: Actor) -> None:
    switch(ala, console)
    sender = answered(ala)
    assert logged_in(pola).post(f"/autoresponder/forget/{sender.pk}/").status_code == 404
    sender.refresh_from_db()
    assert sender.times_forgotten == 0


def test_VAC_06_a_new_period_remembers_nobody_a_new_text_everybody(ala: Account, console: Actor) -> None:
    first = switch(ala, console)
    answered(ala)
    assert switch(ala, console, text="Inaczej.") == first
    assert AnsweredSender.objects.count() == 1
    switch(ala, console, is_on=False)
    assert switch(ala, console) == first + 1
    assert AnsweredSender.objects.count() == 0


def test_answers_are_read_from_the_log_and_nothing_that_looks_like_one(ala: Account, console: Actor) -> None:
    switch(ala, console)
    now = timezone.now().strftime("%Y-%m-%dT%H:%M:%S+0000")
    log = f"{now} lmtp(ala@firma.test)<1><abc>: Info: sieve: msgid=<1@x>: "
    answer = "vacation action: sent vacation response to <{}>\n"
    text = (
        log
        + answer.format("Ktos@Obcy.Example")
        + log.replace("<1@x>", f"<{answer.format('zly@x.example').strip()}>")
        + "stored mail into mailbox 'INBOX'\n"
        + log.replace("ala@", "nikt@")
        + answer.format("a@obcy.example")
        + log.replace(now, "2020-01-01T10:00:00+0000")
        + answer.format("dawny@obcy.example")
    )
    assert save_answers(answers_in(text)) == 1
    assert AnsweredSender.objects.get().address == "ktos@obcy.example"
