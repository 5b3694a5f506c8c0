"""A bulk file given to the panel: kept encrypted until it is confirmed, added in the background, forgotten.
So are acts on many accounts that take their time.

Only the job's number goes through the broker. The passwords that come of it can be fetched once in each form,
by whoever gave the file, within the hour.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts import bulk, bulk_aliases, vault
from accounts.actions.bulk import add_accounts
from accounts.actions.bulk_aliases import add_aliases
from accounts.actions.many import check_deletion, delete_accounts, set_passwords
from accounts.actor import Actor
from accounts.csvfile import FileError
from accounts.hashing import hashed
from accounts.models import Account, BulkJob
from accounts.passwords import check_policy, random_password
from accounts.querysets import BulkJobQuerySet
from domains.models import Domain
from qmailux_site.broker import tell_worker
from qmailux_site.csvexport import BYTE_ORDER_MARK, safe_cell
from qmailux_site.errors import ActionRefused

KEPT_SECONDS = 3600
# A worker that has not said anything for so long is gone.
SILENT_SECONDS = 600
# The broker may have lost the hint.
WAITING_SECONDS = 20
MOST_ATTEMPTS = 3
# The domain is locked for so many.
DELETED_A_PART = 50
SECONDS_BETWEEN_REPORTS = 0.5

State = BulkJob.State


class JobStopped(Exception):
    """Cancelled meanwhile, or taken over by another worker."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would do: one row each as (line, address, what else), and what stands against it."""

    rows: list[tuple[int, str, str]]
    faults: list[FileError]
    total: int


@dataclass(frozen=True, slots=True)
class Slip:
    """One line of the result. password is empty for one that came as a hash of another system."""

    address: str
    name: str
    password: str


def preview(kind: str, raw: bytes, *, domain_name: str, by: Actor) -> Preview:
    """Judge the file; nothing is kept. Raises BadFile when it cannot be read as a table."""
    if kind == BulkJob.Kind.ALIASES:
        aliases = bulk_aliases.judge_alias_file(raw, by=by, default_domain=domain_name)
        faults = aliases.faults or bulk_aliases.past_limits(aliases.rows)
        shown = [(row.line, row.alias.address, ", ".join(row.alias.targets)) for row in aliases.rows]
        return Preview(shown, faults, aliases.total)
    judged = bulk.judge_file(raw, by=by, default_domain=domain_name)
    shown = [(row.line, row.account.address, row.account.name) for row in judged.rows]
    return Preview(shown, judged.faults or bulk.past_limits(judged.rows), judged.total)


def prepare_bulk_job(kind: str, raw: bytes, *, domain_name: str, total: int, by: Actor) -> BulkJob:
    """Keep a file without faults until it is confirmed, for an hour at most."""
    if by.real is None:
        raise TypeError("a bulk job belongs to a person")
    by.must_write()
    job = BulkJob(
        owner=by.real,
        acting_as=by.acting_as,
        domain_name=domain_name,
        kind=kind,
        key=vault.new_key(),
        address=by.address,
        total_count=total,
    )
    vault.put(_upload(job), raw, key=job.key)
    job.save(force_insert=True)
    return job


def prepare_password_job(domain: Domain, chosen: Sequence[int], *, password: str, by: Actor) -> BulkJob:
    """New passwords for the chosen, each its own random one where none is given."""
    by.must_act_in_person()
    by.must_manage(domain)
    content = json.dumps({"chosen": list(chosen), "password": password}).encode()
    return prepare_bulk_job(
        BulkJob.Kind.PASSWORDS, content, domain_name=domain.name, total=len(chosen), by=by
    )


def prepare_deletion_job(
    domain: Domain, chosen: Sequence[int], *, remove_orphans: bool, by: Actor
) -> BulkJob:
    """More accounts than one act deletes. Refused at once for what would refuse one of them."""
    check_deletion(domain, chosen, remove_orphans=remove_orphans, by=by)
    content = json.dumps({"chosen": list(chosen), "remove_orphans": remove_orphans}).encode()
    kind = BulkJob.Kind.DELETION
    return prepare_bulk_job(kind, content, domain_name=domain.name, total=len(chosen), by=by)


def start_at_once(job: BulkJob, *, by: Actor) -> None:
    """For what was confirmed before there was a job: when it is refused, nothing is kept."""
    try:
        start_bulk_job(job, by=by)
    except ActionRefused:
        cancel_bulk_job(job, by=by)
        raise


def upload_of(job: BulkJob) -> bytes | None:
    return vault.get(_upload(job), key=job.key)


def start_bulk_job(job: BulkJob, *, by: Actor) -> None:
    """Confirmed: a worker does it. Twice is once. Refused while another file of the domain is on its way."""
    by.must_write()
    try:
        with transaction.atomic():
            started = BulkJob.objects.filter(pk=job.pk, state=State.CHECKED)
            changed = started.update(state=State.QUEUED, changed_at=timezone.now())
    except IntegrityError:
        sentence = _("Another bulk file of this domain is being added: wait until it is done.")
        raise ActionRefused("", sentence) from None
    if changed:
        transaction.on_commit(lambda: nudge(job.pk))


def cancel_bulk_job(job: BulkJob, *, by: Actor) -> None:
    """Nothing of it is added, unless it is done already. What a deletion has deleted stays deleted."""
    by.must_write()
    unfinished = BulkJob.objects.filter(pk=job.pk).exclude(state__in=[State.DONE, State.FAILED])
    if unfinished.update(state=State.FAILED, error=_("Cancelled."), changed_at=timezone.now()):
        vault.remove(_upload(job))
        vault.remove(_result(job))


def nudge(job_id: int) -> None:
    """Tell a worker; a dead broker costs seconds, never the job."""
    from accounts.tasks import run_bulk_job as task

    tell_worker(task, job_id, otherwise=f"the sweep will start bulk job={job_id}")


def run_bulk_job(job_id: int) -> None:
    """Add what the file says, all or nothing; delete part by part. Another worker that has the job already
    keeps it.
    """
    claimed = BulkJob.objects.filter(pk=job_id, state=State.QUEUED)
    now = timezone.now()
    if not claimed.update(state=State.RUNNING, attempt=F("attempt") + 1, done_count=0, changed_at=now):
        return
    job = BulkJob.objects.select_related("owner", "acting_as").get(pk=job_id)
    try:
        with override(job.owner.language):
            _run(job)
    except ActionRefused as refusal:
        _fail(job, refusal.message)
    except JobStopped:
        return
    except Exception:
        _fail(job, "")
        raise
    finally:
        if not BulkJob.objects.filter(pk=job_id, state__in=[State.QUEUED, State.RUNNING]).exists():
            vault.remove(_upload(job))


def take_result(job: BulkJob, form: str) -> list[Slip] | None:
    """The passwords, once as "csv" and once as "slips"; None when they have been fetched or are gone."""
    column = f"{form}_taken_at"
    fresh = BulkJob.objects.filter(pk=job.pk, state=State.DONE, **{column: None})
    if not fresh.update(**{column: timezone.now()}):
        return None
    raw = vault.get(_result(job), key=job.key)
    job.refresh_from_db(fields=["csv_taken_at", "slips_taken_at"])
    if job.csv_taken_at and job.slips_taken_at:
        vault.remove(_result(job))
    return None if raw is None else [Slip(*line) for line in json.loads(raw)]


def result_as_csv(slips: Sequence[Slip]) -> bytes:
    """Passwords stand as they are: an apostrophe in front would make another of them. Ours begin like no
    formula; one that somebody chose is that person's own.
    """
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["address", "name", "password"])
    writer.writerows([safe_cell(slip.address), safe_cell(slip.name), slip.password] for slip in slips)
    return f"{BYTE_ORDER_MARK}{out.getvalue()}".encode()


def sweep_bulk_jobs() -> None:
    """Start what the broker lost, give up what its worker left, forget what is older than an hour."""
    now = timezone.now()
    silent = BulkJob.objects.filter(
        state=State.RUNNING, changed_at__lt=now - timedelta(seconds=SILENT_SECONDS)
    )
    silent.filter(attempt__gte=MOST_ATTEMPTS).update(state=State.FAILED, changed_at=now)
    silent.filter(attempt__lt=MOST_ATTEMPTS).update(state=State.QUEUED, changed_at=now)
    old = BulkJob.objects.filter(created_at__lt=now - timedelta(seconds=KEPT_SECONDS))
    for job in old.exclude(state=State.RUNNING):
        vault.remove(_upload(job))
        vault.remove(_result(job))
        job.delete()
    # What is running may have begun just before its hour was over.
    vault.remove_older_than(2 * KEPT_SECONDS)
    lost = BulkJob.objects.filter(state=State.QUEUED, changed_at__lt=now - timedelta(seconds=WAITING_SECONDS))
    for job_id in lost.values_list("pk", flat=True):
        nudge(job_id)


def _run(job: BulkJob) -> None:
    raw = upload_of(job)
    if raw is None:
        raise ActionRefused("", _("The file is gone: it is kept for an hour. Give it again."))
    by = Actor(real=job.owner, channel="panel", acting_as=job.acting_as, address=job.address)
    if job.kind == BulkJob.Kind.ALIASES:
        _add_aliases(job, raw, by)
    elif job.kind == BulkJob.Kind.PASSWORDS:
        _set_passwords(job, raw, by)
    elif job.kind == BulkJob.Kind.DELETION:
        _delete_accounts(job, raw, by)
    else:
        _add_accounts(job, raw, by)


def _add_accounts(job: BulkJob, raw: bytes, by: Actor) -> None:
    judged = bulk.judge_file(raw, by=by, default_domain=job.domain_name)
    _refuse_faults(judged.faults)
    report = _Reporter(job)
    accounts = list(bulk.hash_passwords(judged.rows, report))
    slips = [(row.account.address, row.account.name, row.password) for row in judged.rows]
    # On the disk before anything is added: passwords that nobody can read would be worse than none.
    vault.put(_result(job), json.dumps(slips).encode(), key=job.key)
    try:
        with transaction.atomic():
            add_accounts(accounts, by=by)
            _finish(job, len(accounts))
    except BaseException:
        vault.remove(_result(job))
        raise


def _add_aliases(job: BulkJob, raw: bytes, by: Actor) -> None:
    judged = bulk_aliases.judge_alias_file(raw, by=by, default_domain=job.domain_name)
    _refuse_faults(judged.faults)
    with transaction.atomic():
        add_aliases([row.alias for row in judged.rows], by=by)
        _finish(job, len(judged.rows))


def _set_passwords(job: BulkJob, raw: bytes, by: Actor) -> None:
    wanted = json.loads(raw)
    domain = Domain.objects.get(name=job.domain_name)
    people = list(Account.objects.visible_to(by).filter(domain=domain, pk__in=wanted["chosen"]))
    passwords = [wanted["password"] or random_password() for _person in people]
    for person, password in zip(people, passwords, strict=True):
        check_policy(password, address=person.address, name=person.name)
    encoded = dict(zip((person.pk for person in people), hashed(passwords, _Reporter(job)), strict=True))
    slips = [
        (person.address, person.name, password) for person, password in zip(people, passwords, strict=True)
    ]
    vault.put(_result(job), json.dumps(slips).encode(), key=job.key)
    try:
        with transaction.atomic():
            set_passwords(domain, encoded, by=by)
            _finish(job, len(people))
    except BaseException:
        vault.remove(_result(job))
        raise


def _delete_accounts(job: BulkJob, raw: bytes, by: Actor) -> None:
    """Each part and how far it is are one commit: whoever takes the job over goes on where it stands."""
    wanted = json.loads(raw)
    domain = Domain.objects.get(name=job.domain_name)
    there = set(Account.objects.filter(domain=domain).values_list("pk", flat=True))
    left = [pk for pk in wanted["chosen"] if pk in there]
    for start in range(0, len(left), DELETED_A_PART):
        part = left[start : start + DELETED_A_PART]
        with transaction.atomic():
            delete_accounts(domain, part, remove_orphans=wanted["remove_orphans"], by=by)
            _say_done(job, job.total_count - len(left) + start + len(part))
    _finish(job, job.total_count)


def _refuse_faults(faults: Sequence[FileError]) -> None:
    """The file was without faults when it was confirmed; something has been changed since."""
    if faults:
        raise ActionRefused("", " ".join(str(fault) for fault in faults[:3]))


class _Reporter:
    """Writes down how far the hashing is; stops when the job is no longer this worker's."""

    def __init__(self, job: BulkJob) -> None:
        self.job = job
        self.next_at = 0.0

    def __call__(self, done: int, _total: int) -> None:
        now = time.monotonic()
        if now < self.next_at:
            return
        self.next_at = now + SECONDS_BETWEEN_REPORTS
        _say_done(self.job, done)


def _say_done(job: BulkJob, count: int) -> None:
    if not _mine(job).update(done_count=count, changed_at=timezone.now()):
        raise JobStopped


def _finish(job: BulkJob, count: int) -> None:
    """In the transaction that adds: done and added are one commit."""
    if not _mine(job).update(state=State.DONE, done_count=count, changed_at=timezone.now()):
        raise JobStopped


def _fail(job: BulkJob, reason: str) -> None:
    _mine(job).update(state=State.FAILED, error=reason[:2000], changed_at=timezone.now())


def _mine(job: BulkJob) -> BulkJobQuerySet:
    return BulkJob.objects.filter(pk=job.pk, state=State.RUNNING, attempt=job.attempt)


def _upload(job: BulkJob) -> str:
    return f"{job.uuid.hex}.upload"


def _result(job: BulkJob) -> str:
    return f"{job.uuid.hex}.result"
