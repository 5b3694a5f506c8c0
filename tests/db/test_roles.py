"""Roles are sets of rights: what each may, who gives them, and that none is a way up."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.recovering import RecoveryRequest
from accounts.roles import RoleGrant
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])


def of(account: Account) -> Actor:
    return Actor(real=account, channel="panel")


def test_help_desk_unlocks_and_nothing_else(ala: Account, hela: Account, console: Actor) -> None:
    actions.lock_account(ala, by=console)
    client = logged_in(hela)
    page = client.get(f"/domain/firma.test/accounts/{ala.pk}/").content.decode()
    assert "/unlock/" in page
    for other in ("delete/", "password/", "forwarding/", "lock/"):
        assert f"/accounts/{ala.pk}/{other}" not in page, other
    assert "/impersonate/" not in page
    assert client.post(f"/domain/firma.test/accounts/{ala.pk}/unlock/").status_code == 302
    ala.refresh_from_db()
    assert not ala.is_locked
    event = AuditEvent.objects.filter(action="account.unlocked").latest("id")
    assert (event.real, event.role) == (hela.address, "help_desk")
    with pytest.raises(NotAllowed):
        actions.lock_account(ala, by=of(hela))
    with pytest.raises(NotAllowed):
        actions.check_impersonation(ala, by=of(hela))


def test_help_desk_sees_other_domains_only_with_a_role_there(
    hela: Account, obca: Domain, console: Actor
) -> None:
    client = logged_in(hela)
    assert client.get("/domain/obca.test/").status_code == 404
    actions.grant_role(hela, role="help_desk", domain=obca, by=console)
    assert client.get("/domain/obca.test/").status_code == 200
    page = client.get("/domains/").content.decode()
    assert "firma.test" in page
    assert "obca.test" in page
    actions.revoke_role(hela, role="help_desk", domain=obca, by=console)
    assert client.get("/domain/obca.test/").status_code == 404


def test_role_everywhere_counts_in_domains_that_come_later(hela: Account, console: Actor) -> None:
    actions.grant_role(hela, role="auditor", by=console)
    domain_actions.add_domain(name="nowa.test", by=console)
    assert logged_in(hela).get("/domain/nowa.test/audit/").status_code == 200


def test_help_desk_mails_a_link_that_it_never_sees(
    ala: Account, hela: Account, audyt: Account, console: Actor
) -> None:
    path = f"/domain/firma.test/accounts/{ala.pk}/reset/"
    client = logged_in(hela)
    client.post(path)
    assert not RecoveryRequest.objects.exists(), "no confirmed address: nothing to mail"
    confirm(ala)
    answer = client.post(path, follow=True)
    assert RecoveryRequest.objects.get().login == ala.address
    assert "elsewhere@example.org" not in answer.content.decode()
    assert AuditEvent.objects.filter(action="account.reset_started", real=hela.address).exists()
    assert logged_in(audyt).post(path).status_code == 403
    assert client.post(f"/domain/firma.test/accounts/{ala.pk}/recovery-code/").status_code in (403, 404)


def confirm(account: Account) -> None:
    from django.utils import timezone

    from accounts.recovering import RecoveryAddress

    RecoveryAddress.objects.create(
        account=account, address="elsewhere@example.org", confirmed_at=timezone.now()
    )


def test_PRM_01_help_desk_does_not_touch_who_has_more_rights(
    hela: Account, pola: Account, audyt: Account, console: Actor
) -> None:
    for person in (pola, audyt):
        actions.lock_account(person, by=console)
        with pytest.raises(NotAllowed):
            actions.unlock_account(person, by=of(hela))
        with pytest.raises(NotAllowed):
            actions.start_password_reset(person, by=of(hela))


def test_PRM_01_postmaster_does_not_act_for_somebody_with_a_role_elsewhere(
    pola: Account, hela: Account, obca: Domain, console: Actor
) -> None:
    actions.check_impersonation(hela, by=of(pola))
    actions.grant_role(hela, role="auditor", domain=obca, by=console)
    with pytest.raises(NotAllowed):
        actions.check_impersonation(hela, by=of(pola))
    with pytest.raises(NotAllowed):
        actions.change_password(hela, password="Zupelnie-Inne-3", by=of(pola))


def test_postmaster_gives_roles_of_the_own_domain_to_own_people_only(
    pola: Account, ala: Account, obcy: Account, obca: Domain, firma: Domain
) -> None:
    client = logged_in(pola)
    client.post("/domain/firma.test/roles/", {"address": ala.address, "role": "help_desk"})
    assert RoleGrant.objects.get(account=ala).role == "help_desk"
    # Nobody learns of accounts elsewhere.
    page = client.post("/domain/firma.test/roles/", {"address": obcy.address, "role": "auditor"})
    assert page.status_code == 200
    assert not RoleGrant.objects.filter(account=obcy).exists()
    for role, domain in (("postmaster", firma), ("superadmin", None), ("auditor", None), ("auditor", obca)):
        with pytest.raises(NotAllowed):
            actions.grant_role(ala, role=role, domain=domain, by=of(pola))
    with pytest.raises(NotAllowed):
        actions.grant_role(obcy, role="auditor", domain=firma, by=of(pola))
    client.post("/domain/firma.test/roles/revoke/", {"account": ala.pk, "role": "help_desk"})
    assert not RoleGrant.objects.exists()
    assert list(AuditEvent.objects.filter(action__startswith="role.").values_list("action", flat=True)) == [
        "role.revoked",
        "role.granted",
    ]


@pytest.mark.parametrize("holder", ["ala", "hela", "audyt", "obcy"])
def test_nobody_else_gives_roles(holder: str, firma: Domain, request: pytest.FixtureRequest) -> None:
    person = request.getfixturevalue(holder)
    for role in ("superadmin", "postmaster", "help_desk", "auditor"):
        with pytest.raises((NotAllowed, ActionRefused)):
            actions.grant_role(
                person, role=role, domain=None if role == "superadmin" else firma, by=of(person)
            )
    person.refresh_from_db()
    assert not person.is_superuser


def test_no_role_is_given_while_acting_for_somebody(
    pola: Account, ala: Account, root: Account, firma: Domain
) -> None:
    acting = Actor(real=root, channel="panel", acting_as=pola)
    with pytest.raises(NotAllowed):
        actions.grant_role(ala, role="help_desk", domain=firma, by=acting)


def test_superadmin_role_is_given_and_taken_but_never_the_last(root: Account, console: Actor) -> None:
    second = actions.add_operator(address="drugi@localhost", password=PASSWORD, by=console)
    with pytest.raises(ActionRefused, match="last"):
        actions.revoke_role(root, role="superadmin", by=console)
    actions.grant_role(second, role="superadmin", by=of(root))
    assert logged_in(second).get("/server/").status_code == 200
    with pytest.raises(ActionRefused, match="yourself"):
        actions.revoke_role(root, role="superadmin", by=of(root))
    actions.revoke_role(second, role="superadmin", by=of(root))
    assert logged_in(second).get("/server/").status_code == 403


def test_postmaster_role_sends_the_domains_own_mail_there(ala: Account, firma: Domain, root: Account) -> None:
    client = logged_in(root)
    client.post("/domain/firma.test/roles/", {"address": ala.address, "role": "postmaster"})
    assert list(firma.managers.all()) == [ala]
    client.post("/domain/firma.test/roles/revoke/", {"account": ala.pk, "role": "postmaster"})
    assert not firma.managers.exists()


def test_roles_do_not_come_back_with_a_restored_account(hela: Account, console: Actor) -> None:
    from accounts.models import DeletedMailbox

    actions.delete_account(hela, by=console)
    restored = actions.restore_mailbox(DeletedMailbox.objects.get(), by=console)
    assert not RoleGrant.objects.filter(account=restored).exists()


def test_command_grants_lists_and_revokes(ala: Account, firma: Domain) -> None:
    out = StringIO()
    call_command("role", "grant", ala.address, "auditor", "firma.test", stdout=out)
    call_command("role", "list", stdout=out)
    assert "ala@firma.test  auditor  firma.test" in out.getvalue()
    with pytest.raises(CommandError, match="everywhere"):
        call_command("role", "grant", ala.address, "auditor")
    call_command("role", "grant", ala.address, "auditor", "*", stdout=out)
    call_command("role", "revoke", ala.address, "auditor", "*", stdout=out)
    assert RoleGrant.objects.get().domain == firma


def test_domains_are_asked_once_for_the_frame(pola: Account) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = logged_in(pola)
    client.get("/mail-programs/")
    with CaptureQueriesContext(connection) as asked:
        client.get("/mail-programs/")
    assert sum("accounts_account_managed_domains" in query["sql"] for query in asked) == 1
