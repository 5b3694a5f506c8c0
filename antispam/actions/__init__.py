"""Every change of what people want of the spam check."""

from __future__ import annotations

from antispam.actions.allowed import allow_past, stop_allowing
from antispam.actions.domain_protections import domain_choices, set_domain_protections
from antispam.actions.preferences import set_spam_preference
from antispam.actions.protections import set_protection
from antispam.actions.requests import ask_for_update, ask_to_teach
from antispam.actions.senders import add_sender_entries, remove_sender_entry
from antispam.actions.teaching import undo_teaching

__all__ = [
    "add_sender_entries",
    "allow_past",
    "ask_for_update",
    "ask_to_teach",
    "domain_choices",
    "remove_sender_entry",
    "set_domain_protections",
    "set_protection",
    "set_spam_preference",
    "stop_allowing",
    "undo_teaching",
]
