"""Who did what to whom, when and from where. Rows are only added; the database refuses the rest (guard)."""

from __future__ import annotations

from django.db import models

from audit.querysets import AuditQuerySet


class AuditEvent(models.Model):
    """One act. Names are stored as text, so that the event outlives the people and objects."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    real = models.CharField(max_length=254, help_text="address of the real person; 'console' or 'server'")
    role = models.CharField(max_length=12, blank=True, db_default="", default="")
    acting_as = models.CharField(max_length=254, blank=True)
    channel = models.CharField(max_length=10)
    address = models.CharField(max_length=45, blank=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=254, db_index=True)
    scope = models.CharField(max_length=253, blank=True, db_index=True)
    details = models.JSONField(default=dict)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        # The newest acts of one domain or one account, however long the audit is.
        indexes = [
            models.Index(fields=["scope", "-id"], name="audit_of_domain"),
            models.Index(fields=["target", "-id"], name="audit_of_target"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.real} {self.action} {self.target}"
