"""Sending limits on their way to a node, and what its limiter counted on its way back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.sending import SendingLimit, SendingUse
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.node_programs.sending_limits import EVERY_ACCOUNT, SERVER
from qmailux_site.streaming import streamed

SendingRow = tuple[str, int | None, int | None, int | None, int | None]
_NAMES_OF_LEVELS = {SendingLimit.Level.SERVER: SERVER, SendingLimit.Level.EVERY_ACCOUNT: EVERY_ACCOUNT}


def sending_rows(names: Iterable[str] | None = None) -> list[SendingRow]:
    """By address or domain name, or of all."""
    limits = SendingLimit.objects.select_related("account", "domain")
    if names is not None:
        wanted = list(names)
        levels = [level for level, name in _NAMES_OF_LEVELS.items() if name in wanted]
        limits = limits.filter(
            Q(account__address__in=wanted) | Q(domain__name__in=wanted) | Q(level__in=levels)
        )
    return [
        (
            name_of(limit),
            limit.messages_hour,
            limit.messages_day,
            limit.recipients_hour,
            limit.recipients_day,
        )
        for limit in streamed(limits, names=names)
    ]


def name_of(limit: SendingLimit) -> str:
    if limit.account:
        return limit.account.address
    if limit.domain:
        return limit.domain.name
    return _NAMES_OF_LEVELS[SendingLimit.Level(limit.level)]


def count_sending(host: Host, layout: Layout) -> None:
    """Bring what the panel shows up to date. Raises HostError when the node cannot be asked."""
    argv = [str(layout.bin / "sending-limits"), "--state", str(layout.sending_state), "--report"]
    found: dict[str, dict[str, Any]] = json.loads(host.run(argv, timeout=60).stdout)
    now = timezone.now()
    rows = [_use(name, entry, now) for name, entry in found.items()]
    fields = [field.name for field in SendingUse._meta.concrete_fields if not field.primary_key]
    SendingUse.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["name"], update_fields=fields, batch_size=500
    )
    SendingUse.objects.filter(counted_at__lt=now).delete()


def _use(name: str, entry: dict[str, Any], now: datetime) -> SendingUse:
    messages_hour, messages_day, recipients_hour, recipients_day = entry["sums"]
    at, frees_at, sentence = entry.get("refused") or (None, None, "")
    return SendingUse(
        name=name[:254],
        messages_hour=messages_hour,
        messages_day=messages_day,
        recipients_hour=recipients_hour,
        recipients_day=recipients_day,
        refused_at=at and datetime.fromtimestamp(at, UTC),
        frees_at=frees_at and datetime.fromtimestamp(frees_at, UTC),
        refusal=sentence[:400],
        counted_at=now,
    )
