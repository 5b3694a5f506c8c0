"""Cases of the user's own settings that need real spam, other people's servers, or another domain."""

from __future__ import annotations

import io
import sys

import pytest
from django.core.management import CommandError, call_command

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains.models import Domain
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.test_autoresponder import set_in_panel
from tests.mail.wire import Wire, letter

__all__ = ["plain_static"]
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ola(firma: Domain, console: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)


def writes(wire: Wire, sender: Account, recipient: Account, subject: str, body: str = "x") -> None:
    text = letter(subject, body).replace("kto@example.org", recipient.address)
    text = text.replace("x@obcy.example", sender.address)
    wire.deliver(recipient.address, text=text, sender=sender.address)


def test_VAC_09_spam_gets_no_answer_and_the_same_sender_does_afterwards(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    set_in_panel(jan)
    plane.apply()
    writes(wire, ola, jan, "kup teraz", GTUBE)
    wait_until(lambda: len(wire.messages(jan.address, PASSWORD, "SPAM")) == 1, what="filed as spam")
    writes(wire, ola, jan, "pytanie")
    wait_until(lambda: len(wire.messages(ola.address, PASSWORD)) == 1, what="the answer")
    assert wire.subjects(jan.address, PASSWORD) == ["pytanie"]
    # Both scripts have ended: an answer to the spam would have come before the one to the question.
    assert len(wire.messages(ola.address, PASSWORD)) == 1


def test_VAC_09_a_flag_that_the_sender_claims_counts_for_nothing(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    set_in_panel(jan)
    plane.apply()
    text = letter("pytanie", headers=["X-Spam-Flag: YES", "X-Spam-Score: 17.0"])
    text = text.replace("kto@example.org", jan.address).replace("x@obcy.example", ola.address)
    wire.deliver(jan.address, text=text, sender=ola.address)
    wait_until(lambda: len(wire.messages(ola.address, PASSWORD)) == 1, what="the answer")


def test_a_move_to_another_domain_keeps_the_script(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    """Filters, forwarding and autoresponder follow the mailbox; so does the user's own script."""
    rule = actions.RuleSettings(
        name="x",
        joined="all",
        conditions=[actions.Condition("subject", "contains", "faktura")],
        folder="Klienci/Żółta Łódź",
        marks_read=True,
    )
    actions.add_filter(jan, rule, by=console)
    actions.set_forwarding(jan, targets=[ola.address], keeps_copy=True, by=console)
    plane.apply()
    wire.put_sieve(
        jan.address,
        PASSWORD,
        'require "fileinto"; if header :contains "subject" "lista" { fileinto "Trash"; }',
    )
    script = (plane.layout.sieve / f"{jan.home}.sieve").read_bytes()
    other = domain_actions.add_domain(name=f"inna-{jan.address.partition('@')[2]}", by=console)
    moved = actions.rename_account(jan, domain=other, localpart="jan.nowy", by=console)
    plane.apply()
    assert (plane.layout.sieve / f"{moved.home}.sieve").read_bytes() == script
    for subject in ("faktura 1", "lista 2", "zwykła 3"):
        wire.deliver(moved.address, text=letter(subject))
    wait_until(lambda: len(wire.messages(ola.address, PASSWORD)) == 3, what="all forwarded")
    wait_until(lambda: wire.subjects(moved.address, PASSWORD) == ["zwykła 3"])
    assert wire.subjects(moved.address, PASSWORD, "Trash") == ["lista 2"]
    with wire.imap(moved.address, PASSWORD) as client:
        assert any(b"Klienci/" in line for line in client.list()[1] if isinstance(line, bytes))


def test_PWD_04_one_policy_with_one_sentence_by_every_way(
    firma: Domain, jan: Account, console: Actor, plane: MailInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    pola = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, by=console)
    domain_actions.set_managers(firma, addresses=[pola.address], by=console)
    for account in (jan, pola):
        actions.edit_account(account, language="en", by=console)
        account.refresh_from_db()
    own, page = logged_in(jan), logged_in(pola)
    sentence = "A password has at least 8 characters."
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc\n")))
    with pytest.raises(ActionRefused, match=sentence):
        actions.change_password(jan, password="abc", by=console)
    with pytest.raises(CommandError, match=sentence):
        call_command("account", "add", f"nowy@{firma.name}", "--password-stdin")
    answers = [
        own.post("/password/", {"current": PASSWORD, "password": "abc", "repeated": "abc"}),
        page.post(f"/domain/{firma.name}/accounts/{jan.pk}/password/", {"password": "abc"}),
        page.post(f"/domain/{firma.name}/accounts/add/", {"localpart": "nowy", "password": "abc"}),
        page.post(
            f"/domain/{firma.name}/accounts/add-many/",
            {"text": f"address,password\nnowy@{firma.name},abc\n"},
        ),
    ]
    assert [sentence in answer.content.decode() for answer in answers] == [True] * 4
    good = "Znaki:{%}\\ '\"<>&;#ż"
    answer = page.post(f"/domain/{firma.name}/accounts/{jan.pk}/password/", {"password": good})
    assert answer.status_code == 200
    plane.apply()
    jan.refresh_from_db()
    assert jan.check_password(good)
