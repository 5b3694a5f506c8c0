"""What a command's arguments name."""

from __future__ import annotations

from accounts.actor import Actor
from domains.models import Domain
from domains.names import canonical_domain
from qmailux_site.errors import QmailuxError


def domain_named(text: str) -> Domain:
    """In either spelling. Raises QmailuxError with a sentence for the person at the console."""
    name = canonical_domain(text)
    domain = Domain.objects.visible_to(Actor.console()).select_related("node").filter(name=name).first()
    if domain is None:
        raise QmailuxError(f"There is no domain {name}.")
    return domain
