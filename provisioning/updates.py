"""Runs that fetch new virus signatures and spam rules: by the clock, and when somebody asks."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from antispam.models import UpdateRun
from provisioning import rules, signatures
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Node
from qmailux_site.errors import CommandFailed, QmailuxError

log = logging.getLogger(__name__)

RUNS_KEPT = timedelta(days=90)
INTERRUPTED_AFTER = timedelta(hours=2)


def run_all(node: Node, host: Host, layout: Layout, kind: str) -> UpdateRun:
    """What the clock does."""
    run = UpdateRun.objects.create(node=node, kind=kind)
    carry_out(run, host, layout)
    UpdateRun.objects.filter(asked_at__lt=timezone.now() - RUNS_KEPT).delete()
    return run


def carry_out(run: UpdateRun, host: Host, layout: Layout) -> None:
    """Once: of two workers that take it up, one does it. What went wrong is noted, not raised."""
    now = timezone.now()
    if not UpdateRun.objects.filter(pk=run.pk, began_at=None).update(began_at=now):
        return
    try:
        run.result = _fetch(run.kind, host, layout)
    except QmailuxError as error:
        run.error = _last_words(error)
        log.warning("not updated kind=%s node=%s: %s", run.kind, run.node_id, error)
    run.ended_at = timezone.now()
    run.save(update_fields=["result", "error", "ended_at"])


def waiting() -> list[UpdateRun]:
    """Asked for, and taken up by nobody. One whose worker was ended is noted as such."""
    old = UpdateRun.objects.filter(ended_at=None, began_at__lt=timezone.now() - INTERRUPTED_AFTER)
    old.update(ended_at=timezone.now(), error="the worker was ended meanwhile")
    return list(UpdateRun.objects.filter(began_at=None).select_related("node"))


def _fetch(kind: str, host: Host, layout: Layout) -> str:
    """The new version; "" when there was none."""
    if kind == UpdateRun.Kind.RULES:
        channel = settings.QMAILUX_SPAM_RULES_CHANNEL
        return rules.fetch(host, layout, channel=channel, is_signed=channel == rules.CHANNEL)
    before = _signature_version(layout)
    signatures.fetch(host, layout)
    after = _signature_version(layout)
    return after if after != before else ""


def _signature_version(layout: Layout) -> str:
    try:
        return signatures.in_use(layout).version
    except QmailuxError:
        # What fetches works without the scanner.
        return ""


def _last_words(error: QmailuxError) -> str:
    """Programs say why at their end."""
    text = error.output if isinstance(error, CommandFailed) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[-3:])[-500:] or str(error)[:500]
