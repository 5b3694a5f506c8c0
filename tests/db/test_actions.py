"""Actions: what they change, refuse and record; rights of those who act."""

from __future__ import annotations

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, Alias
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.models import Change
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.conftest import PASSWORD

MB = 1024 * 1024


def as_person(account: Account) -> Actor:
    return Actor(real=account, channel="panel")


def test_account_takes_language_and_quota_of_its_domain(firma: Domain, console: Actor) -> None:
    domain_actions.edit_domain(firma, settings={"default_quota_bytes": 5 * MB, "language": "en"}, by=console)
    account = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    assert (account.quota_bytes, account.language) == (5 * MB, "en")


@pytest.mark.parametrize("name", ["Ala\x00Nowak", "Ala\x1b[31m", "n" * 151])
def test_a_name_that_no_header_can_carry_is_refused(firma: Domain, console: Actor, name: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        actions.add_account(domain=firma, localpart="ola", password=PASSWORD, name=name, by=console)
    assert refused.value.field == "name"
    assert not Account.objects.filter(localpart="ola").exists()


def test_a_name_in_several_lines_is_put_on_one(ala: Account, console: Actor) -> None:
    assert actions.edit_account(ala, name="Ala\r\n Nowak\t", by=console).name == "Ala Nowak"


def test_ADR_02_same_address_in_other_letter_case_is_refused(
    ala: Account, firma: Domain, console: Actor
) -> None:
    with pytest.raises(ActionRefused, match=r"ala@firma\.test"):
        actions.add_account(domain=firma, localpart="ALA", password=PASSWORD, by=console)


def test_every_act_is_in_the_audit_without_secrets(ala: Account, console: Actor) -> None:
    actions.change_password(ala, password="Calkiem-Inne-4", by=console)
    event = AuditEvent.objects.order_by("-id").first()
    assert event is not None
    assert (event.action, event.target, event.scope) == (
        "account.password_changed",
        "ala@firma.test",
        "firma.test",
    )
    assert "Inne" not in str(AuditEvent.objects.values_list("details", flat=True))


def test_postmaster_acts_in_the_own_domain_only(pola: Account, ala: Account, obca: Domain) -> None:
    by_pola = as_person(pola)
    actions.edit_account(ala, quota_bytes=MB, by=by_pola)
    with pytest.raises(NotAllowed):
        actions.add_account(domain=obca, localpart="x", password=PASSWORD, by=by_pola)
    with pytest.raises(NotAllowed):
        domain_actions.add_domain(name="nowa.test", by=by_pola)


def test_PRM_01_postmaster_cannot_act_on_somebody_with_more_rights(
    pola: Account, ala: Account, obca: Domain, console: Actor
) -> None:
    domain_actions.set_managers(obca, addresses=[ala.address], by=console)
    for act in (
        lambda: actions.change_password(ala, password="Przejete-Konto-1", by=as_person(pola)),
        lambda: actions.lock_account(ala, by=as_person(pola)),
        lambda: actions.delete_account(ala, by=as_person(pola)),
    ):
        with pytest.raises(NotAllowed, match="more rights"):
            act()


def test_user_changes_the_own_name_but_not_the_own_quota(ala: Account) -> None:
    actions.edit_account(ala, name="Ala Nowak", by=as_person(ala))
    with pytest.raises(NotAllowed):
        actions.edit_account(ala, quota_bytes=0, by=as_person(ala))


def test_looking_only_refuses_every_write(pola: Account, ala: Account) -> None:
    looking = Actor(real=pola, channel="panel", writes_allowed=False)
    with pytest.raises(NotAllowed, match="looking"):
        actions.lock_account(ala, by=looking)


def test_QTA_08_limits_name_what_is_free_and_never_block_other_edits(firma: Domain, console: Actor) -> None:
    domain_actions.edit_domain(
        firma, settings={"max_quota_bytes": 1000 * MB, "default_quota_bytes": 400 * MB}, by=console
    )
    one = actions.add_account(domain=firma, localpart="a", password=PASSWORD, by=console)
    actions.add_account(domain=firma, localpart="b", password=PASSWORD, by=console)
    with pytest.raises(ActionRefused, match=r"200\sMB"):
        actions.add_account(domain=firma, localpart="c", password=PASSWORD, quota_bytes=300 * MB, by=console)
    with pytest.raises(ActionRefused, match="unlimited"):
        actions.add_account(domain=firma, localpart="c", password=PASSWORD, quota_bytes=0, by=console)
    actions.edit_account(one, quota_bytes=600 * MB, by=console)
    with pytest.raises(ActionRefused):
        actions.edit_account(one, quota_bytes=601 * MB, by=console)
    domain_actions.edit_domain(firma, settings={"max_quota_bytes": 100 * MB}, by=console)
    actions.edit_account(one, name="Inna Nazwa", by=console)
    actions.edit_account(one, quota_bytes=500 * MB, by=console)


def test_number_of_accounts_and_aliases_is_limited(firma: Domain, console: Actor) -> None:
    domain_actions.edit_domain(firma, settings={"max_accounts": 1, "max_aliases": 1}, by=console)
    actions.add_account(domain=firma, localpart="a", password=PASSWORD, by=console)
    actions.add_alias(domain=firma, localpart="b", targets=["a@firma.test"], by=console)
    with pytest.raises(ActionRefused, match="1 accounts"):
        actions.add_account(domain=firma, localpart="c", password=PASSWORD, by=console)
    with pytest.raises(ActionRefused, match="1 aliases"):
        actions.add_alias(domain=firma, localpart="d", targets=["a@firma.test"], by=console)


def test_nothing_changed_records_nothing(ala: Account, console: Actor) -> None:
    before = Change.objects.count()
    actions.edit_account(ala, name=ala.name, quota_bytes=ala.quota_bytes, by=console)
    assert Change.objects.count() == before


def test_domain_name_is_taken_once_by_domain_or_alias_name(
    firma: Domain, obca: Domain, console: Actor
) -> None:
    domain_actions.add_domain_alias(firma, name="druga.test", by=console)
    for name in ("firma.test", "FIRMA.test.", "druga.test"):
        with pytest.raises(ActionRefused, match="already exists"):
            domain_actions.add_domain(name=name, by=console)
        with pytest.raises(ActionRefused, match="already exists"):
            domain_actions.add_domain_alias(obca, name=name, by=console)


def test_alias_name_with_aliases_in_it_is_not_deleted(firma: Domain, ala: Account, console: Actor) -> None:
    name = domain_actions.add_domain_alias(firma, name="druga.test", by=console)
    actions.add_alias(domain=firma, domain_alias=name, localpart="sklep", targets=[ala.address], by=console)
    with pytest.raises(ActionRefused, match=r"sklep@druga\.test"):
        domain_actions.delete_domain_alias(name, by=console)


def test_alias_links_to_an_account_that_is_added_later(firma: Domain, console: Actor) -> None:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=["potem@firma.test"], by=console)
    account = actions.add_account(domain=firma, localpart="potem", password=PASSWORD, by=console)
    assert alias.targets.get().account == account


def test_bulk_links_aliases_too(firma: Domain, ala: Account, console: Actor) -> None:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=["potem@firma.test"], by=console)
    actions.add_accounts([actions.NewAccount(firma, "potem", ala.password)], by=console)
    linked = alias.targets.get().account
    assert linked is not None
    assert linked.address == "potem@firma.test"


def test_bulk_with_one_taken_address_adds_nothing(firma: Domain, ala: Account, console: Actor) -> None:
    rows = [actions.NewAccount(firma, name, ala.password) for name in ("n1", "ala", "n2")]
    with pytest.raises(ActionRefused, match=r"ala@firma\.test"):
        actions.add_accounts(rows, by=console)
    assert not Account.objects.filter(localpart__in=["n1", "n2"]).exists()


def test_visible_to_shows_each_person_the_own_things(
    ala: Account, pola: Account, obcy: Account, root: Account, firma: Domain, console: Actor
) -> None:
    actions.add_alias(domain=firma, localpart="biuro", targets=[ala.address], by=console)
    seen = {
        person.address: set(Account.objects.visible_to(as_person(person)).values_list("address", flat=True))
        for person in (ala, pola, obcy, root)
    }
    assert seen[ala.address] == {"ala@firma.test"}
    assert seen[pola.address] == {"ala@firma.test", "pola@firma.test"}
    assert seen[obcy.address] == {"obcy@obca.test"}
    assert len(seen[root.address]) == 4
    assert Alias.objects.visible_to(as_person(ala)).count() == 1
    assert Alias.objects.visible_to(as_person(obcy)).count() == 0
    assert list(Domain.objects.visible_to(as_person(pola))) == [firma]


def test_search_treats_wild_cards_as_letters(ala: Account, pola: Account, console: Actor) -> None:
    accounts = Account.objects.visible_to(console)
    assert accounts.search("%").count() == 0
    assert accounts.search("_").count() == 0
    assert [account.address for account in accounts.search("ALA@")] == ["ala@firma.test"]
