"""Django's admin: our models alone, in every view, with no secret and through our actions."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from audit.models import AuditEvent
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.db.test_second_factor import turned_on

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])


def test_no_page_shows_a_hash_or_a_key(root: Account, ala: Account, console: Actor) -> None:
    """Every list, every form to add, and every object of every kind."""
    codes = turned_on(ala)
    owner = Actor(real=ala, channel="panel")
    actions.add_app_password(ala, name="Telefon", by=owner)
    gone = actions.add_account(domain=ala.domain, localpart="dawna", password=PASSWORD, by=console)  # type: ignore[arg-type]
    actions.delete_account(gone, by=console)
    key = ala.totpdevice_set.get().key  # type: ignore[attr-defined]
    client = logged_in(root)
    opened = 0
    for model in admin.site._registry:
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages = [reverse(f"{base}_changelist"), reverse(f"{base}_add")]
        pages += [reverse(f"{base}_change", args=[row.pk]) for row in model._default_manager.all()[:3]]
        for page in pages:
            answer = client.get(page)
            assert answer.status_code in (200, 403), page
            text = answer.content.decode()
            opened += answer.status_code == 200
            assert not [secret for secret in ("argon2", key, codes[0]) if secret in text], page
    assert opened > 15


def test_only_our_models_are_registered() -> None:
    ours = {"accounts", "alarms", "antispam", "audit", "domains", "maillog", "provisioning"}
    assert {model._meta.app_label for model in admin.site._registry} <= ours


def test_acts_on_many_are_our_actions(root: Account, ala: Account, pola: Account) -> None:
    client = logged_in(root)
    chosen = {"_selected_action": [ala.pk, pola.pk], "index": "0"}
    client.post("/admin/accounts/account/", {**chosen, "action": "lock"})
    ala.refresh_from_db()
    assert ala.is_locked
    assert AuditEvent.objects.filter(action="account.locked", real=root.address, channel="admin").count() == 2
    client.post("/admin/accounts/account/", {**chosen, "action": "delete_selected", "post": "yes"})
    assert not Account.objects.filter(pk__in=[ala.pk, pola.pk]).exists()
    assert AuditEvent.objects.filter(action="account.deleted", real=root.address).count() == 2


def test_domain_is_locked_and_unlocked_from_the_list(root: Account, firma: Domain) -> None:
    client = logged_in(root)
    for action, locked in (("lock", True), ("unlock", False)):
        client.post(
            "/admin/domains/domain/", {"_selected_action": [firma.pk], "action": action, "index": "0"}
        )
        firma.refresh_from_db()
        assert firma.is_locked is locked


def test_admin_leads_back_to_the_panel_and_logs_out_by_our_door(root: Account) -> None:
    page = logged_in(root).get("/admin/").content.decode()
    assert f'href="{reverse("server")}"' in page
    assert f'action="{reverse("logout")}"' in page
