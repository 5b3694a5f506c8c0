"""Actions on the spam check's settings."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import add_sender_entries, set_spam_preference
from antispam.models import SenderListEntry, SpamPreference
from antispam.patterns import MOST_ENTRIES
from domains.models import Domain
from provisioning.models import Change
from qmailux_site.errors import ActionRefused, NotAllowed

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("suspected", "probable", "field"),
    [
        ("0", 10, "suspected"),
        ("-5", 10, "suspected"),
        ("1E+9", 10, "suspected"),
        ("99999", 10, "suspected"),
        ("NaN", 10, "suspected"),
        ("5.55", 10, "suspected"),
        ("5", 51, "probable"),
        ("5", 0, "probable"),
        ("5.5", 5, "probable"),
    ],
)
def test_SPM_01_thresholds_out_of_range_are_refused_at_their_field(
    ala: Account, console: Actor, suspected: str, probable: int, field: str
) -> None:
    with pytest.raises(ActionRefused) as refused:
        set_spam_preference(ala, thresholds=(Decimal(suspected), probable), is_scanned=None, by=console)
    assert refused.value.field == field
    assert not SpamPreference.objects.exists()


def test_who_may_set_what(ala: Account, pola: Account, obcy: Account, firma: Domain, root: Account) -> None:
    def may(person: Account, owner: Account | Domain | None) -> bool:
        try:
            set_spam_preference(
                owner, thresholds=None, is_scanned=False, by=Actor(real=person, channel="panel")
            )
        except NotAllowed:
            return False
        return True

    owners = (ala, firma, None)
    assert {person.localpart: [may(person, owner) for owner in owners] for person in (ala, pola, obcy)} == {
        "ala": [True, False, False],
        "pola": [True, True, False],
        "obcy": [False, False, False],
    }
    assert [may(root, owner) for owner in owners] == [True, True, True]


def test_what_one_sees(ala: Account, pola: Account, obcy: Account, console: Actor) -> None:
    set_spam_preference(ala, thresholds=None, is_scanned=False, by=console)
    seen = [
        SpamPreference.objects.visible_to(Actor(real=person, channel="panel")).count()
        for person in (ala, pola, obcy)
    ]
    assert seen == [1, 1, 0]


def test_without_wishes_no_row_remains(ala: Account, console: Actor) -> None:
    set_spam_preference(ala, thresholds=(Decimal("4.5"), 9), is_scanned=None, by=console)
    set_spam_preference(ala, thresholds=None, is_scanned=None, by=console)
    assert not SpamPreference.objects.exists()


def test_a_domains_first_wish_concerns_its_accounts_and_the_next_only_itself(
    firma: Domain, console: Actor
) -> None:
    Change.objects.all().delete()
    set_spam_preference(firma, thresholds=(Decimal("4"), 9), is_scanned=None, by=console)
    set_spam_preference(firma, thresholds=(Decimal("5"), 9), is_scanned=None, by=console)
    set_spam_preference(firma, thresholds=None, is_scanned=None, by=console)
    keys = [change.keys for change in Change.objects.order_by("id")]
    assert keys == [["+@firma.test"], ["firma.test"], ["+@firma.test"]]


def test_SPM_03_a_list_has_a_limit(ala: Account, console: Actor) -> None:
    first = [f"a{number}@example.org" for number in range(MOST_ENTRIES)]
    assert add_sender_entries(ala, kind=SenderListEntry.Kind.DENY, patterns=first, by=console) == MOST_ENTRIES
    with pytest.raises(ActionRefused):
        add_sender_entries(ala, kind=SenderListEntry.Kind.DENY, patterns=["b@example.org"], by=console)
