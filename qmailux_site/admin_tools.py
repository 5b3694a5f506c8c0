"""What the admin pages share: counts that never scan a big table, and writes that go through actions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest

from qmailux_site.counting import count_of

# Generic for the type checker only: Django's classes are not subscriptable when they run.
if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyModelForm = ModelForm[Any]
else:
    AnyPaginator, AnyModelAdmin, AnyModelForm = Paginator, admin.ModelAdmin, ModelForm


class EstimatingPaginator(AnyPaginator):
    """An exact count for small results; for a whole big table the database's own estimate."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return count_of(rows).number if isinstance(rows, models.QuerySet) else len(rows)


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
