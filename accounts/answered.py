"""Whom an autoresponder has answered."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.querysets import AnsweredSenderQuerySet


class AnsweredSender(models.Model):
    """Somebody who was answered in the present period, as Dovecot's log tells. Without answered_at the sender
    was forgotten, and has not been answered since.

    times_forgotten: each time gives the sender a memory of its own, in which nothing is remembered yet.
    """

    autoresponder = models.ForeignKey("accounts.Autoresponder", models.CASCADE, related_name="answered")
    address = models.CharField(max_length=254)
    answered_at = models.DateTimeField(null=True, blank=True)
    times_forgotten = models.PositiveIntegerField(default=0)

    objects = AnsweredSenderQuerySet.as_manager()

    class Meta:
        ordering = ["-answered_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["autoresponder", "address"], name="answered_sender_once"),
            models.CheckConstraint(
                condition=Q(address=Lower("address")), name="answered_sender_is_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return self.address
