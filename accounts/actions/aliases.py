"""Adding, changing and deleting aliases, the catch-all included."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actions.autoresponder import answering_for
from accounts.actions.limits import check_new_alias
from accounts.actions.seen import refuse_unseen
from accounts.actions.taken import free_addresses, locked_domain, take_address
from accounts.actor import Actor
from accounts.addresses import MAX_TARGETS, alias_localpart, target_address
from accounts.models import Account, Alias, AliasTarget
from audit import record as audit
from domains.models import Domain, DomainAlias
from provisioning import outbox
from qmailux_site.errors import ActionRefused

CATCH_ALL_SPELLINGS = ("", "*")


def add_alias(
    *,
    domain: Domain,
    localpart: str,
    targets: Sequence[str],
    domain_alias: DomainAlias | None = None,
    by: Actor,
) -> Alias:
    """Let mail for the address go to the targets. A second alias, or an account, of that name is refused.

    localpart: "" or "*" is the catch-all, which never takes mail of an existing account or alias.
    domain_alias: the alias's name lies in this alias name of the domain, and wins there over the domain's own
    name.
    """
    by.must_manage(domain)
    if domain_alias is not None and domain_alias.domain_id != domain.pk:
        raise ActionRefused(
            "domain",
            _("%(alias)s is no alias name of %(domain)s.") % {"alias": domain_alias, "domain": domain},
        )
    localpart = "" if localpart.strip() in CATCH_ALL_SPELLINGS else alias_localpart(localpart)
    host = domain_alias.name if domain_alias else domain.name
    address = f"{localpart}@{host}"
    if len(address) > 254:
        raise ActionRefused("localpart", _("An address has at most 254 characters in total."))
    addresses = _checked_targets(targets, own_address=address, domain=domain)
    with transaction.atomic():
        domain = locked_domain(domain)
        check_new_alias(domain)
        take_address(address, field="localpart")
        alias = Alias(domain=domain, domain_alias=domain_alias, localpart=localpart, address=address)
        alias.full_clean(validate_unique=False, validate_constraints=False)
        alias.save(force_insert=True)
        _write_targets(alias, addresses)
        audit.record(by, "alias.added", address, scope=domain.name, targets=addresses[:20])
        outbox.record(domain.scope, [*_keys(alias), *answering_for(alias)], nodes=[domain.node])
    return alias


def set_alias_targets(
    alias: Alias, *, targets: Sequence[str], seen: Sequence[str] | None = None, by: Actor
) -> None:
    """Replace the targets of the alias. Refused when they are no longer those that were seen."""
    by.must_manage(alias.domain)
    addresses = _checked_targets(targets, own_address=alias.address, domain=alias.domain)
    with transaction.atomic():
        domain = locked_domain(alias.domain)
        before = list(alias.targets.values_list("address", flat=True))
        if before == addresses:
            return
        refuse_unseen(before, seen, field="targets")
        answering_before = answering_for(alias)
        alias.targets.all().delete()
        _write_targets(alias, addresses)
        audit.record(
            by, "alias.changed", alias.address, scope=domain.name, before=before[:20], after=addresses[:20]
        )
        answering = {*answering_before, *answering_for(alias)}
        outbox.record(domain.scope, [*_keys(alias), *sorted(answering)], nodes=[domain.node])


def delete_alias(alias: Alias, *, by: Actor) -> None:
    """Mail for the address is refused from then on (or goes to the catch-all)."""
    by.must_manage(alias.domain)
    with transaction.atomic():
        domain = locked_domain(alias.domain)
        keys = [*_keys(alias), *answering_for(alias)]
        audit.record(
            by,
            "alias.deleted",
            alias.address,
            scope=domain.name,
            targets=list(alias.targets.values_list("address", flat=True)[:20]),
        )
        free_addresses([alias.address])
        alias.delete()
        outbox.record(domain.scope, keys, nodes=[domain.node])


def _checked_targets(targets: Sequence[str], *, own_address: str, domain: Domain) -> list[str]:
    """Each target once, in order. A hosted alias cannot lead to itself; in a relay domain that lists a
    recipient.
    """
    addresses = list(dict.fromkeys(target_address(target) for target in targets))
    if not addresses:
        raise ActionRefused("targets", _("Enter at least one address."))
    if len(addresses) > MAX_TARGETS:
        raise ActionRefused(
            "targets", _("An alias can have at most %(limit)d targets.") % {"limit": MAX_TARGETS}
        )
    if not domain.is_relay and own_address in addresses:
        raise ActionRefused("targets", _("%(address)s cannot lead to itself.") % {"address": own_address})
    return addresses


def _write_targets(alias: Alias, addresses: list[str]) -> None:
    accounts = dict(Account.objects.filter(address__in=addresses).values_list("address", "pk"))
    AliasTarget.objects.bulk_create(
        AliasTarget(alias=alias, address=address, account_id=accounts.get(address)) for address in addresses
    )


def _keys(alias: Alias) -> list[str]:
    """What the alias touches: beside a catch-all every account of the domain gets an entry of its own."""
    return [outbox.addresses_of(alias.domain.name)] if alias.is_catch_all else [alias.address]
