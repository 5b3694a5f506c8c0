"""Tasks of the ordinary workers; mail is sent by the node's, which alone gets to Postfix's own socket."""

from __future__ import annotations

from celery import shared_task

from accounts.notifying import SmsGateway
from alarms import delivery
from alarms.messages import send_to_webhook
from alarms.models import AlarmMessage
from alarms.texting import send_texts


@shared_task(name="alarms.tasks.tell")
def tell() -> None:
    """Leave messages for what began or ended, and send those that go to a webhook or a phone."""
    delivery.note_what_is_to_be_told()
    delivery.deliver(AlarmMessage.Channel.WEBHOOK, send_to_webhook)
    send_texts(SmsGateway.Kind.HTTP)


@shared_task(name="alarms.tasks.forget_old_alarms")
def forget_old_alarms() -> None:
    delivery.forget_old_alarms()
