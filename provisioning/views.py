"""The superadmin's first page, and the answer for monitoring."""

from __future__ import annotations

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from accounts.models import Account, Alias
from domains.models import Domain
from provisioning.models import AppliedRevision, Change, Node, Run
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required


@superadmin_required
def overview(request: PanelRequest) -> HttpResponse:
    """What is going on: nodes, waiting and failed changes, the last runs."""
    values = {
        "nodes": Node.objects.order_by("name"),
        "waiting": Change.objects.count(),
        "failed": AppliedRevision.objects.exclude(error="").select_related("node")[:20],
        "runs": Run.objects.select_related("node")[:15],
        "domain_count": Domain.objects.count(),
        "account_count": Account.objects.count(),
        "alias_count": Alias.objects.count(),
    }
    return render(request, "provisioning/overview.html", values)


def health(request: HttpRequest) -> JsonResponse:
    """200 when the panel and its database answer; says nothing else to strangers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
