"""Mail in numbers: charts and lists for the superadmin, and the same for Prometheus."""

from __future__ import annotations

import hmac
from collections import Counter
from datetime import datetime, timedelta
from ipaddress import ip_address

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from maillog.charts import Chart, chart_of
from maillog.export import client_address
from maillog.figures import SPANS, Figures, Span, figures_of, suspicions, top_refused, top_senders
from maillog.metrics import metrics_text
from maillog.models import Mechanism
from qmailux_site.middleware import PanelRequest
from qmailux_site.middleware import client_address as asker_of
from qmailux_site.pages import superadmin_required

MOST_MECHANISMS = 5


@superadmin_required
def figures(request: PanelRequest) -> HttpResponse:
    """Of the last day, week or month."""
    span = SPANS.get(request.GET.get("span", "day"), SPANS["day"])
    found = figures_of(span)
    values = {
        "span": span.name,
        "spans": [("day", _("24 hours")), ("week", _("7 days")), ("month", _("30 days"))],
        "charts": _charts(found, span),
        "senders": top_senders(span),
        "refused": [(client_address(client), count) for client, count in top_refused(span)],
        "suspicions": suspicions(),
    }
    return render(request, "maillog/figures.html", values)


def _charts(found: Figures, span: Span) -> list[Chart]:
    labels = [_label(moment, span) for moment in found.moments]

    def numbers(counted: Counter[datetime]) -> list[int]:
        return [counted[moment] for moment in found.moments]

    most = [name for name, _count in found.refused_in_all.most_common()]
    others = sum((found.refused[name] for name in most[MOST_MECHANISMS:]), Counter())
    refused = [(str(Mechanism(name).label), numbers(found.refused[name])) for name in most[:MOST_MECHANISMS]]
    if others:
        refused.append((_("others"), numbers(others)))
    mail = [(_("came in"), numbers(found.came)), (_("went out"), numbers(found.went))]
    return [
        chart_of(_("Messages"), labels, mail),
        chart_of(_("Refused attempts, by what refused them"), labels, refused),
        chart_of(_("Messages that wait for the next try"), labels, [(_("waiting"), numbers(found.deferred))]),
    ]


def _label(moment: datetime, span: Span) -> str:
    local = timezone.localtime(moment)
    return f"{local:%H}:00" if span.step < timedelta(days=1) else date_format(local, "j M")


def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus: with the token (Authorization: Bearer), or from this machine when none is set."""
    token = settings.QMAILUX_METRICS_TOKEN
    if token:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise PermissionDenied
    elif not _is_of_this_machine(request):
        raise PermissionDenied
    return HttpResponse(metrics_text(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _is_of_this_machine(request: HttpRequest) -> bool:
    address = asker_of(request)
    return bool(address) and ip_address(str(address)).is_loopback
