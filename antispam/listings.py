"""Whether other servers would refuse our addresses: each is looked up in the block lists of the protection
"dnsbl", whether it is on or not.
"""

from __future__ import annotations

import dns.reversename

from accounts.actor import Actor
from alarms.actions import clear_alarm, raise_alarm
from antispam.actions.protections import states
from domains import address_actions
from domains.dns_lookup import NoAnswer, ask
from domains.models import Domain, IPAddress

ALARM = "address.listed"
DOMAINS_NAMED = 10
# What a list answers to who asks it wrongly, or too often.
NO_LISTING = "127.255."


def look_up_addresses(*, by: Actor) -> list[IPAddress]:
    """Of all servers; returns those that are listed. A list that does not answer changes nothing."""
    listed = []
    zones = [site.partition("=")[0] for site in states()["dnsbl"][1]["sites"]]
    for row in IPAddress.objects.order_by("pk"):
        try:
            found = [zone for zone in zones if is_listed(row.address, zone)]
        except NoAnswer:
            continue
        address_actions.note_listing(row, zones=found, by=by)
        if not found:
            clear_alarm(ALARM, about=row.address)
            continue
        listed.append(row)
        raise_alarm(
            ALARM, about=row.address, lists=", ".join(found), domains=_domains(row), instead=_instead(row)
        )
    return listed


def is_listed(address: str, zone: str) -> bool:
    """Raises NoAnswer."""
    name = dns.reversename.from_address(address).to_text()
    labels = name.removesuffix(".in-addr.arpa.").removesuffix(".ip6.arpa.")
    answers = ask(f"{labels}.{zone}", "A")
    return any(answer.startswith("127.") and not answer.startswith(NO_LISTING) for answer in answers)


def _domains(row: IPAddress) -> str:
    names = list(Domain.objects.using_address(row).order_by("name").values_list("name", flat=True))
    more = f" (+{len(names) - DOMAINS_NAMED})" if len(names) > DOMAINS_NAMED else ""
    return ", ".join(names[:DOMAINS_NAMED]) + more or "–"


def _instead(row: IPAddress) -> str:
    """Another address of that server which is not listed."""
    others = IPAddress.objects.filter(
        node=row.node_id, version=row.version, is_present=True, state=IPAddress.State.GOOD, listed_in=[]
    )
    return others.exclude(pk=row.pk).values_list("address", flat=True).first() or "–"
