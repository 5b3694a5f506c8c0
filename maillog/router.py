"""The joined logs lie in the database "logs"; nothing else does."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Model

LOGS = "logs"


class LogsRouter:
    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return LOGS if model._meta.app_label == "maillog" else None

    db_for_write = db_for_read

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool | None:
        return (one._meta.app_label == "maillog") == (other._meta.app_label == "maillog") or None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """In PostgreSQL both names are one database, where the first makes all tables."""
        return db == (settings.QMAILUX_LOGS_DATABASE if app_label == "maillog" else "default")
