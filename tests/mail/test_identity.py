"""Accounts that are renamed, deleted, made again; names in other scripts; aliases whose targets go."""

from __future__ import annotations

import imaplib
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, Alias, DeletedMailbox
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.tasks import node_purge_deleted
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def arrives(wire: Wire, account: Account, subject: str) -> None:
    wait_until(lambda: subject in wire.subjects(account.address, PASSWORD), what=subject)


def test_ADR_03_domain_with_national_letters(
    wire: Wire, plane: MailInstance, firma: object, console: Actor
) -> None:
    domain = domain_actions.add_domain(name="żółw.example", by=console)
    biuro = actions.add_account(domain=domain, localpart="biuro", password=PASSWORD, by=console)
    plane.apply()
    assert biuro.address == "biuro@xn--w-uga1v8h.example"
    wire.deliver(biuro.address, text=letter("Do żółwia"))
    arrives(wire, biuro, "Do żółwia")
    with pytest.raises(ActionRefused, match="already exists"):
        domain_actions.add_domain(name="xn--w-uga1v8h.example", by=console)


def test_ADR_07_longest_legal_addresses_work_end_to_end(
    wire: Wire, plane: MailInstance, firma: object, console: Actor
) -> None:
    label = "d" * 63
    domain = domain_actions.add_domain(name=f"{label}.{'e' * 63}.{'f' * 56}.test", by=console)
    account = actions.add_account(
        domain=domain, localpart="c" * (254 - 1 - len(domain.name)), password=PASSWORD, by=console
    )
    assert len(account.address) == 254
    plane.apply()
    wire.deliver(account.address, text=letter("Najdłuższy"))
    arrives(wire, account, "Najdłuższy")


def test_ADR_10_renamed_account_keeps_mail_aliases_and_quota(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    other = domain_actions.add_domain(name=f"inna-{firma.name}", by=console)
    actions.add_alias(domain=firma, localpart="biuro", targets=[jan.address], by=console)
    actions.add_alias(domain=other, localpart="*", targets=[jan.address], by=console)
    plane.apply()
    wire.deliver(jan.address, text=letter("przed zmianą"))
    arrives(wire, jan, "przed zmianą")
    old = jan.address
    renamed = actions.rename_account(jan, domain=other, localpart="jan.nowak", by=console)
    plane.apply()
    arrives(wire, renamed, "przed zmianą")
    assert wire.imap_login_command(old, PASSWORD) == "NO"
    assert wire.rcpt(old)[0] == 550
    wire.deliver(f"biuro@{firma.name}", text=letter("przez alias"))
    wire.deliver(f"cokolwiek@{other.name}", text=letter("przez catch-all"))
    arrives(wire, renamed, "przez alias")
    arrives(wire, renamed, "przez catch-all")
    back = actions.rename_account(renamed, domain=firma, localpart="jan", keep_old_as_alias=True, by=console)
    plane.apply()
    arrives(wire, back, "przez alias")
    assert wire.rcpt(f"jan.nowak@{other.name}")[0] == 250


def test_ADR_12_address_given_to_another_person_starts_empty(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    plane.apply()
    wire.put_sieve(jan.address, PASSWORD, 'require ["fileinto","mailbox"]; fileinto :create "Stare";')
    wire.deliver(jan.address, text=letter("prywatne"))
    wait_until(lambda: "prywatne" in wire.subjects(jan.address, PASSWORD, "Stare"))
    domain, address = firma, jan.address
    actions.delete_account(jan, by=console)
    plane.apply()
    assert wire.rcpt(address)[0] == 550
    assert wire.imap_login_command(address, PASSWORD) == "NO"
    again = actions.add_account(
        domain=domain, localpart="jan", password=PASSWORD, despite_deleted=True, by=console
    )
    plane.apply()
    assert wire.messages(again.address, PASSWORD) == []
    wire.deliver(again.address, text=letter("nowe"))
    arrives(wire, again, "nowe")
    assert wire.messages(again.address, PASSWORD, "Stare") == []


def test_ADR_13_deleted_while_connected_leaves_nothing_behind(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    plane.apply()
    with wire.imap(jan.address, PASSWORD) as imap:
        actions.delete_account(jan, by=console)
        plane.apply()
        with pytest.raises((imaplib.IMAP4.error, OSError)):
            imap.append("INBOX", "", "", b"Subject: x\r\n\r\nx")
        with pytest.raises((imaplib.IMAP4.error, OSError)):
            imap.create("Nowy")


def test_purged_mailbox_is_gone_from_disk(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, settings: Settings
) -> None:
    plane.apply()
    wire.deliver(jan.address, text=letter("do skasowania"))
    arrives(wire, jan, "do skasowania")
    home = Path(plane.layout.mail / jan.home)
    assert home.exists()
    actions.delete_account(jan, by=console)
    plane.apply()
    node_purge_deleted()
    assert home.exists()
    settings.QMAILUX_DELETED_KEEP_DAYS = -1
    node_purge_deleted()
    assert not home.exists()
    assert not DeletedMailbox.objects.exists()


def test_ALS_03_alias_to_itself_is_refused(jan: Account, console: Actor, firma: Domain) -> None:
    for also in ([], [jan.address]):
        with pytest.raises(ActionRefused, match="itself"):
            actions.add_alias(
                domain=firma, localpart="petla", targets=[f"petla@{firma.name}", *also], by=console
            )


def test_aliases_in_a_circle_are_refused_at_rcpt(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    domain = firma
    actions.add_alias(domain=domain, localpart="a", targets=[f"b@{domain.name}"], by=console)
    actions.add_alias(domain=domain, localpart="b", targets=[f"a@{domain.name}"], by=console)
    plane.apply()
    assert wire.rcpt(f"a@{domain.name}")[0] == 550


def test_ALS_06_name_of_an_account_or_alias_is_taken_once(
    jan: Account, console: Actor, firma: Domain
) -> None:
    with pytest.raises(ActionRefused, match="already an account"):
        actions.add_alias(domain=firma, localpart="jan", targets=["x@gmail.example"], by=console)
    actions.add_alias(domain=firma, localpart="info", targets=[jan.address], by=console)
    with pytest.raises(ActionRefused, match="already an alias"):
        actions.add_alias(domain=firma, localpart="info", targets=["x@gmail.example"], by=console)
    with pytest.raises(ActionRefused, match="already an alias"):
        actions.add_account(domain=firma, localpart="INFO", password=PASSWORD, by=console)


def test_ALS_07_four_hundred_targets_get_one_copy_each(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    rows = [
        actions.NewAccount(domain=firma, localpart=f"u{number}", password_hash=jan.password)
        for number in range(400)
    ]
    actions.add_accounts(rows, by=console)
    targets = [row.address for row in rows]
    actions.add_alias(domain=firma, localpart="wszyscy", targets=targets, by=console)
    plane.apply()
    wire.deliver(f"wszyscy@{firma.name}", text=letter("okólnik"))
    wait_until(
        lambda: plane.log("mail.log").count(f"orig_to=<wszyscy@{firma.name}>") == 400,
        seconds=90,
        what="400 deliveries",
    )
    assert wire.subjects(targets[399], PASSWORD) == ["okólnik"]
    with pytest.raises(ActionRefused, match="at most"):
        actions.add_alias(
            domain=firma, localpart="tlum", targets=[f"x{n}@gmail.example" for n in range(1001)], by=console
        )


def test_ALS_12_alias_in_the_alias_domain_wins_over_the_domain(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    name = domain_actions.add_domain_alias(firma, name=f"alias-{firma.name}", by=console)
    actions.add_alias(domain=firma, domain_alias=name, localpart="jan", targets=[ola.address], by=console)
    plane.apply()
    wire.deliver(f"jan@{name.name}", text=letter("do oli"))
    arrives(wire, ola, "do oli")
    wire.deliver(jan.address, text=letter("do jana"))
    arrives(wire, jan, "do jana")
    assert wire.subjects(jan.address, PASSWORD) == ["do jana"]


def test_ALS_14_deleting_a_target(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    domain = firma
    ola = actions.add_account(domain=domain, localpart="ola", password=PASSWORD, by=console)
    other = domain_actions.add_domain(name=f"inna-{domain.name}", by=console)
    postmaster = actions.add_account(domain=domain, localpart="pola", password=PASSWORD, by=console)
    domain_actions.set_managers(domain, addresses=[postmaster.address], by=console)
    actions.add_alias(domain=domain, localpart="sam", targets=[jan.address], by=console)
    actions.add_alias(domain=domain, localpart="dwoje", targets=[jan.address, ola.address], by=console)
    actions.add_alias(domain=other, localpart="obcy", targets=[jan.address], by=console)
    by_pola = Actor(real=postmaster, channel="panel")
    with pytest.raises(ActionRefused, match="sam@"):
        actions.delete_account(jan, by=by_pola)
    actions.delete_account(jan, remove_orphans=True, by=by_pola)
    plane.apply()
    assert wire.rcpt(f"sam@{domain.name}")[0] == 550
    assert wire.rcpt(f"dwoje@{domain.name}")[0] == 250
    # Of a foreign domain: not edited, but never accepted only to bounce.
    assert Alias.objects.get(address=f"obcy@{other.name}").targets.count() == 1
    assert wire.rcpt(f"obcy@{other.name}")[0] == 550
    actions.add_alias(domain=other, localpart="", targets=[ola.address], by=console)
    plane.apply()
    assert wire.rcpt(f"obcy@{other.name}")[0] == 550


def test_deleted_domain_is_refused_with_all_that_was_in_it(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    domain = firma
    domain_actions.add_domain_alias(domain, name=f"alias-{domain.name}", by=console)
    actions.add_alias(domain=domain, localpart="", targets=[jan.address], by=console)
    plane.apply()
    assert wire.rcpt(f"x@alias-{domain.name}")[0] == 250
    name, address = domain.name, jan.address
    domain_actions.delete_domain(domain, by=console)
    plane.apply()
    for recipient in (address, f"x@{name}", f"jan@alias-{name}", f"postmaster@{name}"):
        assert wire.rcpt(recipient)[0] == 554, recipient
    assert wire.imap_login_command(address, PASSWORD) == "NO"
    left = [
        key
        for store in plane.applier()._stores(("aliases", "mailboxes", "senders", "domains"))
        for key, _ in store.listing()
        if name in key
    ]
    assert left == []
