"""Rows as they are needed: all that there are, part by part, or those of a few names, at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row")
_Model = TypeVar("_Model", bound=Model)
ROWS_A_PART = 2000


def streamed(rows: QuerySet[_Model, Row], *, names: Iterable[Any] | None) -> Iterable[Row]:
    """names: which the rows were narrowed to; None is everything, which no memory need hold.

    A cursor on the database's side costs milliseconds, more than the rows of some names.
    """
    return rows if names is not None else rows.iterator(chunk_size=ROWS_A_PART)
