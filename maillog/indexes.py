"""PostgreSQL: a first big reading makes most indexes of the trace at its end, all rows at once. Kept in order
row by row they are more than half of what storing costs.

Until then a search looks through what is stored so far. Of a reading that is killed they are missing, and the
next one makes them first. What readings themselves find entries by stays: the ids.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from django.db import connections

from maillog.router import LOGS

# So few entries are looked through in no time.
FEW_ENTRIES = 20_000
# For one table; two are made at once.
_MEMORY = "128MB"
# By table: name -> how it is made. A test compares them with those of the models and migrations.
LATE = {
    "maillog_entry": {
        "entry_began_at": "CREATE INDEX entry_began_at ON maillog_entry (began_at)",
        "entry_queue_id": "CREATE INDEX entry_queue_id ON maillog_entry (queue_id) WHERE NOT queue_id = ''",
        "entry_message_id": (
            "CREATE INDEX entry_message_id ON maillog_entry (message_id) WHERE NOT message_id = ''"
        ),
        "entry_client": "CREATE INDEX entry_client ON maillog_entry (client, id) WHERE NOT client = ''",
        "entry_subject_words": (
            "CREATE INDEX entry_subject_words ON maillog_entry "
            "USING gin (to_tsvector('simple'::regconfig, COALESCE(subject, ''))) "
            "WITH (gin_pending_list_limit = 256)"
        ),
    },
    "maillog_party": {
        "party_domain": "CREATE INDEX party_domain ON maillog_party (domain, entry_id)",
        "maillog_party_pkey": (
            "ALTER TABLE maillog_party "
            "ADD CONSTRAINT maillog_party_pkey PRIMARY KEY (address, entry_id, role)"
        ),
    },
}
# Nothing is looked for in the raw lines, and they are most of what there is to look at.
_COUNTED = {"maillog_entry": "", "maillog_party": "", "maillog_entrylines": "(entry_id)"}


def leave_out() -> None:
    """In the caller's transaction; not if many entries are there to be searched."""
    if connections[LOGS].vendor != "postgresql":
        return
    with connections[LOGS].cursor() as cursor:
        cursor.execute("SELECT id FROM maillog_entry OFFSET %s LIMIT 1", [FEW_ENTRIES])
        if cursor.fetchone() is not None:
            return
        for table, indexes in LATE.items():
            for name, made in indexes.items():
                is_constraint = made.startswith("ALTER TABLE")
                cursor.execute(
                    f"ALTER TABLE {table} DROP CONSTRAINT {name}" if is_constraint else f"DROP INDEX {name}"
                )


def make_missing() -> None:
    missing = _missing()
    if any(missing.values()):
        _side_by_side(missing)


def make_and_count() -> None:
    """Those that are missing, and tell PostgreSQL how much there is now: else its plans stay for a while as
    they were for empty tables.
    """
    if connections[LOGS].vendor == "postgresql":
        missing = _missing()
        _side_by_side(
            {
                table: [*missing.get(table, ()), f"ANALYZE {table} {columns}"]
                for table, columns in _COUNTED.items()
            }
        )


def _missing() -> dict[str, list[str]]:
    """By table, how to make what it lacks."""
    if connections[LOGS].vendor != "postgresql":
        return {}
    with connections[LOGS].cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = ANY(%s)", [list(LATE)])
        there = {name for (name,) in cursor}
    return {
        table: [made for name, made in indexes.items() if name not in there]
        for table, indexes in LATE.items()
    }


def _side_by_side(statements: dict[str, list[str]]) -> None:
    """Each table by a connection of its own."""
    with ThreadPoolExecutor(len(statements)) as tables:
        list(tables.map(_execute, statements.values()))


def _execute(statements: list[str]) -> None:
    with closing(connections[LOGS]) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET maintenance_work_mem = '{_MEMORY}'")
        # The tables are what is done at once.
        cursor.execute("SET max_parallel_maintenance_workers = 0")
        # A small sample for now; autovacuum takes a bigger one in its own time.
        cursor.execute("SET default_statistics_target = 30")
        for statement in statements:
            cursor.execute(statement)
