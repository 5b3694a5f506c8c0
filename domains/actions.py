"""Every change of domains and domain aliases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.locks import LOCK_FIELDS, check_end
from accounts.actions.taken import locked_domain
from accounts.actor import Actor
from accounts.models import Account, Alias, AliasTarget, DeletedMailbox, LockMode, State, TakenAddress
from audit import record as audit
from domains.models import Domain, DomainAlias, TakenDomainName
from domains.names import canonical_domain
from provisioning import outbox
from provisioning.models import Node
from qmailux_site.errors import ActionRefused

EDITABLE = (
    "default_quota_bytes",
    "language",
    "impersonation_policy",
    "recovery_policy",
    "max_accounts",
    "max_aliases",
    "max_quota_bytes",
    "max_account_quota_bytes",
    "max_sms",
    "max_account_sms",
)
Setting = int | str | None


@transaction.atomic
def add_domain(
    *,
    name: str,
    node: Node | None = None,
    settings: Mapping[str, Setting] | None = None,
    by: Actor,
) -> Domain:
    """A new domain, by its Unicode or its ASCII name. A name that is taken in either spelling is refused.

    settings: any of EDITABLE.
    """
    by.must_be_superadmin()
    canonical = canonical_domain(name)
    _take_name(canonical)
    default_quota = django_settings.QMAILUX_DEFAULT_QUOTA_MB * 1024 * 1024
    values = {"default_quota_bytes": default_quota, **_checked(settings or {})}
    domain = Domain(name=canonical, node=node or _default_node(), **values)
    domain.full_clean(validate_unique=False, validate_constraints=False)
    domain.save(force_insert=True)
    audit.record(by, "domain.added", canonical, scope=canonical)
    outbox.record(domain.scope, [canonical, *_always_accepted(canonical)], nodes=[domain.node])
    return domain


@transaction.atomic
def edit_domain(domain: Domain, *, settings: Mapping[str, Setting], by: Actor) -> Domain:
    """Change any of EDITABLE. A lowered limit stands for what is added later; nothing that exists is
    touched.
    """
    by.must_be_superadmin()
    fresh = locked_domain(domain, field="name")
    changed = {key: value for key, value in _checked(settings).items() if getattr(fresh, key) != value}
    if not changed:
        return fresh
    before = [f"{key}={getattr(fresh, key)}" for key in sorted(changed)]
    for key, value in changed.items():
        setattr(fresh, key, value)
    fresh.full_clean(validate_unique=False, validate_constraints=False)
    fresh.save(update_fields=list(changed))
    after = [f"{key}={changed[key]}" for key in sorted(changed)]
    audit.record(by, "domain.edited", fresh.name, scope=fresh.name, before=before, after=after)
    return fresh


@transaction.atomic
def lock_domain(
    domain: Domain,
    *,
    reason: str = "",
    mode: str = LockMode.DEFER,
    until: datetime | None = None,
    by: Actor,
) -> Domain:
    """No login to any account of the domain; incoming mail as ``mode`` says. One row, whatever the domain's
    size.
    """
    by.must_be_superadmin()
    if mode not in LockMode.values:
        raise ActionRefused("mode", _("Incoming mail is accepted, rejected or deferred."))
    check_end(until)
    return _set_state(domain, State.LOCKED, mode, reason, "domain.locked", by, until=until)


@transaction.atomic
def unlock_domain(domain: Domain, *, by: Actor) -> Domain:
    """Every account is again as it was before: one that is locked itself stays locked (ADR-14)."""
    by.must_be_superadmin()
    return _set_state(domain, State.ACTIVE, domain.lock_mode, "", "domain.unlocked", by)


@transaction.atomic
def delete_domain(domain: Domain, *, by: Actor) -> int:
    """The domain with its alias names, accounts and aliases; returns the number of accounts.

    Mailboxes are set aside for some days, as with a single account. Aliases of other domains keep their
    targets and are shown there as broken. Refused for accounts with more rights than a mailbox (superadmins).
    """
    by.must_be_superadmin()
    fresh = locked_domain(domain, field="name")
    accounts = Account.objects.filter(domain=fresh)
    if by.person is not None and accounts.filter(pk=by.person.pk).exists():
        raise ActionRefused("", _("You cannot delete the account you are logged in with."))
    names = fresh.all_names()
    mailboxes = accounts.filter(has_mailbox=True).values_list("uuid", "address")
    DeletedMailbox.objects.bulk_create(
        (
            DeletedMailbox(uuid=uuid, address=address, domain_name=fresh.name, node=fresh.node)
            for uuid, address in mailboxes.iterator()
        ),
        batch_size=2000,
    )
    count = accounts.count()
    _delete_addresses(fresh)
    fresh.domain_aliases.all().delete()
    TakenDomainName.objects.filter(name__in=names).delete()
    audit.record(by, "domain.deleted", fresh.name, scope=fresh.name, accounts=count)
    scope, node = fresh.scope, fresh.node
    fresh.delete()
    outbox.record(scope, [outbox.everything_under(name) for name in names], nodes=[node])
    if fresh.is_relay:
        outbox.record_settings()
    return count


@transaction.atomic
def add_domain_alias(domain: Domain, *, name: str, by: Actor) -> DomainAlias:
    """Every local part of the domain becomes valid in the new name too, the catch-all included."""
    by.must_be_superadmin()
    canonical = canonical_domain(name)
    fresh = locked_domain(domain, field="name")
    _take_name(canonical)
    alias = DomainAlias(name=canonical, domain=fresh)
    alias.full_clean(validate_unique=False, validate_constraints=False)
    alias.save(force_insert=True)
    audit.record(by, "domain_alias.added", canonical, scope=fresh.name)
    outbox.record(fresh.scope, [outbox.addresses_of(canonical), *_answering(fresh)], nodes=[fresh.node])
    return alias


@transaction.atomic
def delete_domain_alias(alias: DomainAlias, *, by: Actor) -> None:
    """Mail for the name is refused from then on. Single aliases that lie in it must be removed first."""
    by.must_be_superadmin()
    fresh = locked_domain(alias.domain, field="name")
    single = list(alias.own_aliases.values_list("address", flat=True)[:10])
    if single:
        raise ActionRefused(
            "name",
            _("These aliases lie in %(name)s: %(aliases)s") % {"name": alias, "aliases": ", ".join(single)},
        )
    name = alias.name
    alias.delete()
    TakenDomainName.objects.filter(name=name).delete()
    audit.record(by, "domain_alias.deleted", name, scope=fresh.name)
    outbox.record(fresh.scope, [outbox.everything_under(name), *_answering(fresh)], nodes=[fresh.node])


def _answering(domain: Domain) -> list[str]:
    """Accounts whose autoresponder answers mail to every name of the domain: their scripts name them."""
    return list(
        Account.objects.filter(domain=domain, autoresponder__is_on=True).values_list("address", flat=True)
    )


@transaction.atomic
def set_managers(domain: Domain, *, addresses: list[str], by: Actor) -> None:
    """Who is postmaster of the domain. They also get the mail to postmaster@ and abuse@ where no alias takes
    it.
    """
    by.must_be_superadmin()
    fresh = locked_domain(domain, field="name")
    people = list(Account.objects.filter(address__in=addresses))
    missing = sorted(set(addresses) - {person.address for person in people})
    if missing:
        raise ActionRefused("managers", _("There is no account %(address)s.") % {"address": missing[0]})
    before = list(fresh.managers.values_list("address", flat=True))
    fresh.managers.set(people)
    audit.record(
        by, "domain.managers_set", fresh.name, scope=fresh.name, before=before, after=sorted(addresses)
    )
    outbox.record(fresh.scope, _always_accepted(fresh.name), nodes=[fresh.node])


def _take_name(name: str) -> None:
    try:
        with transaction.atomic():
            TakenDomainName.objects.create(name=name)
    except IntegrityError:
        raise ActionRefused("name", _("The domain %(name)s already exists.") % {"name": name}) from None


def _default_node() -> Node:
    node = Node.objects.order_by("pk").first()
    if node is None:
        raise ActionRefused("node", _("There is no server yet: run manage.py setup."))
    return node


def _checked(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    unknown = sorted(set(settings) - set(EDITABLE))
    if unknown:
        raise TypeError(f"no such setting of a domain: {unknown[0]}")
    return dict(settings)


def _set_state(
    domain: Domain,
    state: str,
    mode: str,
    reason: str,
    action: str,
    by: Actor,
    *,
    until: datetime | None = None,
) -> Domain:
    fresh = locked_domain(domain, field="name")
    fresh.state, fresh.lock_mode, fresh.lock_reason = state, mode, reason
    is_locked = state == State.LOCKED
    fresh.locked_at, fresh.locked_until = (timezone.now(), until) if is_locked else (None, None)
    fresh.locked_by = by.name() if is_locked else ""
    fresh.full_clean(validate_unique=False, validate_constraints=False)
    fresh.save(update_fields=LOCK_FIELDS)
    audit.record(by, action, fresh.name, scope=fresh.name, reason=reason, mode=mode)
    names = fresh.all_names()
    outbox.record(fresh.scope, names, nodes=[fresh.node])
    return fresh


def _delete_addresses(domain: Domain) -> None:
    """Accounts and aliases of the domain in a few statements, whatever their number."""
    aliases = Alias.objects.filter(domain=domain)
    accounts = Account.objects.filter(domain=domain)
    TakenAddress.objects.filter(address__in=aliases.values("address")).delete()
    TakenAddress.objects.filter(address__in=accounts.values("address")).delete()
    AliasTarget.objects.filter(alias__in=aliases).delete()
    AliasTarget.objects.filter(account__in=accounts).update(account=None)
    aliases.delete()
    accounts.delete()


def _always_accepted(name: str) -> list[str]:
    return [f"{localpart}@{name}" for localpart in outbox.ALWAYS_ACCEPTED]
