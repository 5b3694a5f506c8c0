"""What is wrong with this account? The panel's page of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from accounts.checkup import findings_of
from accounts.models import Account
from accounts.views.manage import account_of
from provisioning.models import Inspection
from provisioning.questions import ask
from qmailux_site.middleware import PanelRequest

# What the machine said so long ago is asked again.
FRESH = timedelta(seconds=30)
NEXT_LOOK_MILLISECONDS = 700


@never_cache
@login_required
def account_check(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Findings at once from the database, and those of the machine as soon as it answers."""
    person = account_of(request, name, pk)
    inspection = _fresh(person)
    if inspection is None:
        ask(person.pk)
    return render(request, "accounts/check.html", _values(request, person, inspection))


@never_cache
@login_required
def account_check_answer(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """The fragment that waits for the machine."""
    person = account_of(request, name, pk)
    return render(request, "accounts/_check.html", _values(request, person, _fresh(person)))


def _fresh(account: Account) -> Inspection | None:
    return Inspection.objects.filter(account=account, answered_at__gt=timezone.now() - FRESH).first()


def _attempts(inspection: Inspection | None) -> list[tuple[datetime, dict[str, str]]]:
    attempts = inspection.found["attempts"] if inspection else []
    return [(datetime.fromisoformat(attempt["at"]), attempt) for attempt in attempts]


def _values(request: PanelRequest, account: Account, inspection: Inspection | None) -> dict[str, object]:
    return {
        "domain": account.domain,
        "account": account,
        "inspection": inspection,
        "findings": findings_of(account, inspection.found if inspection else None, by=request.actor),
        "attempts": _attempts(inspection),
        "delay": NEXT_LOOK_MILLISECONDS,
    }
