"""Alarms by SMS, through the gateways that pass the users' SMS on too."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.gateways import NotSent, SendMail, gateway_of
from accounts.notifying import SmsGateway
from accounts.smsfaults import fault_in_words
from accounts.smstext import one_sms, plain_letters
from alarms import delivery
from alarms.delivery import NotDelivered
from alarms.messages import headline, language_of
from alarms.models import AlarmMessage
from alarms.words import sentence_of


def send_texts(kind: str, send_mail: SendMail | None = None) -> int:
    """What is due through gateways of one kind; without any gateway the failure is noted."""
    gateways = list(SmsGateway.objects.filter(is_on=True))

    def is_ours(message: AlarmMessage) -> bool:
        if not gateways:
            return kind == SmsGateway.Kind.HTTP
        return gateways[message.attempts % len(gateways)].kind == kind

    def send(message: AlarmMessage) -> None:
        if not gateways:
            raise NotDelivered(_("There is no SMS gateway."))
        chosen = gateways[message.attempts % len(gateways)]
        try:
            gateway_of(chosen).send(message.recipient, text_of(message), send_mail)
        except NotSent as error:
            # What a web service answers may repeat a key of ours.
            detail = error.detail if chosen.kind == SmsGateway.Kind.MAIL else ""
            sentence = f"{chosen.name}: {fault_in_words(error.code)} {detail}"
            raise NotDelivered(sentence.strip()) from error

    return delivery.deliver(AlarmMessage.Channel.SMS, send, wanted=is_ours)


def text_of(message: AlarmMessage) -> str:
    """In one SMS in the receiver's language, with letters that every phone shows."""
    with override(language_of(message)):
        sentence, title = sentence_of(message.alarm), headline(message)
    return one_sms(plain_letters(f"{settings.QMAILUX_LAYOUT.hostname}: {title}. {sentence}"))
