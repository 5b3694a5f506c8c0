"""The servers that send our mail on: logins by sender's domain, and what the whole server uses."""

from __future__ import annotations

from collections.abc import Iterable

from domains.models import DomainAlias, Smarthost
from provisioning.values import Sealed, desired_secret


def server_smarthost() -> Smarthost | None:
    """Where mail of the domains without one of their own goes."""
    return Smarthost.objects.filter(domain=None).first()


def login_rows(keys: Iterable[str] | None = None) -> list[tuple[str, Sealed]]:
    """By key, which is "@domain", and the next hop for that of the whole server: the user, and the password,
    sealed. keys: all without.
    """
    wanted = None if keys is None else set(keys)
    if wanted is not None and not any(key.startswith(("@", "[")) for key in wanted):
        return []
    rows = Smarthost.objects.exclude(user="").select_related("domain").order_by("pk")
    others = DomainAlias.objects.order_by("name")
    if wanted is not None:
        names = {key.removeprefix("@") for key in wanted if key.startswith("@")}
        others = others.filter(name__in=names)
        owners = others.values_list("domain_id", flat=True)
        rows = rows.filter(domain=None) | rows.filter(domain__name__in=names) | rows.filter(domain__in=owners)
    aliases: dict[int, list[str]] = {}
    for name, pk in others.filter(domain__smarthost__isnull=False).values_list("name", "domain_id"):
        aliases.setdefault(pk, []).append(name)
    found = [
        (key, _login(row))
        for row in rows
        for key in ([f"@{name}" for name in _names(row, aliases)] or [row.next_hop])
    ]
    return found if wanted is None else [login for login in found if login[0] in wanted]


def _login(row: Smarthost) -> Sealed:
    return desired_secret((row.user,), purpose=row.purpose, box=row.sealed_password, clear=row.password)


def _names(row: Smarthost, aliases: dict[int, list[str]]) -> list[str]:
    return [] if row.domain is None else [row.domain.name, *aliases.get(row.domain.pk, ())]
