"""Login to the panel: the same address and password as for mail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpRequest

from accounts.actions.upgrade import upgrade_password_hash
from accounts.actor import Actor
from accounts.addresses import parse_address
from accounts.models import Account
from accounts.passwords import MAX_PASSWORD_BYTES, normalise
from qmailux_site.errors import ActionRefused


class AddressBackend(BaseBackend):
    """Address in any letter case and either spelling of its domain. A lock refuses, the superadmin's
    excepted.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Account | None:
        if not username or not password or len(password.encode()) > MAX_PASSWORD_BYTES:
            return None
        text = normalise(password)
        account = _account_of(username)
        if account is None:
            make_password(text)  # as slow as for an address that exists
            return None
        must_upgrade = False

        def note_upgrade(_raw: str) -> None:
            nonlocal must_upgrade
            must_upgrade = True

        if not check_password(text, account.password, setter=note_upgrade) or not may_enter(account):
            return None
        if must_upgrade:
            upgrade_password_hash(account, password=text, by=Actor(real=account, channel="panel"))
        return account

    def get_user(self, user_id: int) -> Account | None:
        """Asked at every request: somebody who has been locked meanwhile is out."""
        account = Account.objects.select_related("domain").filter(pk=user_id).first()
        return account if account is not None and may_enter(account) else None


def may_enter(account: Account) -> bool:
    """Not locked, neither itself nor through its domain; the superadmin always may."""
    if account.is_superuser:
        return True
    return not account.is_locked and (account.domain is None or not account.domain.is_locked)


def _account_of(login: str) -> Account | None:
    address = login.strip().lower()
    accounts = Account.objects.select_related("domain__node")
    account = accounts.filter(address=address).first()
    if account is not None or address.isascii():
        return account
    try:
        return accounts.filter(address=str(parse_address(address))).first()
    except ActionRefused:
        return None
