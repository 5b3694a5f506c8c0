"""The accounts file: its rows are changed in place, by transactions only (engine 1, 0a).

Standard library alone and in one file: on a remote node this very text runs as a program.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

Row = tuple[str | int | None, ...]
KEYS_A_QUERY = 900
# Of a writer. SQLite's own 2 MB are less than the pages that rows of many domains touch: those would be
# written again and again, which doubles the time of a whole file.
CACHE_KIB = 64 * 1024
SCHEMA_VERSION_PRAGMA = "user_version"


def create(path: Path, schema: str, version: int, *, mode: int, gid: int) -> bool:
    """Make the file, or bring it to the schema's version; True when its content must be rendered anew."""
    fresh = not path.exists()
    with closing(connect(path)) as connection:
        found = connection.execute(f"PRAGMA {SCHEMA_VERSION_PRAGMA}").fetchone()[0]
        if found != version:
            _drop_tables(connection)
            connection.executescript(schema)
            connection.execute(f"PRAGMA {SCHEMA_VERSION_PRAGMA} = {version}")
            connection.commit()
    if fresh:
        os.chown(path, 0, gid)
        path.chmod(mode)
    return bool(found != version)


def connect(path: Path) -> sqlite3.Connection:
    """WAL, so that Dovecot's readers never wait for a writer, and a commit survives the process's death."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def query(path: Path, table: str, keys: Sequence[str]) -> dict[str, Row]:
    with closing(connect(path)) as connection:
        key_column = _columns(connection, table)[0]
        found: dict[str, Row] = {}
        for start in range(0, len(keys), KEYS_A_QUERY):
            part = keys[start : start + KEYS_A_QUERY]
            marks = ",".join("?" * len(part))
            statement = f'SELECT * FROM "{table}" WHERE "{key_column}" IN ({marks})'  # noqa: S608
            found.update((str(row[0]), row) for row in connection.execute(statement, part))
        return found


def listing(path: Path, table: str) -> Iterator[Row]:
    with closing(connect(path)) as connection:
        yield from connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # table names are our own


def change(path: Path, table: str, upserts: Iterable[Row], deletes: Iterable[str]) -> None:
    with closing(connect(path)) as connection:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        columns = _columns(connection, table)
        marks = ",".join("?" * len(columns))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            f'DELETE FROM "{table}" WHERE "{columns[0]}" = ?',  # noqa: S608
            ((key,) for key in deletes),
        )
        connection.executemany(f'INSERT OR REPLACE INTO "{table}" VALUES ({marks})', upserts)  # noqa: S608
        connection.execute("COMMIT")


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')]


def _drop_tables(connection: sqlite3.Connection) -> None:
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        connection.execute(f'DROP TABLE "{name}"')
