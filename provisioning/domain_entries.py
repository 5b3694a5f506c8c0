"""The entries under a domain's name, and what a lock puts under any key."""

from __future__ import annotations

from provisioning.collecting import Collector
from provisioning.domain_hosts import domain_host_row
from provisioning.facts import DomainFact, Facts, Fate, RelayFact
from provisioning.outbox import ALWAYS_ACCEPTED
from provisioning.render import dovecot, postfix


def put_domain(out: Collector, name: str, domain: DomainFact) -> None:
    """name: the domain's own, or one of its alias names."""
    if domain.relay is None:
        out.put("domains", postfix.domain_entry(name))
    else:
        _put_relay(out, name, domain.relay)
    if domain.protections:
        out.put("protections", postfix.protections_entry(name, dict(domain.protections)))
    out.put("aliases", postfix.return_entry(name))
    put_sender_transport(out, name, domain)
    if name == domain.name and (domain.inbound or domain.sieve_outbound):
        out.put("domain_host", (name, domain_host_row(domain)))
    if domain.lock is None:
        return
    out.put("lock_login", postfix.lock_login_entry(name))
    out.put("lock", (name, dovecot.domain_lock_row(name)))
    put_lock(out, name, domain.lock)


def put_sender_transport(out: Collector, name: str, domain: DomainFact) -> None:
    number = domain.outbound.number if domain.outbound else None
    service = postfix.sending_service(number, domain.smarthost, logs_in=domain.logs_in)
    if service is None:
        return
    out.put("sender_transport", postfix.sender_transport_entry(f"@{name}", service, domain.smarthost))


def put_relay_recipient(out: Collector, address: str, domain: DomainFact, facts: Facts) -> None:
    """One that is taken in a relay domain without a question to the other server."""
    localpart = address.rpartition("@")[0]
    forms = (address, f"{localpart}@{domain.name}")
    if localpart in ALWAYS_ACCEPTED or (localpart and any(form in facts.aliases for form in forms)):
        out.put("relay_recipients", postfix.relay_recipient_entry(address))


def put_lock(out: Collector, key: str, fate: Fate) -> None:
    if fate is Fate.REJECT:
        out.put("lock_reject", postfix.lock_reject_entry(key))
    elif fate is Fate.DEFER:
        out.put("lock_defer", postfix.lock_defer_entry(key))


def _put_relay(out: Collector, name: str, relay: RelayFact) -> None:
    """What comes back for passed-on mail is our own address: nobody else is asked for it."""
    out.put("relay", postfix.relay_entry(name, relay.host, relay.port))
    out.put("relay_recipients", postfix.relay_recipient_entry(f"{postfix.RETURN_LOCALPART}@{name}"))
    if relay.asks:
        for key in (f"@{name}", name):
            out.put("relay_recipients", postfix.asked_recipient_entry(key))
