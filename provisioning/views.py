"""The superadmin's first page, and the answer for monitoring."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from accounts.models import Account, Alias
from domains.models import Domain
from provisioning.models import Change, Node, Run
from qmailux_site.counting import count_of
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import page_of, search_of, superadmin_required

MOST_CHANGES_SHOWN = 20
MOST_RUNS_SHOWN = 10


@superadmin_required
def overview(request: PanelRequest) -> HttpResponse:
    """What is going on: waiting and failed changes, domains, the last runs."""
    waiting = Change.objects.select_related("node").defer("keys").order_by("id")
    domains = Domain.objects.visible_to(request.actor)
    values = {
        "nodes": Node.objects.order_by("name"),
        "pending": waiting.filter(error="")[:MOST_CHANGES_SHOWN],
        "pending_count": count_of(waiting.filter(error="")),
        "failed": waiting.exclude(error="")[:MOST_CHANGES_SHOWN],
        "failed_count": count_of(waiting.exclude(error="")),
        "runs": Run.objects.select_related("node")[:MOST_RUNS_SHOWN],
        "page": page_of(domains.search(search_of(request)), request, key="name"),
        "domain_count": count_of(domains),
        "account_count": count_of(Account.objects.all()),
        "alias_count": count_of(Alias.objects.all()),
    }
    return render(request, "provisioning/overview.html", values)


def health(request: HttpRequest) -> JsonResponse:
    """200 when the panel and its database answer; says nothing else to strangers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
