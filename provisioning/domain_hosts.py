"""The host names that a domain goes by, for Dovecot."""

from __future__ import annotations

from django.conf import settings

from provisioning.facts import DomainFact
from provisioning.render import dovecot, postfix


def domain_host_row(domain: DomainFact) -> dovecot.DomainHostRow:
    """A domain that has only one address of its own shows the server's name for the other way."""
    server = settings.QMAILUX_LAYOUT.hostname
    by_sieve = domain.sieve_outbound
    return dovecot.domain_host_row(
        domain.name,
        hostname=domain.inbound.hostname if domain.inbound else server,
        sieve_service=postfix.sieve_service(by_sieve.number) if by_sieve else "sieve",
        sieve_name=by_sieve.hostname if by_sieve else server,
    )
