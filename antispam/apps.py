from __future__ import annotations

from django.apps import AppConfig


class AntispamConfig(AppConfig):
    name = "antispam"
