"""What the renderer must know of domains, accounts and aliases, read in a few queries for many addresses at
once.

`Facts.load` follows aliases to their targets until it has met everything that decides their fate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from accounts.models import Account, Alias, AliasTarget, State
from antispam.models import DomainProtection
from domains.models import Domain, DomainAlias, IPAddress, Smarthost
from provisioning.layout import home_of_account
from provisioning.outbox import ALWAYS_ACCEPTED
from provisioning.quarantine import quarantined_domains


class Fate(IntEnum):
    """What becomes of incoming mail; the order lets the strictest win among locks."""

    ACCEPT = 0
    DEFER = 1
    REJECT = 2
    MISSING = 3


FATE_OF_MODE = {"accept": Fate.ACCEPT, "defer": Fate.DEFER, "reject": Fate.REJECT}
# Compared a million times: a member of an enumeration costs ten times a plain text.
LOCKED = State.LOCKED.value


@dataclass(frozen=True, slots=True)
class AddressFact:
    """An address that a domain has for itself. number: in the names of its services."""

    number: int
    hostname: str


@dataclass(frozen=True, slots=True)
class RelayFact:
    """Where the mailboxes of a relay domain are. asks: the other server knows which recipients exist."""

    host: str
    port: int
    asks: bool


@dataclass(frozen=True, slots=True)
class DomainFact:
    pk: int
    name: str
    lock: Fate | None
    alias_names: tuple[str, ...]
    inbound: AddressFact | None = None
    outbound: AddressFact | None = None
    # Of what its Sieve makes. Not the address for suspected mail where it has a smarthost: that listener
    # sends directly, and what is forwarded would go past the smarthost.
    sieve_outbound: AddressFact | None = None
    # Protections that it has otherwise than the server, by name.
    protections: tuple[tuple[str, bool], ...] = ()
    # Next hop of its outgoing mail; empty: as the server sends.
    smarthost: str = ""
    logs_in: bool = False  # at the smarthost
    # None: its mailboxes are here.
    relay: RelayFact | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.alias_names)


class AccountFact(NamedTuple):
    """A tuple, for there are a million of them: made in a third of a frozen dataclass's time."""

    address: str
    password: str
    home: str
    quota_bytes: int
    language: str
    lock: Fate | None
    has_second_factor: bool = False
    has_left: bool = False


@dataclass(frozen=True, slots=True)
class AliasFact:
    address: str
    targets: tuple[str, ...]


ACCOUNT_COLUMNS = (
    "address",
    "password",
    "uuid",
    "quota_bytes",
    "language",
    "state",
    "lock_mode",
    "second_factor_at",
    "departure",
)


def account_fact(row: Sequence[Any]) -> AccountFact:
    """From the values of ACCOUNT_COLUMNS. Called for every account, so without names: half the time."""
    address, password, uuid, quota_bytes, language, state, lock_mode, second_factor_at, departure = row
    return AccountFact(
        address,
        password,
        home_of_account(uuid.hex),
        quota_bytes,
        language,
        FATE_OF_MODE[lock_mode] if state == LOCKED else None,
        second_factor_at is not None,
        departure is not None,
    )


def domain_facts(domains: Iterable[Domain]) -> list[DomainFact]:
    found = list(domains)
    names: dict[int, list[str]] = {domain.pk: [] for domain in found}
    for name, pk in (
        DomainAlias.objects.filter(domain__in=names).order_by("name").values_list("name", "domain_id")
    ):
        names[pk].append(name)
    protections: dict[int, list[tuple[str, bool]]] = {domain.pk: [] for domain in found}
    chosen = DomainProtection.objects.filter(domain__in=names).order_by("name")
    for pk, name, is_on in chosen.values_list("domain_id", "name", "is_on"):
        protections[pk].append((name, is_on))
    addresses: dict[int | None, AddressFact] = {
        pk: AddressFact(pk, hostname) for pk, hostname in IPAddress.objects.values_list("pk", "hostname")
    }
    quarantined = quarantined_domains()
    smarthosts = {row.domain_id: row for row in Smarthost.objects.filter(domain__in=names)}
    return [
        DomainFact(
            pk=domain.pk,
            name=domain.name,
            lock=FATE_OF_MODE[domain.lock_mode] if domain.state == State.LOCKED else None,
            alias_names=tuple(names[domain.pk]),
            inbound=addresses.get(domain.inbound_address_id),
            outbound=addresses.get(quarantined.get(domain.pk) or domain.outbound_address_id),
            sieve_outbound=addresses.get(
                (domain.pk not in smarthosts and quarantined.get(domain.pk)) or domain.outbound_address_id
            ),
            protections=tuple(protections[domain.pk]),
            smarthost=smarthosts[domain.pk].next_hop if domain.pk in smarthosts else "",
            logs_in=domain.pk in smarthosts and bool(smarthosts[domain.pk].user),
            relay=_relay_fact(domain) if domain.is_relay else None,
        )
        for domain in found
    ]


def _relay_fact(domain: Domain) -> RelayFact:
    asks = domain.relay_recipients == Domain.RelayRecipients.ASKED
    return RelayFact(domain.relay_host, domain.relay_port, asks)


@dataclass(slots=True)
class Facts:
    """Filled by load(); asked by provisioning.desired. server_mailbox takes postmaster mail that nobody else
    takes.
    """

    server_mailbox: str
    domains: dict[str, DomainFact] = field(default_factory=dict)  # by name and by alias name
    accounts: dict[str, AccountFact] = field(default_factory=dict)
    aliases: dict[str, AliasFact] = field(default_factory=dict)
    managers: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _known_names: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)

    def know_domains(self, facts: Sequence[DomainFact]) -> None:
        """These are asked for no more."""
        for fact in facts:
            self.domains.update(dict.fromkeys(fact.names, fact))
            self._known_names.update(fact.names)
        self._load_managers([fact.pk for fact in facts])

    def of_same_domains(self) -> Facts:
        """For other addresses, in what is known of the domains here."""
        return Facts(
            server_mailbox=self.server_mailbox,
            domains=self.domains,
            managers=self.managers,
            _known_names=self._known_names,
        )

    def load(self, addresses: Iterable[str]) -> None:
        frontier = set(addresses)
        while frontier:
            self._load_domains({address.rpartition("@")[2] for address in frontier})
            wanted = self._with_own_names(frontier) - self._known
            self._known |= wanted
            self._load_accounts(wanted)
            frontier = self._load_aliases(wanted) - self._known

    def own_address(self, address: str) -> str:
        """The same local part in the domain itself, when the address lies in an alias name."""
        localpart, _at, name = address.rpartition("@")
        domain = self.domains.get(name)
        return f"{localpart}@{domain.name}" if domain else address

    def catch_all_of(self, name: str) -> AliasFact | None:
        domain = self.domains.get(name)
        if domain is None:
            return None
        return self.aliases.get(f"@{name}") or self.aliases.get(f"@{domain.name}")

    def keepers(self, domain: DomainFact) -> tuple[str, ...]:
        """Who gets the mail to postmaster and abuse where no alias takes it."""
        return self.managers.get(domain.pk) or (self.server_mailbox,)

    def fate(self, address: str, seen: frozenset[str] = frozenset()) -> Fate:
        """What becomes of mail to the address. A circle of aliases leads nowhere, so it is missing."""
        localpart, _at, name = address.rpartition("@")
        domain = self.domains.get(name)
        if domain is None:
            return Fate.ACCEPT
        if address in seen:
            return Fate.ACCEPT if self._is_listed(address, domain) else Fate.MISSING
        return max(
            domain.lock or Fate.ACCEPT,
            self._fate_without_domain(address, domain, localpart, seen | {address}),
        )

    def _fate_without_domain(
        self, address: str, domain: DomainFact, localpart: str, seen: frozenset[str]
    ) -> Fate:
        own = f"{localpart}@{domain.name}"
        if alias := self.aliases.get(address) or self.aliases.get(own):
            return self._fate_of_targets(alias, seen)
        if account := self.accounts.get(own):
            return account.lock or Fate.ACCEPT
        if localpart in ALWAYS_ACCEPTED:
            return Fate.ACCEPT
        if catch_all := self.catch_all_of(address.rpartition("@")[2]):
            return self._fate_of_targets(catch_all, seen)
        return Fate.ACCEPT if domain.relay is not None and domain.relay.asks else Fate.MISSING

    def _is_listed(self, address: str, domain: DomainFact) -> bool:
        """An alias that leads to itself: in a relay domain a recipient that the other server has (ALS-04)."""
        alias = self.aliases.get(address)
        return domain.relay is not None and alias is not None and address in alias.targets

    def _fate_of_targets(self, alias: AliasFact, seen: frozenset[str]) -> Fate:
        """Refused only when every member is: the mildest fate among those that exist."""
        fates = [fate for target in alias.targets if (fate := self.fate(target, seen)) is not Fate.MISSING]
        return min(fates) if fates else Fate.MISSING

    def owners(self, address: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        """The accounts here that mail to the address ends in."""
        own = self.own_address(address)
        if address in seen:
            return frozenset()
        alias = self.aliases.get(address) or self.aliases.get(own)
        if alias is None:
            return frozenset({own}) if own in self.accounts else frozenset()
        return frozenset().union(*(self.owners(target, seen | {address}) for target in alias.targets))

    def _load_domains(self, names: set[str]) -> None:
        names = names - self._known_names
        if not names:
            return
        self._known_names |= names
        through_alias = DomainAlias.objects.filter(name__in=names).values("domain_id")
        by_name = Domain.objects.filter(name__in=names)
        by_alias = Domain.objects.filter(pk__in=through_alias)
        self.know_domains(domain_facts({domain.pk: domain for domain in (*by_name, *by_alias)}.values()))

    def _load_managers(self, domain_pks: list[int]) -> None:
        pairs = Account.managed_domains.through.objects.filter(
            domain_id__in=domain_pks, account__has_mailbox=True
        ).values_list("domain_id", "account__address")
        for pk, address in sorted(pairs):
            self.managers[pk] = (*self.managers.get(pk, ()), address)

    def _with_own_names(self, addresses: set[str]) -> set[str]:
        """The addresses, their forms in the domain itself, and the catch-alls that may take them."""
        wanted = set(addresses)
        for address in addresses:
            name = address.rpartition("@")[2]
            if domain := self.domains.get(name):
                wanted |= {self.own_address(address), f"@{name}", f"@{domain.name}"}
        return wanted

    def _load_accounts(self, addresses: set[str]) -> None:
        rows = Account.objects.with_mailbox().filter(address__in=addresses).values_list(*ACCOUNT_COLUMNS)
        self.accounts.update((str(row[0]), account_fact(row)) for row in rows)

    def _load_aliases(self, addresses: set[str]) -> set[str]:
        """Returns the targets met."""
        targets: dict[str, list[str]] = {}
        for address in Alias.objects.filter(address__in=addresses).values_list("address", flat=True):
            targets[address] = []
        rows = AliasTarget.objects.filter(alias__address__in=list(targets)).order_by("id")
        for address, target in rows.values_list("alias__address", "address"):
            targets[address].append(target)
        self.aliases.update((address, AliasFact(address, tuple(found))) for address, found in targets.items())
        return {target for found in targets.values() for target in found}
