"""Filters: adding, changing, ordering, switching and deleting the rules of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import notices
from accounts.actions.forwarding import leading_back, outside
from accounts.actor import Actor
from accounts.addresses import parse_targets
from accounts.filtering import MOST_VALUE_CHARACTERS, FilterCondition, FilterRule, FilterTrial
from accounts.folders import folder_name
from accounts.models import Account, Notice
from accounts.texts import one_line, paragraphs
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused

MOST_RULES = 100
MOST_CONDITIONS = 20
# With the addresses of the forwarding it stays below Dovecot's sieve_max_redirects.
MOST_COPIES = 10
MOST_MESSAGE_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class Condition:
    part: str
    comparison: str
    value: str


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """A rule as people set it. copy_to: an address, or empty. folder: its name, or empty."""

    name: str
    joined: str
    conditions: Sequence[Condition]
    folder: str = ""
    marks_read: bool = False
    flags: bool = False
    copy_to: str = ""
    discards: bool = False
    stops: bool = False


def add_filter(account: Account, settings: RuleSettings, *, by: Actor) -> FilterRule:
    """A new rule, the last in the order. Refused: too many, and what edit_filter refuses."""
    by.must_be(account)
    with transaction.atomic():
        fresh = _locked(account)
        rules = FilterRule.objects.filter(account=fresh)
        if rules.count() >= MOST_RULES:
            raise ActionRefused("", _("There can be at most %(limit)d rules.") % {"limit": MOST_RULES})
        last = rules.order_by("-position").values_list("position", flat=True).first()
        rule = FilterRule(account=fresh, position=0 if last is None else last + 1)
        _save(rule, settings, fresh, "account.filter_added", by)
    return rule


def edit_filter(rule: FilterRule, settings: RuleSettings, *, by: Actor) -> None:
    """Replace what the rule says; its place and switch stay.

    Refused: no condition or an empty one, nothing to do, a discard beside something else, a copy to the own
    mailbox. The owner is told by mail of a new address elsewhere.
    """
    by.must_be(rule.account)
    with transaction.atomic():
        fresh = _locked(rule.account)
        found = _existing(rule)
        _save(found, settings, fresh, "account.filter_edited", by)


@transaction.atomic
def switch_filter(rule: FilterRule, *, is_on: bool, by: Actor) -> None:
    """Off, it does nothing and stays where it is."""
    by.must_be(rule.account)
    fresh = _locked(rule.account)
    found = _existing(rule)
    found.is_on = is_on
    found.save(update_fields=["is_on", "changed_at"])
    _record(fresh, "account.filter_switched", found, by)


@transaction.atomic
def move_filter(rule: FilterRule, *, places: int, by: Actor) -> None:
    """Earlier by a negative number of places, later by a positive one; past the ends nothing happens."""
    by.must_be(rule.account)
    fresh = _locked(rule.account)
    rules = list(FilterRule.objects.filter(account=fresh))
    ids = [other.pk for other in rules]
    if rule.pk not in ids:
        raise ActionRefused("", _("This rule no longer exists."))
    moved = rules.pop(ids.index(rule.pk))
    rules.insert(max(0, ids.index(rule.pk) + places), moved)
    for position, other in enumerate(rules):
        other.position = position
    FilterRule.objects.bulk_update(rules, ["position"])
    moved.save(update_fields=["changed_at"])
    _record(fresh, "account.filter_moved", moved, by)


@transaction.atomic
def delete_filter(rule: FilterRule, *, by: Actor) -> None:
    """Mail that it has filed stays where it is."""
    by.must_be(rule.account)
    fresh = _locked(rule.account)
    found = _existing(rule)
    _record(fresh, "account.filter_deleted", found, by)
    found.delete()


def ask_for_trial(account: Account, *, message: str, by: Actor) -> FilterTrial:
    """The rules are to be tried on these headers; without any, on the newest messages. Replaces the last
    trial; changes nothing.
    """
    by.must_be(account)
    if account.domain is None or not account.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))
    text = paragraphs(message, field="message", most_bytes=MOST_MESSAGE_BYTES).lstrip("\n")
    values = {"message": text, "asked_at": timezone.now(), "done_at": None, "results": [], "error": ""}
    return FilterTrial.objects.update_or_create(account=account, defaults=values)[0]


def _save(rule: FilterRule, settings: RuleSettings, account: Account, action: str, by: Actor) -> None:
    before = rule.copy_to
    rule.name = one_line(settings.name, field="name", most_characters=100)
    rule.joined = settings.joined
    rule.folder = folder_name(settings.folder, field="folder") if settings.folder.strip() else ""
    rule.marks_read, rule.flags = settings.marks_read, settings.flags
    rule.copy_to = _copy_address(account, rule, settings.copy_to)
    rule.discards, rule.stops = settings.discards, settings.stops
    _check_actions(rule)
    conditions = _checked(settings.conditions)
    if rule.joined not in FilterRule.Joined.values:
        raise ActionRefused("joined", _("Either all conditions or at least one."))
    rule.save()
    rule.conditions.all().delete()
    FilterCondition.objects.bulk_create(
        FilterCondition(rule=rule, part=found.part, comparison=found.comparison, value=found.value)
        for found in conditions
    )
    if rule.copy_to and rule.copy_to != before and outside([rule.copy_to]):
        notices.record(account, Notice.Kind.FORWARDING, by=by, detail=rule.copy_to)
    _record(account, action, rule, by)


def _check_actions(rule: FilterRule) -> None:
    if not rule.name:
        raise ActionRefused("name", _("Give the rule a name."))
    others = bool(rule.folder or rule.copy_to or rule.marks_read or rule.flags)
    if rule.discards and others:
        raise ActionRefused("discards", _("What is discarded cannot be filed, marked or forwarded."))
    if not (rule.discards or others or rule.stops):
        raise ActionRefused("", _("Choose what happens to the mail."))


def _checked(conditions: Sequence[Condition]) -> list[Condition]:
    """A rule without a condition, or with an empty one, would take all mail by accident."""
    if not conditions:
        raise ActionRefused("", _("Enter at least one condition."))
    if len(conditions) > MOST_CONDITIONS:
        sentence = _("A rule can have at most %(limit)d conditions.")
        raise ActionRefused("", sentence % {"limit": MOST_CONDITIONS})
    found = []
    for condition in conditions:
        _refuse_breaks(condition.value)
        value = one_line(condition.value, field="", most_characters=MOST_VALUE_CHARACTERS)
        known = (
            condition.part in FilterCondition.Part.values
            and condition.comparison in FilterCondition.Comparison.values
        )
        if not value or not known:
            raise ActionRefused("", _("A condition needs something to compare with."))
        found.append(Condition(condition.part, condition.comparison, value))
    return found


def _refuse_breaks(value: str) -> None:
    """No subject or address holds one, so the condition would never be met."""
    if len(value.strip().splitlines()) > 1:
        raise ActionRefused("", _("A condition stands on one line."))


def _copy_address(account: Account, rule: FilterRule, text: str) -> str:
    if not text.strip():
        return ""
    address, *more = parse_targets(text, field="copy_to")
    if more:
        raise ActionRefused("copy_to", _("Enter one address."))
    if account.domain is not None and leading_back(account, account.domain, [address]):
        sentence = _("%(address)s leads to this mailbox itself.")
        raise ActionRefused("copy_to", sentence % {"address": address})
    others = FilterRule.objects.filter(account=account).exclude(pk=rule.pk).exclude(copy_to="")
    if others.count() >= MOST_COPIES:
        sentence = _("At most %(limit)d rules can forward a copy.")
        raise ActionRefused("copy_to", sentence % {"limit": MOST_COPIES})
    return address


def _locked(account: Account) -> Account:
    fresh = Account.objects.select_for_update(of=("self",)).select_related("domain__node").get(pk=account.pk)
    if fresh.domain is None or not fresh.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))
    return fresh


def _existing(rule: FilterRule) -> FilterRule:
    found = FilterRule.objects.filter(pk=rule.pk).first()
    if found is None:
        raise ActionRefused("", _("This rule no longer exists."))
    return found


def _record(account: Account, action: str, rule: FilterRule, by: Actor) -> None:
    if account.domain is None:
        return
    audit.record(by, action, account.address, scope=account.domain.name, rule=rule.name, is_on=rule.is_on)
    outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
