"""Tasks of the ordinary workers."""

from __future__ import annotations

import logging
import smtplib

from celery import shared_task

from accounts import actions, notices
from accounts.actor import Actor

log = logging.getLogger(__name__)


@shared_task(name="accounts.tasks.send_notices")
def send_notices() -> None:
    """Tell owners what was changed; while the mail plane is down, later."""
    try:
        notices.send_waiting()
    except (OSError, smtplib.SMTPException) as error:
        log.warning("notices wait: %s", error)


@shared_task(name="accounts.tasks.end_autoresponders")
def end_autoresponders() -> None:
    """Take the scripts of autoresponders away whose last day is over."""
    actions.end_autoresponders(by=Actor.task())
