"""The entries that the stores of a node should have, computed from the database (DESIGN 4).

Pure reading: the same rows give the same entries. `entries_for` answers for some keys, `all_entries` for
everything.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from accounts.models import Account, Alias, AliasTarget
from domains.models import Domain, DomainAlias
from enforcement.models import ServerLock
from provisioning.address_entries import account_row, put_account, put_address
from provisioning.collecting import (
    Collector,
    Entries,
    put_app_passwords,
    put_blocks,
    put_brake,
    put_dkim,
    put_encryption,
    put_quarantine,
    put_scripts,
    put_sending,
    put_smarthost_logins,
    put_spam,
)
from provisioning.domain_entries import put_domain, put_lock
from provisioning.facts import (
    ACCOUNT_COLUMNS,
    FATE_OF_MODE,
    DomainFact,
    Facts,
    account_fact,
    domain_facts,
)
from provisioning.node_programs.sending_limits import EVERY_ACCOUNT
from provisioning.outbox import ALWAYS_ACCEPTED, SERVER_ENCRYPTION, SERVER_LOCK
from provisioning.quarantine import quarantined_in
from provisioning.render import dovecot, postfix
from provisioning.values import Value
from qmailux_site.errors import UnsafeValue

ADDRESSES_A_BATCH = 2000
SERVER_DOMAIN = "server.invalid"
SERVER_MAILBOX = f"postmaster@{SERVER_DOMAIN}"
SERVER_HOME = "server/postmaster"
# Keys of a domain itself: what stands under them comes with the domain.
OWN_LOCALPARTS = ("", postfix.RETURN_LOCALPART)
SERVER_NAMES = ("abuse", "mailer-daemon", "postmaster", "root")


@dataclass(frozen=True, slots=True)
class Desired:
    """touched: the keys that were looked at; one without an entry in a store is to be deleted there."""

    entries: Entries
    touched: frozenset[str]
    broken: dict[str, str]


def entries_for(keys: Iterable[str], hostname: str) -> Desired:
    """Entries under the keys and all that depends on them.

    keys: addresses, catch-alls ("@name") and domain names; the wholesale keys of the outbox are resolved by
    `expand`.
    """
    names, addresses = _split(keys)
    addresses |= _aliases_through(names) | quarantined_in(names)
    addresses = _with_dependants(addresses)
    facts = Facts(server_mailbox=SERVER_MAILBOX)
    facts.load(addresses | {f"@{name}" for name in names})
    addresses |= _in_alias_names(addresses, facts)
    # A domain's own keys in the maps: one of the same name may have been there before.
    addresses |= {f"{localpart}@{name}" for name in names for localpart in OWN_LOCALPARTS}
    out = Collector()
    for name in _names_of_own_keys(addresses):
        if domain := facts.domains.get(name):
            put_domain(out, name, domain)
    for address in sorted(addresses):
        _guarded(out, address, partial(put_address, out, address, facts))
    put_app_passwords(out, addresses)
    put_scripts(out, addresses)
    put_spam(out, names | addresses)
    put_dkim(out, names)
    put_sending(out, names | addresses)
    put_brake(out, names | addresses)
    put_quarantine(out)
    put_blocks(out, names)
    put_smarthost_logins(out, names | addresses | {f"@{name}" for name in names})
    touched = (names | addresses) - set(out.broken)
    if touched & {SERVER_LOCK, SERVER_ENCRYPTION}:
        touched.add(postfix.LOCK_ALL_LOGINS)
        _server_lock_entries(out)
    put_encryption(out, touched)
    if touched & set(server_keys(hostname)):
        _server_entries(out, hostname, facts_of_hostname(hostname))
    for store, found in out.entries.items():
        out.entries[store] = {key: value for key, value in found.items() if key in touched}
    return Desired(out.entries, frozenset(touched), out.broken)


def account_rows(addresses: Collection[str]) -> dict[str, Value]:
    """Of the accounts under these addresses their rows alone, by a single question. One that cannot be
    rendered is left out.
    """
    rows: dict[str, Value] = {}
    for columns in Account.objects.with_mailbox().filter(address__in=addresses).values_list(*ACCOUNT_COLUMNS):
        fact = account_fact(columns)
        with suppress(UnsafeValue):
            rows[fact.address] = account_row(fact)
    return rows


@contextmanager
def without_garbage_collector() -> Iterator[None]:
    """For work on all entries: no cycles are made there, and it would look through the growing millions again
    and again.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def all_entries(hostname: str) -> Desired:
    """Everything, streamed from the database in a few passes; best without_garbage_collector."""
    out = Collector()
    catch_alls = set(Alias.objects.catch_alls().values_list("address", flat=True))
    hosts = domain_facts(Domain.objects.all())
    domains = {fact.pk: fact for fact in hosts}
    for hosted in hosts:
        for name in hosted.names:
            put_domain(out, name, hosted)
    rows = Account.objects.with_mailbox().order_by("address").values_list(*ACCOUNT_COLUMNS, "domain_id")
    for row in rows.iterator(chunk_size=10_000):
        if domain := domains.get(row[-1]):
            account = account_fact(row[:-1])
            try:
                put_account(out, account, domain, catch_alls)
            except UnsafeValue as error:
                out.broken[account.address] = str(error)
    put_app_passwords(out)
    put_scripts(out)
    put_spam(out)
    put_dkim(out)
    put_sending(out)
    put_brake(out)
    put_blocks(out)
    put_smarthost_logins(out)
    known = Facts(server_mailbox=SERVER_MAILBOX)
    known.know_domains(hosts)
    for batch in _batches(_addresses_beyond_accounts(hosts)):
        facts = known.of_same_domains()
        facts.load(batch)
        for address in batch:
            _guarded(out, address, partial(put_address, out, address, facts))
    put_quarantine(out)
    _server_entries(out, hostname, facts_of_hostname(hostname))
    _server_lock_entries(out)
    put_encryption(out)
    return Desired(out.entries, frozenset(), out.broken)


def expand(keys: Iterable[str]) -> Iterator[str]:
    """Resolve "+@name" and "*@name" into the addresses that the database has under the name, and the name
    itself.
    """
    for key in keys:
        if not key.startswith(("*@", "+@")):
            yield key
            continue
        name = key[2:]
        yield name
        yield f"@{name}"
        yield from (f"{localpart}@{name}" for localpart in ALWAYS_ACCEPTED)
        yield from _localparts_under(name)


def server_keys(hostname: str) -> tuple[str, ...]:
    return (
        SERVER_DOMAIN,
        SERVER_MAILBOX,
        EVERY_ACCOUNT,
        hostname,
        *(f"{localpart}@{hostname}" for localpart in SERVER_NAMES),
    )


def facts_of_hostname(hostname: str) -> Facts:
    facts = Facts(server_mailbox=SERVER_MAILBOX)
    facts.load(f"{localpart}@{hostname}" for localpart in SERVER_NAMES)
    return facts


def _guarded(out: Collector, address: str, render: Callable[[], None]) -> None:
    try:
        render()
    except UnsafeValue as error:
        out.broken[address] = str(error)


def _names_of_own_keys(addresses: Iterable[str]) -> set[str]:
    """A full apply may find that such a key alone differs."""
    parts = (address.rpartition("@") for address in addresses)
    return {name for localpart, _at, name in parts if localpart in OWN_LOCALPARTS}


def _split(keys: Iterable[str]) -> tuple[set[str], set[str]]:
    names: set[str] = set()
    addresses: set[str] = set()
    for key in keys:
        (addresses if "@" in key else names).add(key)
    return names, addresses


def _aliases_through(names: set[str]) -> set[str]:
    """Aliases anywhere with a member in these domains: the domain's lock may be theirs too."""
    if not names:
        return set()
    members = AliasTarget.objects.filter(account__domain__name__in=names)
    return set(members.values_list("alias__address", flat=True))


def _with_dependants(addresses: set[str]) -> set[str]:
    """The addresses and every alias that leads to one of them, at any depth."""
    found = set(addresses)
    frontier = _with_domain_forms(addresses)
    while frontier:
        above = set(AliasTarget.objects.filter(address__in=frontier).values_list("alias__address", flat=True))
        frontier = _with_domain_forms(above - found)
        found |= above
    return found


def _with_domain_forms(addresses: set[str]) -> set[str]:
    """The addresses, and the same local parts in the alias names of their domains: targets may name
    either.
    """
    names = {address.rpartition("@")[2] for address in addresses}
    pairs = DomainAlias.objects.filter(domain__name__in=names).values_list("domain__name", "name")
    alias_names: dict[str, list[str]] = {}
    for own, alias in pairs:
        alias_names.setdefault(own, []).append(alias)
    forms = set(addresses)
    for address in addresses:
        localpart, _at, name = address.rpartition("@")
        forms.update(f"{localpart}@{alias}" for alias in alias_names.get(name, ()))
    return forms


def _in_alias_names(addresses: set[str], facts: Facts) -> set[str]:
    """An address of the domain itself has an entry in each of its alias names."""
    found: set[str] = set()
    for address in addresses:
        localpart, _at, name = address.rpartition("@")
        domain = facts.domains.get(name)
        if domain is not None and domain.name == name:
            found.update(f"{localpart}@{alias}" for alias in domain.alias_names)
    return found


def _server_entries(out: Collector, hostname: str, facts: Facts) -> None:
    """The server's own mailbox: bounces to postmaster, and postmaster mail of domains that have none."""
    out.put("domains", postfix.domain_entry(SERVER_DOMAIN))
    out.put("mailboxes", postfix.mailbox_entry(SERVER_MAILBOX, SERVER_HOME, 0))
    row = dovecot.account_row(
        address=SERVER_MAILBOX,
        password_dovecot=dovecot.NO_LOGIN,
        home=SERVER_HOME,
        quota_bytes=0,
        language="en",
    )
    out.put("account", (SERVER_MAILBOX, row))
    out.put("lock", (SERVER_MAILBOX, dovecot.account_lock_row(SERVER_MAILBOX)))
    if hostname in facts.domains:
        return
    out.put("domains", postfix.domain_entry(hostname))
    for localpart in SERVER_NAMES:
        out.put("aliases", postfix.alias_entry(f"{localpart}@{hostname}", (SERVER_MAILBOX,)))


def _server_lock_entries(out: Collector) -> None:
    """One key for everybody, in each store that locks."""
    lock = ServerLock.objects.first()
    if lock is None:
        return
    out.put("lock", dovecot.SERVER_LOCK_ENTRY)
    out.put("lock_login", postfix.lock_login_entry(postfix.LOCK_ALL_LOGINS))
    put_lock(out, postfix.LOCK_ALL_LOGINS, FATE_OF_MODE[lock.mode])


def _addresses_beyond_accounts(domains: Iterable[DomainFact]) -> Iterator[str]:
    """All addresses but those of accounts in their own domain."""
    yield from Alias.objects.order_by("address").values_list("address", flat=True).iterator(chunk_size=10_000)
    for domain in domains:
        for name in domain.names:
            yield from (f"{localpart}@{name}" for localpart in ALWAYS_ACCEPTED)
        for name in domain.alias_names:
            yield f"@{name}"
            yield from _localparts_under(name)


def _localparts_under(name: str) -> Iterator[str]:
    """Addresses under a domain's name or an alias name, from accounts and aliases."""
    alias_name = DomainAlias.objects.filter(name=name).values_list("domain__name", flat=True).first()
    own = alias_name or name
    accounts = Account.objects.with_mailbox().filter(domain__name=own)
    aliases = Alias.objects.ordinary().filter(domain__name=own, domain_alias=None)
    for localpart in accounts.values_list("localpart", flat=True).iterator(chunk_size=10_000):
        yield f"{localpart}@{name}"
    for localpart in aliases.values_list("localpart", flat=True).iterator(chunk_size=10_000):
        yield f"{localpart}@{name}"
    yield from Alias.objects.filter(domain_alias__name=name).values_list("address", flat=True)


def _batches(addresses: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for address in addresses:
        batch.append(address)
        if len(batch) >= ADDRESSES_A_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
