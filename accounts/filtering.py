"""Filters of an account: ordered rules, each with conditions and what happens to mail that meets them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.querysets import FilterRuleQuerySet

MOST_VALUE_CHARACTERS = 500


class FilterRule(models.Model):
    """One rule. position: its place in the order; equal ones go by age. folder: with "/" between levels."""

    class Joined(models.TextChoices):
        ALL = "all", _("all conditions are met")
        ANY = "any", _("at least one condition is met")

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="filter_rules")
    position = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=100)
    is_on = models.BooleanField(default=True)
    joined = models.CharField(max_length=3, choices=Joined, default=Joined.ALL)
    folder = models.CharField(max_length=200, blank=True)
    marks_read = models.BooleanField(default=False)
    flags = models.BooleanField(default=False)
    copy_to = models.CharField(max_length=254, blank=True)
    discards = models.BooleanField(default=False)
    stops = models.BooleanField(default=False)
    changed_at = models.DateTimeField(auto_now=True)

    objects = FilterRuleQuerySet.as_manager()

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(joined__in=["all", "any"]), name="filter_rule_joined_known"),
            models.CheckConstraint(
                condition=Q(discards=False) | Q(folder="", copy_to="", marks_read=False, flags=False),
                name="filter_rule_discards_alone",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class FilterCondition(models.Model):
    """What must be true of a part of the message."""

    class Part(models.TextChoices):
        SUBJECT = "subject", _("subject")
        SENDER = "sender", _("sender")
        RECIPIENT = "recipient", _("recipient")

    class Comparison(models.TextChoices):
        CONTAINS = "contains", _("contains")
        IS = "is", _("is exactly")
        MATCHES = "matches", _("matches, with * and ?")

    rule = models.ForeignKey(FilterRule, models.CASCADE, related_name="conditions")
    part = models.CharField(max_length=10, choices=Part)
    comparison = models.CharField(max_length=10, choices=Comparison)
    value = models.CharField(max_length=MOST_VALUE_CHARACTERS)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(value=""), name="filter_condition_has_a_value"),
            models.CheckConstraint(
                condition=Q(part__in=["subject", "sender", "recipient"]), name="filter_condition_part_known"
            ),
            models.CheckConstraint(
                condition=Q(comparison__in=["contains", "is", "matches"]),
                name="filter_condition_comparison_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.part} {self.comparison} {self.value}"


class FilterTrial(models.Model):
    """The rules tried on headers that somebody pasted, or on the newest messages of the inbox.

    One an account. message: forgotten when it is done. results: a subject and the names of the rules that
    fired, for each message.
    """

    account = models.OneToOneField(
        "accounts.Account", models.CASCADE, primary_key=True, related_name="filter_trial"
    )
    message = models.TextField(blank=True)
    asked_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    results = models.JSONField(default=list)
    error = models.TextField(blank=True)

    def __str__(self) -> str:
        return str(self.account_id)
