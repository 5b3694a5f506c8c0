"""Indexes for the search by a fragment, in migrations. PostgreSQL only: SQLite looks at every row."""

from __future__ import annotations

from collections.abc import Callable

from django.apps.registry import Apps
from django.contrib.postgres.indexes import GinIndex
from django.db import transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.db.utils import DatabaseError

# Both come with Debian's PostgreSQL, and the owner of a database may switch them on.
_EXTENSIONS = ("pg_trgm", "btree_gin")


def add_parts_index(app: str, model: str, index: GinIndex) -> RunPython:
    """Without the extensions there is no index: the search is as right, and slower."""
    return RunPython(_adding(app, model, index), _removing(app, model, index))


def _adding(app: str, model: str, index: GinIndex) -> Callable[[Apps, BaseDatabaseSchemaEditor], None]:
    def add(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql" and _switched_on(editor):
            editor.add_index(apps.get_model(app, model), index)

    return add


def _removing(app: str, model: str, index: GinIndex) -> Callable[[Apps, BaseDatabaseSchemaEditor], None]:
    def remove(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(f"DROP INDEX IF EXISTS {editor.quote_name(index.name)}")

    return remove


def _switched_on(editor: BaseDatabaseSchemaEditor) -> bool:
    try:
        with transaction.atomic(editor.connection.alias), editor.connection.cursor() as cursor:
            for extension in _EXTENSIONS:
                cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    except DatabaseError:
        return False
    return True
