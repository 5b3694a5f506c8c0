"""The audit is append-only for everybody who comes through the database's own door too.

Triggers refuse to change or remove events. They are set after every migrate, because SQLite loses those of a
table that a migration rebuilds. Whoever owns the database can take them off: that is a deliberate act.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

_SET = {
    "sqlite": (
        "CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit_auditevent"
        " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
        "CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit_auditevent"
        " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$",
        "CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_auditevent"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ),
}
_TAKE_OFF = {
    "sqlite": ("DROP TRIGGER IF EXISTS audit_no_update", "DROP TRIGGER IF EXISTS audit_no_delete"),
    "postgresql": ("DROP TRIGGER IF EXISTS audit_append_only ON audit_auditevent",),
}


def set_guard(connection: BaseDatabaseWrapper) -> None:
    """Twice is harmless."""
    _run(connection, _SET)


def take_off_guard(connection: BaseDatabaseWrapper) -> None:
    """For tests, whose tables are emptied between them."""
    _run(connection, _TAKE_OFF)


def set_after_migrate(using: str = DEFAULT_DB_ALIAS, **_signal: Any) -> None:
    connection = connections[using]
    if "audit_auditevent" in connection.introspection.table_names():
        set_guard(connection)


def _run(connection: BaseDatabaseWrapper, statements: Mapping[str, tuple[str, ...]]) -> None:
    with connection.cursor() as cursor:
        for statement in statements.get(connection.vendor, ()):
            cursor.execute(statement)
