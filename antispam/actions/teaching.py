"""Receipts of what was taught, and taking it back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import Account
from antispam.models import TaughtBatch, TaughtMessage, TeachRequest
from audit import record as audit
from qmailux_site.errors import ActionRefused


def open_batch(
    account: Account, *, kind: TaughtBatch.Kind, uidvalidity: int, uidnext: int, by: Actor
) -> TaughtBatch:
    """The batch that collects what is taught now: the one that a killed learner left open goes on."""
    by.must_be_superadmin()
    batch, _is_new = TaughtBatch.objects.get_or_create(
        account=account,
        kind=kind,
        finished_at=None,
        defaults={"inbox_uidvalidity": uidvalidity, "inbox_uidnext": uidnext},
    )
    return batch


def add_taught(messages: Iterable[TaughtMessage], *, by: Actor) -> None:
    """Receipts; one that exists stays as it is."""
    by.must_be_superadmin()
    TaughtMessage.objects.bulk_create(messages, ignore_conflicts=True)


@transaction.atomic
def finish_batch(batch: TaughtBatch, *, by: Actor) -> None:
    """Everything is done; one in which nothing was taught leaves no receipt."""
    by.must_be_superadmin()
    count = batch.messages.count()
    if not count:
        batch.delete()
        return
    TaughtBatch.objects.filter(pk=batch.pk).update(finished_at=timezone.now())
    scope = batch.account.domain.name if batch.account.domain else ""
    audit.record(by, f"spam.taught_{batch.kind}", batch.account.address, scope=scope, messages=count)


@transaction.atomic
def undo_teaching(batch: TaughtBatch, *, by: Actor) -> None:
    """The server forgets what the batch taught and puts its spam back into the INBOX, within seconds.

    Refused: a batch that is not finished, was taken back, or whose messages are no longer kept.
    """
    by.must_be(batch.account)
    fresh = TaughtBatch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
    if fresh.finished_at is None:
        raise ActionRefused("", _("This is being taught right now."))
    if fresh.undo_requested_at is not None:
        raise ActionRefused("", _("This was taken back already."))
    if not fresh.messages.filter(is_kept=True, failure="").exists():
        raise ActionRefused("", _("The messages are no longer kept, so they cannot be put back."))
    fresh.undo_requested_at = timezone.now()
    fresh.save(update_fields=["undo_requested_at"])
    scope = batch.account.domain.name if batch.account.domain else ""
    audit.record(by, "spam.undo_requested", batch.account.address, scope=scope, kind=batch.kind)


@transaction.atomic
def note_returned(message: TaughtMessage, *, by: Actor) -> None:
    """It is forgotten and, if it was spam, back in the INBOX."""
    by.must_be_superadmin()
    TaughtMessage.objects.filter(pk=message.pk).update(is_kept=False)


@transaction.atomic
def finish_undo(batch: TaughtBatch, *, by: Actor) -> None:
    by.must_be_superadmin()
    TaughtBatch.objects.filter(pk=batch.pk).update(undone_at=timezone.now())


def finish_request(request: TeachRequest, *, fault: str, by: Actor) -> None:
    """Somebody's click is done with."""
    by.must_be_superadmin()
    TeachRequest.objects.filter(pk=request.pk).update(done_at=timezone.now(), fault=fault)


@transaction.atomic
def forget_old_batches(*, kept_since: datetime, known_since: datetime, by: Actor) -> list[TaughtBatch]:
    """Batches whose messages need not be kept any longer: the caller erases them. Very old receipts go."""
    by.must_be_superadmin()
    TaughtBatch.objects.filter(finished_at__lt=known_since).delete()
    TeachRequest.objects.filter(done_at__lt=known_since).delete()
    old = TaughtBatch.objects.filter(finished_at__lt=kept_since, messages__is_kept=True)
    batches = list(old.select_related("account").distinct())
    TaughtMessage.objects.filter(batch__in=batches).update(is_kept=False)
    return batches
