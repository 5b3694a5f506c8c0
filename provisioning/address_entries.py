"""What stands under an address in every store: of an account, an alias, a form in an alias name."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from accounts.passwords import to_dovecot
from provisioning.collecting import Collector
from provisioning.domain_entries import put_lock, put_relay_recipient, put_sender_transport
from provisioning.facts import AccountFact, DomainFact, Facts, Fate
from provisioning.outbox import ALWAYS_ACCEPTED
from provisioning.render import dovecot, postfix


def put_address(out: Collector, address: str, facts: Facts) -> None:
    localpart, _at, name = address.rpartition("@")
    domain = facts.domains.get(name)
    if domain is None:
        return
    if not localpart:
        put_sender_transport(out, name, domain)
    own = f"{localpart}@{domain.name}"
    if address in facts.aliases:
        _put_alias(out, address, facts)
    elif address in facts.accounts:
        put_account(out, facts.accounts[address], domain, facts.aliases)
    elif own in facts.accounts or own in facts.aliases:
        _put_in_alias_name(out, address, own, facts)
    elif localpart in ALWAYS_ACCEPTED and domain.relay is None:
        out.put("aliases", postfix.alias_entry(address, facts.keepers(domain)))
    if domain.relay is not None:
        put_relay_recipient(out, address, domain, facts)


def put_account(
    out: Collector, account: AccountFact, domain: DomainFact, catch_alls: Collection[str]
) -> None:
    """An account in its own domain; its forms in alias names are addresses of their own."""
    address = account.address
    # Not by out.put: of a million accounts its calls are a sixth of the time.
    entries = out.entries
    entries["account"][address] = account_row(account)
    entries["mailboxes"][address], entries["senders"][address] = postfix.own_values(
        address, account.home, account.quota_bytes
    )
    if catch_alls and f"@{domain.name}" in catch_alls:
        # An address of its own wins over "@domain", which would take the mailbox's mail (engine 1, 0a).
        out.put("aliases", postfix.alias_entry(address, (address,)))
    if account.lock is not None:
        out.put("lock", (address, dovecot.account_lock_row(address, has_left=account.has_left)))
        out.put("lock_login", postfix.lock_login_entry(address))
        put_lock(out, address, account.lock)


def account_row(account: AccountFact) -> dovecot.AccountRow:
    # With a second factor only app passwords open the mail plane, which could not ask for a code.
    password = "" if account.has_second_factor else to_dovecot(account.password)
    return dovecot.account_row(
        address=account.address,
        password_dovecot=password or dovecot.NO_LOGIN,
        home=account.home,
        quota_bytes=account.quota_bytes,
        language=account.language,
    )


def _put_alias(out: Collector, address: str, facts: Facts) -> None:
    live = _live_targets(address, facts)
    fate = facts.fate(address)
    if not live:
        # Without an entry a catch-all beside it would take the mail: say no at RCPT (ALS-14).
        if not address.startswith("@"):
            out.put("lock_reject", postfix.dangling_entry(address))
        return
    out.put("aliases", postfix.alias_entry(address, _on_their_way(live, address, facts)))
    owners = facts.owners(address)
    if len(owners) == 1 and not address.startswith("@"):
        out.put("senders", postfix.sender_entry(address, owners))
    if fate in (Fate.DEFER, Fate.REJECT) and not address.startswith("@"):
        put_lock(out, address, fate)


def _put_in_alias_name(out: Collector, address: str, own: str, facts: Facts) -> None:
    """jan@alias.example is jan@firma.example: the same mail, sender right and lock."""
    fate = facts.fate(own)
    if fate is Fate.MISSING:
        out.put("lock_reject", postfix.dangling_entry(address))
        return
    if address.startswith("@"):
        targets = _on_their_way(_live_targets(own, facts), address, facts)
        out.put("aliases", postfix.alias_entry(address, targets))
        return
    out.put("aliases", postfix.alias_entry(address, (own,)))
    owners = facts.owners(own)
    if len(owners) == 1:
        out.put("senders", postfix.sender_entry(address, owners))
    if fate is not Fate.ACCEPT:
        put_lock(out, address, fate)


def _on_their_way(targets: Iterable[str], address: str, facts: Facts) -> list[str]:
    """Mail to another server leaves in the name of the alias's domain (ALS-09)."""
    name = address.rpartition("@")[2]
    return [
        target if target.rpartition("@")[2] in facts.domains else postfix.forward_target(target, name)
        for target in targets
    ]


def _live_targets(address: str, facts: Facts) -> list[str]:
    targets = facts.aliases[address].targets
    return [target for target in targets if facts.fate(target, frozenset({address})) is not Fate.MISSING]
