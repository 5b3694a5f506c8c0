"""Who may come in through the panel's door, and how people spell their address there."""

from __future__ import annotations

from accounts.addresses import parse_address
from accounts.models import Account
from enforcement.models import ServerLock
from qmailux_site.errors import ActionRefused


def may_enter(account: Account) -> bool:
    """Not locked, neither itself nor through its domain or the server; the superadmin always may."""
    if account.is_superuser:
        return True
    if account.is_locked or (account.domain is not None and account.domain.is_locked):
        return False
    return not ServerLock.objects.exists()


def canonical_login(login: str) -> str:
    """The stored form of an address in any letter case and either spelling of its domain."""
    address = login.strip().lower()
    if address.isascii():
        return address
    try:
        return str(parse_address(address))
    except ActionRefused:
        return address


def account_of_login(login: str) -> Account | None:
    return Account.objects.select_related("domain__node").filter(address=canonical_login(login)).first()
