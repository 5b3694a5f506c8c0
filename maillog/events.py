"""What a log line says: the kinds of events and the event itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# Of an SMTP connection
CONNECT = "connect"
DISCONNECT = "disconnect"
LOST = "lost"
TLS = "tls"
AUTH_FAILED = "auth-failed"
PIPELINING = "pipelining"
SCREEN = "screen"
DNSBL = "dnsbl"
LIMITED = "limited"
DIALOGUE = "dialogue"
# Of a message
CLIENT = "client"
PICKUP = "pickup"
SUBJECT = "subject"
MESSAGE_ID = "message-id"
QUEUED = "queued"
DELIVERY = "delivery"
EXPIRED = "expired"
REMOVED = "removed"
REJECT = "reject"
NOTIFICATION = "notification"
INFECTED = "infected"
# What the checks of signatures said
NOTE = "note"
OUTGOING_TLS = "outgoing-tls"
# Of Dovecot
STORED = "stored"
SCANNED = "scanned"
ORIGIN = "origin"
LOGIN = "login"
LOGIN_FAILED = "login-failed"
SMTP_LOGIN = "smtp-login"
AUTH_DETAIL = "auth-detail"
DENIED = "denied"
MAILBOX = "mailbox"
SESSION_END = "session-end"
# Of the server itself
UPDATE_BEGUN = "update-begun"
UPDATED = "updated"
OPERATION = "operation"
# Of nobody
REPEATED = "repeated"
STARTED = "started"
OTHER = "other"
UNKNOWN = "unknown"

NOTHING: Mapping[str, str] = {}


class Event(NamedTuple):
    """One line. program: the service, such as smtpd; origin: which of its instances wrote (mx, submission);
    process: of Postfix, which of its processes.

    queue_id: of the message that it is about; "" for a line about none. fields: what the kind has to say;
    every value is text as it stood in the line.
    """

    kind: str
    stamp: str = ""
    program: str = ""
    origin: str = ""
    process: str = ""
    queue_id: str = ""
    text: str = ""
    fields: Mapping[str, str] = NOTHING
