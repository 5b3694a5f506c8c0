"""Every change of what the superadmin enforces."""

from enforcement.actions.blocks import (
    add_block,
    is_in,
    lift_block,
    lift_blocks_that_are_over,
    note_hits,
    parse_network,
)
from enforcement.actions.braking import (
    begin_incident,
    end_incident,
    set_brake,
    stop_sending,
    stop_who_sends_spam,
    stop_whose_mail_comes_back,
)
from enforcement.actions.certificates import (
    answer_request,
    delete_certificate,
    fetch_again,
    order_certificate,
    upload_certificate,
)
from enforcement.actions.encryption import (
    allow_plaintext,
    begin_encryption_that_is_due,
    delete_remote_encryption,
    require_encryption,
    set_remote_encryption,
)
from enforcement.actions.guessing import Failure, note_failures, note_panel_guessing
from enforcement.actions.quarantine import begin_quarantine, end_quarantine
from enforcement.actions.server_lock import lift_locks_that_are_over, lock_server, unlock_server

__all__ = [
    "Failure",
    "add_block",
    "allow_plaintext",
    "answer_request",
    "begin_encryption_that_is_due",
    "begin_incident",
    "begin_quarantine",
    "delete_certificate",
    "delete_remote_encryption",
    "end_incident",
    "end_quarantine",
    "fetch_again",
    "is_in",
    "lift_block",
    "lift_blocks_that_are_over",
    "lift_locks_that_are_over",
    "lock_server",
    "note_failures",
    "note_hits",
    "note_panel_guessing",
    "order_certificate",
    "parse_network",
    "require_encryption",
    "set_brake",
    "set_remote_encryption",
    "stop_sending",
    "stop_who_sends_spam",
    "stop_whose_mail_comes_back",
    "unlock_server",
    "upload_certificate",
]
