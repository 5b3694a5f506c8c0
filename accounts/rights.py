"""Roles are sets of rights, in a domain or in all of them. Asked through Actor and visible_to alone.

The superadmin has every right everywhere and postmasters every one in their domains (Account.is_superuser,
Account.managed_domains); the other roles are granted by rows (accounts.roles).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models import Q, QuerySet

if TYPE_CHECKING:
    from accounts.models import Account
    from domains.models import Domain


class Right(StrEnum):
    """SEE: accounts, aliases, their state. TRACE: where mail went, and the queue, never its content."""

    SEE = "see"
    TRACE = "trace"
    AUDIT = "audit"
    UNLOCK = "unlock"
    RESET = "reset"
    MANAGE = "manage"


ALL_RIGHTS = frozenset(Right)
RIGHTS_OF_ROLE: dict[str, frozenset[Right]] = {
    "help_desk": frozenset({Right.SEE, Right.TRACE, Right.UNLOCK, Right.RESET}),
    "auditor": frozenset({Right.SEE, Right.TRACE, Right.AUDIT}),
}


def domains_of(person: Account, right: Right) -> QuerySet[Domain]:
    """Where the person has the right, beside a superadmin's everywhere."""
    roles = [role for role, rights in RIGHTS_OF_ROLE.items() if right in rights]
    granted = (
        set(_grants(person).filter(role__in=roles).values_list("domain_id", flat=True)) if roles else set()
    )
    domains: QuerySet[Domain] = apps.get_model("domains", "Domain")._default_manager.all()
    if None in granted:
        return domains
    managed = Q(pk__in=person.managed_domains.values("pk"))
    return domains.filter(managed | Q(pk__in=granted)) if granted else person.managed_domains.all()


def rights_on(person: Account, domain_name: str) -> frozenset[Right]:
    """What the person may in one domain."""
    if person.is_superuser or person.managed_domains.filter(name=domain_name).exists():
        return ALL_RIGHTS
    here = Q(domain=None) | Q(domain__name=domain_name)
    roles = _grants(person).filter(here).values_list("role", flat=True)
    return frozenset().union(*(RIGHTS_OF_ROLE[role] for role in roles))


def has_rights_beyond(account: Account, person: Account) -> bool:
    """Whether the account has rights that the person cannot give: who acts as it would rise (PRM-01)."""
    own = person.managed_domains.values("pk")
    return (
        account.is_superuser
        or account.managed_domains.exclude(pk__in=own).exists()
        or _grants(account).exclude(domain__in=own).exists()
    )


def people_with_rights_beyond(pks: Sequence[int], person: Account) -> list[str]:
    """As has_rights_beyond, for many at once: the addresses of those who have them."""
    own = person.managed_domains.values("pk")
    accounts = apps.get_model("accounts", "Account")
    managing = accounts.managed_domains.through._default_manager.filter(account__in=pks)
    granted = apps.get_model("accounts", "RoleGrant")._default_manager.filter(account__in=pks)
    beyond = (
        Q(is_superuser=True)
        | Q(pk__in=managing.exclude(domain__in=own).values("account"))
        | Q(pk__in=granted.exclude(domain__in=own).values("account"))
    )
    found = accounts._default_manager.filter(beyond, pk__in=pks).order_by("address")
    return list(found.values_list("address", flat=True)[:10])


def first_role(person: Account) -> str:
    """For the audit; "" for a user."""
    return _grants(person).order_by("role").values_list("role", flat=True).first() or ""


def _grants(person: Account) -> QuerySet[Any]:
    return apps.get_model("accounts", "RoleGrant")._default_manager.filter(account=person.pk)
