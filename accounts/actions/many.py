"""One act on many accounts of a domain: one transaction, one outbox row (STYLE 7). All of them, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.accounts import delete_locked, passwords_changed
from accounts.actions.limits import check_largest_quota, check_quota_sum
from accounts.actions.locks import check_end
from accounts.actions.taken import locked_domain
from accounts.actor import Actor
from accounts.handing import is_handed_over
from accounts.leaving import Departure
from accounts.models import Account, Alias, AliasTarget, LockMode, State
from accounts.rights import Right, people_with_rights_beyond
from audit import record as audit
from domains.models import Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused, NotAllowed
from webmail import sessions as webmail_sessions
from webmail.models import WebmailSession

ROWS_A_STATEMENT = 2000
# Each is taken apart with everything that points to it: more are a job of many acts (accounts.bulk_jobs).
MOST_DELETED = 200


@transaction.atomic
def lock_accounts(
    domain: Domain,
    chosen: Sequence[int],
    *,
    reason: str = "",
    mode: str = LockMode.ACCEPT,
    until: datetime | None = None,
    by: Actor,
) -> int:
    """As lock_account, for each of the chosen; returns how many."""
    if mode not in LockMode.values:
        raise ActionRefused("mode", _("Incoming mail is accepted, rejected or deferred."))
    check_end(until)
    fresh, people = _locked(domain, chosen, by=by, spares_self=True)
    _update(
        people,
        state=State.LOCKED,
        lock_mode=mode,
        lock_reason=reason,
        locked_at=timezone.now(),
        locked_by=by.name(),
        locked_until=until,
    )
    _end_departures(people)
    return _recorded(fresh, people, "account.locked", by=by, reason=reason, mode=mode)


@transaction.atomic
def unlock_accounts(domain: Domain, chosen: Sequence[int], *, by: Actor) -> int:
    """The accounts' own locks go; a lock of the domain stays."""
    fresh, people = _locked(domain, chosen, by=by, right=Right.UNLOCK)
    _update(people, state=State.ACTIVE, lock_reason="", locked_at=None, locked_by="", locked_until=None)
    _end_departures(people)
    return _recorded(fresh, people, "account.unlocked", by=by)


@transaction.atomic
def set_quotas(domain: Domain, chosen: Sequence[int], *, quota_bytes: int, by: Actor) -> int:
    """The same quota for each. Judged by the domain's limits where it is raised for somebody."""
    fresh, people = _locked(domain, chosen, by=by)
    if any(_is_raised(person.quota_bytes, quota_bytes) for person in people):
        check_largest_quota(fresh, [quota_bytes])
        check_quota_sum(fresh, added_bytes=sum(quota_bytes - person.quota_bytes for person in people))
    _update(people, quota_bytes=quota_bytes)
    return _recorded(fresh, people, "account.edited", by=by, after=[f"quota_bytes={quota_bytes}"])


def set_passwords(domain: Domain, hashes: Mapping[int, str], *, by: Actor) -> int:
    """As change_password for each. hashes: stored forms by account; the policy was asked before."""
    by.must_act_in_person()
    with transaction.atomic():
        fresh, people = _locked(domain, list(hashes), by=by)
        now = timezone.now()
        for person in people:
            person.password = hashes[person.pk]
            person.password_changed_at = now
            person.must_change_password = is_handed_over(by, to=person)
        columns = ["password", "password_changed_at", "must_change_password"]
        Account.objects.bulk_update(people, columns, batch_size=ROWS_A_STATEMENT // len(columns))
        for start in range(0, len(people), ROWS_A_STATEMENT):
            passwords_changed(people[start : start + ROWS_A_STATEMENT], by=by)
        count = _recorded(fresh, people, "account.password_changed", by=by)
        _end_webmail_sessions(people)
    return count


@transaction.atomic
def delete_accounts(domain: Domain, chosen: Sequence[int], *, remove_orphans: bool = False, by: Actor) -> int:
    """As delete_account for each. Refused: too many at once, an alias that would lead nowhere."""
    if len(chosen) > MOST_DELETED:
        sentence = _("At most %(limit)d accounts are deleted at once.")
        raise ActionRefused("", sentence % {"limit": MOST_DELETED})
    fresh, people = _locked(domain, chosen, by=by, spares_self=True)
    touched: list[str] = []
    for person in people:
        touched += delete_locked(person, remove_orphans=remove_orphans, by=by)
    outbox.record(fresh.scope, touched, nodes=[fresh.node])
    return len(people)


@transaction.atomic
def check_deletion(domain: Domain, chosen: Sequence[int], *, remove_orphans: bool, by: Actor) -> None:
    """Refused for the reasons of delete_accounts, however many they are. Nothing is changed."""
    _locked(domain, chosen, by=by, spares_self=True)
    if not remove_orphans and (names := _only_to(chosen, by=by)):
        sentence = _("These aliases lead only to them: remove them too, or change them first: %(names)s")
        raise ActionRefused("with_aliases", sentence % {"names": ", ".join(names[:10])})


def _only_to(chosen: Sequence[int], *, by: Actor) -> list[str]:
    """Aliases that the actor manages and that would be left without any target."""
    managed = Domain.objects.visible_to(by).values("pk")
    left: Counter[int] = Counter()
    for part in _parts(chosen):
        theirs = AliasTarget.objects.filter(account__in=part, alias__domain__in=managed)
        left.subtract(theirs.values_list("alias", flat=True))
    orphans: list[str] = []
    for part in _parts(list(left)):
        counted = Alias.objects.filter(pk__in=part).annotate(target_count=Count("targets"))
        rows = counted.order_by("address").values_list("address", "pk", "target_count")
        orphans += [address for address, pk, target_count in rows if left[pk] + target_count <= 0]
    return orphans


def _locked(
    domain: Domain,
    chosen: Sequence[int],
    *,
    by: Actor,
    right: Right = Right.MANAGE,
    spares_self: bool = False,
) -> tuple[Domain, list[Account]]:
    """The rows until the commit. Refused as a whole when one has gone or is out of reach (PRM-01)."""
    by.must_have(right, domain)
    fresh = locked_domain(domain)
    people: list[Account] = []
    for part in _parts(chosen):
        stored = Account.objects.select_for_update(of=("self",)).filter(domain=fresh, pk__in=part)
        people += stored.order_by("pk")
    if len(people) != len(set(chosen)):
        raise ActionRefused("", _("Some of these accounts are gone: look at the list again."))
    for person in people:
        person.domain = fresh
    if not by.sees_everything and by.person is not None:
        for part in _parts([person.pk for person in people if person.pk != by.person.pk]):
            if stronger := people_with_rights_beyond(part, by.person):
                raise NotAllowed(_("%(address)s has more rights than you.") % {"address": stronger[0]})
    if spares_self and by.person is not None and by.person.pk in {person.pk for person in people}:
        raise ActionRefused("", _("Your own account is among them: leave it out."))
    return fresh, people


def _update(people: Sequence[Account], **columns: Any) -> None:
    for part in _parts([person.pk for person in people]):
        Account.objects.filter(pk__in=part).update(**columns)


def _end_webmail_sessions(people: Sequence[Account]) -> None:
    for part in _parts([person.pk for person in people]):
        inside = set(WebmailSession.objects.filter(account__in=part).values_list("account", flat=True))
        for person in people:
            if person.pk in inside:
                webmail_sessions.end_all(person)


def _end_departures(people: Sequence[Account]) -> None:
    for part in _parts([person.pk for person in people]):
        Departure.objects.filter(account__in=part).delete()


def _recorded(
    domain: Domain, people: Sequence[Account], action: str, *, by: Actor, **details: str | list[str]
) -> int:
    addresses = [person.address for person in people]
    audit.record_many(by, action, addresses, scope=domain.name, **details)
    outbox.record(domain.scope, addresses, nodes=[domain.node])
    return len(people)


def _is_raised(before: int, after: int) -> bool:
    return after != before and (after == 0 or (before != 0 and after > before))


def _parts(pks: Sequence[int]) -> Iterator[Sequence[int]]:
    return (pks[start : start + ROWS_A_STATEMENT] for start in range(0, len(pks), ROWS_A_STATEMENT))
