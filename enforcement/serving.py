"""Which certificate is shown for which name."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from domains.models import Domain
from enforcement.models import Certificate
from provisioning.layout import covers


def served_by(serving: Iterable[Certificate]) -> dict[int, list[str]]:
    """The names that each is served under, by its number: where names meet, the first in the order wins."""
    taken: set[str] = set()
    served: dict[int, list[str]] = {}
    for certificate in serving:
        served[certificate.pk] = [name for name in certificate.names if name not in taken]
        taken.update(certificate.names)
    return served


def hosts_of(domain: Domain) -> list[str]:
    """The host names that mail programs and other servers of the domain ask for: the server's, those of the
    domain's addresses, and those below the domain that a certificate names.
    """
    found = {settings.QMAILUX_LAYOUT.hostname}
    found |= {row.hostname for row in (domain.inbound_address, domain.outbound_address) if row is not None}
    names = set(domain.all_names())
    for certificate in Certificate.objects.serving():
        found |= {name for name in certificate.names if any(_is_below(name, above) for above in names)}
    return sorted(found)


def _is_below(name: str, domain: str) -> bool:
    host = name.removeprefix("*.")
    return host == domain or host.endswith(f".{domain}") or covers(name, domain)
