"""What an apply did, and what the database keeps of it: applied revisions, failures, runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from domains.models import Domain, DomainAlias
from provisioning import outbox
from provisioning.models import SERVER_SCOPE, AppliedRevision, Change, Node, Run
from provisioning.plan import StoreDiff
from qmailux_site.errors import ApplyIncomplete, QmailuxError

log = logging.getLogger(__name__)
# Each is tried again with every sweep. More are named by the apply and by doctor.
MOST_BROKEN_SCOPES = 100


@dataclass(slots=True)
class Outcome:
    """What one apply did: numbers by store, files by daemon."""

    upserts: dict[str, int] = field(default_factory=dict)
    deletes: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    changes: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    locked: list[str] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def add(self, store: str, diff: StoreDiff) -> None:
        self.upserts[store] = self.upserts.get(store, 0) + len(diff.upserts)
        self.deletes[store] = self.deletes.get(store, 0) + len(diff.deletes)

    @property
    def is_empty(self) -> bool:
        return not (any(self.upserts.values()) or any(self.deletes.values()) or self.files)

    def take_over(self, part: Outcome) -> None:
        """What a part of the work has written counts here too."""
        for store, count in part.upserts.items():
            self.upserts[store] = self.upserts.get(store, 0) + count
        for store, count in part.deletes.items():
            self.deletes[store] = self.deletes.get(store, 0) + count
        self.files += part.files

    def as_plan(self) -> dict[str, object]:
        return {
            "upserts": {store: count for store, count in self.upserts.items() if count},
            "deletes": {store: count for store, count in self.deletes.items() if count},
            "files": self.files,
        }


def finish(node: Node, changes: Sequence[Change]) -> None:
    """Forget the changes and move the node's revisions on, as far as nothing older waits."""
    Change.objects.filter(pk__in=[change.pk for change in changes]).delete()
    for scope in {change.scope for change in changes}:
        _mark_applied(node, scope, max(change.revision for change in changes if change.scope == scope))


def mark_all_applied(node: Node, revisions: Mapping[str, int]) -> None:
    """Everything up to these revisions, by scope, has been rebuilt."""
    now = timezone.now()
    AppliedRevision.objects.bulk_create(
        [
            AppliedRevision(node=node, scope=scope, revision=revision, applied_at=now)
            for scope, revision in revisions.items()
        ],
        batch_size=2000,
        update_conflicts=True,
        unique_fields=["node", "scope"],
        update_fields=["revision", "applied_at", "error"],
    )


def note_failure(node: Node, changes: Sequence[Change], error: QmailuxError, trigger: str) -> None:
    """The changes stay in the outbox; the sweep tries again. People see the reason beside the object."""
    log.error("apply failed node=%s scope=%s: %s", node.name, changes[0].scope, error)
    Change.objects.filter(pk__in=[change.pk for change in changes]).update(error=str(error))
    for scope in {change.scope for change in changes}:
        AppliedRevision.objects.update_or_create(node=node, scope=scope, defaults={"error": str(error)})
    record_run(node, timezone.now(), Outcome(), trigger, error)


def keep_broken(node: Node, broken: Mapping[str, str], trigger: str) -> None:
    """What a full apply had to leave out waits in the outbox with its reason, so that no page says it is
    live. broken: reasons by key.
    """
    scopes = _scopes_by_name({_name_in(key) for key in broken})
    found: dict[str, list[str]] = {}
    for key in sorted(broken):
        found.setdefault(scopes.get(_name_in(key), SERVER_SCOPE), []).append(key)
    for scope, keys in list(found.items())[:MOST_BROKEN_SCOPES]:
        with transaction.atomic():
            revision = outbox.record(scope, keys, nodes=[node])
        changes = list(Change.objects.filter(node=node, scope=scope, revision=revision))
        note_failure(node, changes, ApplyIncomplete(f"{keys[0]}: {broken[keys[0]]}"), trigger)


def _name_in(key: str) -> str:
    return key.rpartition("@")[2]


def _scopes_by_name(names: set[str]) -> dict[str, str]:
    """The domain of each name that is one or leads to one."""
    own = Domain.objects.filter(name__in=names).values_list("name", "name")
    through = DomainAlias.objects.filter(name__in=names).values_list("name", "domain__name")
    return {**dict(own), **dict(through)}


def record_run(
    node: Node, started: datetime, outcome: Outcome, trigger: str, error: QmailuxError | None = None
) -> None:
    """For the list of what was applied."""
    Run.objects.create(
        node=node,
        trigger=trigger,
        started_at=started,
        finished_at=timezone.now(),
        plan=outcome.as_plan(),
        error=str(error) if error else "",
    )


def _mark_applied(node: Node, scope: str, revision: int) -> None:
    waiting = Change.objects.filter(node=node, scope=scope).order_by("revision")
    first = waiting.values_list("revision", flat=True).first()
    error = waiting.exclude(error="").values_list("error", flat=True).first()
    AppliedRevision.objects.update_or_create(
        node=node,
        scope=scope,
        defaults={
            "revision": revision if first is None else min(revision, first - 1),
            "applied_at": timezone.now(),
            "error": error or "",
        },
    )
