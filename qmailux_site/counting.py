"""Counts that never scan a big table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.utils.formats import number_format

# Up to here rows are really counted.
COUNTED_ROWS = 10_000
# Up to here counting costs nothing to speak of, whatever is kept.
FEW_ROWS = 500


@dataclass(frozen=True, slots=True)
class Count:
    """number: for plural forms; shown with its groups, and with a + where there are more."""

    number: int
    is_exact: bool = True

    def __str__(self) -> str:
        shown = number_format(self.number, use_l10n=True, force_grouping=True)
        return shown if self.is_exact else f"{shown}+"

    def __int__(self) -> int:
        return self.number


def count_of(rows: models.QuerySet[Any], *, kept: int = 0) -> Count:
    """Exact for small results; for a whole big table the database's own estimate, else "10,000+".

    kept: a number that is kept beside the table, some seconds old: for what is large it saves the counting.
    """
    most = FEW_ROWS if kept > FEW_ROWS else COUNTED_ROWS
    counted = rows.order_by()[: most + 1].count()
    if counted <= most:
        return Count(counted)
    if kept > FEW_ROWS:
        return Count(kept)
    return Count(max(_estimate(rows), COUNTED_ROWS), is_exact=False)


def _estimate(rows: models.QuerySet[Any]) -> int:
    if connection.vendor != "postgresql" or rows.query.where:
        return 0
    with connection.cursor() as cursor:
        table = rows.model._meta.db_table
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [f'"{table}"'])
        return int(cursor.fetchone()[0])
