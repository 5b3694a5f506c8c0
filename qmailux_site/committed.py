"""Whether others have changed the database between two moments."""

from __future__ import annotations

from django.db import connection

_STATEMENTS = {
    # Which transactions are visible: equal texts, equal rows (PostgreSQL, "pg_snapshot components").
    "postgresql": "SELECT pg_current_snapshot()::text",
    # SQLite, "PRAGMA data_version": another after a commit of any other connection.
    "sqlite": "PRAGMA data_version",
}


def committed_state() -> str:
    """Equal at two moments only when nobody else has committed anything between them. The own connection's
    writes may go unseen.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENTS[connection.vendor])
        return str(cursor.fetchone()[0])
