"""Sending suspected mail by an address of its own, so that the others keep their good name."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actions import levels
from accounts.actions.sending import must_send
from accounts.actor import Actor
from accounts.models import Account
from audit import record as audit
from domains.address_actions import record_domain
from domains.models import Domain, IPAddress
from enforcement.quarantine import Quarantine, quarantine_of
from qmailux_site.errors import ActionRefused


@transaction.atomic
def begin_quarantine(owner: Account | Domain, *, by: Actor) -> Quarantine:
    """What the account (or everybody in the domain) sends to other servers leaves by the address that is kept
    for suspected mail, under its name. Nothing else changes. Again is no error.

    Refused: when no address of the server is kept for that, and for who has no mailbox.
    """
    by.must_be_superadmin()
    if isinstance(owner, Account):
        must_send(owner)
    found = quarantine_of(owner)
    if found is not None:
        return found
    domain = owner if isinstance(owner, Domain) else owner.domain
    node = domain.node if domain else None
    kept = IPAddress.objects.filter(node=node, state=IPAddress.State.QUARANTINE, is_present=True)
    address = kept.order_by("version", "pk").first()
    if address is None:
        raise ActionRefused(
            "", _("No address is kept for suspected mail: choose one under IP addresses, Server.")
        )
    key = {"domain": owner} if isinstance(owner, Domain) else {"account": owner}
    row = Quarantine.objects.create(address=address, since_by=by.name(), **key)
    _record(owner, "quarantine.begun", address, by)
    return row


@transaction.atomic
def end_quarantine(owner: Account | Domain, *, by: Actor) -> None:
    """It leaves as it did before. Again is no error."""
    by.must_be_superadmin()
    found = quarantine_of(owner)
    if found is None:
        return
    found.delete()
    _record(owner, "quarantine.ended", found.address, by)


def _record(owner: Account | Domain, name: str, address: IPAddress, by: Actor) -> None:
    audit.record(by, name, levels.name_of(owner), scope=levels.scope_of(owner), address=address.address)
    if isinstance(owner, Domain):
        record_domain(owner)
    else:
        levels.record_change(owner)
