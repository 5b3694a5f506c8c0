"""Sending limits: what the mail program is told, after a restart too, and with the panel away."""

from __future__ import annotations

import io
import json
import re
import smtplib
import time

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.sending import SendingLimit, SendingUse
from domains.models import Domain
from provisioning.node_programs.sending_limits import Limiter
from provisioning.sending import count_sending
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance
from tests.mail.wire import Wire, letter

__all__ = ["plain_static"]

REFUSAL = re.compile(
    r"Sending limit of jan@\S+: 20 recipients an hour\. Room again at \d{4}-\d\d-\d\d \d\d:\d\d UTC"
)


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ola(firma: Domain, console: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)


def limit(plane: MailInstance, of: Account | Domain | str, **numbers: int | None) -> None:
    actions.set_sending_limit(of, numbers=numbers, by=Actor.console())
    plane.apply()


def send(wire: Wire, account: Account, recipient: Account) -> None:
    wire.submit(account.address, PASSWORD, account.address, recipient.address)


def refused(wire: Wire, account: Account, recipient: Account) -> str:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as error:
        send(wire, account, recipient)
    code, sentence = next(iter(error.value.recipients.values()))
    assert code == 450
    return sentence.decode()


def test_recipient_above_the_limit_is_put_off_by_name_and_time_and_after_a_restart_too(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    limit(plane, jan, recipients_hour=20)
    plenty = [f"{jan.localpart}+{number}@{jan.address.partition('@')[2]}" for number in range(21)]
    with wire.submission() as client:
        wire.smtp_login(client, jan.address, PASSWORD)
        answers = client.sendmail(jan.address, plenty, letter("do wielu").encode())
    assert list(answers) == plenty[20:]
    code, sentence = answers[plenty[20]]
    assert code == 450
    assert REFUSAL.search(sentence.decode())
    assert REFUSAL.search(refused(wire, jan, ola))
    plane.stop_daemon("sending-limits")
    plane.start_daemon(plane.daemon("sending-limits"))
    assert REFUSAL.search(refused(wire, jan, ola))
    send(wire, ola, jan)
    limit(plane, jan, recipients_hour=21)
    send(wire, jan, ola)
    refused(wire, jan, ola)


def test_messages_are_counted_apart_from_recipients(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    limit(plane, jan, messages_day=2)
    send(wire, jan, ola)
    send(wire, jan, ola)
    assert "2 messages a day" in refused(wire, jan, ola)


def test_message_that_is_not_sent_does_not_count(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    limit(plane, jan, recipients_hour=1)
    for _attempt in range(3):
        with wire.submission() as client:
            wire.smtp_login(client, jan.address, PASSWORD)
            client.mail(jan.address)
            assert client.rcpt(ola.address)[0] == 250
            client.rset()
    send(wire, jan, ola)
    refused(wire, jan, ola)


def test_limit_of_a_domain_counts_all_its_accounts(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, ola: Account
) -> None:
    limit(plane, firma, messages_hour=2)
    send(wire, jan, ola)
    send(wire, ola, jan)
    assert firma.name in refused(wire, jan, ola)
    limit(plane, firma, messages_hour=None)
    send(wire, jan, ola)


def test_limit_of_every_account_yields_to_the_accounts_own(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    limit(plane, "every-account", recipients_hour=1)
    limit(plane, ola, recipients_hour=2)
    try:
        send(wire, jan, ola)
        refused(wire, jan, ola)
        send(wire, ola, jan)
        send(wire, ola, jan)
        refused(wire, ola, jan)
    finally:
        limit(plane, "every-account", recipients_hour=None)


def test_mail_leaves_while_the_limiter_is_down(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    limit(plane, jan, recipients_hour=0)
    refused(wire, jan, ola)
    plane.stop_daemon("sending-limits")
    try:
        send(wire, jan, ola)
    finally:
        plane.start_daemon(plane.daemon("sending-limits"))
    refused(wire, jan, ola)


def test_limiter_that_cannot_read_the_limits_lets_mail_pass_and_says_so(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    limit(plane, jan, recipients_hour=0)
    plane.layout.auth.chmod(0o700)
    try:
        send(wire, jan, ola)
        assert "not limited" in plane.log("sending-limits.out")
    finally:
        plane.layout.auth.chmod(0o2770)
    refused(wire, jan, ola)


def test_user_and_postmaster_see_what_was_sent_and_refused(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    limit(plane, jan, recipients_hour=1)
    send(wire, jan, ola)
    refused(wire, jan, ola)
    count_sending(plane.host, plane.layout)
    use = SendingUse.objects.get(name=jan.address)
    assert (use.messages_hour, use.recipients_day) == (1, 1)
    assert "1 recipients an hour" in use.refusal
    Account.objects.filter(pk=jan.pk).update(language="en")
    page = logged_in(Account.objects.get(pk=jan.pk)).get("/sending/").content.decode()
    assert use.refusal in page
    assert "1 of 1" in page
    listed = json.loads(run("use", "--json"))
    assert [row["recipients_hour"] for row in listed if row["name"] == jan.address] == [1]


def test_superadmin_sets_limits_on_pages_and_postmaster_cannot(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, firma: Domain, root: Account, pola: Account
) -> None:
    path = f"/domain/{firma.name}/accounts/{jan.pk}/sending/"
    client: Client = logged_in(root)
    assert client.post(path, {"level": "", "recipients_hour": "0"}).status_code == 302
    plane.apply()
    refused(wire, jan, ola)
    answer = client.post(path, {"messages_hour": "5", "messages_day": "4"})
    assert "above the one of a day" in answer.content.decode()
    assert logged_in(pola).post(path, {"recipients_hour": ""}).status_code == 403
    assert SendingLimit.objects.get(account=jan).recipients_hour == 0
    assert client.post("/server/sending/", {"level": "server", "messages_day": "7"}).status_code == 302
    assert SendingLimit.objects.get(level="server").messages_day == 7


def test_limits_from_the_command_line(
    plane: MailInstance, jan: Account, firma: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    run("set", jan.address, "--recipients-hour", "20")
    run("set", firma.name, "--messages-day", "1000")
    listed = {row["of"]: row for row in json.loads(run("list", "--json"))}
    assert listed[jan.address]["recipients_hour"] == 20
    assert listed[firma.name]["messages_day"] == 1000
    with pytest.raises(CommandError, match="above the one of a day"):
        run("set", jan.address, "--recipients-day", "3")
    run("set", jan.address, "--recipients-hour", "none")
    assert not SendingLimit.objects.filter(account=jan).exists()
    with pytest.raises(ActionRefused):
        actions.set_sending_limit(jan, numbers={"messages_day": -1}, by=Actor.console())


def test_room_comes_back_with_the_hour(plane: MailInstance, jan: Account) -> None:
    limit(plane, jan, recipients_hour=2)
    limiter = Limiter(plane.layout.accounts_file, plane.layout.state / "trial.sqlite")
    now = int(time.time())
    asked = {"sasl_username": jan.address, "protocol_state": "END-OF-MESSAGE", "recipient_count": "1"}
    assert limiter.answer(asked, now) == "DUNNO"
    assert limiter.answer(asked, now + 1800) == "DUNNO"
    assert limiter.answer(asked, now + 1900).startswith("450")
    assert limiter.answer(asked, now + 3600 + 60) == "DUNNO"
    assert limiter.answer(asked, now + 3600 + 60).startswith("450")


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("limit", *arguments, stdout=out)
    return out.getvalue()
