"""Where logins without TLS are refused, and how mail to others must be encrypted, for the mail plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import Q

from enforcement.models import EncryptionRule, RemoteEncryption
from provisioning.sessions import EVERYBODY


def names_with_encryption(names: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    """Addresses, domains and EVERYBODY whose rule is in force, with its level; of these names, or all."""
    rules = EncryptionRule.objects.filter(is_in_force=True)
    if names is not None:
        wanted = set(names)
        mine = Q(domain__name__in=wanted) | Q(account__address__in=wanted)
        rules = rules.filter(mine | Q(level=EncryptionRule.Level.SERVER) if EVERYBODY in wanted else mine)
    for level, domain, address in rules.values_list("level", "domain__name", "account__address"):
        yield address or domain or EVERYBODY, level


def remote_levels(names: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    rules = RemoteEncryption.objects.all()
    if names is not None:
        rules = rules.filter(domain__in=list(names))
    yield from rules.values_list("domain", "level")


def server_needs_encryption() -> bool:
    return EncryptionRule.objects.filter(level=EncryptionRule.Level.SERVER, is_in_force=True).exists()
