"""Questions to DNS, each with a time limit: a name server that is silent must not hold a page."""

from __future__ import annotations

import dns.exception
import dns.resolver
import dns.reversename

SECONDS = 3.0


class NoAnswer(Exception):
    """DNS could not be asked: that says nothing of what it holds."""


def ask(name: str, kind: str) -> list[str]:
    """Empty when the name has no such record. TXT values come in one piece. Raises NoAnswer."""
    try:
        found = dns.resolver.resolve(name, kind, lifetime=SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise NoAnswer(str(error)) from error
    if kind == "TXT":
        return ["".join(part.decode("utf-8", "replace") for part in row.strings) for row in found]
    return [row.to_text().lower() for row in found]


def reverse_names(address: str) -> list[str]:
    return [name.rstrip(".") for name in ask(dns.reversename.from_address(address).to_text(), "PTR")]


def addresses_of(name: str) -> list[str]:
    return [*ask(name, "A"), *ask(name, "AAAA")]


def mail_exchangers(name: str) -> list[str]:
    """Host names, the best first."""
    pairs = (row.split() for row in ask(name, "MX"))
    return [host.rstrip(".") for _preference, host in sorted((int(number), host) for number, host in pairs)]
