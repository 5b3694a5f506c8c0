"""Which key signs the mail of which domain name."""

from __future__ import annotations

from collections.abc import Iterable

from domains.models import DkimKey, DomainAlias
from provisioning.render.quoting import map_key
from provisioning.values import Sealed, desired_secret
from qmailux_site.errors import UnsafeValue
from qmailux_site.streaming import streamed


def dkim_rows(names: Iterable[str] | None = None) -> tuple[list[Sealed], dict[str, str]]:
    """Of all names, or of these: mail of an alias name is signed by its domain."""
    keys = DkimKey.objects.signing().filter(domain__kind="hosted").select_related("domain")
    aliases = DomainAlias.objects.all()
    if names is not None:
        wanted = list(names)
        if not wanted:
            return [], {}
        aliases = aliases.filter(name__in=wanted)
        through = aliases.values("domain_id")
        keys = keys.filter(domain__name__in=wanted) | keys.filter(domain__in=through)
    alias_names: dict[int, list[str]] = {}
    for name, pk in aliases.filter(domain__dkim_keys__state="signing").values_list("name", "domain_id"):
        alias_names.setdefault(pk, []).append(name)
    rows: list[Sealed] = []
    broken: dict[str, str] = {}
    for key in streamed(keys.order_by("domain__name"), names=names):
        for name in (key.domain.name, *alias_names.get(key.domain_id, ())):
            try:
                columns = (map_key(name), map_key(key.selector), key.domain.name)
            except UnsafeValue as error:
                broken[name] = str(error)
                continue
            box, clear = key.sealed_key, key.private_key
            rows.append(desired_secret(columns, purpose=key.purpose, box=box, clear=clear))
    return rows, broken
