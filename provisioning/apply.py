"""From the outbox to the mail plane, on one node (DESIGN 4). Idempotent: may be killed at any line and run
again.

Single changes go first, before what an import has left. Three lanes, each one applier at a time: small
changes, settings of the server, and bulk work, which lets small ones pass between its batches. Desired rows
are always read inside the store's lock, so an older state never overwrites a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from provisioning.bookkeeping import (
    Outcome,
    finish,
    keep_broken,
    mark_all_applied,
    note_failure,
    record_run,
)
from provisioning.desired import (
    SERVER_MAILBOX,
    account_rows,
    all_entries,
    expand,
    server_keys,
    without_garbage_collector,
)
from provisioning.endings import whose_sessions_end
from provisioning.fingerprints import compared
from provisioning.held_mail import hold_mail_of_stopped, is_stopped, settle_held_mail
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Change, Node, Scope
from provisioning.plan import StoreDiff, diff_of_all, diff_of_keys, refuse_mass_deletion
from provisioning.querysets import KEYS_A_BATCH
from provisioning.reading import Reading
from provisioning.render.postfix import MAPS
from provisioning.server_lock import take_over_lift
from provisioning.sessions import EVERYBODY, cut_plaintext, kick
from provisioning.settings_files import settings_files
from provisioning.settling import prepare, settings_applied
from provisioning.stores import REBUILD_FROM_CHANGES, SCRIPTS, STORES, TABLES, Store, open_store
from provisioning.unsealing import opened
from provisioning.values import Value
from qmailux_site.errors import ApplyIncomplete, QmailuxError
from qmailux_site.sealing import Opener

Progress = Callable[[str, int, int], None]
# The server's own mailbox sends nothing; the mail of a locked server waits of itself.
NEVER_HELD = (SERVER_MAILBOX, EVERYBODY)
LOWEST_FREE_BYTES = 20 * 1024 * 1024


def _silent(step: str, done: int, total: int) -> None:
    return


@dataclass(slots=True)
class Applier:
    """Applies to one node. progress(step, done, total) is called now and then."""

    node: Node
    host: Host
    layout: Layout
    progress: Progress = _silent
    opener: Opener = field(default_factory=lambda: Opener(settings.QMAILUX_LAYOUT.sealing_keys))

    def apply_pending(self, trigger: str = "nudge") -> Outcome:
        """Everything in the outbox, single changes first. Raises what went wrong last; the rest is
        applied.
        """
        take_over_lift(self.host)
        outcome = Outcome()
        failed = self._drain_small(outcome, trigger)
        failed = self._drain_settings(outcome, trigger) or failed
        with self.host.lock("lane-bulk", wait=False) as free:
            if free:
                failed = self._drain_bulk(outcome, trigger) or failed
        if failed is not None:
            raise failed
        return outcome

    def apply_all(self, *, confirm_deletions: bool = False, trigger: str = "all") -> Outcome:
        """Rebuild settings and data from the database, writing only what differs.

        Raises ApplyRefused when much more would be deleted than a day's work explains, unless confirmed.
        """
        take_over_lift(self.host)
        started = timezone.now()
        revisions = dict(Scope.objects.values_list("name", "revision"))
        covered = list(Change.objects.filter(node=self.node).values_list("pk", flat=True))
        outcome = Outcome()
        try:
            prepare(self.host, self.layout)
            with settings_applied(self.host, self.layout, outcome.files), without_garbage_collector():
                self._apply_all_entries(outcome, confirm_deletions=confirm_deletions)
        except QmailuxError as error:
            record_run(self.node, started, outcome, trigger, error)
            raise
        Change.objects.filter(pk__in=covered).delete()
        mark_all_applied(self.node, revisions)
        if not outcome.is_empty:
            record_run(self.node, started, outcome, trigger)
        keep_broken(self.node, outcome.broken, trigger)
        _raise_broken(outcome)
        return outcome

    def check(self) -> dict[str, StoreDiff | list[str]]:
        """What an apply_all would write, without writing: drift by store, and "files"."""
        with without_garbage_collector():
            _wanted, diffs = compared(self._stores(STORES), self.layout.hostname, self.progress)
        drift: dict[str, StoreDiff | list[str]] = dict(diffs)
        files = [
            file.path for file in settings_files(self.layout) if self.host.read(file.path) != file.content
        ]
        if files:
            drift["files"] = files
        return drift

    # Changes of the outbox

    def _drain_small(self, outcome: Outcome, trigger: str) -> QmailuxError | None:
        """Small changes, as many as there are, each look taking those whose turn it is."""
        failed: QmailuxError | None = None
        tried: set[int] = set()  # what cannot be applied stays in the outbox
        with self.host.lock("lane-small"):
            while batch := Change.objects.small(self.node).next_batch(without=tried):
                try:
                    self._apply_small(batch, outcome, trigger)
                except QmailuxError as error:
                    tried.update(change.pk for change in batch)
                    if len(batch) == 1:
                        note_failure(self.node, batch, error, trigger)
                        failed = error
                    else:
                        failed = self._one_by_one(batch, outcome, trigger) or failed
        return failed

    def _one_by_one(self, batch: list[Change], outcome: Outcome, trigger: str) -> QmailuxError | None:
        """One broken object must not hold up the others."""
        failed: QmailuxError | None = None
        for change in batch:
            try:
                self._apply_small([change], outcome, trigger)
            except QmailuxError as error:
                note_failure(self.node, [change], error, trigger)
                failed = error
        return failed

    def _drain_settings(self, outcome: Outcome, trigger: str) -> QmailuxError | None:
        """All that wait are one rendering. Those that fail stay in the outbox."""
        failed: QmailuxError | None = None
        tried: set[int] = set()
        with self.host.lock("lane-settings"):
            while changes := list(Change.objects.settings(self.node).exclude(pk__in=tried)):
                tried.update(change.pk for change in changes)
                try:
                    self._apply_settings(changes, outcome, trigger)
                except QmailuxError as error:
                    note_failure(self.node, changes, error, trigger)
                    failed = error
        return failed

    def _drain_bulk(self, outcome: Outcome, trigger: str) -> QmailuxError | None:
        """The oldest first, until none is left. One that fails stays, and does not hold up the others."""
        failed: QmailuxError | None = None
        tried: list[int] = []
        while change := Change.objects.bulk(self.node).exclude(pk__in=tried).order_by("id").first():
            tried.append(change.pk)
            try:
                self._apply_bulk(change, outcome, trigger)
            except QmailuxError as error:
                note_failure(self.node, [change], error, trigger)
                failed = error
        return failed

    def _apply_small(self, changes: list[Change], outcome: Outcome, trigger: str) -> None:
        keys = {key for change in changes for key in change.keys}
        with self._accounted(changes, outcome, trigger) as part:
            self._apply_known_accounts(keys, part)
            self._apply_keys(keys, part)

    def _apply_settings(self, changes: list[Change], outcome: Outcome, trigger: str) -> None:
        with (
            self._accounted(changes, outcome, trigger) as part,
            settings_applied(self.host, self.layout, part.files),
        ):
            self._apply_keys(set(server_keys(self.layout.hostname)), part)

    def _apply_bulk(self, change: Change, outcome: Outcome, trigger: str) -> None:
        with self._accounted([change], outcome, trigger) as part:
            self._apply_many_keys(change, part, outcome, trigger)

    @contextmanager
    def _accounted(self, changes: list[Change], outcome: Outcome, trigger: str) -> Iterator[Outcome]:
        """Around the work on changes: they leave the outbox unless it fails, and what was written counts."""
        started = timezone.now()
        self._refuse_full_disk()
        part = Outcome()
        yield part
        _raise_broken(part)
        finish(self.node, changes)
        outcome.changes += len(changes)
        outcome.take_over(part)
        if not part.is_empty:
            record_run(self.node, started, part, trigger)

    def _apply_keys(self, keys: set[str], outcome: Outcome) -> None:
        """The accounts file first: a password counts before the maps have been looked at."""
        reading = Reading(keys, self.layout.hostname)
        for group in ((*TABLES, *SCRIPTS), MAPS):
            with self._locked(group):
                wanted = reading.fresh()
                stores = self._stores(group)
                for store, found in zip(stores, self._query(stores, sorted(wanted.touched)), strict=True):
                    diff = diff_of_keys(wanted.entries[store.name], found, wanted.touched)
                    self._write(store, diff, outcome)
                outcome.broken.update(wanted.broken)
        self._settle_held_mail(outcome)

    def _apply_known_accounts(self, keys: set[str], outcome: Outcome) -> None:
        """A new password counts, and the old one no more, before all else about the keys has been read. Only
        accounts that the machine knows: a new one waits for its lock and encryption, which are written first.
        """
        addresses = sorted(key for key in keys if "@" in key)
        if not addresses:
            return
        (store,) = self._stores(("account",))
        with self._locked(("account",)):
            found = store.query(addresses)
            self._write(store, diff_of_keys(account_rows(found.keys()), found, ()), outcome)

    def _apply_many_keys(self, change: Change, part: Outcome, outcome: Outcome, trigger: str) -> None:
        """In batches, so that no lock is held for long; single changes pass between them."""
        keys = list(dict.fromkeys(expand(change.keys)))
        keys += self._stale_keys([key[2:] for key in change.keys if key.startswith("*@")], set(keys))
        for start in range(0, len(keys), KEYS_A_BATCH):
            self.progress(change.scope, start, len(keys))
            self._apply_keys(set(keys[start : start + KEYS_A_BATCH]), part)
            self._let_small_pass(outcome, trigger)
        self.progress(change.scope, len(keys), len(keys))

    @contextmanager
    def _locked(self, names: Sequence[str]) -> Iterator[None]:
        with ExitStack() as locks:
            for name in names:
                locks.enter_context(self.host.lock(f"store-{name}"))
            yield

    def _query(self, stores: Sequence[Store], keys: Sequence[str]) -> list[dict[str, Value]]:
        """Maps side by side: what a postmap costs is its start. Tables answer sooner than a thread begins."""
        if not any(store.name in MAPS for store in stores):
            return [store.query(keys) for store in stores]
        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(lambda store: store.query(keys), stores))

    def _let_small_pass(self, outcome: Outcome, trigger: str) -> None:
        if Change.objects.small(self.node).exists():
            self._drain_small(outcome, trigger)

    def _stale_keys(self, names: list[str], known: set[str]) -> list[str]:
        """What the machine has under the names, and the database no longer knows."""
        if not names:
            return []
        endings = tuple(f"@{name}" for name in names)
        stale: set[str] = set()
        for store in self._stores(STORES):
            stale.update(key for key, _value in store.listing() if key.endswith(endings))
        return sorted(stale - known)

    # Everything

    def _apply_all_entries(self, outcome: Outcome, *, confirm_deletions: bool) -> None:
        """Compare without locks; what differs is written with fresh rows inside them.

        Few differences go the way of a change. Many, as on a new machine, rebuild whole stores: then the
        locks are held while the rows are read.
        """
        stores = self._stores(STORES)
        is_new = all(next(iter(store.listing()), None) is None for store in stores)
        if not is_new:
            differing = self._differing_keys(stores, confirm_deletions=confirm_deletions)
            if len(differing) < REBUILD_FROM_CHANGES:
                for start in range(0, len(differing), KEYS_A_BATCH):
                    self._apply_keys(set(differing[start : start + KEYS_A_BATCH]), outcome)
                return
        with self._locked(STORES):
            self.progress("reading the database", 0, 1)
            wanted = all_entries(self.layout.hostname)
            diffs = [
                (store, diff_of_all(wanted.entries[store.name], store.listing(), keep=wanted.broken))
                for store in stores
            ]
            self._write_all(diffs, outcome)
            outcome.broken.update(wanted.broken)
        self._settle_held_mail(outcome)

    def _differing_keys(self, stores: Sequence[Store], *, confirm_deletions: bool) -> list[str]:
        wanted, diffs = compared(stores, self.layout.hostname, self.progress)
        differing: set[str] = set()
        for name, diff in diffs.items():
            existing = len(wanted.entries[name]) - len(diff.upserts) + len(diff.deletes)
            if not confirm_deletions:
                refuse_mass_deletion(name, diff, existing=existing)
            differing.update(diff.upserts, diff.deletes)
        # What cannot be rendered differs from nothing; it is looked at again, and told.
        return sorted(differing | wanted.broken.keys())

    # Shared

    def _stores(self, names: Sequence[str]) -> list[Store]:
        return [open_store(self.host, self.layout, name) for name in names]

    def _write(self, store: Store, diff: StoreDiff, outcome: Outcome) -> None:
        if diff := self._opened(diff, outcome):
            ending = whose_sessions_end(store, diff)
            store.change(diff.upserts, diff.deletes)
            self._after_write(store, diff, ending, outcome)

    def _write_all(self, diffs: Sequence[tuple[Store, StoreDiff]], outcome: Outcome) -> None:
        """Whole stores: postmap builds the maps while the accounts file is written."""
        open_diffs = [(store, self._opened(diff, outcome)) for store, diff in diffs]
        found = [(store, diff, whose_sessions_end(store, diff)) for store, diff in open_diffs if diff]
        with ThreadPoolExecutor(max_workers=1) as beside:
            maps = [
                beside.submit(store.change, diff.upserts, diff.deletes)
                for store, diff, _ending in found
                if store.name in MAPS
            ]
            for done, (store, diff, _ending) in enumerate(found):
                if store.name not in MAPS:
                    self.progress(f"writing {store.name}", done, len(found))
                    store.change(diff.upserts, diff.deletes)
            for change in maps:
                change.result()
        for store, diff, ending in found:
            self._after_write(store, diff, ending, outcome)

    def _opened(self, diff: StoreDiff, outcome: Outcome) -> StoreDiff:
        """Its secrets; what does not open stays on the machine as it is, and is told."""
        diff, broken = opened(diff, self.opener)
        outcome.broken.update(broken)
        return diff

    def _after_write(self, store: Store, diff: StoreDiff, ending: Sequence[str], outcome: Outcome) -> None:
        """What runs on, and what is told, because the store is another now."""
        outcome.add(store.name, diff)
        kick(self.host, self.layout, ending)
        if store.name == "encryption" and diff.upserts:
            cut_plaintext(self.host, self.layout, list(diff.upserts))
        if store.name == "brake":
            outcome.stopped += [name for name, row in diff.upserts.items() if is_stopped(row)]
        if store.name == "lock":
            outcome.locked += [name for name in diff.upserts if name not in NEVER_HELD]
            outcome.unlocked += diff.deletes

    def _settle_held_mail(self, outcome: Outcome) -> None:
        """After the stores: nothing new can be sent any more."""
        if outcome.locked or outcome.unlocked:
            locked, unlocked = outcome.locked, outcome.unlocked
            outcome.locked, outcome.unlocked = [], []
            locks, brakes = self._stores(("lock", "brake"))
            settle_held_mail(
                self.node, self.host, self.layout, locks, brakes, locked=locked, unlocked=unlocked
            )
        if outcome.stopped:
            stopped, outcome.stopped = outcome.stopped, []
            hold_mail_of_stopped(self.host, self.layout, stopped)

    def _refuse_full_disk(self) -> None:
        free = self.host.free_bytes()
        if free < LOWEST_FREE_BYTES:
            raise QmailuxError(f"only {free // 1024} kB are free on the node's disk: nothing was written")


def _raise_broken(outcome: Outcome) -> None:
    """The rest has been applied; the change stays in the outbox with the reason beside it."""
    if outcome.broken:
        address, reason = next(iter(sorted(outcome.broken.items())))
        others = f" (and {len(outcome.broken) - 1} more)" if len(outcome.broken) > 1 else ""
        raise ApplyIncomplete(f"{address}: {reason}{others}")
