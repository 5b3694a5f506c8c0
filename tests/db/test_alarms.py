"""Alarms: quiet when repeated, acknowledged by name, told again only after a while; no secret anywhere."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone, translation
from django.utils.translation import get_language

from accounts import actions as accounts
from accounts.actor import Actor
from accounts.models import Account
from accounts.notifying import Notification
from accounts.quotas import format_bytes
from alarms import actions, delivery
from alarms.messages import body_of, letter_of
from alarms.models import Alarm, AlarmMessage
from alarms.texting import send_texts, text_of
from alarms.words import WORDS, in_each_language, remedy_of, sentence_of
from audit.models import AuditEvent
from domains.models import Domain
from enforcement.actions.braking import stop_sending
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db
URL = "https://hooks.example/services/T0PSECRET"


@pytest.fixture
def mail(console: Actor) -> None:
    actions.set_alarm_settings(mail_addresses=["ops@elsewhere.example"], by=console)


def raise_one() -> Alarm:
    return actions.raise_alarm("disk.low", about="local", free="2 GB", share=4)


def events() -> list[str]:
    delivery.note_what_is_to_be_told()
    return list(AlarmMessage.objects.order_by("id").values_list("event", flat=True))


def later(**delta: int) -> None:
    """So much time goes by for every alarm."""
    passed = timedelta(**delta)
    for alarm in Alarm.objects.all():
        for name in ("raised_at", "seen_at", "cleared_at", "told_at"):
            value = getattr(alarm, name)
            setattr(alarm, name, value - passed if value else None)
        alarm.save()


def test_repeated_alarm_is_one_and_brought_up_to_date(mail: None) -> None:
    raise_one()
    actions.raise_alarm("disk.low", about="local", free="1 GB", share=2)
    assert "1 GB, 2 %" in sentence_of(Alarm.objects.get())
    assert events() == ["raised"]
    raise_one()
    assert events() == ["raised"]


def test_alarm_and_its_end_are_told_once_each(mail: None) -> None:
    raise_one()
    events()
    assert actions.clear_alarm("disk.low", about="local")
    assert not actions.clear_alarm("disk.low", about="local")
    assert events() == ["raised", "cleared"]
    assert events() == ["raised", "cleared"]


def test_what_comes_and_goes_is_one_alarm_and_told_again_after_ten_minutes(mail: None) -> None:
    for _time in range(5):
        raise_one()
        events()
        actions.clear_alarm("disk.low", about="local")
        events()
    raise_one()
    assert events() == ["raised", "cleared"]
    assert Alarm.objects.get().count == 6
    later(minutes=11)
    assert events() == ["raised", "cleared", "raised"]


def test_what_comes_back_much_later_is_a_new_alarm(mail: None) -> None:
    raise_one()
    actions.clear_alarm("disk.low", about="local")
    later(minutes=11)
    raise_one()
    assert Alarm.objects.count() == 2


def test_acknowledged_alarm_names_who_takes_care_and_stays_quiet(mail: None, root: Account) -> None:
    alarm = raise_one()
    actions.acknowledge_alarm(alarm, by=Actor(real=root, channel="panel"))
    assert events() == []
    alarm.refresh_from_db()
    assert alarm.acknowledged_by == root.address
    assert alarm.is_open
    assert AuditEvent.objects.filter(action="alarm.acknowledged", real=root.address).exists()


def test_settling_clears_what_is_over_of_that_part_alone() -> None:
    for about in ("one", "two"):
        actions.raise_alarm("disk.low", about=about, free="1 GB", share=2)
    actions.raise_alarm("queue.long", about="one", count=9, limit=1)
    actions.settle_alarms(["disk.low"], [], of="one")
    opened = Alarm.objects.open().order_by("id").values_list("name", "about")
    assert list(opened) == [("disk.low", "two"), ("queue.long", "one")]


def test_alarm_without_words_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(TypeError, match="words"):
        actions.raise_alarm("no.such")


def test_every_alarm_has_sentences_whatever_details_are_missing() -> None:
    for name in WORDS:
        alarm = actions.raise_alarm(name, about="x")
        assert "%(" not in sentence_of(alarm) + remedy_of(alarm)


def test_message_that_nobody_takes_is_given_up_after_a_day(mail: None) -> None:
    def refuse(message: AlarmMessage) -> None:
        raise delivery.NotDelivered("refused")

    raise_one()
    events()
    for hours in (0, 25):
        now = timezone.now()
        AlarmMessage.objects.update(next_try_at=now, created_at=now - timedelta(hours=hours))
        delivery.deliver("mail", refuse)
    message = AlarmMessage.objects.get()
    assert message.is_given_up
    assert delivery.deliver("mail", refuse) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"mail_addresses": ["nie adres"]},
        {"mail_addresses": [f"a{number}@firma.test" for number in range(11)]},
        {"webhook_url": "file:///etc/passwd"},
        {"webhook_url": "https://a b.example/"},
        {"webhook_url": "https:///x"},
        {"queue_limit": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object], console: Actor) -> None:
    with pytest.raises(ActionRefused):
        actions.set_alarm_settings(**wrong, by=console)  # type: ignore[arg-type]


def test_webhooks_address_is_in_its_file_alone(root: Account, console: Actor) -> None:
    client = logged_in(root)
    typed = {"mail": "", "webhook": URL, "webhook_key": "K3Y", "language": "pl", "queue_limit": "7"}
    assert client.post("/server/alarms/settings/", typed).status_code == 302
    page = client.get("/server/alarms/settings/").content.decode()
    assert "hooks.example" in page
    out = StringIO()
    call_command("alarm", "settings", "--json", stdout=out)
    everything = page + out.getvalue() + str(list(AuditEvent.objects.values()))
    assert "T0PSECRET" not in everything
    assert "K3Y" not in everything
    kept = settings.QMAILUX_LAYOUT.panel_secrets / "alarm_webhook"
    assert "T0PSECRET" in kept.read_text()
    # Empty: unchanged; taken away on purpose only.
    client.post("/server/alarms/settings/", {**typed, "webhook": "", "webhook_key": ""})
    assert kept.exists()
    client.post("/server/alarms/settings/", {**typed, "webhook": "", "removes_webhook": "on"})
    assert not kept.exists()


def test_only_superadmins_see_and_acknowledge(pola: Account, root: Account) -> None:
    alarm = raise_one()
    assert logged_in(pola).post(f"/server/alarms/{alarm.pk}/acknowledge/").status_code == 403
    with pytest.raises(NotAllowed):
        actions.acknowledge_alarm(alarm, by=Actor(real=pola, channel="panel"))
    client = logged_in(root)
    assert "Free on local" in client.get("/server/alarms/").content.decode()
    client.post(f"/server/alarms/{alarm.pk}/acknowledge/")
    assert root.address in client.get("/server/alarms/").content.decode()


def test_command_lists_and_acknowledges_and_says_by_its_code_whether_somebody_must_look() -> None:
    alarm = raise_one()
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("alarm", "list", stdout=out)
    assert "The disk is almost full" in out.getvalue()
    call_command("alarm", "acknowledge", str(alarm.pk), stdout=out)
    call_command("alarm", "list", stdout=out)
    alarm.refresh_from_db()
    assert alarm.acknowledged_by == "console"


def test_test_without_any_way_is_refused(console: Actor) -> None:
    with pytest.raises(ActionRefused):
        actions.send_test_alarm(by=console)


@pytest.fixture
def readers(ala: Account, pola: Account, console: Actor) -> None:
    """Ala reads Polish, Pola English, and the number of the server's own is told in Polish."""
    for person, language, number in ((ala, "pl", "+48500100200"), (pola, "en", "+48500100300")):
        Account.objects.filter(pk=person.pk).update(language=language)
        Notification.objects.create(account=person, number=number)
    actions.set_alarm_settings(
        mail_addresses=[ala.address, pola.address, "ops@elsewhere.example"],
        sms_numbers=["+48500100900"],
        language="pl",
        by=console,
    )


def test_each_is_told_by_sms_in_the_own_language(readers: None, firma: Domain, ala: Account) -> None:
    numbers = ["+48500100200", "+48500100300"]
    actions.raise_alarm(
        "disk.low",
        about="local",
        tells=[("sms", number) for number in numbers],
        free=in_each_language(lambda: format_bytes(2254857830, get_language() or "")),
        share=4,
    )
    events()
    with translation.override("en"):
        texts = {
            message.recipient: text_of(message) for message in AlarmMessage.objects.filter(channel="sms")
        }
    assert "Dysk jest prawie pelny. Wolne na local: 2,1" in texts["+48500100200"]
    assert "The disk is almost full. Free on local: 2.1" in texts["+48500100300"]
    assert "Dysk jest prawie pelny" in texts["+48500100900"], "the language that was chosen for alarms"


def test_each_is_told_by_mail_in_the_own_language(readers: None, pola: Account, ala: Account) -> None:
    raise_one()
    events()
    with translation.override("en"):
        letters = [letter_of(message) for message in AlarmMessage.objects.filter(channel="mail")]
    subjects = {letter["To"]: letter["Subject"] for letter in letters}
    assert "The disk is almost full" in subjects[pola.address]
    assert "Dysk jest prawie pełny" in subjects[ala.address]
    assert "Dysk jest prawie pełny" in subjects["ops@elsewhere.example"]
    assert len(letters) == 3


def test_why_somebody_was_stopped_is_worded_for_each_reader(
    readers: None, firma: Domain, pola: Account, console: Actor
) -> None:
    """The worker that stops an account knows nobody's language."""
    jan = accounts.add_account(domain=firma, localpart="jan", password=PASSWORD, by=console)
    with translation.override("en"):
        stop_sending(jan, reason="obce logowania", by=console)
    alarm = Alarm.objects.get(name="account.hijacked")
    said = {}
    for language in ("pl", "en"):
        with translation.override(language):
            said[language] = sentence_of(alarm)
    assert "stopped by hand: obce logowania" in said["en"]
    assert "obce logowania" in said["pl"]
    assert "stopped" not in said["pl"]
    told = json.loads(body_of(AlarmMessage(alarm=alarm, event="raised")))
    assert told["details"]["why"] == "zatrzymane ręcznie: obce logowania"


def test_failure_to_tell_is_noted_in_the_language_of_the_alarms(readers: None) -> None:
    raise_one()
    events()
    with translation.override("en"):
        send_texts("http")
    assert AlarmMessage.objects.get(channel="sms").error == "Nie ma bramki SMS."
