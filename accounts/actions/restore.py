"""A deleted account comes back, or its mail is erased."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.limits import check_new_accounts
from accounts.actions.taken import link_targets, locked_domain, take_address
from accounts.actor import Actor
from accounts.keeping import bring_back, rows_of
from accounts.models import Account, Alias, AliasTarget, DeletedMailbox
from audit import record as audit
from domains.models import Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused


def set_aside(account: Account, domain: Domain, *, led_here: Sequence[Alias]) -> DeletedMailbox:
    """Part of a deletion: keep everything of the account that is not mail. led_here: the aliases that lose it
    as a target, with their targets loaded.
    """
    aliases = {alias.address: [target.address for target in alias.targets.all()] for alias in led_here}
    return DeletedMailbox.objects.create(
        uuid=account.uuid,
        address=account.address,
        domain_name=domain.name,
        node=domain.node,
        settings=rows_of(account),
        aliases=aliases,
    )


@transaction.atomic
def restore_mailbox(mailbox: DeletedMailbox, *, by: Actor) -> Account:
    """The account is again as it was: address, password, mail, filters, aliases that led to it. Rights to
    manage domains do not come back.

    Refused: an address that somebody has by now, a limit of the domain, mail that is being erased.
    """
    domain = _domain_of(mailbox)
    by.must_manage(domain)
    domain = locked_domain(domain)
    kept = DeletedMailbox.objects.select_for_update(of=("self",)).filter(pk=mailbox.pk).first()
    if kept is None or kept.purging_at is not None:
        raise ActionRefused("", _("The mail of %(address)s is erased.") % {"address": mailbox.address})
    if not kept.settings:
        sentence = _("%(address)s was deleted with its domain: its settings were not kept.")
        raise ActionRefused("", sentence % {"address": kept.address})
    if domain.node_id != kept.node_id:
        raise ActionRefused("", _("%(domain)s lives on another server.") % {"domain": domain})
    check_new_accounts(domain, [kept.settings[0]["fields"]["quota_bytes"]])
    take_address(kept.address, field="")
    account = bring_back(kept.settings, domain=domain)
    link_targets(account)
    touched = _back_among_targets(account, kept.aliases, domain)
    audit.record(by, "account.restored", account.address, scope=domain.name)
    kept.delete()
    outbox.record(domain.scope, [account.address, *touched], nodes=[domain.node])
    return account


def begin_purge(mailbox: DeletedMailbox) -> None:
    """From now on it cannot be restored: its mail is about to be erased."""
    DeletedMailbox.objects.filter(pk=mailbox.pk, purging_at=None).update(purging_at=timezone.now())


def _domain_of(mailbox: DeletedMailbox) -> Domain:
    """The domain of that time; another one that has its name since has nothing to do with it."""
    domain = Domain.objects.filter(name=mailbox.domain_name, created_at__lte=mailbox.deleted_at).first()
    if domain is None:
        name = {"domain": mailbox.domain_name}
        raise ActionRefused("", _("The domain %(domain)s no longer exists.") % name)
    return domain


def _back_among_targets(account: Account, aliases: dict[str, list[str]], domain: Domain) -> list[str]:
    """Aliases that lost the account lead to it again; those that went with it are made again where their
    address is free. Returns their addresses.
    """
    touched = []
    for address, targets in sorted(aliases.items()):
        alias = Alias.objects.filter(address=address).first()
        if alias is None:
            alias = _made_again(address, targets, account, domain)
        if alias is None:
            continue
        AliasTarget.objects.get_or_create(alias=alias, address=account.address, defaults={"account": account})
        touched.append(outbox.addresses_of(alias.domain.name) if alias.is_catch_all else alias.address)
    return touched


def _made_again(address: str, targets: list[str], account: Account, domain: Domain) -> Alias | None:
    """Only one that led to this account alone went with it, and only in the own domain it comes back."""
    localpart, _at, name = address.rpartition("@")
    if targets != [account.address] or name != domain.name:
        return None
    try:
        take_address(address, field="")
    except ActionRefused:
        return None
    return Alias.objects.create(domain=domain, localpart=localpart, address=address)
