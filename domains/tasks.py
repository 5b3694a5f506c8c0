"""Tasks of domains."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from accounts.actor import Actor
from domains import numbers
from domains.dkim_actions import forget_retired_keys
from domains.dns_checks import look_at_key
from domains.models import DkimKey

log = logging.getLogger(__name__)


@shared_task(name="domains.tasks.look_for_waiting_keys")
def look_for_waiting_keys() -> None:
    """Keys whose record has come to DNS begin to sign."""
    for key in DkimKey.objects.waiting().select_related("domain"):
        if look_at_key(key, by=Actor.task()):
            log.info("dkim key signs domain=%s selector=%s", key.domain.name, key.selector)
    forget_retired_keys(by=Actor.task())


@shared_task(name="domains.tasks.recount")
def recount() -> None:
    """Bring the kept numbers of domains up to date."""
    while numbers.recount_changed() == numbers.DOMAINS_A_RUN:
        pass


@shared_task(name="domains.tasks.forget_old_days")
def forget_old_days() -> None:
    """Numbers of days that no page shows any more."""
    numbers.forget_old_days(timezone.localdate())
