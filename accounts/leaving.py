"""Somebody leaves: the login is locked, new mail goes to a colleague, old mail is copied there.

The row lives as long as that goes on. Afterwards there is an ordinary lock, or no account any more.
"""

from __future__ import annotations

from django.db import models


class Departure(models.Model):
    """folder: where the colleague finds the old mail. copied_at: when all of it was there."""

    account = models.OneToOneField(
        "accounts.Account", models.CASCADE, primary_key=True, related_name="departure"
    )
    colleague = models.ForeignKey(
        "accounts.Account", models.SET_NULL, null=True, related_name="departures_taken_over"
    )
    folder = models.CharField(max_length=200)
    ends_on = models.DateField(db_index=True)
    deletes_account = models.BooleanField(default=False)
    began_at = models.DateTimeField(auto_now_add=True)
    total_count = models.PositiveIntegerField(default=0)
    copied_count = models.PositiveIntegerField(default=0)
    copied_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.account_id}"

    @property
    def missing_bytes(self) -> int:
        """What the colleague's quota lacks for the mail that is still to come, by the counted sizes; 0: it
        fits.
        """
        taker = self.colleague
        if taker is None or not taker.quota_bytes or self.copied_at:
            return 0
        left = self.account.used_bytes
        if self.total_count:
            left = left * max(0, self.total_count - self.copied_count) // self.total_count
        return max(0, left - max(0, taker.quota_bytes - taker.used_bytes))


class CopiedFolder(models.Model):
    """How far one folder is copied.

    Messages up to copied_uid are there. Those up to begun_uid may be, if a copier was killed: then they lie
    at target_uidnext or behind it in the colleague's folder, where they are recognised.
    """

    departure = models.ForeignKey(Departure, models.CASCADE, related_name="folders")
    name = models.CharField(max_length=500)
    uidvalidity = models.BigIntegerField()
    copied_uid = models.BigIntegerField(default=0)
    begun_uid = models.BigIntegerField(default=0)
    target_uidnext = models.BigIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["departure", "name"], name="copied_folder_once_in_departure"),
        ]

    def __str__(self) -> str:
        return self.name
