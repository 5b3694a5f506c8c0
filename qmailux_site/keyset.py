"""Lists in any order, walked by a key: the last page costs what the first does."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models import F, Func, Model, QuerySet, Value
from django.http import HttpRequest

from qmailux_site.pages import ROWS_A_PAGE

Row = TypeVar("Row", bound=Model)
# No address, and nothing else that stands in a key, has a blank.
SEPARATOR = " "


def _moment(text: str) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("without a zone")
    return moment


def _number(text: str) -> int:
    number = int(text)
    if abs(number) >= 1 << 63:
        raise ValueError("no database knows it")
    return number


_READERS: dict[type[models.Field[Any, Any]], Callable[[str], Any]] = {
    models.DateTimeField: _moment,
    models.CharField: str,
}


@dataclass(frozen=True, slots=True)
class Order:
    """Two columns, the second of which makes the key unique; an index begins with both."""

    columns: tuple[str, str]
    is_descending: bool = False

    def key_of(self, row: Model) -> str:
        values = [getattr(row, column) for column in self.columns]
        texts = (
            value.isoformat() if isinstance(value, datetime.datetime) else str(value) for value in values
        )
        return SEPARATOR.join(texts)

    def sorted(self, rows: QuerySet[Row], *, backwards: bool = False) -> QuerySet[Row]:
        sign = "-" if self.is_descending != backwards else ""
        return rows.order_by(*(f"{sign}{column}" for column in self.columns))

    def beyond(self, rows: QuerySet[Row], key: list[Any], *, backwards: bool = False) -> QuerySet[Row]:
        sign = "<" if self.is_descending != backwards else ">"
        return rows.filter(_Beyond(*map(F, self.columns), *map(Value, key), sign=sign))

    def read(self, text: str, model: type[Model]) -> list[Any] | None:
        """A key out of an address; whatever else stands there means nothing."""
        parts = text.split(SEPARATOR)
        if len(parts) != len(self.columns):
            return None
        try:
            return [_reader(model, column)(part) for column, part in zip(self.columns, parts, strict=True)]
        except ValueError:
            return None


class _Beyond(Func):
    """(a, b) < (x, y) as one comparison of rows, which an index answers whatever the number of equals."""

    conditional = True
    output_field = models.BooleanField()

    def as_sql(
        self, compiler: Any, connection: Any, *args: Any, **context: Any
    ) -> tuple[str, tuple[Any, ...]]:
        compiled = [compiler.compile(expression) for expression in self.get_source_expressions()]
        sign = self.extra["sign"]
        sql = "({}, {}) {sign} ({}, {})".format(*(text for text, _values in compiled), sign=sign)
        return sql, tuple(value for _text, values in compiled for value in values)


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """previous, next: keys to go on from, empty where the list ends. is_all: there are no other rows."""

    rows: list[Row]
    previous: str
    next: str
    is_all: bool


def slice_of(rows: QuerySet[Row], request: HttpRequest, order: Order) -> Slice[Row]:
    """The rows that ?after= or ?before= asks for."""
    before = order.read(request.GET.get("before", ""), rows.model)
    after = order.read(request.GET.get("after", ""), rows.model)
    key, backwards = (before, True) if before else (after, False)
    start = order.beyond(rows, key, backwards=backwards) if key else rows
    found = list(order.sorted(start, backwards=backwards)[: ROWS_A_PAGE + 1])
    shown, has_more = found[:ROWS_A_PAGE], len(found) > ROWS_A_PAGE
    if backwards:
        shown.reverse()
    has_previous, has_next = (has_more, True) if backwards else (bool(key), has_more)
    return Slice(
        shown,
        previous=order.key_of(shown[0]) if shown and has_previous else "",
        next=order.key_of(shown[-1]) if shown and has_next else "",
        is_all=not (key or has_more),
    )


def _reader(model: type[Model], column: str) -> Callable[[str], Any]:
    field = model._meta.pk if column == "pk" else model._meta.get_field(column)
    return next((read for kind, read in _READERS.items() if isinstance(field, kind)), _number)
