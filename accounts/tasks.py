"""Tasks of the ordinary workers."""

from __future__ import annotations

import logging
import smtplib

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from accounts import actions, bulk_jobs, growth, notices, smsdesk
from accounts.actor import Actor
from accounts.notifying import SmsGateway

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


@shared_task(name="accounts.tasks.end_departures")
def end_departures() -> None:
    """Refuse the mail, or delete the account, of people whose last day is over."""
    actions.end_departures(by=Actor.task())


@shared_task(name="accounts.tasks.run_bulk_job")
def run_bulk_job(job_id: int) -> None:
    """Twice is harmless: a job is claimed by one worker."""
    bulk_jobs.run_bulk_job(job_id)


@shared_task(name="accounts.tasks.sweep_bulk_jobs")
def sweep_bulk_jobs() -> None:
    """What the broker or a worker lost, and what is too old to be kept."""
    bulk_jobs.sweep_bulk_jobs()


@shared_task(name="accounts.tasks.forget_old_sessions")
def forget_old_sessions() -> None:
    """Sessions of the panel that have run out."""
    SessionStore.clear_expired()


@shared_task(name="accounts.tasks.send_sms")
def send_sms() -> None:
    """Tell of new mail, through gateways that speak HTTP."""
    smsdesk.tell_noticed()
    smsdesk.send_due(SmsGateway.Kind.HTTP)
    smsdesk.forget_old()


@shared_task(name="accounts.tasks.keep_usage_samples")
def keep_usage_samples() -> None:
    """From which the panel tells when a mailbox will be full."""
    growth.keep_samples(timezone.localdate())
