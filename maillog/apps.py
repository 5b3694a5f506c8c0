from __future__ import annotations

from django.apps import AppConfig


class MaillogConfig(AppConfig):
    name = "maillog"
