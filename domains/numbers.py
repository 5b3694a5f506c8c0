"""Kept numbers of each domain: a list of 50,000 domains shows them without counting a single account.

A domain is counted anew when its scope has a newer revision, or when mailboxes of it were measured; nothing
else changes what is counted. Each day's last numbers stay, for the course over time.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection

from django.apps import apps
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.utils import timezone

from provisioning.models import NodeReport, Scope
from qmailux_site.counting import FEW_ROWS

DOMAINS_A_RUN = 500
DAYS_SHOWN = 90
DAYS_KEPT = 400


class DomainNumbers(models.Model):
    """What a domain had when it was counted last. promised: the sum of quotas; unlimited ones stand apart."""

    domain = models.OneToOneField("domains.Domain", models.CASCADE, primary_key=True, related_name="numbers")
    account_count = models.PositiveIntegerField(default=0)
    locked_count = models.PositiveIntegerField(default=0)
    unlimited_count = models.PositiveIntegerField(default=0)
    alias_count = models.PositiveIntegerField(default=0)
    used_bytes = models.BigIntegerField(default=0)
    promised_bytes = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.domain_id)


class ServerNumbers(models.Model):
    """The sums of all domains: one row, so that a page of a big server asks for one."""

    domain_count = models.PositiveIntegerField(default=0)
    account_count = models.PositiveIntegerField(default=0)
    alias_count = models.PositiveIntegerField(default=0)
    used_bytes = models.BigIntegerField(default=0)
    promised_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="server_numbers_one_row")]

    def __str__(self) -> str:
        return "server"


class DomainDay(models.Model):
    """What a domain held at the end of a day. A day on which nothing was counted has no row: the last one
    before it still tells.
    """

    domain = models.ForeignKey("domains.Domain", models.CASCADE, related_name="days")
    on = models.DateField()
    account_count = models.PositiveIntegerField(default=0)
    used_bytes = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["domain", "on"], name="domain_day_once")]

    def __str__(self) -> str:
        return f"{self.domain_id} {self.on}"


def used_space_of(domain_id: int, today: datetime.date) -> list[tuple[datetime.date, int]]:
    """Bytes on each of the last DAYS_SHOWN days, from the first that is known."""
    first = today - datetime.timedelta(days=DAYS_SHOWN - 1)
    days = DomainDay.objects.filter(domain=domain_id)
    kept: dict[datetime.date, int] = dict(
        days.filter(on__gt=first, on__lte=today).values_list("on", "used_bytes")
    )
    before = days.filter(on__lte=first).order_by("-on").values_list("used_bytes", flat=True).first()
    used, course = before, []
    for day in (first + datetime.timedelta(days=number) for number in range(DAYS_SHOWN)):
        used = kept.get(day, used)
        if used is not None:
            course.append((day, used))
    return course


def forget_old_days(today: datetime.date) -> None:
    """Of what is too old to be shown the newest row of each domain stays: it tells what there was since."""
    old = DomainDay.objects.filter(on__lt=today - datetime.timedelta(days=DAYS_KEPT))
    newer = DomainDay.objects.filter(
        domain=OuterRef("domain"),
        on__gt=OuterRef("on"),
        on__lt=today - datetime.timedelta(days=DAYS_KEPT),
    )
    old.filter(Exists(newer)).delete()


def server_numbers() -> ServerNumbers:
    return ServerNumbers.objects.filter(pk=1).first() or ServerNumbers(pk=1)


def promised_beyond_disks(asked_bytes: int | None = None) -> dict[str, int] | None:
    """The sum of all quotas and the room for mail, when more is promised than there is.

    asked_bytes: what somebody wants to promise now, where that may be more than all the rest.
    """
    promised = max(server_numbers().promised_bytes, asked_bytes or 0)
    room = sum(found["disk"]["size"] for found in NodeReport.objects.values_list("found", flat=True))
    return {"promised": promised, "room": room} if room and promised > room else None


def recount_changed() -> int:
    """Count the domains that changed since they were counted; returns how many. Called every few seconds."""
    changed = Scope.objects.filter(revision__gt=F("counted_revision"))
    scopes = dict(changed.values_list("name", "revision")[:DOMAINS_A_RUN])
    domains = apps.get_model("domains", "Domain")._default_manager.filter(name__in=scopes)
    recount(list(domains.values_list("pk", flat=True)))
    for revision in set(scopes.values()):
        # A change since then has a higher revision, and the domain's turn comes again.
        names = [name for name, counted in scopes.items() if counted == revision]
        Scope.objects.filter(pk__in=names).update(counted_revision=revision)
    if scopes:
        add_up()
    return len(scopes)


def add_up() -> None:
    """The server's sums from those of its domains."""
    sums = DomainNumbers.objects.aggregate(
        domain_count=Count("pk"),
        account_count=Sum("account_count", default=0),
        alias_count=Sum("alias_count", default=0),
        used_bytes=Sum("used_bytes", default=0),
        promised_bytes=Sum("promised_bytes", default=0),
    )
    ServerNumbers.objects.update_or_create(pk=1, defaults=sums)


def recount(domain_ids: Collection[int]) -> None:
    """Count these domains now."""
    if not domain_ids:
        return
    rows = _counted(domain_ids)
    counted = [
        "account_count",
        "locked_count",
        "unlimited_count",
        "promised_bytes",
        "used_bytes",
        "alias_count",
    ]
    DomainNumbers.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["domain"],
        update_fields=[*counted, "counted_at"],
    )
    _keep_day(rows)


def numbers_of(domain_id: int) -> DomainNumbers:
    """Counted now where that is little work, else the kept ones, some seconds old."""
    kept = DomainNumbers.objects.filter(domain=domain_id).first()
    if kept is not None and kept.account_count + kept.alias_count > FEW_ROWS:
        return kept
    return _counted([domain_id])[0]


def _counted(domain_ids: Collection[int]) -> list[DomainNumbers]:
    now = timezone.now()
    accounts = _grouped(
        "Account",
        domain_ids,
        account_count=Count("pk"),
        locked_count=Count("pk", filter=Q(state="locked")),
        unlimited_count=Count("pk", filter=Q(quota_bytes=0, has_mailbox=True)),
        promised_bytes=Sum("quota_bytes"),
        used_bytes=Sum("usage__used_bytes", default=0),
    )
    aliases = _grouped("Alias", domain_ids, alias_count=Count("pk"))
    return [
        DomainNumbers(domain_id=pk, counted_at=now, **accounts.get(pk, {}), **aliases.get(pk, {}))
        for pk in domain_ids
    ]


def _keep_day(rows: Collection[DomainNumbers]) -> None:
    today = timezone.localdate()
    DomainDay.objects.bulk_create(
        (
            DomainDay(
                domain_id=row.domain_id, on=today, account_count=row.account_count, used_bytes=row.used_bytes
            )
            for row in rows
        ),
        update_conflicts=True,
        unique_fields=["domain", "on"],
        update_fields=["account_count", "used_bytes"],
    )


def _grouped(model: str, domain_ids: Collection[int], **sums: models.Aggregate) -> dict[int, dict[str, int]]:
    rows = apps.get_model("accounts", model)._default_manager.filter(domain__in=domain_ids)
    grouped = rows.order_by().values("domain_id").annotate(**sums)
    return {row.pop("domain_id"): row for row in grouped}
