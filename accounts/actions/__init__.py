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
from accounts.actions.app_passwords import add_app_password, revoke_app_password
from accounts.actions.autoresponder import (
    end_autoresponders,
    forget_answered,
    set_autoresponder,
)
from accounts.actions.bulk import NewAccount, add_accounts
from accounts.actions.forwarding import set_forwarding
from accounts.actions.locks import lock_account, unlock_account
from accounts.actions.purge import forget_purged_mailbox
from accounts.actions.second_factor import (
    begin_second_factor,
    turn_off_second_factor,
    turn_on_second_factor,
)

__all__ = [
    "NewAccount",
    "add_account",
    "add_accounts",
    "add_alias",
    "add_app_password",
    "add_operator",
    "begin_second_factor",
    "change_password",
    "delete_account",
    "delete_alias",
    "edit_account",
    "end_autoresponders",
    "forget_answered",
    "forget_purged_mailbox",
    "lock_account",
    "rename_account",
    "revoke_app_password",
    "set_alias_targets",
    "set_autoresponder",
    "set_forwarding",
    "turn_off_second_factor",
    "turn_on_second_factor",
    "unlock_account",
]
