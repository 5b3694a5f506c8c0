"""The entries of accounts in their own domains: of one, or of all that there are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from accounts.models import Account
from accounts.passwords import to_dovecot
from provisioning.collecting import Collector
from provisioning.domain_entries import put_lock
from provisioning.facts import ACCOUNT_COLUMNS, AccountFact, DomainFact, account_fact
from provisioning.render import dovecot, postfix
from qmailux_site.errors import UnsafeValue

ROWS_A_PART = 10_000


def put_account(
    out: Collector, account: AccountFact, domain: DomainFact, catch_alls: Collection[str]
) -> None:
    """An account in its own domain; its forms in alias names are addresses of their own."""
    _put_but_own_keys(out, account, domain, catch_alls)
    out.put("mailboxes", postfix.mailbox_entry(account.address))
    out.put("senders", postfix.sender_entry(account.address, (account.address,)))


def put_accounts(out: Collector, domains: Mapping[int, DomainFact], catch_alls: Collection[str]) -> None:
    """Every account. domains: by their keys."""
    rows = Account.objects.with_mailbox().order_by("address").values_list(*ACCOUNT_COLUMNS)
    for account in map(account_fact, rows.iterator(chunk_size=ROWS_A_PART)):
        if domain := domains.get(account.domain_pk):
            try:
                _put_but_own_keys(out, account, domain, catch_alls)
            except UnsafeValue as error:
                out.broken[account.address] = str(error)
    # Whoever has a row has a mailbox, and may send as itself: for a million in two steps.
    addresses = out.entries["account"].keys()
    out.entries["mailboxes"].update(dict.fromkeys(addresses, postfix.HAS_MAILBOX))
    out.entries["senders"].update(zip(addresses, addresses, strict=True))


def _put_but_own_keys(
    out: Collector, account: AccountFact, domain: DomainFact, catch_alls: Collection[str]
) -> None:
    """All but the address itself among mailboxes and senders, where it can stand (raises UnsafeValue)."""
    address = postfix.own_key(account.address)
    # With a second factor only app passwords open the mail plane, which could not ask for a code.
    password = "" if account.has_second_factor else to_dovecot(account.password)
    row = dovecot.account_row(
        address=address,
        domain=domain.name,
        password_dovecot=password or dovecot.NO_LOGIN,
        home=account.home,
        quota_bytes=account.quota_bytes,
        language=account.language,
    )
    out.entries["account"][address] = row
    if catch_alls and f"@{domain.name}" in catch_alls:
        # An address of its own wins over "@domain", which would take the mailbox's mail (engine 1, 0a).
        out.put("aliases", postfix.alias_entry(address, (address,)))
    if account.lock is not None:
        out.put("lock", (address, dovecot.account_lock_row(address, has_left=account.has_left)))
        out.put("lock_login", postfix.lock_login_entry(address))
        put_lock(out, address, account.lock)
