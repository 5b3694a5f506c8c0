"""Whose mail an actor may trace. Domains and accounts may lie in another database than the trace: the names
are read first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from accounts.actor import Actor
from domains.models import Domain, DomainAlias


@dataclass(frozen=True, slots=True)
class Sight:
    """addresses: one's own mailbox; domains: managed ones with their alias names, as A-labels. Each with the
    time from which on it is theirs: who gets an address or a domain anew inherits no trace of those before.
    """

    is_everything: bool
    addresses: Mapping[str, datetime] = field(default_factory=dict)
    domains: Mapping[str, datetime] = field(default_factory=dict)

    def covers(self, address: str) -> bool:
        localpart, _, domain = address.rpartition("@")
        bare = f"{localpart.partition('+')[0]}@{domain}"
        return self.is_everything or bare in self.addresses or domain in self.domains


def sight_of(actor: Actor, *, own_only: bool = False) -> Sight:
    """What the actor may see; own_only: of the own mailbox alone, whatever other rights there are."""
    if actor.sees_everything and not own_only:
        return Sight(is_everything=True)
    person = actor.person
    if person is None:
        return Sight(is_everything=False)
    addresses = {person.address: person.created_at}
    if own_only:
        return Sight(False, addresses)
    names = Domain.objects.visible_to(actor).values_list("name", "created_at")
    aliases = DomainAlias.objects.visible_to(actor).values_list("name", "created_at")
    return Sight(False, addresses, dict([*names, *aliases]))
