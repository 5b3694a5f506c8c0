"""Whose open mail sessions a change ends."""

from __future__ import annotations

import json

from provisioning.plan import StoreDiff
from provisioning.render.dovecot import ACCOUNT_COLUMNS, NO_LOGIN
from provisioning.stores import Store

PASSWORD = ACCOUNT_COLUMNS.index("password")


def whose_sessions_end(store: Store, diff: StoreDiff) -> list[str]:
    """Addresses and domains, asked before the store is changed. A deleted account, a lock, and an account
    that loses an app password or whose main password opens nothing any more: which session came in with it,
    nobody knows, so all of the account end.
    """
    if store.name == "account":
        return [*diff.deletes, *_lost_the_main_password(store, diff)]
    if store.name == "lock":
        return list(diff.upserts)
    if store.name != "app_password":
        return []
    before = store.query([*diff.upserts, *diff.deletes])
    return [
        address
        for address, row in before.items()
        if _selectors(row) - _selectors(diff.upserts.get(address, (address, "{}")))
    ]


def _lost_the_main_password(store: Store, diff: StoreDiff) -> list[str]:
    without = [address for address, row in diff.upserts.items() if _password(row) == NO_LOGIN]
    before = store.query(without)
    return [address for address in without if address in before and _password(before[address]) != NO_LOGIN]


def _password(row: object) -> str:
    if not isinstance(row, tuple):
        raise TypeError("a row of accounts is a tuple")
    return str(row[PASSWORD])


def _selectors(row: object) -> set[str]:
    if not isinstance(row, tuple):
        raise TypeError("a row of app passwords is a tuple")
    return set(json.loads(str(row[1])))
