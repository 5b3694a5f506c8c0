"""What the admin pages share: counts that never scan a big table, and writes that go through actions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection, models
from django.forms import ModelForm
from django.http import HttpRequest

# Generic for the type checker only: Django's classes are not subscriptable when they run.
if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyModelForm = ModelForm[Any]
else:
    AnyPaginator, AnyModelAdmin, AnyModelForm = Paginator, admin.ModelAdmin, ModelForm

# Up to here rows are really counted; a list past this is walked by search, not by page number.
COUNTED_ROWS = 10_000


class EstimatingPaginator(AnyPaginator):
    """An exact count for small results; for a whole big table the database's own estimate."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, models.QuerySet):
            return len(rows)
        counted = rows.order_by()[: COUNTED_ROWS + 1].count()
        if counted <= COUNTED_ROWS:
            return counted
        return max(self._estimate(rows), counted)

    def _estimate(self, rows: models.QuerySet[Any]) -> int:
        if connection.vendor != "postgresql" or rows.query.where:
            return COUNTED_ROWS
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE relname = %s", [rows.model._meta.db_table]
            )
            return int(cursor.fetchone()[0])


class BigTableAdmin(AnyModelAdmin):
    """Useful at a million rows."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    list_per_page = 50


class ReadOnlyAdmin(BigTableAdmin):
    """Seen, never written."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
