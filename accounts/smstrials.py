"""A gateway is tried: one SMS of a known text to a number, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from accounts.gateways import NotSent, SendMail, gateway_of
from accounts.notifying import SmsTrial
from accounts.smsfaults import SmsFault
from domains.models import Domain

# Nobody waits for an answer any longer.
GIVEN_UP_AFTER = timedelta(minutes=10)


def run_trials(kind: str, mailer: Callable[[Domain], SendMail] | None = None) -> int:
    """Send what waits for gateways of the kind, once; returns how many were tried."""
    since = timezone.now() - GIVEN_UP_AFTER
    waiting = SmsTrial.objects.filter(done_at=None, gateway__kind=kind, made_at__gt=since)
    tried = 0
    for trial in waiting.select_related("gateway").order_by("id"):
        # Whoever takes it first tries it.
        if SmsTrial.objects.filter(pk=trial.pk, done_at=None).update(done_at=timezone.now()):
            _try(trial, mailer)
            tried += 1
    return tried


def _try(trial: SmsTrial, mailer: Callable[[Domain], SendMail] | None) -> None:
    try:
        send_mail = mailer(_domain()) if mailer else None
        gateway_of(trial.gateway).send(trial.number, trial.text, send_mail)
    except NotSent as error:
        trial.fault, trial.detail = error.code, error.detail[:300]
    trial.is_sent = not trial.fault
    trial.done_at = timezone.now()
    trial.save(update_fields=["fault", "detail", "is_sent", "done_at"])


def _domain() -> Domain:
    """Mail to a gateway leaves as mail of some domain does; here of the oldest."""
    found = Domain.objects.hosted().order_by("pk").first()
    if found is None:
        raise NotSent(SmsFault.NO_DOMAIN)
    return found
