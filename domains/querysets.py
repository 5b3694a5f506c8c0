"""What people may see of domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

from domains.names import canonical_domain
from qmailux_site.errors import ActionRefused

if TYPE_CHECKING:
    from accounts.actor import Actor
    from domains.models import DkimKey, Domain, DomainAlias, IPAddress  # noqa: F401  # named as text below

MOST_THROUGH_ALIASES = 500


class DomainQuerySet(models.QuerySet["Domain"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Who has a role: the domains of the role. Others: none."""
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        return self.filter(pk__in=actor.domains().values("pk"))

    def hosted(self) -> Self:
        return self.filter(kind="hosted")

    def relayed(self) -> Self:
        """Their mailboxes are on another server."""
        return self.filter(kind="relay")

    def using_address(self, address: IPAddress) -> Self:
        """Domains whose mail arrives at it or leaves from it."""
        return self.filter(Q(inbound_address=address) | Q(outbound_address=address))

    def naming_address(self, address: IPAddress) -> Self:
        """Domains whose entries on the mail plane say its host name, for suspected mail too."""
        return self.using_address(address) | self.filter(quarantine__address=address)

    def search(self, fragment: str) -> Self:
        """Part of the name or of one of its alias names (of very many, the first); a name of other letters in
        either spelling. Asks for the alias names at once: with their numbers each part has its index.
        """
        if not fragment:
            return self
        from domains.models import DomainAlias

        wanted = Q()
        for spelling in {fragment.lower(), _as_stored(fragment)}:
            wanted |= Q(name__contains=spelling)
        through = DomainAlias.objects.filter(wanted).order_by("name").values_list("domain_id", flat=True)
        return self.filter(wanted | Q(pk__in=list(through[:MOST_THROUGH_ALIASES])))


def _as_stored(fragment: str) -> str:
    try:
        return canonical_domain(fragment)
    except ActionRefused:
        return fragment.lower()


class DomainAliasQuerySet(models.QuerySet["DomainAlias"]):
    def visible_to(self, actor: Actor) -> Self:
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        return self.filter(domain__in=actor.domains().values("pk"))


class IPAddressQuerySet(models.QuerySet["IPAddress"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Others: those that their domains use."""
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        own = actor.domains().values("pk")
        used = Q(inbound_domains__in=own) | Q(outbound_domains__in=own)
        return self.filter(used).distinct()


class DkimKeyQuerySet(models.QuerySet["DkimKey"]):
    def visible_to(self, actor: Actor) -> Self:
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        return self.filter(domain__managers=actor.person)

    def signing(self) -> Self:
        return self.filter(state="signing")

    def waiting(self) -> Self:
        return self.filter(state="waiting")
