"""The superadmin's first page, and the answer for monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import Account, Alias
from alarms.models import Alarm
from alarms.words import told
from domains.models import Domain
from domains.numbers import promised_beyond_disks, server_numbers
from provisioning.models import Change, Node, NodeReport, Run
from qmailux_site.counting import count_of
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

MOST_CHANGES_SHOWN = 20
MOST_RUNS_SHOWN = 10
# A look every 20 seconds: what is older than this is not the present.
FRESH = timedelta(minutes=2)
OLD_SIGNATURES_DAYS = 7
LEAST_FREE_PERCENT = 10


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node as the last look found it, ready to be shown."""

    node: Node
    report: NodeReport | None
    is_fresh: bool
    down: list[dict[str, str]]
    signatures_days: int | None

    @property
    def found(self) -> dict[str, Any]:
        return self.report.found if self.report else {}

    @property
    def is_disk_low(self) -> bool:
        return bool(self.report) and self.found["disk"]["free_percent"] < LEAST_FREE_PERCENT

    @property
    def has_old_signatures(self) -> bool:
        return self.signatures_days is None or self.signatures_days > OLD_SIGNATURES_DAYS


@superadmin_required
def overview(request: PanelRequest) -> HttpResponse:
    """Is anything wrong? Alarms, nodes, waiting and failed changes, the last runs."""
    waiting = Change.objects.select_related("node").defer("keys").order_by("id")
    nodes = [_seen(node) for node in Node.objects.select_related("report").order_by("name")]
    numbers = server_numbers()
    values = {
        "alarms": [told(alarm) for alarm in Alarm.objects.visible_to(request.actor).open()],
        "nodes": nodes,
        "promised": promised_beyond_disks(),
        "pending": waiting.filter(error="")[:MOST_CHANGES_SHOWN],
        "pending_count": count_of(waiting.filter(error="")),
        "failed": waiting.exclude(error="")[:MOST_CHANGES_SHOWN],
        "failed_count": count_of(waiting.exclude(error="")),
        "runs": Run.objects.select_related("node")[:MOST_RUNS_SHOWN],
        "domain_count": count_of(Domain.objects.visible_to(request.actor), kept=numbers.domain_count),
        "account_count": count_of(Account.objects.all(), kept=numbers.account_count),
        "alias_count": count_of(Alias.objects.all(), kept=numbers.alias_count),
    }
    return render(request, "provisioning/overview.html", values)


def health(request: HttpRequest) -> JsonResponse:
    """200 when the panel and its database answer; says nothing else to strangers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})


def _seen(node: Node) -> NodeSeen:
    report: NodeReport | None = getattr(node, "report", None)
    if report is None:
        return NodeSeen(node, None, is_fresh=False, down=[], signatures_days=None)
    made_at = report.found["signatures"].get("made_at")
    age = timezone.now() - datetime.fromisoformat(made_at) if made_at else None
    return NodeSeen(
        node,
        report,
        is_fresh=report.looked_at > timezone.now() - FRESH,
        down=[daemon for daemon in report.found["daemons"] if daemon["fault"]],
        signatures_days=age.days if age else None,
    )
