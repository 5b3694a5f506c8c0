"""By which service the mail of quarantined accounts leaves."""

from __future__ import annotations

from collections.abc import Iterable

from domains.models import Smarthost
from enforcement.quarantine import Quarantine
from provisioning.render import dovecot, postfix
from provisioning.render.dovecot import DomainHostRow

Way = tuple[str, str]


def quarantined_logins() -> dict[str, Way]:
    """Login -> the service, and the next hop of its domain's smarthost ("" without one). They are few."""
    rows = Quarantine.objects.exclude(account=None)
    logins = dict(rows.values_list("account__address", "address_id"))
    if not logins:
        return {}
    smarthosts = Smarthost.objects.filter(domain__in=rows.values("account__domain"))
    next_hops = {row.domain_id: (row.next_hop, bool(row.user)) for row in smarthosts}
    domains = dict(rows.values_list("account__address", "account__domain"))
    return {
        login: (postfix.sending_service(number, hop, logs_in=logs_in) or "", hop)
        for login, number in logins.items()
        for hop, logs_in in (next_hops.get(domains[login], ("", False)),)
    }


def quarantined_answers() -> dict[str, DomainHostRow]:
    """Login -> the listener for what its Sieve makes: an autoresponder's answers have no sender to go by.
    Not where the domain has a smarthost: the listener sends directly, and forwarded mail would go past it.
    """
    rows = Quarantine.objects.exclude(account=None).exclude(account__domain__smarthost__isnull=False)
    found = rows.values_list("account__address", "address_id", "address__hostname")
    return {
        login: dovecot.domain_host_row(
            login, hostname=hostname, sieve_service=postfix.sieve_service(number), sieve_name=hostname
        )
        for login, number, hostname in found
    }


def quarantined_in(names: Iterable[str]) -> set[str]:
    """Accounts of these domains, whose smarthost may have changed."""
    rows = Quarantine.objects.filter(account__domain__name__in=list(names))
    return set(rows.values_list("account__address", flat=True))


def quarantined_domains() -> dict[int, int]:
    """Domain -> address, by their keys."""
    rows = Quarantine.objects.exclude(domain=None)
    return {domain: address for domain, address in rows.values_list("domain_id", "address_id") if domain}
