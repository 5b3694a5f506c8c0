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
    forget_answered_sender,
    set_autoresponder,
)
from accounts.actions.bulk import NewAccount, add_accounts
from accounts.actions.bulk_aliases import NewAlias, add_aliases
from accounts.actions.filters import (
    Condition,
    RuleSettings,
    add_filter,
    ask_for_trial,
    delete_filter,
    edit_filter,
    move_filter,
    switch_filter,
)
from accounts.actions.forwarding import set_forwarding
from accounts.actions.impersonation import (
    allow_writing,
    check_impersonation,
    end_impersonation,
    start_impersonation,
)
from accounts.actions.leaving import (
    begin_departure,
    end_departures,
    finish_copying,
    note_copied,
    note_copying,
)
from accounts.actions.locks import lock_account, unlock_account
from accounts.actions.many import (
    MOST_DELETED,
    delete_accounts,
    lock_accounts,
    set_passwords,
    set_quotas,
    unlock_accounts,
)
from accounts.actions.notification import (
    NotificationSettings,
    confirm_notification_number,
    delete_gateway,
    note_mail,
    remove_notification,
    save_gateway,
    set_notification,
    set_notification_number,
    try_gateway,
)
from accounts.actions.purge import forget_purged_mailbox
from accounts.actions.recovery import (
    ask_for_reset,
    confirm_recovery_address,
    make_recovery_code,
    remove_recovery_address,
    reset_by_code,
    reset_password,
    set_recovery_address,
    start_password_reset,
)
from accounts.actions.restore import begin_purge, restore_mailbox
from accounts.actions.roles import grant_role, revoke_role
from accounts.actions.second_factor import (
    begin_second_factor,
    turn_off_second_factor,
    turn_on_second_factor,
)
from accounts.actions.sending import set_sending_limit
from accounts.actions.sessions import revoke_other_sessions, revoke_session

__all__ = [
    "MOST_DELETED",
    "Condition",
    "NewAccount",
    "NewAlias",
    "NotificationSettings",
    "RuleSettings",
    "add_account",
    "add_accounts",
    "add_alias",
    "add_aliases",
    "add_app_password",
    "add_filter",
    "add_operator",
    "allow_writing",
    "ask_for_reset",
    "ask_for_trial",
    "begin_departure",
    "begin_purge",
    "begin_second_factor",
    "change_password",
    "check_impersonation",
    "confirm_notification_number",
    "confirm_recovery_address",
    "delete_account",
    "delete_accounts",
    "delete_alias",
    "delete_filter",
    "delete_gateway",
    "edit_account",
    "edit_filter",
    "end_autoresponders",
    "end_departures",
    "end_impersonation",
    "finish_copying",
    "forget_answered",
    "forget_answered_sender",
    "forget_purged_mailbox",
    "grant_role",
    "lock_account",
    "lock_accounts",
    "make_recovery_code",
    "move_filter",
    "note_copied",
    "note_copying",
    "note_mail",
    "remove_notification",
    "remove_recovery_address",
    "rename_account",
    "reset_by_code",
    "reset_password",
    "restore_mailbox",
    "revoke_app_password",
    "revoke_other_sessions",
    "revoke_role",
    "revoke_session",
    "save_gateway",
    "set_alias_targets",
    "set_autoresponder",
    "set_forwarding",
    "set_notification",
    "set_notification_number",
    "set_passwords",
    "set_quotas",
    "set_recovery_address",
    "set_sending_limit",
    "start_impersonation",
    "start_password_reset",
    "switch_filter",
    "try_gateway",
    "turn_off_second_factor",
    "turn_on_second_factor",
    "unlock_account",
    "unlock_accounts",
]
