"""What DNS says of a domain's mail, and what should be published there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.actor import Actor
from domains.dkim_actions import note_lookup
from domains.dns_lookup import NoAnswer, addresses_of, ask, mail_exchangers, reverse_names
from domains.models import DkimKey, DnsReport, Domain, IPAddress
from domains.spf import spf_result


@dataclass(frozen=True, slots=True)
class Finding:
    """verdict: good, missing, wrong or unknown (nobody answered). wanted: the record to publish at name."""

    kind: str
    name: str
    wanted: str
    verdict: str
    found: list[str] = field(default_factory=list)


def look_at_dns(domain: Domain, *, by: Actor) -> list[Finding]:
    """Ask DNS now, keep what it said, and let a key sign that waited for its record."""
    outgoing = _outgoing(domain)
    keys = list(domain.dkim_keys.exclude(state=DkimKey.State.RETIRED).select_related("domain"))
    questions: list[Callable[[], Finding]] = [
        partial(_mx, domain),
        partial(_spf, domain, outgoing),
        partial(_dmarc, domain),
        *(partial(_dkim, key) for key in keys),
        *(partial(_ptr, address, hostname) for address, hostname in outgoing),
    ]
    with ThreadPoolExecutor(max_workers=8) as pool:
        findings = list(pool.map(lambda question: question(), questions))
    DnsReport.objects.update_or_create(
        domain=domain,
        defaults={"looked_at": timezone.now(), "findings": [asdict(finding) for finding in findings]},
    )
    for key in keys:
        for finding in findings:
            if finding.name == key.record_name and finding.verdict != "unknown":
                note_lookup(key, is_published=finding.verdict == "good", by=by)
    return findings


def look_at_key(key: DkimKey, *, by: Actor) -> bool | None:
    """Whether DNS has it; None when nobody answered."""
    finding = _dkim(key)
    if finding.verdict == "unknown":
        return None
    note_lookup(key, is_published=finding.verdict == "good", by=by)
    return finding.verdict == "good"


def _outgoing(domain: Domain) -> list[tuple[str, str]]:
    """Address and host name that the domain's mail leaves by; without any on record those of the server's
    name.
    """
    if domain.outbound_address:
        return [(domain.outbound_address.address, domain.outbound_address.hostname)]
    rows = IPAddress.objects.filter(Q(node=domain.node) & Q(is_default=True)).order_by("version")
    if own := [(row.address, row.hostname) for row in rows]:
        return own
    name = settings.QMAILUX_LAYOUT.hostname
    try:
        return [(address, name) for address in addresses_of(name)]
    except NoAnswer:
        return []


def _mx(domain: Domain) -> Finding:
    inbound = domain.inbound_address
    host = inbound.hostname if inbound else settings.QMAILUX_LAYOUT.hostname
    return _asked(
        "MX", domain.name, f"10 {host}.", lambda: mail_exchangers(domain.name), lambda found: host in found
    )


def _spf(domain: Domain, outgoing: list[tuple[str, str]]) -> Finding:
    addresses = [f"ip{6 if ':' in address else 4}:{address}" for address, _host in outgoing]
    wanted = " ".join(["v=spf1", "mx", *addresses, "-all"])
    return _asked(
        "SPF",
        domain.name,
        wanted,
        lambda: [text for text in ask(domain.name, "TXT") if text.lower().startswith("v=spf1")],
        lambda _found: all(spf_result(domain.name, address) == "pass" for address, _host in outgoing),
    )


def _dmarc(domain: Domain) -> Finding:
    return _asked(
        "DMARC",
        f"_dmarc.{domain.name}",
        f"v=DMARC1; p=none; rua=mailto:postmaster@{domain.name}",
        lambda: ask(f"_dmarc.{domain.name}", "TXT"),
        lambda found: len(found) == 1 and _tags(found[0]).get("v") == "DMARC1" and "p" in _tags(found[0]),
    )


def _dkim(key: DkimKey) -> Finding:
    return _asked(
        "DKIM",
        key.record_name,
        key.record,
        lambda: ask(key.record_name, "TXT"),
        lambda found: any(_tags(text).get("p") == key.public_key for text in found),
    )


def _ptr(address: str, hostname: str) -> Finding:
    """Receivers believe a reverse name only if the name leads back to the address."""
    return _asked(
        "PTR",
        address,
        f"{hostname}.",
        lambda: reverse_names(address),
        lambda found: found == [hostname] and address in addresses_of(hostname),
    )


def _asked(
    kind: str,
    name: str,
    wanted: str,
    question: Callable[[], list[str]],
    is_right: Callable[[list[str]], bool],
) -> Finding:
    try:
        found = question()
        verdict = ("good" if is_right(found) else "wrong") if found else "missing"
    except NoAnswer:
        return Finding(kind, name, wanted, "unknown")
    return Finding(kind, name, wanted, verdict, found)


def _tags(text: str) -> dict[str, str]:
    """Of a record like "v=DKIM1; p=..."; blanks inside mean nothing."""
    parts = (part.partition("=") for part in text.split(";"))
    return {tag.strip(): "".join(value.split()) for tag, equals, value in parts if equals}


def pieces(record: str) -> Iterator[str]:
    """A TXT record for a zone file: strings of at most 255 characters."""
    for start in range(0, len(record), 250):
        yield f'"{record[start : start + 250]}"'
