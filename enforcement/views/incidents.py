"""Accounts that were stopped: what they sent, who was told, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from accounts.models import Account
from accounts.views.life import life_of_account
from accounts.views.manage import managed_account_of
from alarms.models import AlarmMessage
from audit.models import AuditEvent
from audit.words import action_in_words
from domains.models import Domain
from domains.views import managed_domain_of
from enforcement import actions
from enforcement.actions.braking import ALARM, about_of
from enforcement.braking import DEFAULTS, MEASURES, BrakeThresholds, Incident
from enforcement.forms import BrakeForm, StopForm
from enforcement.incident_words import why
from enforcement.quarantine import quarantine_of, smarthost_of
from maillog.access import sight_of
from maillog.models import Entry, Kind
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import newest_first, superadmin_required

# What a stranger had sent before the brake saw it.
BEFORE = timedelta(hours=1)
MOST_SENT_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of an incident's course."""

    at: datetime
    text: str
    who: str = ""
    state: str = "good"


@superadmin_required
def incidents(request: PanelRequest) -> HttpResponse:
    """Of the whole server, and from which numbers on the brake stops."""
    return _list(request, Incident.objects.visible_to(request.actor), None, reverse("incidents"))


@login_required
def domain_incidents(request: PanelRequest, name: str) -> HttpResponse:
    domain = managed_domain_of(request, name)
    mine = Incident.objects.visible_to(request.actor).filter(account__domain=domain)
    return _list(request, mine, domain, reverse("domain-incidents", args=[domain.name]))


@login_required
def incident(request: PanelRequest, pk: int) -> HttpResponse:
    shown = _incident_of(request, pk)
    domain = shown.account.domain
    since = shown.began_at - BEFORE
    sent = Entry.objects.visible_to(sight_of(request.actor)).filter(
        kind=Kind.MESSAGE, login=shown.account.address, began_at__gte=since
    )
    until = shown.ended_at
    if until is not None:
        sent = sent.filter(began_at__lte=until)
    queue = "domain-queue" if domain and not request.user.is_superuser else "queue"
    names = [domain.name] if queue == "domain-queue" and domain else []
    values = {
        "domain": domain,
        "incident": shown,
        "account": shown.account,
        "why": why(shown),
        "sent": list(sent[:MOST_SENT_SHOWN]),
        "sent_count": sent.count(),
        "moments": sorted(_moments(shown), key=lambda moment: moment.at),
        "life": life_of_account(shown.account),
        "queue_url": reverse(queue, args=names),
        "order_url": reverse(f"{queue}-order", args=names),
    }
    return render(request, "enforcement/incident.html", values)


@login_required
@require_POST
def incident_end(request: PanelRequest, pk: int) -> HttpResponse:
    """The account sends again."""
    shown = _incident_of(request, pk)
    actions.end_incident(shown, by=request.actor)
    messages.success(request, _("%(address)s may send again.") % {"address": shown.account.address})
    return redirect("incident", pk)


@login_required
def account_brake(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Stop an account's sending by hand; its own numbers; how often it was stopped."""
    person = managed_account_of(request, name, pk)
    form = StopForm(request.POST if "reason" in request.POST else None)
    if form.is_valid():
        try:
            begun = actions.stop_sending(person, reason=form.cleaned_data["reason"], by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(address)s can send no mail now.") % {"address": person.address})
            return redirect("incident", begun.pk)
    numbers = _numbers_form(request, person, reverse("account-brake", args=[name, pk]))
    if isinstance(numbers, HttpResponse):
        return numbers
    mine = Incident.objects.visible_to(request.actor).filter(account=person)
    values = {
        "domain": person.domain,
        "account": person,
        "form": form,
        "numbers": numbers,
        "quarantine": quarantine_of(person),
        "smarthost": smarthost_of(person),
        "quarantine_url": reverse("account-quarantine", args=[name, pk]),
        "open": mine.open().first(),
        "past": [(each, why(each)) for each in mine.exclude(ended_at=None)[:20]],
    }
    return render(request, "enforcement/account_brake.html", values)


def _list(request: PanelRequest, found: QuerySet[Incident], domain: Domain | None, back: str) -> HttpResponse:
    numbers = _numbers_form(request, domain, back)
    if isinstance(numbers, HttpResponse):
        return numbers
    found = found.select_related("account__domain")
    page = newest_first(found.exclude(ended_at=None), request)
    values = {
        "domain": domain,
        "open": [(each, why(each)) for each in found.filter(ended_at=None)],
        "past": [(each, why(each)) for each in page.rows],
        "page": page,
        "numbers": numbers,
    }
    return render(request, "enforcement/incidents.html", values)


def _numbers_form(
    request: PanelRequest, of: Account | Domain | None, back: str
) -> BrakeForm | HttpResponse | None:
    """The superadmin's. Saved: the way back to the page."""
    is_posted = request.method == "POST" and "bounces" in request.POST
    if is_posted:
        request.actor.must_be_superadmin()
    if not request.user.is_superuser:
        return None
    row = BrakeThresholds.objects.filter(**_lookup(of)).first()
    form = BrakeForm(
        request.POST if is_posted else None,
        initial={measure: getattr(row, measure, None) for measure in MEASURES},
        above=DEFAULTS if of is None else None,
    )
    if form.is_valid():
        try:
            actions.set_brake(of, numbers=form.cleaned_data, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect(back)
    return form


def _lookup(of: Account | Domain | None) -> dict[str, object]:
    if isinstance(of, Account):
        return {"account": of}
    return {"domain": of} if isinstance(of, Domain) else {"level": "server"}


def _incident_of(request: PanelRequest, pk: int) -> Incident:
    visible = Incident.objects.visible_to(request.actor)
    return get_object_or_404(visible.select_related("account__domain__node"), pk=pk)


def _moments(shown: Incident) -> Iterator[Moment]:
    yield Moment(shown.began_at, _("Stopped: %(why)s") % {"why": why(shown)}, shown.began_by, "bad")
    told = AlarmMessage.objects.filter(alarm__name=ALARM, alarm__about=about_of(shown))
    for message in told:
        who = message.recipient or _("who is told of every alarm")
        way = message.get_channel_display()
        if message.delivered_at is not None:
            yield Moment(message.delivered_at, _("Told by %(way)s") % {"way": way}, who)
        elif message.error:
            text = _("Could not be told by %(way)s: %(error)s") % {"way": way, "error": message.error}
            yield Moment(message.created_at, text, who, "wait")
    acts = AuditEvent.objects.filter(target=shown.account.address, at__gte=shown.began_at)
    if shown.ended_at is not None:
        acts = acts.filter(at__lte=shown.ended_at + timedelta(minutes=1))
    for act in acts.exclude(action="account.sending_stopped")[:MOST_SENT_SHOWN]:
        yield Moment(act.at, action_in_words(act.action), act.real)
