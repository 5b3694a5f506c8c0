"""Aliases that lead to aliases: which targets come back to their own alias, or end at nobody later.

What one step tells, the database answers for a whole list (accounts.targets). Farther ways are followed only
for the targets that are shown, all of them together, a few queries a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from accounts.models import Account, Alias, AliasTarget
from accounts.querysets import AliasQuerySet
from domains.models import Domain, DomainAlias
from provisioning.outbox import ALWAYS_ACCEPTED

# Whoever builds more than this is not told of it; what was not followed counts as good.
MOST_STEPS = 12
MOST_NAMES = 2000
MOST_WALKED = 200
# Of a domain's targets that are aliases themselves: how many the filter follows.
MOST_FILTERED = 1000


class End(Enum):
    ARRIVES = "arrives"
    NOBODY = "nobody"
    CIRCLE = "circle"


def mark_ways(targets: Iterable[AliasTarget]) -> None:
    """Give marked targets (AliasTargetQuerySet.marked) is_circle, and is_broken where nobody is reached."""
    shown = list(targets)
    followed = [target for target in shown if _leads_on(target)][:MOST_NAMES]
    ways = Ways()
    ways.load({target.address for target in followed})
    for target in followed:
        end = ways.end_of(target.address, without=target.alias.address)
        target.is_circle = end is End.CIRCLE  # type: ignore[attr-defined]  # beside the annotations
        target.is_broken = end is not End.ARRIVES  # type: ignore[attr-defined]  # an annotation


def words_of(target: AliasTarget) -> str:
    """What is wrong with one that was marked, as the commands say it; "" when nothing is."""
    if getattr(target, "is_circle", False):
        return "in a circle of aliases: mail to it comes back."
    return "broken: nobody has it, mail to it comes back." if target.is_broken else ""  # type: ignore[attr-defined]  # an annotation


def broken(aliases: AliasQuerySet) -> AliasQuerySet:
    """Those with a target that reaches nobody, at once or after some steps."""
    later = AliasTarget.objects.leading_on().filter(alias__in=aliases.order_by().values("pk"))
    candidates = list(later.select_related("alias").order_by("pk")[:MOST_FILTERED])
    mark_ways(candidates)
    found = {target.alias_id for target in candidates if target.is_broken}  # type: ignore[attr-defined]  # an annotation
    return aliases.broken(later=found)


def _leads_on(target: AliasTarget) -> bool:
    """An account is the end of the way; what is elsewhere or broken already is none of ours."""
    marks = target.is_outside or target.is_broken  # type: ignore[attr-defined]  # annotations
    return target.account_id is None and not marks


@dataclass(slots=True)
class Ways:
    """Filled by load(); asked by end_of(), which follows the order of the mail plane (provisioning.facts)."""

    _homes: dict[str, tuple[str, bool]] = field(
        default_factory=dict
    )  # its domain, and whether that is relayed
    _asked: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _accounts: set[str] = field(default_factory=set)
    _aliases: dict[str, list[str]] = field(default_factory=dict)

    def load(self, addresses: set[str]) -> None:
        for _step in range(MOST_STEPS):
            addresses = addresses - self._known
            if not addresses or len(self._known) + len(addresses) > MOST_NAMES:
                return
            self._known |= addresses
            self._load_homes({_host(address) for address in addresses} - self._asked)
            addresses = self._load_takers({name for address in addresses for name in self._names(address)})

    def end_of(self, address: str, *, without: str) -> End:
        """Where mail to the address ends when the alias ``without`` is not to take it once more."""
        ways, walked, ends, comes_back = [address], {without}, False, False
        while ways:
            taker = self._taker(ways.pop())
            if taker is End.ARRIVES or len(walked) > MOST_WALKED:
                return End.ARRIVES
            if taker is End.NOBODY:
                ends = True
            elif taker == without:
                comes_back = True
            elif taker not in walked:
                walked.add(str(taker))
                ways += self._aliases[str(taker)]
        return End.CIRCLE if comes_back or not ends else End.NOBODY

    def _taker(self, address: str) -> str | End:
        """The address of the alias that takes the mail, or how its way ends."""
        home, is_relayed = self._homes.get(_host(address), ("", False))
        if not home or address not in self._known:
            return End.ARRIVES
        *own, caught_here, caught = self._names(address)
        for name in own:
            if name in self._aliases:
                # In a relay domain that lists a recipient of the other server (ALS-04).
                return End.ARRIVES if is_relayed and address in self._aliases[name] else name
        if self._accounts.intersection(own) or address.rpartition("@")[0] in ALWAYS_ACCEPTED:
            return End.ARRIVES
        for name in (caught_here, caught):
            if name in self._aliases:
                return name
        return End.ARRIVES if is_relayed else End.NOBODY

    def _names(self, address: str) -> Sequence[str]:
        """What may take its mail, the nearest first: as it is, in the domain itself, untagged, catch-alls."""
        localpart, _at, host = address.rpartition("@")
        home = self._homes.get(host, (host, False))[0]
        untagged = localpart.partition("+")[0] or localpart
        return address, f"{localpart}@{home}", f"{untagged}@{home}", f"@{host}", f"@{home}"

    def _load_homes(self, hosts: set[str]) -> None:
        if not hosts:
            return
        self._asked |= hosts
        kinds = Domain.objects.filter(name__in=hosts).values_list("name", "name", "kind")
        others = DomainAlias.objects.filter(name__in=hosts)
        for host, home, kind in [*kinds, *others.values_list("name", "domain__name", "domain__kind")]:
            self._homes[host] = (home, kind != Domain.Kind.HOSTED)

    def _load_takers(self, names: set[str]) -> set[str]:
        """Returns the targets of the aliases among them."""
        self._accounts.update(
            Account.objects.filter(address__in=names).order_by().values_list("address", flat=True)
        )
        onward: set[str] = set()
        found = Alias.objects.filter(address__in=names).order_by()
        for address, target in found.values_list("address", "targets__address"):
            targets = self._aliases.setdefault(address, [])
            if target is not None:
                targets.append(target)
                onward.add(target)
        return onward


def _host(address: str) -> str:
    return address.rpartition("@")[2]
