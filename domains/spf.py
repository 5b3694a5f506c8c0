"""What a domain's SPF record says of an address (RFC 7208), as far as receivers evaluate it the same way."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from domains.dns_lookup import addresses_of, ask, mail_exchangers

MOST_LOOKUPS = 10
_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


@dataclass(slots=True)
class _Check:
    address: str
    lookups: int = 0

    def result(self, domain: str) -> str:
        records = [text for text in ask(domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
        if len(records) != 1:
            return "permerror" if records else "none"
        terms = records[0].split()[1:]
        for term in terms:
            if "=" in term:
                continue
            qualifier = term[0] if term[0] in _RESULTS else "+"
            matched = self._matches(term.lstrip("+-~?").lower(), domain)
            if matched is None:
                return "permerror"
            if matched:
                return _RESULTS[qualifier]
        redirect = next((term[9:] for term in terms if term.lower().startswith("redirect=")), "")
        if redirect and self._may_look_up():
            return self.result(redirect)
        return "permerror" if redirect else "neutral"

    def _matches(self, mechanism: str, domain: str) -> bool | None:
        """None for a record that receivers take for broken."""
        name, _colon, rest = mechanism.partition(":")
        name, slash, length = name.partition("/")
        if name == "all":
            return True
        if name in ("ip4", "ip6"):
            return _is_in(self.address, [rest])
        if not self._may_look_up() or "%" in rest:
            return None
        target, _slash, own_length = rest.partition("/")
        target = target or domain
        length = own_length or (length if slash else "")
        if name == "include":
            inner = self.result(target)
            return None if inner in ("none", "permerror") else inner == "pass"
        if name == "a":
            return _is_in(self.address, addresses_of(target), length)
        if name == "mx":
            hosts = mail_exchangers(target)[:MOST_LOOKUPS]
            return _is_in(self.address, [found for host in hosts for found in addresses_of(host)], length)
        if name == "exists":
            return bool(ask(target, "A"))
        return False if name == "ptr" else None

    def _may_look_up(self) -> bool:
        self.lookups += 1
        return self.lookups <= MOST_LOOKUPS


def spf_result(domain: str, address: str) -> str:
    """pass, fail, softfail, neutral, none (no record) or permerror (a broken one). Raises NoAnswer."""
    return _Check(address).result(domain)


def _is_in(address: str, networks: list[str], length: str = "") -> bool | None:
    own = ipaddress.ip_address(address)
    try:
        parsed = [
            ipaddress.ip_network(f"{text}/{length}" if length and "/" not in text else text, strict=False)
            for text in networks
        ]
    except ValueError:
        return None
    return any(own in network for network in parsed if network.version == own.version)
