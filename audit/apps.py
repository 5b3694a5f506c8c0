from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "audit"

    def ready(self) -> None:
        from audit.guard import set_after_migrate

        post_migrate.connect(set_after_migrate, sender=self, dispatch_uid="audit.guard")
