"""Taking and freeing an address: the constraint that spans accounts and aliases (CON-04)."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import Account, AliasTarget, DeletedMailbox, TakenAddress
from domains.models import Domain
from qmailux_site.errors import ActionRefused


def take_address(address: str, *, field: str) -> None:
    """Reserve the address, or refuse with the name of what has it."""
    try:
        with transaction.atomic():
            TakenAddress.objects.create(address=address)
    except IntegrityError:
        raise ActionRefused(field, taken_message(address)) from None


def taken_message(address: str) -> str:
    if Account.objects.filter(address=address).exists():
        return _("There is already an account %(address)s.") % {"address": address}
    return _("There is already an alias %(address)s.") % {"address": address}


def refuse_deleted(addresses: Sequence[str], *, field: str) -> None:
    """An address is not given to somebody else by mistake while its former owner's mailbox is kept."""
    kept = DeletedMailbox.objects.restorable().filter(address__in=addresses).order_by("address").first()
    if kept is not None:
        raise ActionRefused(field, deleted_message(kept.address))


def deleted_message(address: str) -> str:
    sentence = _("The mailbox of %(address)s was deleted and can be restored.")
    return sentence % {"address": address}


def free_addresses(addresses: list[str]) -> None:
    TakenAddress.objects.filter(address__in=addresses).delete()


def link_targets(account: Account) -> None:
    """Aliases that already lead to this address now lead to an account here."""
    AliasTarget.objects.filter(address=account.address).update(account=account)


def locked_domain(domain: Domain, *, field: str = "domain") -> Domain:
    """The domain's row, locked until the commit; refused when it has been deleted meanwhile."""
    fresh = Domain.objects.select_for_update(of=("self",)).select_related("node").filter(pk=domain.pk).first()
    if fresh is None:
        raise ActionRefused(field, _("The domain %(domain)s no longer exists.") % {"domain": domain})
    return fresh
