"""Forwarding: what is refused, and who is told."""

from __future__ import annotations

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, ForwardingTarget, Notice
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]


def targets_of(account: Account) -> list[str]:
    return list(ForwardingTarget.objects.filter(forwarding=account.pk).values_list("address", flat=True))


@pytest.mark.parametrize(
    "target", ["ala@firma.test", "ala+praca@firma.test", "ala@nazwa.test", "kontakt@firma.test"]
)
def test_ALS_11_a_way_back_to_oneself_is_refused(
    ala: Account, firma: Domain, console: Actor, target: str
) -> None:
    domain_actions.add_domain_alias(firma, name="nazwa.test", by=console)
    actions.add_alias(domain=firma, localpart="kontakt", targets=[ala.address], by=console)
    with pytest.raises(ActionRefused) as refused:
        actions.set_forwarding(ala, targets=[target], keeps_copy=True, by=console)
    assert refused.value.field == "targets"
    assert targets_of(ala) == []


def test_ALS_11_other_spellings_are_recognised_in_the_panel(ala: Account) -> None:
    answer = logged_in(ala).post("/forwarding/", {"targets": "ALA@Firma.Test", "keeps_copy": "on"})
    assert "prowadzi do tej samej skrzynki" in answer.content.decode()
    assert targets_of(ala) == []


def test_new_targets_replace_the_old_ones_and_none_end_the_forwarding(ala: Account, console: Actor) -> None:
    actions.set_forwarding(ala, targets=["a@x.example", "b@x.example"], keeps_copy=True, by=console)
    actions.set_forwarding(ala, targets=["b@x.example"], keeps_copy=False, by=console)
    assert targets_of(ala) == ["b@x.example"]
    actions.set_forwarding(ala, targets=[], keeps_copy=True, by=console)
    assert targets_of(ala) == []
    assert AuditEvent.objects.filter(action="account.forwarding_set").count() == 3


def test_the_owner_is_told_of_a_new_address_outside_once(ala: Account, pola: Account, console: Actor) -> None:
    targets = [pola.address, "x@gmail.example"]
    actions.set_forwarding(ala, targets=targets, keeps_copy=True, by=console)
    actions.set_forwarding(ala, targets=targets, keeps_copy=False, by=console)
    told = Notice.objects.filter(account=ala, kind=Notice.Kind.FORWARDING)
    assert [notice.detail for notice in told] == ["x@gmail.example"]


def test_nobody_elses_postmaster_sets_it(ala: Account, obcy: Account) -> None:
    with pytest.raises(NotAllowed):
        actions.set_forwarding(
            ala, targets=["x@x.example"], keeps_copy=True, by=Actor(real=obcy, channel="panel")
        )


def test_a_wrong_address_is_named_and_what_was_typed_stays(ala: Account) -> None:
    answer = logged_in(ala).post("/forwarding/", {"targets": "x@gmail.example\nbez-malpy"})
    page = answer.content.decode()
    assert "bez-malpy" in page
    assert "x@gmail.example" in page
    assert targets_of(ala) == []


def test_the_postmaster_sets_it_for_somebody_and_sees_why_not(pola: Account, ala: Account) -> None:
    page = f"/domain/firma.test/accounts/{ala.pk}/forwarding/"
    assert logged_in(pola).post(page, {"targets": "x@gmail.example"}).status_code == 302
    assert targets_of(ala) == ["x@gmail.example"]
    assert not ala.forwarding.keeps_copy
    answer = logged_in(pola).post(page, {"targets": "ala@firma.test"})
    assert "prowadzi do tej samej skrzynki" in answer.content.decode()
