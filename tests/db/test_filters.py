"""Filters: what is refused, and in which order they stand."""

from __future__ import annotations

import pytest

from accounts import actions
from accounts.actions import Condition, RuleSettings
from accounts.actions.filters import MOST_COPIES
from accounts.actor import Actor
from accounts.filtering import FilterRule
from accounts.models import Account, Notice
from audit.models import AuditEvent
from provisioning.scripts import script_rows
from qmailux_site.errors import ActionRefused
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]


def form(value: str = "faktura", **settings: str) -> dict[str, str]:
    return {
        "name": "Faktury",
        "joined": "all",
        "folder": "Faktury",
        "conditions-TOTAL_FORMS": "1",
        "conditions-INITIAL_FORMS": "0",
        "conditions-0-part": "subject",
        "conditions-0-comparison": "contains",
        "conditions-0-value": value,
    } | settings


def rule(account: Account, by: Actor, **settings: object) -> FilterRule:
    values = {
        "name": "Reguła",
        "joined": "all",
        "conditions": [Condition("subject", "is", "x")],
        "folder": "X",
    }
    return actions.add_filter(account, RuleSettings(**(values | settings)), by=by)  # type: ignore[arg-type]  # of a table


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "name"),
        ({"folder": ""}, "__all__"),
        ({"folder": "INBOX.Projekty"}, "folder"),
        ({"folder": "a//b"}, "folder"),
        ({"folder": "/a"}, "folder"),
        ({"folder": "ż" * 100}, "folder"),
        ({"folder": "a\x00b"}, "folder"),
        ({"discards": "on", "folder": ""}, "confirmed"),
        ({"discards": "on", "confirmed": "on"}, "discards"),
        ({"copy_to": "bez-malpy"}, "copy_to"),
        ({"copy_to": "a@example.net, b@example.net"}, "copy_to"),
        ({"copy_to": "a@example.net\r\nBcc: x"}, "copy_to"),
        ({"copy_to": "ALA+x@firma.test"}, "copy_to"),
        ({"conditions-0-part": "body"}, None),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    ala: Account, typed: dict[str, str], field: str | None
) -> None:
    answer = logged_in(ala).post("/filters/add/", form(**typed))
    assert list(answer.context["form"].errors) == ([field] if field else [])
    assert answer.status_code == 200
    assert not FilterRule.objects.exists()


@pytest.mark.parametrize(
    "value", ["", "   ", "a\r\nb", "a\n.\nb", "a\x00b", "a\x1bb", "a\u2028b", "x" * 10_240]
)
def test_SVE_02_a_value_that_is_empty_broken_or_endless_is_refused(ala: Account, value: str) -> None:
    answer = logged_in(ala).post("/filters/add/", form(value))
    assert answer.status_code == 200
    errors = [*answer.context["form"].errors.values(), *answer.context["rows"].errors[0].values()]
    assert len(errors) == 1
    assert not FilterRule.objects.exists()


@pytest.mark.parametrize("value", ["", " ", "a\nb", "a\x00b", "x" * 501])
def test_SVE_02_the_same_at_every_other_door(ala: Account, console: Actor, value: str) -> None:
    with pytest.raises(ActionRefused):
        rule(ala, console, conditions=[Condition("subject", "contains", value)])
    with pytest.raises(ActionRefused):
        rule(ala, console, conditions=[])


def test_SVE_08_an_address_is_stored_in_its_one_spelling(ala: Account) -> None:
    logged_in(ala).post("/filters/add/", form(copy_to="Anna <A@Żółw.example>"))
    assert FilterRule.objects.get().copy_to == "a@xn--w-uga1v8h.example"
    assert Notice.objects.get().detail == "a@xn--w-uga1v8h.example"


def test_SVE_08_only_so_many_copies_as_the_server_sends(ala: Account, console: Actor) -> None:
    for number in range(MOST_COPIES):
        rule(ala, console, copy_to=f"a{number}@example.net")
    with pytest.raises(ActionRefused) as refused:
        rule(ala, console, copy_to="zuviel@example.net")
    assert refused.value.field == "copy_to"


def test_moving_past_the_ends_changes_nothing(ala: Account, console: Actor) -> None:
    first, second, third = (rule(ala, console, name=name) for name in ("a", "b", "c"))
    actions.move_filter(first, places=-1, by=console)
    actions.move_filter(third, places=1, by=console)
    assert names(ala) == ["a", "b", "c"]
    actions.move_filter(third, places=-1, by=console)
    assert names(ala) == ["a", "c", "b"]
    actions.delete_filter(second, by=console)
    assert names(ala) == ["a", "c"]
    with pytest.raises(ActionRefused):
        actions.switch_filter(second, is_on=False, by=console)


def names(account: Account) -> list[str]:
    return list(FilterRule.objects.filter(account=account).values_list("name", flat=True))


def test_switched_off_rules_leave_no_script(ala: Account, console: Actor) -> None:
    found = rule(ala, console)
    assert len(script_rows()[0]) == 1
    actions.switch_filter(found, is_on=False, by=console)
    assert script_rows() == ([], {})


def test_what_was_done_is_audited(ala: Account) -> None:
    panel = logged_in(ala)
    panel.post("/filters/add/", form())
    found = FilterRule.objects.get()
    panel.post(f"/filters/{found.pk}/", form("rachunek"))
    panel.post(f"/filters/{found.pk}/delete/")
    actions_done = AuditEvent.objects.filter(action__startswith="account.filter").order_by("pk")
    assert list(actions_done.values_list("action", "real")) == [
        (f"account.filter_{word}", ala.address) for word in ("added", "edited", "deleted")
    ]
