"""A deleted account is kept and comes back as it was: address, mail, password, filters, aliases."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import actions, bulk
from accounts.actor import Actor
from accounts.models import Account, AppPassword, Autoresponder, DeletedMailbox, Forwarding
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.tasks import node_purge_deleted
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire

__all__ = ["plain_static"]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def pola(firma: Domain, console: Actor) -> Account:
    account = actions.add_account(
        domain=firma, localpart="pola", password=PASSWORD, language="en", by=console
    )
    domain_actions.set_managers(firma, addresses=[account.address], by=console)
    return account


def kept(account: Account) -> DeletedMailbox:
    return DeletedMailbox.objects.get(address=account.address)


def delivered(wire: Wire, account: Account, text: str) -> None:
    wire.deliver(account.address, text=f"Subject: {text}\r\n\r\n{text}\r\n")
    wait_until(lambda: text in wire.subjects(account.address, PASSWORD), what=text)


def test_restored_account_has_its_mail_password_filters_and_aliases(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor
) -> None:
    owner = Actor(real=jan, channel="panel")
    alias = actions.add_alias(
        domain=firma, localpart="biuro", targets=[jan.address, "x@daleko.test"], by=console
    )
    actions.add_alias(domain=firma, localpart="sam", targets=[jan.address], by=console)
    _made, app_password = actions.add_app_password(jan, name="telefon", by=owner)
    actions.set_autoresponder(
        jan, is_on=True, subject="Jestem na urlopie", text="Wracam", interval_hours=24, by=owner
    )
    plane.apply()
    delivered(wire, jan, "Przed usunieciem")
    wire.put_sieve(
        jan.address, PASSWORD, 'require "fileinto"; if header :is "Subject" "Do kosza" { discard; }'
    )
    actions.delete_account(jan, remove_orphans=True, by=console)
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "NO"
    assert wire.rcpt(jan.address)[0] == 550
    assert wire.rcpt(f"sam@{firma.name}")[0] == 550
    assert list(alias.targets.values_list("address", flat=True)) == ["x@daleko.test"]

    restored = actions.restore_mailbox(kept(jan), by=console)
    plane.apply()
    assert wire.subjects(jan.address, PASSWORD) == ["Przed usunieciem"]
    assert wire.imap_login_command(jan.address, app_password) == "OK"
    assert (restored.uuid, restored.name) == (jan.uuid, jan.name)
    assert abs(restored.created_at - jan.created_at) < timedelta(milliseconds=1)
    assert Autoresponder.objects.get(account=restored).subject == "Jestem na urlopie"
    wire.deliver(f"biuro@{firma.name}", text="Subject: Na alias\r\n\r\nx\r\n")
    wire.deliver(f"sam@{firma.name}", text="Subject: Na drugi\r\n\r\nx\r\n")
    wire.deliver(jan.address, text="Subject: Do kosza\r\n\r\nx\r\n")
    wire.deliver(jan.address, text="Subject: Po powrocie\r\n\r\nx\r\n")
    wait_until(lambda: "Po powrocie" in wire.subjects(jan.address, PASSWORD), what="delivery")
    wait_until(lambda: {"Na alias", "Na drugi"} <= set(wire.subjects(jan.address, PASSWORD)), what="aliases")
    assert "Do kosza" not in wire.subjects(jan.address, PASSWORD)
    assert not DeletedMailbox.objects.exists()


def test_lock_forwarding_and_second_factor_come_back(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    owner = Actor(real=jan, channel="panel")
    device = actions.begin_second_factor(jan, by=owner)
    actions.turn_on_second_factor(jan, code=f"{totp(device.bin_key):06}", by=owner)
    actions.set_forwarding(jan, targets=["jan@daleko.test"], keeps_copy=True, by=owner)
    actions.lock_account(jan, reason="urlop", mode="reject", by=console)
    actions.delete_account(jan, by=console)
    restored = actions.restore_mailbox(kept(jan), by=console)
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "NO"
    assert (restored.state, restored.lock_reason, restored.lock_mode) == ("locked", "urlop", "reject")
    assert restored.second_factor_at is not None
    assert TOTPDevice.objects.get(user=restored).key == device.key
    assert Forwarding.objects.get(account=restored).targets.get().address == "jan@daleko.test"


def test_rights_do_not_come_back(firma: Domain, jan: Account, console: Actor) -> None:
    domain_actions.set_managers(firma, addresses=[jan.address], by=console)
    Account.objects.filter(pk=jan.pk).update(is_superuser=True)
    actions.delete_account(jan, by=console)
    restored = actions.restore_mailbox(kept(jan), by=console)
    restored.refresh_from_db()
    assert not restored.is_superuser
    assert not restored.managed_domains.exists()


def test_address_is_not_given_to_somebody_else_without_a_question(
    firma: Domain, pola: Account, jan: Account, console: Actor
) -> None:
    actions.delete_account(jan, by=console)
    client = logged_in(pola)
    path = reverse("account-add", args=[firma.name])
    page = client.post(path, {"localpart": "jan", "password": "Calkiem-Inne-4"}).content.decode()
    assert "was deleted and can be restored." in page
    assert "Give this address to somebody new" in page
    assert not Account.objects.filter(address=jan.address).exists()
    other = client.post(path, {"localpart": "inny", "password": "x"}).content.decode()
    assert "Give this address to somebody new" not in other
    judged = bulk.judge_file(f"address\n{jan.address}\n".encode(), by=console)
    assert "can be restored" in judged.faults[0].message
    with pytest.raises(ActionRefused, match="can be restored"):
        actions.rename_account(pola, domain=firma, localpart="jan", by=console)
    answer = client.post(path, {"localpart": "jan", "password": "Calkiem-Inne-4", "despite_deleted": "on"})
    assert answer.status_code == 200
    heir = Account.objects.get(address=jan.address)
    assert heir.uuid != jan.uuid
    with pytest.raises(ActionRefused, match="There is already an account"):
        actions.restore_mailbox(kept(jan), by=console)


def test_limit_of_the_domain_holds_for_a_restored_account(
    firma: Domain, jan: Account, console: Actor
) -> None:
    actions.delete_account(jan, by=console)
    domain_actions.edit_domain(firma, settings={"max_accounts": 0}, by=console)
    with pytest.raises(ActionRefused, match="may have 0 accounts"):
        actions.restore_mailbox(kept(jan), by=console)
    assert not Account.objects.filter(address=jan.address).exists()


def test_page_lists_and_restores_for_the_own_postmaster_alone(
    wire: Wire, plane: MailInstance, firma: Domain, pola: Account, jan: Account, console: Actor
) -> None:
    stranger_domain = domain_actions.add_domain(name=f"obca-{firma.name}", by=console)
    stranger = actions.add_account(domain=stranger_domain, localpart="obcy", password=PASSWORD, by=console)
    domain_actions.set_managers(stranger_domain, addresses=[stranger.address], by=console)
    actions.delete_account(jan, by=console)
    path = reverse("deleted-restore", args=[firma.name, kept(jan).pk])
    assert logged_in(stranger).post(path).status_code == 404
    elsewhere = reverse("deleted-restore", args=[stranger_domain.name, kept(jan).pk])
    assert logged_in(stranger).post(elsewhere).status_code == 404
    client = logged_in(pola)
    assert jan.address in client.get(reverse("deleted", args=[firma.name])).content.decode()
    assert client.post(path).status_code == 302
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    assert "There is none." in client.get(reverse("deleted", args=[firma.name])).content.decode()
    assert client.post(path).status_code == 404


def test_next_owner_of_a_domain_name_gets_no_mailbox_of_the_former(
    firma: Domain, pola: Account, jan: Account, console: Actor
) -> None:
    actions.delete_account(jan, by=console)
    domain_actions.delete_domain(firma, by=console)
    again = domain_actions.add_domain(name=firma.name, by=console)
    heir = actions.add_account(domain=again, localpart="nowa", password=PASSWORD, language="en", by=console)
    domain_actions.set_managers(again, addresses=[heir.address], by=console)
    assert "There is none." in logged_in(heir).get(reverse("deleted", args=[again.name])).content.decode()
    with pytest.raises(ActionRefused, match="no longer exists"):
        actions.restore_mailbox(kept(jan), by=console)


def test_erased_after_its_days_and_never_what_is_restored(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    for account in (jan, ola):
        delivered(wire, account, "List")
        actions.delete_account(account, by=console)
    plane.apply()
    node_purge_deleted()
    assert DeletedMailbox.objects.count() == 2, "not old enough"
    DeletedMailbox.objects.update(deleted_at=timezone.now() - timedelta(days=31))
    Domain.objects.filter(pk=firma.pk).update(created_at=timezone.now() - timedelta(days=99))
    actions.restore_mailbox(kept(jan), by=console)
    node_purge_deleted()
    plane.apply()
    assert wire.subjects(jan.address, PASSWORD) == ["List"]
    assert not (plane.layout.mail / ola.home).exists()
    assert not DeletedMailbox.objects.exists()


def test_mailbox_that_is_being_erased_is_not_restored(jan: Account, console: Actor) -> None:
    actions.delete_account(jan, by=console)
    actions.begin_purge(kept(jan))
    with pytest.raises(ActionRefused, match="is erased"):
        actions.restore_mailbox(kept(jan), by=console)


def test_restore_by_command(
    wire: Wire,
    plane: MailInstance,
    firma: Domain,
    jan: Account,
    console: Actor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    actions.delete_account(jan, by=console)
    out = io.StringIO()
    call_command("account", "deleted", "--domain", firma.name, "--json", stdout=out)
    assert [row["address"] for row in json.loads(out.getvalue())] == [jan.address]
    call_command("account", "restore", jan.address, stdout=out)
    assert f"restored {jan.address} as it was" in out.getvalue()
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    with pytest.raises(CommandError, match="There is no deleted mailbox"):
        call_command("account", "restore", jan.address)


def test_hashes_that_are_kept_are_not_shown_in_the_admin(jan: Account, console: Actor) -> None:
    root = actions.add_operator(address="szef@localhost", password=PASSWORD, is_superuser=True, by=console)
    actions.delete_account(jan, by=console)
    page = logged_in(root).get(f"/admin/accounts/deletedmailbox/{kept(jan).pk}/change/").content.decode()
    assert jan.address in page
    assert "argon2" not in page
    assert AppPassword.objects.count() == 0


def test_restored_in_the_moment_before_its_mail_is_erased(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.apply()
    delivered(wire, jan, "List")
    actions.delete_account(jan, by=console)
    DeletedMailbox.objects.update(deleted_at=timezone.now() - timedelta(days=31))
    Domain.objects.update(created_at=timezone.now() - timedelta(days=99))

    def restored_first(mailbox: DeletedMailbox) -> None:
        actions.restore_mailbox(kept(jan), by=console)
        actions.begin_purge(mailbox)

    monkeypatch.setattr("provisioning.tasks.begin_purge", restored_first)
    node_purge_deleted()
    plane.apply()
    assert wire.subjects(jan.address, PASSWORD) == ["List"]
