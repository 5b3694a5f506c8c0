"""What people want of the spam check. Fields, constraints and small pure properties; every change is an
action.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from antispam.querysets import SpamPreferenceQuerySet, TaughtBatchQuerySet

MOST_STARS = 50  # SpamAssassin writes no more into X-Spam-Level
LEAST_SUSPECTED, MOST_SUSPECTED = 1, 50
MOST_SPAM_DAYS = 3650


class Level(models.TextChoices):
    """Whose wish it is. The user's goes before the domain's, and that before the server's."""

    SERVER = "server", _("server")
    DOMAIN = "domain", pgettext_lazy("one", "domain")
    ACCOUNT = "account", pgettext_lazy("one", "account")


class SpamPreference(models.Model):
    """The wishes of one account, one domain or the server. What is null is left to the level below it.

    The thresholds are set as a pair, so that the second can never come to lie below the first. Without a wish
    there is no row.
    """

    level = models.CharField(max_length=8, choices=Level)
    domain = models.OneToOneField(
        "domains.Domain", models.CASCADE, null=True, blank=True, related_name="spam_preference"
    )
    account = models.OneToOneField(
        "accounts.Account", models.CASCADE, null=True, blank=True, related_name="spam_preference"
    )
    suspected = models.DecimalField(max_digits=4, decimal_places=1, null=True, blank=True)
    probable = models.PositiveSmallIntegerField(null=True, blank=True)
    is_scanned = models.BooleanField(null=True, blank=True)
    # Whether the check asks public lists; a domain's.
    asks_network = models.BooleanField(null=True, blank=True)
    languages = models.CharField(max_length=200, blank=True)
    spam_days = models.PositiveSmallIntegerField(null=True, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = SpamPreferenceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(level=Level.SERVER, domain__isnull=True, account__isnull=True)
                | Q(level=Level.DOMAIN, domain__isnull=False, account__isnull=True)
                | Q(level=Level.ACCOUNT, domain__isnull=True, account__isnull=False),
                name="spam_preference_has_one_owner",
            ),
            models.UniqueConstraint(
                fields=["level"], condition=Q(level=Level.SERVER), name="spam_preference_of_server_once"
            ),
            models.CheckConstraint(
                condition=Q(suspected__isnull=True, probable__isnull=True)
                | Q(
                    suspected__gte=LEAST_SUSPECTED,
                    suspected__lte=MOST_SUSPECTED,
                    probable__gte=F("suspected"),
                    probable__lte=MOST_STARS,
                ),
                name="spam_thresholds_are_a_pair_in_order",
            ),
            models.CheckConstraint(
                condition=Q(spam_days__isnull=True) | Q(spam_days__gte=1, spam_days__lte=MOST_SPAM_DAYS),
                name="spam_days_have_limits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.account_id or self.domain_id or ''}".strip()

    @property
    def language_codes(self) -> tuple[str, ...]:
        return tuple(self.languages.split())

    @property
    def is_empty(self) -> bool:
        """Without lists, nothing would remain of it."""
        return (
            self.suspected is None
            and self.is_scanned is None
            and self.asks_network is None
            and not self.languages
            and self.spam_days is None
        )


class SenderListEntry(models.Model):
    """One sender or pattern whose mail is always wanted, or never."""

    class Kind(models.TextChoices):
        ALLOW = "allow", _("always let through")
        DENY = "deny", _("always spam")

    preference = models.ForeignKey(SpamPreference, models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=5, choices=Kind)
    pattern = models.CharField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pattern"]
        constraints = [
            # On both lists at once it would mean nothing.
            models.UniqueConstraint(fields=["preference", "pattern"], name="sender_pattern_once"),
        ]

    def __str__(self) -> str:
        return self.pattern


class TaughtBatch(models.Model):
    """What one account taught at a time. While it is not finished, a learner that was killed goes on with it.

    inbox_*: how the INBOX stood before, so that what was returned already is recognised.
    """

    class Kind(models.TextChoices):
        SPAM = "spam", _("as spam")
        HAM = "ham", _("as wanted mail")

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="taught_batches")
    kind = models.CharField(max_length=4, choices=Kind)
    inbox_uidvalidity = models.BigIntegerField(default=0)
    inbox_uidnext = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True, db_index=True)
    undo_requested_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

    objects = TaughtBatchQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind"],
                condition=Q(finished_at__isnull=True),
                name="taught_batch_one_open_a_kind",
            ),
        ]
        indexes = [
            models.Index(
                fields=["undo_requested_at"],
                condition=Q(undo_requested_at__isnull=False, undone_at__isnull=True),
                name="taught_batch_to_undo",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def kept_at(self) -> str:
        """Folder of its messages, below the node's folder."""
        return f"spool/taught/{self.account.home}/{self.pk}"


class TaughtMessage(models.Model):
    """One message of a batch. place: where it lay in the folder that teaches, so that none counts twice."""

    batch = models.ForeignKey(TaughtBatch, models.CASCADE, related_name="messages")
    place = models.CharField(max_length=80)
    subject = models.CharField(max_length=200, blank=True)
    sender = models.CharField(max_length=200, blank=True)
    internal_date = models.CharField(max_length=40)
    flags = models.CharField(max_length=400, blank=True)
    failure = models.CharField(max_length=200, blank=True)
    is_kept = models.BooleanField(default=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["batch", "place"], name="taught_message_once")]

    def __str__(self) -> str:
        return self.subject

    @property
    def file_name(self) -> str:
        return f"{self.place}.eml"


class Protection(models.Model):
    """A protection that somebody switched or set; the others are as protections.KINDS has them."""

    name = models.CharField(max_length=40, unique=True)
    is_on = models.BooleanField()
    options = models.JSONField(default=dict, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DomainProtection(models.Model):
    """A protection that a domain has otherwise than the server."""

    domain = models.ForeignKey("domains.Domain", models.CASCADE, related_name="protections")
    name = models.CharField(max_length=40)
    is_on = models.BooleanField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["domain", "name"], name="domain_protection_once"),
        ]

    def __str__(self) -> str:
        return f"{self.domain_id} {self.name}"


class ProtectionCount(models.Model):
    """How many messages a protection stopped on one day, read from the logs."""

    name = models.CharField(max_length=40)
    day = models.DateField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "day"], name="protection_count_once_a_day")]

    def __str__(self) -> str:
        return f"{self.name} {self.day}"


class CountedLog(models.Model):
    """How far a log of a node has been read for the counts."""

    node = models.ForeignKey("provisioning.Node", models.CASCADE, related_name="counted_logs")
    path = models.CharField(max_length=100)
    inode = models.BigIntegerField(default=0)
    offset = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "path"], name="counted_log_once")]

    def __str__(self) -> str:
        return self.path


class AllowedPast(models.Model):
    """A network, or a sender's address or domain, that goes past the protections of the server."""

    class Kind(models.TextChoices):
        NETWORK = "network", _("network")
        SENDER = "sender", _("sender")

    kind = models.CharField(max_length=7, choices=Kind)
    value = models.CharField(max_length=254, unique=True)
    passes_viruses = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["kind", "value"]
        verbose_name_plural = "allowed past"

    def __str__(self) -> str:
        return self.value


class PartState(models.Model):
    """How a part of a node did when the worker last asked it. fault: "" when it runs.

    facts: of what is updated, version and date.
    """

    node = models.ForeignKey("provisioning.Node", models.CASCADE, related_name="parts")
    name = models.CharField(max_length=40)
    fault = models.CharField(max_length=300, blank=True)
    facts = models.JSONField(default=dict, blank=True)
    looked_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "name"], name="part_state_once")]

    def __str__(self) -> str:
        return f"{self.node_id} {self.name}"


class UpdateRun(models.Model):
    """One fetching of new virus signatures or spam rules. result: what came, error: why nothing did."""

    class Kind(models.TextChoices):
        SIGNATURES = "signatures", _("virus signatures")
        RULES = "rules", _("spam rules")

    node = models.ForeignKey("provisioning.Node", models.CASCADE, related_name="update_runs")
    kind = models.CharField(max_length=10, choices=Kind)
    asked_at = models.DateTimeField(auto_now_add=True)
    began_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=200, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "-id"], name="update_run_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.asked_at:%Y-%m-%d %H:%M}"


class TeachRequest(models.Model):
    """Somebody clicked: teach this message of mine. The learner moves it into the folder that teaches.

    fault: why it was not, such as that it lies nowhere any more.
    """

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="teach_requests")
    kind = models.CharField(max_length=4, choices=TaughtBatch.Kind)
    message_id = models.CharField(max_length=600)
    asked_at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "message_id"],
                condition=Q(done_at__isnull=True),
                name="teach_request_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind}"
