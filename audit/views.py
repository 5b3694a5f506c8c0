"""Who did what: the server's audit, a domain's, and everybody's own."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language

from accounts.rights import Right
from audit.export import HEADING, plain_heading, plain_rows_of, rows_of
from audit.forms import AuditFilterForm
from audit.models import AuditEvent
from audit.querysets import AuditQuerySet
from audit.words import told
from domains.models import Domain
from domains.views import domain_of
from qmailux_site.csvexport import csv_response
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import newest_first, superadmin_required


@login_required
def activity(request: PanelRequest) -> HttpResponse:
    """What was done to my account, and by whom."""
    return _page(request, _own(request), export=reverse("activity-export"), is_own=True)


@login_required
def activity_export(request: PanelRequest) -> HttpResponseBase:
    """In the words of the page; what the server's says is for programs too."""
    return _export(request, _own(request), "activity", page="activity", is_plain=True)


@login_required
def domain_audit(request: PanelRequest, name: str) -> HttpResponse:
    """What was done in one domain."""
    domain = domain_of(request, name)
    export = reverse("domain-audit-export", args=[domain.name])
    return _page(request, _of_domain(request, domain), export=export, domain=domain)


@login_required
def domain_audit_export(request: PanelRequest, name: str) -> HttpResponseBase:
    domain = domain_of(request, name)
    return _export(
        request,
        _of_domain(request, domain),
        domain.name,
        page="domain-audit",
        is_plain=True,
        name=domain.name,
    )


@superadmin_required
def server_audit(request: PanelRequest) -> HttpResponse:
    """Everything."""
    return _page(request, AuditEvent.objects.visible_to(request.actor), export=reverse("server-audit-export"))


@superadmin_required
def server_audit_export(request: PanelRequest) -> HttpResponseBase:
    return _export(request, AuditEvent.objects.visible_to(request.actor), "server", page="server-audit")


def _own(request: PanelRequest) -> AuditQuerySet:
    return AuditEvent.objects.visible_to(request.actor).on(request.user.address)


def _of_domain(request: PanelRequest, domain: Domain) -> AuditQuerySet:
    if not request.actor.may(Right.AUDIT, domain):
        raise PermissionDenied
    return AuditEvent.objects.visible_to(request.actor).in_domain(domain.name)


def _page(
    request: PanelRequest,
    events: AuditQuerySet,
    *,
    export: str,
    domain: Domain | None = None,
    is_own: bool = False,
) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    page = newest_first(form.found(events), request)
    query = urlencode({name: value for name in form.fields if (value := request.GET.get(name))})
    values = {
        "form": form,
        "page": page,
        "rows": [told(event) for event in page.rows],
        "query": query,
        "export": f"{export}?{query}" if query else export,
        "domain": domain,
        "is_own": is_own,
    }
    return render(request, "audit/list.html", values)


def _export(
    request: PanelRequest,
    events: AuditQuerySet,
    title: str,
    *,
    page: str,
    is_plain: bool = False,
    **place: str,
) -> HttpResponseBase:
    """The events that the page with the same filters shows, from the oldest on."""
    form = AuditFilterForm(request.GET)
    if not form.is_valid():
        return redirect(f"{reverse(page, kwargs=place)}?{request.GET.urlencode()}")
    filename = f"audit-{title}-{timezone.localdate():%Y-%m-%d}.csv"
    found = form.found(events)
    if is_plain:
        return csv_response(filename, plain_heading(), plain_rows_of(found, get_language() or "en"))
    return csv_response(filename, HEADING, rows_of(found))
