"""Forwarding: an account's mail goes on to other addresses, with or without a copy in the mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import notices
from accounts.actions.seen import refuse_unseen
from accounts.actor import Actor
from accounts.models import Account, AliasTarget, Forwarding, ForwardingTarget, Notice
from audit import record as audit
from domains.models import Domain, DomainAlias
from provisioning import outbox
from qmailux_site.errors import ActionRefused

# Dovecot stops a script at its thirty-second redirect (sieve_max_redirects); the user's own may add some.
MOST_TARGETS = 20


def set_forwarding(
    account: Account,
    *,
    targets: Sequence[str],
    keeps_copy: bool,
    seen: Sequence[str] | None = None,
    by: Actor,
) -> None:
    """The account's mail is forwarded to the targets from now on; no targets end the forwarding.

    targets: canonical addresses (accounts.addresses.parse_targets). Refused: an address that leads back to
    the account itself, in any of its forms; targets that are no longer those that were seen. The owner is
    told by mail of a new address elsewhere.
    """
    by.must_be(account)
    domain = account.domain
    if domain is None or not account.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))
    wanted = tuple(dict.fromkeys(targets))
    if len(wanted) > MOST_TARGETS:
        raise ActionRefused(
            "targets", _("Mail can be forwarded to at most %(limit)d addresses.") % {"limit": MOST_TARGETS}
        )
    if back := leading_back(account, domain, wanted):
        sentence = _("%(address)s leads to this mailbox itself. To keep a copy here, tick the box below.")
        raise ActionRefused("targets", sentence % {"address": back[0]})
    with transaction.atomic():
        fresh = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
        before = list(ForwardingTarget.objects.filter(forwarding=fresh.pk).values_list("address", flat=True))
        refuse_unseen(before, seen, field="targets")
        _replace(fresh, wanted, keeps_copy=keeps_copy)
        audit.record(
            by,
            "account.forwarding_set",
            account.address,
            scope=domain.name,
            before=before,
            after=list(wanted),
            keeps_copy=keeps_copy,
        )
        if elsewhere := outside(address for address in wanted if address not in before):
            notices.record(fresh, Notice.Kind.FORWARDING, by=by, detail=", ".join(elsewhere)[:254])
        outbox.record(domain.scope, [account.address], nodes=[domain.node])


def _replace(account: Account, targets: Sequence[str], *, keeps_copy: bool) -> None:
    Forwarding.objects.filter(account=account).delete()
    if targets:
        forwarding = Forwarding.objects.create(account=account, keeps_copy=keeps_copy)
        ForwardingTarget.objects.bulk_create(
            ForwardingTarget(forwarding=forwarding, address=address) for address in targets
        )


def leading_back(account: Account, domain: Domain, targets: Iterable[str]) -> list[str]:
    """The own address, with a tag, through a name of the domain, or an alias that leads here (ALS-11)."""
    names = {domain.name, *DomainAlias.objects.filter(domain=domain).values_list("name", flat=True)}
    leading_here = set(AliasTarget.objects.filter(account=account).values_list("alias__address", flat=True))
    found = []
    for target in targets:
        localpart, _at, name = target.rpartition("@")
        untagged = localpart.partition("+")[0] if "+" not in account.localpart else localpart
        is_own = name in names and untagged == account.localpart
        if is_own or target in leading_here:
            found.append(target)
    return found


def outside(targets: Iterable[str]) -> list[str]:
    """Those that are not in a domain of ours."""
    found = list(targets)
    names = {address.rpartition("@")[2] for address in found}
    ours = set(Domain.objects.filter(name__in=names).values_list("name", flat=True))
    ours |= set(DomainAlias.objects.filter(name__in=names).values_list("name", flat=True))
    return [address for address in found if address.rpartition("@")[2] not in ours]
