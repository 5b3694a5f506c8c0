"""manage.py setup: the rows that every instance needs. Harmless when they exist."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.actions import add_operator
from accounts.actor import Actor
from accounts.models import Account
from accounts.passwords import random_password
from provisioning import outbox
from provisioning.models import SERVER_SCOPE, Node, Scope
from qmailux_site.broker import not_running_yet


class Command(BaseCommand):
    help = "Make the local node and the first superadmin; its password is printed once."

    def handle(self, *args: Any, **options: Any) -> None:
        # The broker starts later, and what it cannot be told now is applied before the daemons start.
        with not_running_yet():
            self._make_rows()

    def _make_rows(self) -> None:
        with transaction.atomic():
            Node.objects.get_or_create(name="local", defaults={"kind": Node.Kind.LOCAL})
            if not Scope.objects.filter(name=SERVER_SCOPE).exists():
                outbox.record_settings()
        if Account.objects.filter(is_superuser=True).exists():
            return
        password = random_password()
        add_operator(address=settings.QMAILUX_ADMIN, password=password, is_superuser=True, by=Actor.console())
        self.stdout.write(f"superadmin: {settings.QMAILUX_ADMIN}")
        self.stdout.write(f"password (shown once): {password}")
