"""What people may see of accounts and aliases, and the questions they ask, in their words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, TypeVar

from django.contrib.auth.base_user import BaseUserManager
from django.db import connection, models
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat, StrIndex, Substr, Upper

if TYPE_CHECKING:
    from accounts.actor import Actor
    from accounts.answered import AnsweredSender  # noqa: F401  # named as text below
    from accounts.filtering import FilterRule  # noqa: F401
    from accounts.models import Account, Alias, AppPassword, BulkJob, DeletedMailbox  # noqa: F401


Target = TypeVar("Target", bound=models.Model)
# A login at this time means none: a column without NULL is sorted and paged by its index.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# 90 % of the quota and more; what is unlimited is never full. Also the condition of an index.
ALMOST_FULL = Q(quota_bytes__gt=0, used_bytes__gte=F("quota_bytes") / 10 * 9)

# Address and name as one text. PostgreSQL has an index of its parts, domain by domain (migration 0028).
SEARCHED = Upper(Concat("address", Value("\n"), "name"))


def _of_visible_accounts(actor: Actor, *, account: str, domain: str) -> Q:
    """Superadmin: all. Postmaster: accounts of the own domains. Everybody: the own one.

    account, domain: where the rows that are asked for name theirs.
    """
    if actor.sees_everything:
        return Q()
    person = actor.person
    if person is None:
        return Q(pk__in=[])
    return Q(**{account: person.pk}) | Q(**{f"{domain}__in": actor.domains().values("pk")})


class AccountQuerySet(models.QuerySet["Account"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: accounts of the own domains. Everybody: the own one."""
        return self.filter(_of_visible_accounts(actor, account="pk", domain="domain"))

    def with_mailbox(self) -> Self:
        return self.filter(has_mailbox=True)

    def locked(self) -> Self:
        """Locked themselves or through their domain."""
        return self.filter(Q(state="locked") | Q(domain__state="locked"))

    def over_quota(self) -> Self:
        """As much used as promised, or more. What is unlimited never is."""
        return self.filter(ALMOST_FULL, used_bytes__gte=F("quota_bytes"))

    def almost_full(self) -> Self:
        """90 % of the quota or more, and not yet over it."""
        return self.filter(ALMOST_FULL, used_bytes__lt=F("quota_bytes"))

    def never_logged_in(self) -> Self:
        """Neither to the panel nor with a mail program."""
        return self.filter(logged_in_at=NEVER)

    def forwarding_outside(self) -> Self:
        """With a forwarding target whose domain is not hosted here."""
        from accounts.models import ForwardingTarget

        targets = leading_outside(ForwardingTarget.objects.filter(forwarding=OuterRef("pk")))
        return self.filter(Exists(targets))

    def answering(self) -> Self:
        """With an autoresponder that is switched on, also for days to come."""
        return self.filter(autoresponder__is_on=True)

    def search(self, fragment: str) -> Self:
        """Part of the address or the name, blind to case; % and _ mean themselves."""
        if not fragment:
            return self
        wanted = Q()
        for spelling in spellings_of(fragment):
            wanted |= Q(searched__contains=Upper(Value(spelling)))
        return self.alias(searched=SEARCHED).filter(wanted)


def leading_outside(targets: models.QuerySet[Target]) -> models.QuerySet[Target]:
    """Those of the targets (of an alias or a forwarding) whose domain is not one of this server."""
    from domains.models import Domain, DomainAlias

    host = Substr("address", StrIndex("address", Value("@")) + 1)
    ours = Exists(Domain.objects.filter(name=OuterRef("host")))
    ours_too = Exists(DomainAlias.objects.filter(name=OuterRef("host")))
    found: models.QuerySet[Target] = targets.alias(host=host).filter(~ours, ~ours_too)  # type: ignore[assignment]  # the stubs lose the model
    return found


def spellings_of(fragment: str) -> list[str]:
    """SQLite knows the case of ASCII letters only: there the usual spellings of the others are asked for
    (CON-05).
    """
    if fragment.isascii() or connection.vendor != "sqlite":
        return [fragment]
    return sorted({fragment, fragment.lower(), fragment.upper(), fragment.title()})


def _leads_outside() -> Exists:
    from accounts.models import AliasTarget

    return Exists(leading_outside(AliasTarget.objects.filter(alias=OuterRef("pk"))))


AccountManager = BaseUserManager.from_queryset(AccountQuerySet)


class AliasQuerySet(models.QuerySet["Alias"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: aliases of the own domains. A user: those that lead to the own
        account.
        """
        if actor.sees_everything:
            return self
        person = actor.person
        if person is None:
            return self.none()
        return self.filter(
            Q(domain__in=actor.domains().values("pk")) | Q(pk__in=person.alias_targets.values("alias_id"))
        )

    def catch_alls(self) -> Self:
        return self.filter(localpart="")

    def ordinary(self) -> Self:
        return self.exclude(localpart="")

    def local(self) -> Self:
        """Every target lies in a domain of this server. A catch-all counts apart, it is none of these."""
        return self.ordinary().filter(~_leads_outside())

    def leading_elsewhere(self) -> Self:
        """With a target whose domain is not on this server."""
        return self.ordinary().filter(_leads_outside())

    def broken(self, *, later: Iterable[int] = ()) -> Self:
        """With a target here that nobody has. later: others that are known to reach nobody
        (accounts.circles).
        """
        from accounts.models import AliasTarget

        at_once = Exists(AliasTarget.objects.broken().filter(alias=OuterRef("pk")))
        return self.filter(at_once | Q(pk__in=later))

    def search(self, fragment: str) -> Self:
        """Part of the alias's address or of one of its targets."""
        if not fragment:
            return self
        from accounts.models import AliasTarget

        targets = AliasTarget.objects.filter(alias=OuterRef("pk"), address__icontains=fragment)
        return self.filter(Q(address__icontains=fragment) | Exists(targets))


class AppPasswordQuerySet(models.QuerySet["AppPassword"]):
    def visible_to(self, actor: Actor) -> Self:
        """Those of the accounts that one sees."""
        return self.filter(_of_visible_accounts(actor, account="account", domain="account__domain"))


class AnsweredSenderQuerySet(models.QuerySet["AnsweredSender"]):
    def visible_to(self, actor: Actor) -> Self:
        """The owner's own: whom one corresponds with is nobody else's business."""
        if actor.person is None:
            return self.none()
        return self.filter(autoresponder__account=actor.person)

    def remembered(self) -> Self:
        """Without those who were forgotten and have not been answered since."""
        return self.filter(answered_at__isnull=False)


class FilterRuleQuerySet(models.QuerySet["FilterRule"]):
    def visible_to(self, actor: Actor) -> Self:
        """The owner's own."""
        return self.none() if actor.person is None else self.filter(account=actor.person)


class BulkJobQuerySet(models.QuerySet["BulkJob"]):
    def visible_to(self, actor: Actor) -> Self:
        """Those of the very person, in the same role: what comes of them are passwords."""
        if actor.real is None:
            return self.none()
        return self.filter(owner=actor.real, acting_as=actor.acting_as)


class DeletedMailboxQuerySet(models.QuerySet["DeletedMailbox"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: those deleted since the own domains are there; names are given
        again.
        """
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        managed = actor.domains().filter(name=OuterRef("domain_name"), created_at__lte=OuterRef("deleted_at"))
        names = actor.domains().values("name")
        return self.filter(Exists(managed), domain_name__in=names)

    def restorable(self) -> Self:
        return self.filter(purging_at=None)
