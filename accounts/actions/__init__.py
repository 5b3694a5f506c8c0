"""Every change of accounts and aliases. Panel, admin, API, commands, imports and tasks call these."""

from __future__ import annotations

from accounts.actions.accounts import (
    add_account,
    add_operator,
    change_password,
    delete_account,
    edit_account,
    rename_account,
)
from accounts.actions.aliases import add_alias, delete_alias, set_alias_targets
from accounts.actions.bulk import NewAccount, add_accounts
from accounts.actions.locks import lock_account, unlock_account
from accounts.actions.purge import forget_purged_mailbox

__all__ = [
    "NewAccount",
    "add_account",
    "add_accounts",
    "add_alias",
    "add_operator",
    "change_password",
    "delete_account",
    "delete_alias",
    "edit_account",
    "forget_purged_mailbox",
    "lock_account",
    "rename_account",
    "set_alias_targets",
    "unlock_account",
]
