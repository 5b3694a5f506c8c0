"""SMS about new mail: the number, what is told, and the superadmin's gateways."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields
from datetime import time, timedelta

import phonenumbers
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.actions.recovery import hash_of
from accounts.actor import Actor
from accounts.gateways import check_gateway
from accounts.models import Account
from accounts.notifying import NoticedMail, Notification, SmsGateway, SmsMessage, SmsTrial
from accounts.smsquota import sms_left
from accounts.smstext import one_sms
from accounts.texts import one_line
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused

CODE_DIGITS = 6
CODE_LIFE = timedelta(minutes=15)
MOST_CODES_A_DAY = 5
MOST_WRONG_CODES = 5
MOST_PHRASES = 50
MOST_PHRASE_CHARACTERS = 100
MOST_AN_HOUR = 60
# Numbers without a country are read as of the country whose language the account speaks.
REGION_OF_LANGUAGE = {"pl": "PL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """senders, subjects: texts to look for; without any, every mail is told of."""

    is_on: bool
    senders: str
    subjects: str
    quiet_from: time | None
    quiet_until: time | None
    most_an_hour: int


def set_notification_number(account: Account, *, number: str, by: Actor) -> Notification:
    """An SMS with a code goes there; the number counts once ``confirm_notification_number`` has seen it.
    Refused: what is no number of a mobile phone, and when the account may send no SMS.
    """
    _must_have_mailbox(account, by)
    canonical = mobile_number(number, language=account.language)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    with transaction.atomic():
        _locked(account)
        _check_codes(account)
        values = {
            "pending": canonical,
            "code_hash": hash_of(code),
            "code_made_at": timezone.now(),
            "wrong_codes": 0,
        }
        stored = Notification.objects.update_or_create(account=account, defaults=values)[0]
        with override(account.language):
            text = one_sms(_("%(code)s is the code for SMS about your mail.") % {"code": code})
        SmsMessage.objects.create(
            account=account,
            kind=SmsMessage.Kind.CODE,
            number=canonical,
            text=text,
            next_try_at=timezone.now(),
        )
        audit.record(by, "notification.number_asked", account.address, scope=_scope(account), name=canonical)
    return stored


def confirm_notification_number(account: Account, *, code: str, by: Actor) -> Notification:
    """SMS go to the pending number from now on. A code ends after a quarter of an hour and after
    some wrong ones.
    """
    _must_have_mailbox(account, by)
    stored = Notification.objects.filter(account=account).exclude(pending="").first()
    if stored is None or not _code_fits(stored, "".join(code.split())):
        if stored is not None:
            # Outside the transaction: a refusal must not take back the count of wrong codes.
            Notification.objects.filter(pk=stored.pk).update(wrong_codes=F("wrong_codes") + 1)
        raise ActionRefused("code", _("This code is wrong or has run out."))
    with transaction.atomic():
        fresh = Notification.objects.select_for_update().get(pk=stored.pk)
        before, fresh.number, fresh.pending, fresh.code_hash = fresh.number, stored.pending, "", ""
        fresh.confirmed_at = timezone.now()
        fresh.save()
        audit.record(
            by,
            "notification.number_set",
            account.address,
            scope=_scope(account),
            before=before,
            after=fresh.number,
        )
        _render(account)
    return fresh


@transaction.atomic
def set_notification(account: Account, *, settings: NotificationSettings, by: Actor) -> Notification:
    """For which mail, and when. Refused: quiet hours with one end only, and texts that match everything."""
    _must_have_mailbox(account, by)
    if (settings.quiet_from is None) != (settings.quiet_until is None):
        raise ActionRefused("quiet_until", _("Quiet hours have a beginning and an end."))
    if settings.quiet_from is not None and settings.quiet_from == settings.quiet_until:
        raise ActionRefused("quiet_until", _("Quiet hours end at another time than they begin."))
    if not 1 <= settings.most_an_hour <= MOST_AN_HOUR:
        raise ActionRefused("most_an_hour", _("From 1 to %(limit)d.") % {"limit": MOST_AN_HOUR})
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    values["senders"] = _phrases(settings.senders, field="senders")
    values["subjects"] = _phrases(settings.subjects, field="subjects")
    _locked(account)
    stored = Notification.objects.update_or_create(account=account, defaults=values)[0]
    audit.record(by, "notification.set", account.address, scope=_scope(account), is_on=settings.is_on)
    _render(account)
    return stored


@transaction.atomic
def remove_notification(account: Account, *, by: Actor) -> None:
    """The number is forgotten, and nothing more is sent to it."""
    _must_have_mailbox(account, by)
    _locked(account)
    Notification.objects.filter(account=account).delete()
    NoticedMail.objects.filter(account=account).delete()
    SmsMessage.objects.filter(account=account, state=SmsMessage.State.WAITING).delete()
    audit.record(by, "notification.removed", account.address, scope=_scope(account))
    _render(account)


def note_mail(account: Account, *, event: str, sender: str, subject: str, by: Actor) -> None:
    """A mail came that the account's script would tell of. The same event again is no error."""
    by.must_be_superadmin()
    stored = Notification.objects.filter(account=account).first()
    if stored is not None and stored.counts:
        noticed = NoticedMail(account=account, event=event, sender=sender[:200], subject=subject[:200])
        NoticedMail.objects.bulk_create([noticed], ignore_conflicts=True)


@transaction.atomic
def save_gateway(gateway: SmsGateway, *, by: Actor) -> SmsGateway:
    """New or changed; what could not send a message is refused at its field."""
    by.must_be_superadmin()
    check_gateway(gateway)
    gateway.full_clean()
    gateway.save()
    # Headers and patterns hold keys: the audit names the gateway alone.
    audit.record(by, "sms_gateway.saved", gateway.name, is_on=gateway.is_on)
    return gateway


@transaction.atomic
def delete_gateway(gateway: SmsGateway, *, by: Actor) -> None:
    by.must_be_superadmin()
    audit.record(by, "sms_gateway.deleted", gateway.name)
    gateway.delete()


@transaction.atomic
def try_gateway(gateway: SmsGateway, *, number: str, by: Actor) -> SmsTrial:
    """An SMS that says that it is a trial goes to the number, through this gateway even while it is off."""
    by.must_be_superadmin()
    canonical = mobile_number(number, language=by.real.language if by.real else "pl")
    text = one_sms(_("This is a trial of the gateway %(name)s. SMS arrive.") % {"name": gateway.name})
    trial = SmsTrial.objects.create(gateway=gateway, number=canonical, text=text)
    audit.record(by, "sms_gateway.tried", gateway.name, name=canonical)
    return trial


def mobile_number(text: str, *, language: str) -> str:
    """In E.164; a number that no phone can get an SMS at is refused."""
    sentence = _("Enter the number of a mobile phone, with its country: +48 601 234 567.")
    if len(text) > 40:
        raise ActionRefused("number", sentence)
    try:
        parsed = phonenumbers.parse(text, REGION_OF_LANGUAGE.get(language))
    except phonenumbers.NumberParseException:
        raise ActionRefused("number", sentence) from None
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    if not phonenumbers.is_valid_number(parsed) or phonenumbers.number_type(parsed) not in kinds:
        raise ActionRefused("number", sentence)
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _check_codes(account: Account) -> None:
    if not SmsGateway.objects.filter(is_on=True).exists():
        raise ActionRefused("number", _("This server sends no SMS yet."))
    since = timezone.now() - timedelta(days=1)
    recent = SmsMessage.objects.filter(account=account, kind=SmsMessage.Kind.CODE, made_at__gt=since)
    if recent.count() >= MOST_CODES_A_DAY:
        raise ActionRefused("number", _("Too many codes were sent. Try again tomorrow."))
    left = sms_left(account)
    if left is not None and left < 1:
        raise ActionRefused("number", _("No SMS are left for this month: ask your postmaster."))


def _code_fits(stored: Notification, code: str) -> bool:
    if not stored.code_hash or stored.code_made_at is None or stored.wrong_codes >= MOST_WRONG_CODES:
        return False
    is_fresh = timezone.now() - stored.code_made_at < CODE_LIFE
    return constant_time_compare(stored.code_hash, hash_of(code)) and is_fresh


def _phrases(text: str, *, field: str) -> str:
    """One a line, as the script looks for them; an empty one would match every mail."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if len(lines) > MOST_PHRASES:
        raise ActionRefused(field, _("At most %(limit)d lines.") % {"limit": MOST_PHRASES})
    checked = [one_line(line, field=field, most_characters=MOST_PHRASE_CHARACTERS) for line in lines]
    return "\n".join(dict.fromkeys(checked))


def _must_have_mailbox(account: Account, by: Actor) -> None:
    by.must_be(account)
    if account.domain is None or not account.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))


def _locked(account: Account) -> None:
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)


def _scope(account: Account) -> str:
    return account.domain.name if account.domain else ""


def _render(account: Account) -> None:
    if account.domain is not None:
        outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
