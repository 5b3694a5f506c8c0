"""SMS about new mail: numbers, hours, limits, retries, and who may set what."""

from __future__ import annotations

import html
import socket
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import actions, smsdesk
from accounts.actions.notification import mobile_number
from accounts.actor import Actor
from accounts.gateways import HttpGateway, NotSent, filled, values_of
from accounts.models import Account
from accounts.notifying import NoticedMail, Notification, SmsGateway, SmsMessage
from accounts.smsfaults import fault_in_words
from domains import actions as domain_actions
from domains.models import Domain
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
NUMBER = "+48601234567"
ALWAYS = actions.NotificationSettings(
    is_on=True, senders="", subjects="", quiet_from=None, quiet_until=None, most_an_hour=2
)
# Nobody listens there.
NOWHERE = "http://127.0.0.1:9/?to={digits}&text={text}"


@pytest.fixture
def gateway(console: Actor) -> SmsGateway:
    return actions.save_gateway(SmsGateway(name="Bramka", url=NOWHERE, body_kind="none"), by=console)


@pytest.fixture
def owner(ala: Account, firma: Domain, gateway: SmsGateway, console: Actor) -> Actor:
    domain_actions.edit_domain(firma, settings={"max_sms": 20, "max_account_sms": 10}, by=console)
    ala.refresh_from_db()
    return Actor(real=ala, channel="panel")


@pytest.fixture
def told(ala: Account, owner: Actor) -> Account:
    """Ala, with a confirmed number."""
    actions.set_notification_number(ala, number=NUMBER, by=owner)
    code = SmsMessage.objects.get().text[:6]
    actions.confirm_notification_number(ala, code=code, by=owner)
    SmsMessage.objects.all().delete()
    actions.set_notification(ala, settings=ALWAYS, by=owner)
    return ala


def came(account: Account, *subjects: str) -> None:
    for subject in subjects:
        event = f"mail-{NoticedMail.objects.count()}-{subject}"
        actions.note_mail(account, event=event, sender="Jan", subject=subject, by=Actor.task())


def texts() -> list[str]:
    return list(SmsMessage.objects.order_by("id").values_list("text", flat=True))


def an_hour_later() -> None:
    SmsMessage.objects.update(made_at=timezone.now() - timedelta(minutes=61))


@pytest.mark.parametrize(
    ("typed", "language", "expected"),
    [
        ("601 234 567", "pl", NUMBER),
        ("+48 601-234-567", "en", NUMBER),
        ("0048601234567", "pl", NUMBER),
        ("+44 7911 123456", "pl", "+447911123456"),
        ("601 234 567", "en", None),
        ("22 123 45 67", "pl", None),
        ("+48 999", "pl", None),
        ("zadzwon", "pl", None),
        ("+48601234567" * 9, "pl", None),
        ("", "pl", None),
    ],
)
def test_numbers_of_mobile_phones(typed: str, language: str, expected: str | None) -> None:
    if expected is not None:
        assert mobile_number(typed, language=language) == expected
        return
    with pytest.raises(ActionRefused) as refusal:
        mobile_number(typed, language=language)
    assert refusal.value.field == "number"


def test_the_number_counts_once_the_code_is_right(ala: Account, owner: Actor) -> None:
    stored = actions.set_notification_number(ala, number=NUMBER, by=owner)
    message = SmsMessage.objects.get()
    assert (message.kind, message.number, stored.number) == ("code", NUMBER, "")
    assert message.text[:6].isdigit()
    assert message.text[:6] not in stored.code_hash
    with pytest.raises(ActionRefused):
        actions.confirm_notification_number(ala, code="wrong", by=owner)
    assert actions.confirm_notification_number(ala, code=message.text[:6], by=owner).number == NUMBER


def test_codes_cannot_be_guessed_and_run_out(ala: Account, owner: Actor) -> None:
    actions.set_notification_number(ala, number=NUMBER, by=owner)
    code = SmsMessage.objects.get().text[:6]
    Notification.objects.update(code_made_at=timezone.now() - timedelta(minutes=16))
    with pytest.raises(ActionRefused):
        actions.confirm_notification_number(ala, code=code, by=owner)
    Notification.objects.update(code_made_at=timezone.now())
    for _try in range(5):
        with pytest.raises(ActionRefused):
            actions.confirm_notification_number(ala, code="x", by=owner)
    with pytest.raises(ActionRefused):
        actions.confirm_notification_number(ala, code=code, by=owner)


def test_codes_are_few_a_day(ala: Account, owner: Actor) -> None:
    for _time in range(5):
        actions.set_notification_number(ala, number=NUMBER, by=owner)
    with pytest.raises(ActionRefused, match="Too many codes"):
        actions.set_notification_number(ala, number=NUMBER, by=owner)


def test_past_the_hours_number_mail_is_held_and_told_of_together(told: Account) -> None:
    came(told, "a", "b", "c", "d")
    assert smsdesk.tell_noticed() == 2
    assert texts() == ["Jan: a", "Jan: b"]
    assert smsdesk.tell_noticed() == 0
    came(told, "e")
    assert smsdesk.tell_noticed() == 0
    an_hour_later()
    assert smsdesk.tell_noticed() == 1
    assert SmsMessage.objects.get(kind="digest").text in (
        "3 nowe wiadomości: c, d, e",
        "3 new messages: c, d, e",
    )
    assert smsdesk.tell_noticed() == 0


def test_mail_in_quiet_hours_waits_for_their_end(told: Account, owner: Actor) -> None:
    now = timezone.localtime()
    began, over = (now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time()
    night = replace(ALWAYS, quiet_from=began, quiet_until=over)
    actions.set_notification(told, settings=night, by=owner)
    came(told, "w nocy")
    assert smsdesk.tell_noticed() == 0
    actions.set_notification(told, settings=ALWAYS, by=owner)
    assert smsdesk.tell_noticed() == 1
    assert texts() == ["Jan: w nocy"]


@pytest.mark.parametrize(
    ("begin", "end", "hour", "quiet"),
    [
        (22, 7, 23, True),
        (22, 7, 3, True),
        (22, 7, 7, False),
        (22, 7, 21, False),
        (9, 17, 9, True),
        (9, 17, 17, False),
    ],
)
def test_quiet_hours_pass_midnight(begin: int, end: int, hour: int, quiet: bool) -> None:
    stored = Notification(quiet_from=time(begin), quiet_until=time(end))
    assert smsdesk.is_quiet(stored, datetime(2026, 7, 1, hour, tzinfo=ZoneInfo("Europe/Warsaw"))) is quiet


def test_an_event_counts_once_however_often_it_is_read(told: Account) -> None:
    for _time in range(2):
        actions.note_mail(told, event="mail-1", sender="Jan", subject="a", by=Actor.task())
        smsdesk.tell_noticed()
    assert texts() == ["Jan: a"]


@pytest.mark.parametrize("limit", ["max_sms", "max_account_sms"])
def test_the_months_number_is_a_wall_and_is_shown(
    limit: str, told: Account, firma: Domain, console: Actor
) -> None:
    domain_actions.edit_domain(firma, settings={limit: 1}, by=console)
    page = logged_in(told).get(reverse("notifications")).content.decode()
    assert ("1 SMS is left" in page) or ("został 1 sms" in page.lower())
    came(told, "a", "b")
    smsdesk.tell_noticed()
    states = list(SmsMessage.objects.order_by("id").values_list("state", "text"))
    assert states == [("waiting", "Jan: a"), ("no_quota", "")]


def test_nothing_is_sent_where_the_superadmin_gave_nothing(
    ala: Account, gateway: SmsGateway, console: Actor
) -> None:
    with pytest.raises(ActionRefused, match="No SMS are left"):
        actions.set_notification_number(ala, number=NUMBER, by=Actor(real=ala, channel="panel"))


def test_nothing_is_told_of_a_locked_account_or_after_an_end(
    told: Account, owner: Actor, console: Actor
) -> None:
    came(told, "a")
    actions.lock_account(told, by=console)
    assert smsdesk.tell_noticed() == 0
    actions.unlock_account(told, by=console)
    assert smsdesk.tell_noticed() == 0, "what came meanwhile is not told of later"
    came(told, "b")
    actions.remove_notification(told, by=owner)
    assert smsdesk.tell_noticed() == 0
    came(told, "c")
    assert not NoticedMail.objects.filter(told_at=None).exists()


def test_a_failure_is_tried_again_later_and_shown(told: Account) -> None:
    came(told, "a")
    smsdesk.tell_noticed()
    assert smsdesk.send_due("http") == 0
    message = SmsMessage.objects.get()
    assert message.next_try_at is not None
    assert timedelta(seconds=30) < message.next_try_at - timezone.now() <= timedelta(minutes=1)
    assert smsdesk.send_due("http") == 0
    assert SmsMessage.objects.get().attempts == 1, "not before its time"
    page = logged_in(told).get(reverse("notifications")).content.decode()
    assert fault_in_words(message.error) in html.unescape(page)
    for _try in range(4):
        SmsMessage.objects.update(next_try_at=timezone.now())
        smsdesk.send_due("http")
    last = SmsMessage.objects.get()
    assert (last.state, last.attempts, last.text) == ("failed", 5, "")
    assert last.next_try_at is None


def test_the_next_gateway_is_tried_after_a_failure(told: Account, console: Actor) -> None:
    mail = SmsGateway(name="Poczta", kind="mail", recipient="{digits}@sms.example", rank=20)
    actions.save_gateway(mail, by=console)
    came(told, "a")
    smsdesk.tell_noticed()
    smsdesk.send_due("http")
    SmsMessage.objects.update(next_try_at=timezone.now())
    assert smsdesk.send_due("http") == 0
    sent: list[tuple[str, str, str]] = []
    assert smsdesk.send_due("mail", lambda _account: lambda *letter: sent.append(letter)) == 1
    assert sent == [("48601234567@sms.example", "", "Jan: a")]
    assert SmsMessage.objects.get().gateway == "Poczta"


def test_what_is_filled_in_stays_what_it_is() -> None:
    values = values_of(NUMBER, "{number} {digits}")
    assert filled("{text}|{number}|{digits}|{x}", values) == "{number} {digits}|+48601234567|48601234567|{x}"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("url", {"url": "ftp://x/{text}{number}"}),
        ("url", {"url": "http://x/{number}", "body_kind": "none", "body": "{text}"}),
        ("headers", {"headers": "X-Key abc"}),
        ("headers", {"headers": "X-Key: zażółć"}),
        ("body", {"body_kind": "json", "body": "{not json"}),
        ("body", {"body_kind": "form", "body": "text"}),
        ("recipient", {"kind": "mail", "recipient": "jan@sms.example"}),
    ],
)
def test_a_gateway_that_could_send_nothing_is_refused(
    field: str, values: dict[str, str], console: Actor, db: None
) -> None:
    gateway = SmsGateway(name="Zla", **{"url": NOWHERE, "body_kind": "none", **values})
    with pytest.raises(ActionRefused) as refusal:
        actions.save_gateway(gateway, by=console)
    assert refusal.value.field == field


def test_only_the_superadmin_has_gateways_and_keys_are_not_shown(
    ala: Account, root: Account, console: Actor
) -> None:
    with pytest.raises(NotAllowed):
        actions.save_gateway(SmsGateway(name="x", url=NOWHERE), by=Actor(real=ala, channel="panel"))
    client = logged_in(root)
    typed = {
        **{"name": "Bramka", "is_on": "on", "rank": "10", "kind": "http", "url": NOWHERE},
        **{"headers": "Authorization: Bearer tajny-klucz", "body_kind": "none"},
    }
    assert client.post("/admin/accounts/smsgateway/add/", typed).status_code == 302
    stored = SmsGateway.objects.get()
    assert stored.headers == "Authorization: Bearer tajny-klucz"
    path = f"/admin/accounts/smsgateway/{stored.pk}/change/"
    assert "tajny-klucz" not in client.get(path).content.decode()
    assert client.post(path, {**typed, "headers": "", "rank": "5"}).status_code == 302
    stored.refresh_from_db()
    assert (stored.rank, stored.headers) == (5, "Authorization: Bearer tajny-klucz")
    assert client.post(path, {**typed, "url": "nic"}).status_code == 200


def test_errors_of_a_gateway_name_neither_its_address_nor_its_keys() -> None:
    gateway = SmsGateway(name="Bramka", url=NOWHERE, body_kind="none")
    with pytest.raises(NotSent) as failure:
        HttpGateway(gateway).send(NUMBER, "a", None)
    assert "127.0.0.1" not in str(failure.value)


@pytest.mark.parametrize(
    ("code", "polish", "english"),
    [
        ("unreachable", "Nie można połączyć się z bramką SMS.", "The SMS gateway cannot be reached."),
        ("timed-out", "Bramka SMS nie odpowiedziała na czas.", "The SMS gateway did not answer in time."),
        (
            "answered 503",
            "Bramka SMS odpowiedziała kodem błędu 503.",
            "The SMS gateway answered with the status 503.",
        ),
        ("not-taken", "Bramka SMS nie przyjęła wiadomości.", "The SMS gateway did not take the message."),
        (
            "mail-not-taken",
            "Serwer poczty nie przyjął wiadomości do bramki SMS.",
            "The mail server did not take the message to the gateway.",
        ),
        # Stored before there were codes.
        (
            "The gateway cannot be reached.",
            "Bramka SMS nie przyjęła wiadomości.",
            "The SMS gateway did not take the message.",
        ),
    ],
)
def test_why_an_sms_was_not_sent_is_told_in_the_readers_language(
    code: str, polish: str, english: str, told: Account
) -> None:
    SmsMessage.objects.create(account=told, kind="mail", state="failed", number=NUMBER, error=code)
    for language, sentence in (("pl", polish), ("en", english)):
        Account.objects.filter(pk=told.pk).update(language=language)
        told.refresh_from_db()
        page = html.unescape(logged_in(told).get(reverse("notifications")).content.decode())
        assert sentence in page
        assert code == sentence or code not in page


def test_a_gateway_that_says_nothing_is_told_apart_from_one_that_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{{digits}}/{{text}}"
        gateway = HttpGateway(SmsGateway(name="Cicha", url=url, body_kind="none"), seconds=0.2)
        with pytest.raises(NotSent) as late:
            gateway.send(NUMBER, "a", None)
    with pytest.raises(NotSent) as away:
        gateway.send(NUMBER, "a", None)
    assert (late.value.code, away.value.code) == ("timed-out", "unreachable")


def test_the_page_keeps_what_was_typed_and_says_what_is_wrong(told: Account) -> None:
    client = logged_in(told)
    url = reverse("notifications")
    typed = {"is_on": "on", "senders": "Ola\nszef@", "most_an_hour": "3", "quiet_from": "22:00"}
    answer = client.post(url, typed).content.decode()
    assert "szef@" in answer
    assert 'class="fault"' in answer
    assert client.post(url, {**typed, "quiet_until": "07:00"}).status_code == 302
    stored = Notification.objects.get()
    assert (stored.senders, stored.quiet_until, stored.most_an_hour) == ("Ola\nszef@", time(7), 3)
    for page in ("notification-number", "notification-confirm"):
        assert client.post(reverse(page), {}).status_code == 200
    assert client.post(reverse("notification-remove")).status_code == 302
    assert not Notification.objects.exists()


def test_without_a_gateway_the_page_offers_nothing_that_cannot_be_had(ala: Account, console: Actor) -> None:
    client, form = logged_in(ala), '<form method="post" action="/notifications/'
    assert form not in client.get("/notifications/").content.decode()
    actions.save_gateway(SmsGateway(name="Bramka", url=NOWHERE, body_kind="none"), by=console)
    assert form in client.get("/notifications/").content.decode()


def test_nobody_else_sets_it(told: Account, obcy: Account) -> None:
    with pytest.raises(NotAllowed):
        actions.set_notification(told, settings=ALWAYS, by=Actor(real=obcy, channel="panel"))
    assert Client().get(reverse("notifications")).status_code == 302
