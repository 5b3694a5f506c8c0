"""Nodes, revisions and runs in the superadmin's Django admin."""

from __future__ import annotations

from django.contrib import admin

from provisioning.models import AppliedRevision, Change, Node, Run, Scope
from qmailux_site.admin_tools import ReadOnlyAdmin


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "address", "created_at")


@admin.register(AppliedRevision)
class AppliedRevisionAdmin(ReadOnlyAdmin):
    """Pending: the scope's revision is higher. Failed: there is an error."""

    list_display = ("scope", "node", "revision", "wanted", "life", "applied_at", "error")
    search_fields = ("scope__startswith",)
    list_select_related = ("node",)

    @admin.display(description="wanted revision")
    def wanted(self, row: AppliedRevision) -> int | None:
        return Scope.objects.filter(name=row.scope).values_list("revision", flat=True).first()

    @admin.display(description="life")
    def life(self, row: AppliedRevision) -> str:
        if row.error:
            return "failed"
        return "live" if row.revision == self.wanted(row) else "pending"


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    list_display = ("scope", "revision", "node", "key_count", "created_at", "error")
    search_fields = ("scope__startswith",)
    list_select_related = ("node",)
    exclude = ("keys",)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("id", "node", "trigger", "started_at", "finished_at", "error")
    list_select_related = ("node",)
