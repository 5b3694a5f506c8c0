"""The audit in the superadmin's Django admin: read only."""

from __future__ import annotations

from django.contrib import admin

from audit.models import AuditEvent
from qmailux_site.admin_tools import ReadOnlyAdmin


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "real", "acting_as", "action", "target", "scope", "channel", "address")
    list_filter = ("channel",)
    search_fields = ("target__startswith", "real__startswith")
    date_hierarchy = None
