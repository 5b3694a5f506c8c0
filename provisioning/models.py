"""Nodes, revisions and what was applied where."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from provisioning.querysets import ChangeQuerySet

SERVER_SCOPE = "server"


class Node(models.Model):
    """One machine of the mail plane."""

    class Kind(models.TextChoices):
        LOCAL = "local", _("this machine")
        SSH = "ssh", _("over SSH")

    name = models.CharField(max_length=63, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.LOCAL)
    address = models.CharField(max_length=253, blank=True, help_text=_("Host name or address, for SSH."))
    created_at = models.DateTimeField(auto_now_add=True)
    usage_counted_at = models.DateTimeField(null=True, blank=True)
    # How far Dovecot's log has been read for last logins.
    login_log_inode = models.BigIntegerField(default=0, db_default=0)
    login_log_offset = models.BigIntegerField(default=0, db_default=0)
    # Why its packet filter cannot be used, so that its parts refuse blocked addresses; empty: it is used.
    filter_fault = models.CharField(max_length=250, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind"], condition=models.Q(kind="local"), name="node_one_local"),
        ]

    def __str__(self) -> str:
        return self.name


class NodeReport(models.Model):
    """What was found at the last look at a node (provisioning.watch), for the overview."""

    node = models.OneToOneField(Node, models.CASCADE, primary_key=True, related_name="report")
    found = models.JSONField(default=dict)
    looked_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.node_id)


class Scope(models.Model):
    """A domain by name, or the server. Its row lock puts revisions in commit order; it outlives its
    object.
    """

    name = models.CharField(max_length=253, primary_key=True)
    revision = models.BigIntegerField(default=0)
    # Up to here what the domain has is counted (domains.numbers).
    counted_revision = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        # The few that are to be counted, however many there are.
        indexes = [
            models.Index(
                fields=["name"],
                condition=models.Q(revision__gt=models.F("counted_revision")),
                name="scope_uncounted",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} r{self.revision}"


class Change(models.Model):
    """The outbox: keys that a node must look at again. The row goes when the node has applied them.

    keys: addresses ("jan@firma.test", "@firma.test" for a catch-all), domain names ("firma.test"), all
    addresses of a name ("+@firma.test", "*@firma.test": see outbox), or ["*"] for the server's settings.
    """

    node = models.ForeignKey(Node, models.CASCADE, related_name="changes")
    scope = models.CharField(max_length=253)
    revision = models.BigIntegerField()
    keys = models.JSONField()
    key_count = models.PositiveIntegerField()
    error = models.TextField(blank=True, help_text=_("Why the last try to apply it failed."))
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ChangeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "scope", "revision"], name="change_once_a_revision"),
        ]
        # Used by Change.objects.next_for(): small changes first, then in order of arrival.
        indexes = [models.Index(fields=["node", "key_count", "id"], name="change_queue")]

    def __str__(self) -> str:
        return f"{self.scope} r{self.revision} on {self.node_id}"


class AppliedRevision(models.Model):
    """How far a node is: every change of the scope up to this revision is live there."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="applied")
    scope = models.CharField(max_length=253)
    revision = models.BigIntegerField(default=0)
    applied_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["scope"]
        constraints = [models.UniqueConstraint(fields=["node", "scope"], name="applied_once_a_scope")]

    def __str__(self) -> str:
        return f"{self.scope} r{self.revision} on {self.node_id}"


class Run(models.Model):
    """One apply that had something to do: its plan, output and error, for the panel and for people at 3
    a.m.
    """

    node = models.ForeignKey(Node, models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=20)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    plan = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run {self.pk} on {self.node_id}"


class Inspection(models.Model):
    """What the machine said of an account when somebody last asked what is wrong with it."""

    account = models.OneToOneField(
        "accounts.Account", models.CASCADE, primary_key=True, related_name="inspection"
    )
    found = models.JSONField()
    answered_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.account_id)


class HeldMail(models.Model):
    """Queued messages that were held because of a lock of the account or domain of that name."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="held_mail")
    name = models.CharField(max_length=254)
    ids = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "name"], name="held_mail_once_a_name")]

    def __str__(self) -> str:
        return self.name


class QueueRequest(models.Model):
    """A question or an order to a node's queue, and its answer. It lasts for minutes only.

    wanted: a filter, as plain values. domain: the name to which the person is limited; "" is no limit.
    """

    node = models.ForeignKey(Node, models.CASCADE, related_name="queue_requests")
    verb = models.CharField(max_length=10)
    wanted = models.JSONField(default=dict)
    domain = models.CharField(max_length=253, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    acting_as = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    address = models.CharField(max_length=45, blank=True)
    dry_run = models.BooleanField(default=False)
    answer = models.JSONField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    answered_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.verb} on {self.node_id}"


class SessionEnd(models.Model):
    """An order to a node to end sessions in webmails; the row goes when it is done.

    names: addresses, all of whose sessions end, with their IMAP connections from the webmails. sessions:
    single ones, as pairs of a webmail and an id.
    """

    node = models.ForeignKey(Node, models.CASCADE, related_name="session_ends")
    names = models.JSONField(default=list)
    sessions = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"end of {len(self.names) or len(self.sessions)} on {self.node_id}"
