"""The superadmin's Django admin: our models alone.

What other packages would register shows secrets (keys of the second factor) or rights that nobody asks for.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _

OURS = {"accounts", "alarms", "antispam", "audit", "domains", "maillog", "provisioning"}


class PanelAdminSite(AdminSite):
    """site_url: the way back."""

    site_header = site_title = "QmaiLux"
    index_title = _("Administration")
    site_url = "/server/"
    enable_nav_sidebar = False

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        models = model_or_iterable if isinstance(model_or_iterable, list | tuple) else [model_or_iterable]
        ours = [model for model in models if model._meta.app_label in OURS]
        super().register(ours, admin_class, **options)


class PanelAdminConfig(AdminConfig):
    default_site = "qmailux_site.admin_site.PanelAdminSite"
