"""What people may see of accounts and aliases, and the questions they ask, in their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.contrib.auth.base_user import BaseUserManager
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.actor import Actor
    from accounts.models import Account, Alias, AppPassword  # noqa: F401  # named as text below


def _of_visible_accounts(actor: Actor, *, account: str, domain: str) -> Q:
    """Superadmin: all. Postmaster: accounts of the own domains. Everybody: the own one.

    account, domain: where the rows that are asked for name theirs.
    """
    if actor.sees_everything:
        return Q()
    person = actor.person
    if person is None:
        return Q(pk__in=[])
    return Q(**{account: person.pk}) | Q(**{f"{domain}__in": person.managed_domains.all()})


class AccountQuerySet(models.QuerySet["Account"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: accounts of the own domains. Everybody: the own one."""
        return self.filter(_of_visible_accounts(actor, account="pk", domain="domain"))

    def with_mailbox(self) -> Self:
        return self.filter(has_mailbox=True)

    def locked(self) -> Self:
        """Locked themselves or through their domain."""
        return self.filter(Q(state="locked") | Q(domain__state="locked"))

    def search(self, fragment: str) -> Self:
        """Part of the address or the name, blind to case; % and _ mean themselves."""
        return self.filter(Q(address__icontains=fragment) | Q(name__icontains=fragment)) if fragment else self


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
            Q(domain__in=person.managed_domains.all()) | Q(pk__in=person.alias_targets.values("alias_id"))
        )

    def catch_alls(self) -> Self:
        return self.filter(localpart="")

    def ordinary(self) -> Self:
        return self.exclude(localpart="")

    def search(self, fragment: str) -> Self:
        """Part of the alias's address or of one of its targets."""
        if not fragment:
            return self
        leading_there = Q(targets__address__icontains=fragment)
        return self.filter(
            pk__in=self.model._default_manager.filter(leading_there).values("pk")
        ) | self.filter(address__icontains=fragment)


class AppPasswordQuerySet(models.QuerySet["AppPassword"]):
    def visible_to(self, actor: Actor) -> Self:
        """Those of the accounts that one sees."""
        return self.filter(_of_visible_accounts(actor, account="account", domain="account__domain"))
