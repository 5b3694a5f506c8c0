"""Login to the panel: the same address and password as for mail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpRequest

from accounts.actions.upgrade import upgrade_password_hash
from accounts.actor import Actor
from accounts.door import account_of_login, canonical_login, may_enter
from accounts.models import Account
from accounts.passwords import IMPORTED_PREFIX, MAX_PASSWORD_BYTES
from qmailux_site.middleware import client_address

# The hashers normalise, which shortens a text, but never to a fifth; what is longer is no password of
# anybody.
LONGEST_INPUT_BYTES = 5 * MAX_PASSWORD_BYTES


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
        if not username or not password or len(password.encode()) > LONGEST_INPUT_BYTES:
            return None
        account = account_of_login(username)
        if account is None:
            make_password(password)  # as slow as for an address that exists
            return None
        must_upgrade = False

        def note_upgrade(_raw: str) -> None:
            nonlocal must_upgrade
            must_upgrade = True

        if not check_password(password, account.password, setter=note_upgrade):
            if account.password.startswith(IMPORTED_PREFIX):
                make_password(password)  # those of other systems are verified faster
            return None
        if not may_enter(account):
            return None
        if must_upgrade:
            address = client_address(request) if request else None
            by = Actor(real=account, channel="panel", address=address or "")
            upgrade_password_hash(account, password=password, by=by)
        return account

    def get_user(self, user_id: int) -> Account | None:
        """Asked at every request: somebody who has been locked meanwhile is out."""
        account = Account.objects.select_related("domain").filter(pk=user_id).first()
        return account if account is not None and may_enter(account) else None


def login_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """What django-axes counts failures by: the same account in any spelling is one."""
    given = (credentials or {}).get("username") or request.POST.get("username") or ""
    return canonical_login(str(given))[:254]
