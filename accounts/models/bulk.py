"""Bulk files on their way, and mailboxes on theirs."""

from __future__ import annotations

import uuid

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models.account import Account
from accounts.querysets import BulkJobQuerySet, DeletedMailboxQuerySet
from provisioning.layout import home_of_account


class BulkJob(models.Model):
    """A bulk file on its way: checked, confirmed, added. Or what many accounts have in common:
    new passwords, deletion.

    What the file held, and the passwords that came of it, lie encrypted in files beside the sockets
    (accounts.vault), for an hour at most. The key is here: a copy of the database alone tells nothing.
    """

    class Kind(models.TextChoices):
        ACCOUNTS = "accounts", _("accounts")
        ALIASES = "aliases", _("aliases")
        PASSWORDS = "password", _("passwords")
        DELETION = "delete", _("deletion")

    class State(models.TextChoices):
        CHECKED = "checked"
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(Account, models.CASCADE, related_name="bulk_jobs")
    acting_as = models.ForeignKey(Account, models.CASCADE, null=True, related_name="+")
    domain_name = models.CharField(max_length=253)
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.CHECKED)
    key = models.CharField(max_length=64)
    address = models.CharField(max_length=45, blank=True)
    total_count = models.PositiveIntegerField()
    done_count = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    csv_taken_at = models.DateTimeField(null=True)
    slips_taken_at = models.DateTimeField(null=True)

    objects = BulkJobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["domain_name"],
                condition=Q(state__in=["queued", "running"]),
                name="bulk_job_one_at_a_time_in_domain",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["checked", "queued", "running", "done", "failed"]),
                name="bulk_job_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uuid}"


class DeletedMailbox(models.Model):
    """Mail of a deleted account: kept below the old folder, which no login can reach, until it is purged."""

    uuid = models.UUIDField(unique=True)
    address = models.CharField(max_length=254, db_index=True)
    domain_name = models.CharField(max_length=253, blank=True, default="", db_default="", db_index=True)
    node = models.ForeignKey("provisioning.Node", models.PROTECT)
    deleted_at = models.DateTimeField(auto_now_add=True, db_index=True)
    purging_at = models.DateTimeField(null=True)
    # What the account was beside its mail (accounts.keeping), and the aliases that led to it, with targets.
    settings = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    aliases = models.JSONField(default=dict)

    objects = DeletedMailboxQuerySet.as_manager()

    def __str__(self) -> str:
        return self.address

    @property
    def home(self) -> str:
        return home_of_account(self.uuid.hex)
