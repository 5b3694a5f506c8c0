"""The panel's Sieve scripts that accounts should have."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.db.models import Prefetch
from django.utils import timezone

from accounts.answered import AnsweredSender
from accounts.filtering import FilterRule
from accounts.models import Account, Autoresponder, Forwarding
from accounts.notifying import Notification
from domains.models import Domain, DomainAlias
from provisioning.hosts.base import Row
from provisioning.render.files import RenderedFile
from provisioning.render.sieve import Answer, Condition, Notify, Rule, panel_script
from qmailux_site.errors import UnsafeValue
from qmailux_site.streaming import streamed

# An autoresponder remembers thousands; only those who were forgotten matter here.
_FORGOTTEN = Prefetch("autoresponder__answered", AnsweredSender.objects.filter(times_forgotten__gt=0))
_RULES = Prefetch(
    "filter_rules", FilterRule.objects.filter(is_on=True).prefetch_related("conditions"), to_attr="rules_on"
)


def script_rows(addresses: Iterable[str] | None = None) -> tuple[list[Row], dict[str, str]]:
    """Of these accounts, or of all: address, home, script, and whether all mail is forwarded. And the
    accounts whose script cannot be rendered, with the reason.
    """
    rows: list[Row] = []
    broken: dict[str, str] = {}
    for account in _accounts(addresses):
        try:
            script = _script(account)
        except UnsafeValue as error:
            broken[account.address] = str(error)
            continue
        if script is not None:
            forwards = "yes" if hasattr(account, "forwarding") else "no"
            rows.append((account.address, account.home, script.content.decode(), forwards))
    return rows, broken


def _accounts(addresses: Iterable[str] | None) -> Iterable[Account]:
    these = Account.objects.order_by()
    if addresses is not None:
        these = these.filter(address__in=list(addresses))
    # By their keys: with an "or" of the four the database would ask for every account there is.
    filtering = FilterRule.objects.filter(is_on=True).order_by().values("account_id")
    wanted = (
        these.filter(forwarding__isnull=False)
        .values("pk")
        .union(
            these.filter(autoresponder__is_on=True).values("pk"),
            these.filter(pk__in=filtering).values("pk"),
            these.filter(notification__is_on=True).exclude(notification__number="").values("pk"),
        )
    )
    # Most have none: then the question for all that belongs to one is not even built.
    if addresses is not None and not wanted.exists():
        return ()
    stored = Account.objects.filter(pk__in=wanted, has_mailbox=True, domain__in=Domain.objects.hosted())
    stored = stored.select_related("forwarding", "autoresponder", "notification", "departure")
    related = ("forwarding__targets", "alias_targets__alias", "domain__domain_aliases", _FORGOTTEN, _RULES)
    return streamed(stored.prefetch_related(*related), names=addresses)


def _script(account: Account) -> RenderedFile | None:
    forwarding: Forwarding | None = getattr(account, "forwarding", None)
    autoresponder: Autoresponder | None = getattr(account, "autoresponder", None)
    # Of somebody who has left, what was set for the colleague goes on and nothing else.
    has_left = hasattr(account, "departure")
    return panel_script(
        home=account.home,
        forward_to=[target.address for target in forwarding.targets.all()] if forwarding else (),
        keep_copy=forwarding.keeps_copy if forwarding else True,
        answer=_answer(account, autoresponder) if autoresponder and autoresponder.is_on else None,
        rules=[] if has_left else [rule_of(rule) for rule in getattr(account, "rules_on", ())],
        notify=None if has_left else _notify(account),
    )


def _notify(account: Account) -> Notify | None:
    stored: Notification | None = getattr(account, "notification", None)
    if stored is None or not stored.counts:
        return None
    wanted = (("sender", stored.senders), ("subject", stored.subjects))
    found = [Condition(part, "contains", line) for part, text in wanted for line in text.splitlines()]
    return Notify(account.address, tuple(found))


def rule_of(stored: FilterRule) -> Rule:
    """As it is rendered."""
    return Rule(
        joined=stored.joined,
        conditions=tuple(
            Condition(condition.part, condition.comparison, condition.value)
            for condition in stored.conditions.all()
        ),
        folder=stored.folder,
        marks_read=stored.marks_read,
        flags=stored.flags,
        copy_to=stored.copy_to,
        discards=stored.discards,
        stops=stored.stops,
    )


def _answer(account: Account, autoresponder: Autoresponder) -> Answer:
    return Answer(
        sender_name=account.name,
        sender=account.address,
        addresses=tuple(_own_addresses(account)),
        subject=autoresponder.subject,
        text=autoresponder.text,
        begins=_instant(autoresponder.starts_on),
        ends=_instant(autoresponder.ends_on and autoresponder.ends_on + datetime.timedelta(days=1)),
        interval_hours=autoresponder.interval_hours,
        period=autoresponder.period,
        forgotten=sorted(
            (sender.address, sender.times_forgotten)
            for sender in autoresponder.answered.all()
            if sender.times_forgotten
        ),
    )


def _instant(day: datetime.date | None) -> str:
    """The beginning of the day here, as an instant in UTC: the mail plane may count its hours elsewhere.
    Without a zone, so that it compares as text.
    """
    if day is None:
        return ""
    here = datetime.datetime.combine(day, datetime.time.min, tzinfo=timezone.get_default_timezone())
    return here.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _own_addresses(account: Account) -> list[str]:
    """Every form in which mail may name the account. A catch-all is none: it names somebody else."""
    names: Iterable[DomainAlias] = account.domain.domain_aliases.all() if account.domain else ()
    aliases = [target.alias for target in account.alias_targets.all() if not target.alias.is_catch_all]
    found = {account.address, *(alias.address for alias in aliases)}
    found |= {f"{account.localpart}@{name.name}" for name in names}
    in_own_domain = [alias for alias in aliases if alias.domain_alias_id is None]
    found |= {
        f"{alias.localpart}@{name.name}"
        for alias in in_own_domain
        for name in names
        if alias.domain_id == account.domain_id
    }
    return sorted(found)
