"""Whose open mail sessions a change ends."""

from __future__ import annotations

import json

from provisioning.plan import StoreDiff
from provisioning.stores import Store


def whose_sessions_end(store: Store, diff: StoreDiff) -> list[str]:
    """Addresses and domains, asked before the store is changed. A deleted account, a lock, and an account
    that loses an app password: which session came in with it, nobody knows, so all of the account end.
    """
    if store.name == "account":
        return list(diff.deletes)
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


def _selectors(row: object) -> set[str]:
    if not isinstance(row, tuple):
        raise TypeError("a row of app passwords is a tuple")
    return set(json.loads(str(row[1])))
