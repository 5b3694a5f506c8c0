"""What is going on in a domain, and how much of everything it may have."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.forms import carried_out
from accounts.models import Alias
from accounts.quotas import format_bytes
from accounts.rights import Right
from audit.models import AuditEvent
from audit.words import Told, told
from domains import actions
from domains.forms import LimitsForm
from domains.models import Domain
from domains.numbers import DomainNumbers, numbers_of, promised_beyond_disks, used_space_of
from domains.views import domain_of
from maillog.charts import Chart, chart_of
from provisioning.life import life_of
from qmailux_site.counting import count_of
from qmailux_site.middleware import PanelRequest

CHANGES_SHOWN = 8
UNITS = (1024**4, 1024**3, 1024**2, 1024)


@dataclass(frozen=True, slots=True)
class Limit:
    """How much there may be, and is. most: None is no limit."""

    label: str
    used: int
    most: int | None
    is_bytes: bool = False

    @property
    def left(self) -> int | None:
        return None if self.most is None else max(0, self.most - self.used)

    @property
    def is_over(self) -> bool:
        """It was lowered below what is there."""
        return self.most is not None and self.used > self.most


@login_required
def domain_home(request: PanelRequest, name: str) -> HttpResponse:
    """Numbers, space over time, limits, last changes."""
    domain = domain_of(request, name)
    aliases = Alias.objects.visible_to(request.actor).filter(domain=domain)
    numbers, catch_alls = numbers_of(domain.pk), count_of(aliases.catch_alls())
    values = {
        "domain": domain,
        "life": life_of(domain.scope, domain.name),
        "life_key": domain.name,
        "numbers": numbers,
        "local_alias_count": count_of(aliases.local()),
        "catch_all_count": catch_alls,
        "alias_count": max(0, numbers.alias_count - catch_alls.number),
        "other_names": domain.domain_aliases.all(),
        "limits": _limits(domain, numbers),
        "chart": _chart(domain),
        "changes": _last_changes(request, domain),
    }
    return render(request, "domains/home.html", values)


@login_required
def domain_limits(request: PanelRequest, name: str) -> HttpResponse:
    """Seen by whoever sees the domain, set by the superadmin."""
    domain = domain_of(request, name)
    if request.method == "POST":
        request.actor.must_be_superadmin()
    form = LimitsForm.of(domain, request.POST or None) if request.actor.sees_everything else None
    if form is not None and form.is_valid():
        settings = form.settings()
        if carried_out(form, lambda: actions.edit_domain(domain, settings=settings, by=request.actor)):
            messages.success(request, _("The limits are saved."))
            return redirect("domain-limits", domain.name)
    values = {
        "domain": domain,
        "form": form,
        "limits": _limits(domain, numbers_of(domain.pk)),
        "promised": promised_beyond_disks(domain.max_quota_bytes) if form is not None else None,
    }
    return render(request, "domains/limits.html", values)


def _limits(domain: Domain, numbers: DomainNumbers) -> list[Limit]:
    return [
        Limit(_("Accounts"), numbers.account_count, domain.max_accounts),
        Limit(_("Aliases"), numbers.alias_count, domain.max_aliases),
        Limit(
            _("Quotas of all accounts together"),
            numbers.promised_bytes,
            domain.max_quota_bytes,
            is_bytes=True,
        ),
    ]


def _chart(domain: Domain) -> Chart | None:
    """None before anything was counted."""
    course = used_space_of(domain.pk, timezone.localdate())
    if not course:
        return None
    labels = [date_format(day, "j.m") for day, _used in course]
    numbers = [used for _day, used in course]
    language = get_language() or "en"

    def written(size_bytes: int) -> str:
        return format_bytes(size_bytes, language)

    first, last = written(numbers[0]), written(numbers[-1])
    return chart_of(
        _("Used space"),
        labels,
        [(_("used space"), numbers)],
        unit=_unit(max(numbers)),
        written=written,
        width=400,
        left=64,
        summary=_("%(first)s on %(day)s, %(last)s now") % {"first": first, "day": labels[0], "last": last},
    )


def _unit(most: int) -> int:
    """So that the grid of the chart has round numbers."""
    return next((unit for unit in UNITS if most >= 4 * unit), 1)


def _last_changes(request: PanelRequest, domain: Domain) -> list[Told]:
    if not request.actor.may(Right.AUDIT, domain):
        return []
    events = AuditEvent.objects.visible_to(request.actor).in_domain(domain.name)
    return [told(event) for event in events.order_by("-id")[:CHANGES_SHOWN]]
