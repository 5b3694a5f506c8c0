"""Accounts and aliases. Fields, constraints and small pure properties; changes are in accounts.actions."""

from __future__ import annotations

from accounts import (  # noqa: F401  # their models belong here
    answered,
    browsing,
    filtering,
    leaving,
    notifying,
    recovering,
    roles,
    sending,
)
from accounts.models.access import MAIL_PROTOCOLS, AppPassword, LastLogin, MailboxUsage
from accounts.models.account import Account, Language, LockMode, State, TakenAddress
from accounts.models.aliases import Alias, AliasTarget
from accounts.models.answering import MOST_SUBJECT, Autoresponder, Forwarding, ForwardingTarget, Notice
from accounts.models.bulk import BulkJob, DeletedMailbox

__all__ = [
    "MAIL_PROTOCOLS",
    "MOST_SUBJECT",
    "Account",
    "Alias",
    "AliasTarget",
    "AppPassword",
    "Autoresponder",
    "BulkJob",
    "DeletedMailbox",
    "Forwarding",
    "ForwardingTarget",
    "Language",
    "LastLogin",
    "LockMode",
    "MailboxUsage",
    "Notice",
    "State",
    "TakenAddress",
]
