"""Giving and taking roles. Nobody gives what they do not have: that would be a way up."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.models import Account
from accounts.roles import Role, RoleGrant
from audit import record as audit
from domains.models import Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused, NotAllowed


@transaction.atomic
def grant_role(account: Account, *, role: str, domain: Domain | None = None, by: Actor) -> None:
    """The account has the role from its next click on; twice is once.

    domain: where; None is everywhere. Superadmins give every role, a postmaster help desk and auditor of the
    own domain to people of the own domains.
    """
    _check(account, role, domain, by)
    if _change(account, role, domain, is_given=True):
        _note(account, "role.granted", role, domain, by)


@transaction.atomic
def revoke_role(account: Account, *, role: str, domain: Domain | None = None, by: Actor) -> None:
    """The role ends at the next click. Refused: the last superadmin, and one's own superadmin role."""
    _check(account, role, domain, by)
    if role == Role.SUPERADMIN:
        others = Account.objects.select_for_update(of=("self",)).filter(is_superuser=True)
        if not others.exclude(pk=account.pk).exists():
            raise ActionRefused("role", _("This is the last superadmin."))
        if by.person is not None and by.person.pk == account.pk:
            raise ActionRefused("role", _("You cannot take the role from yourself: another superadmin can."))
    if _change(account, role, domain, is_given=False):
        _note(account, "role.revoked", role, domain, by)


def _check(account: Account, role: str, domain: Domain | None, by: Actor) -> None:
    by.must_act_in_person()
    by.must_write()
    if role not in Role.values:
        raise ActionRefused("role", _("There is no such role."))
    if role == Role.SUPERADMIN and domain is not None:
        raise ActionRefused("role", _("A superadmin is one of the whole server."))
    if role == Role.POSTMASTER and domain is None:
        raise ActionRefused("role", _("A postmaster is one of a domain."))
    if by.sees_everything:
        return
    if domain is None or role in (Role.SUPERADMIN, Role.POSTMASTER):
        raise NotAllowed(_("Only the superadmin may do this."))
    by.must_manage(domain)
    if account.domain is None:
        raise NotAllowed(_("Only the superadmin may do this."))
    by.must_manage(account.domain)


def _change(account: Account, role: str, domain: Domain | None, *, is_given: bool) -> bool:
    """Whether anything was changed."""
    changes: dict[str, Callable[[], bool]] = {
        Role.SUPERADMIN: lambda: _set_superadmin(account, is_given=is_given),
        Role.POSTMASTER: lambda: _set_postmaster(account, domain, is_given=is_given),
    }
    return changes.get(role, lambda: _set_grant(account, role, domain, is_given=is_given))()


def _set_superadmin(account: Account, *, is_given: bool) -> bool:
    changed = Account.objects.filter(pk=account.pk, is_superuser=not is_given).update(is_superuser=is_given)
    account.is_superuser = is_given
    return changed > 0


def _set_postmaster(account: Account, domain: Domain | None, *, is_given: bool) -> bool:
    """Mail to postmaster@ goes to them, so the mail plane must know."""
    assert domain is not None  # noqa: S101  # _check has seen to it
    fresh = Domain.objects.select_for_update(of=("self",)).select_related("node").get(pk=domain.pk)
    if fresh.managers.filter(pk=account.pk).exists() == is_given:
        return False
    if is_given:
        fresh.managers.add(account)
    else:
        fresh.managers.remove(account)
    keys = [f"{localpart}@{fresh.name}" for localpart in outbox.ALWAYS_ACCEPTED]
    outbox.record(fresh.scope, keys, nodes=[fresh.node])
    return True


def _set_grant(account: Account, role: str, domain: Domain | None, *, is_given: bool) -> bool:
    if is_given:
        return RoleGrant.objects.get_or_create(account=account, role=role, domain=domain)[1]
    return RoleGrant.objects.filter(account=account, role=role, domain=domain).delete()[0] > 0


def _note(account: Account, action: str, role: str, domain: Domain | None, by: Actor) -> None:
    where = domain.name if domain else ""
    audit.record(by, action, account.address, scope=where, name=role, domain=where or "*")
