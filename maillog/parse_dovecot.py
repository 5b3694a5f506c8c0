"""Lines of Dovecot, of its own file or of syslog. Pure and total."""

from __future__ import annotations

import json
import re

from maillog.events import (
    AUTH_DETAIL,
    DENIED,
    LOGIN,
    LOGIN_FAILED,
    MAILBOX,
    ORIGIN,
    OTHER,
    SCANNED,
    SESSION_END,
    SMTP_LOGIN,
    STORED,
    UNKNOWN,
    Event,
)
from maillog.subjects import storable

# service(user)<pid><session>: or service: ; no user name holds an angle or parenthesis (auth_username_chars)
_PREFIX = re.compile(
    r"([a-z0-9-]+)(?:\(([^()]*)\))?(?:<\d*><([^<>]*)>)?: (?:(?:Info|Warning|Error|Debug|Fatal): )?"
)
_LEVEL = re.compile(r"(?:Info|Warning|Error|Debug|Fatal|Panic): ")
_LOGIN = re.compile(r"(?:Login|Logged in): user=<([^<>]*)>, method=(\S+), rip=([0-9A-Fa-f.:]+)")
# Before its login a webmail says for whom it comes. Believed of the server itself alone, who is both ends.
_ORIGIN = re.compile(
    r"ID sent: x-originating-ip=([0-9A-Fa-f.:]+): user=<>, rip=([0-9A-Fa-f.:]+), (?:rport=\d+, )?lip=\2,"
)
_FAILED = re.compile(
    r"(?:Disconnected|Aborted login|Connection closed)[^<>]*?\(([^()]*)\): user=<([^<>]*)>, "
    r"(?:method=(\S+), )?rip=([0-9A-Fa-f.:]+)"
)
_SESSION = re.compile(r"session=<([^<>]*)>")
_TLS = re.compile(r"\bTLS(?:v[\d.]+)?\b")
# The subject stands before this mark and may hold one of its own: the last one counts.
_RESULT = re.compile(r" in session=\d+ms delivery=\d+ms: ")
_DELIVERY = re.compile(r"(?:sieve: )?from=(.*?) msgid=(.*?) size=\d+ ", re.DOTALL)
_FOLDER = re.compile(r"(?:stored mail into mailbox '(.*)'|saved mail to (.*))$", re.DOTALL)
_AUTH = re.compile(r"(?:sql|passwd-file|passdb|pam|ldap)\((.*?)(?:,([0-9A-Fa-f.:]+))?(?:,<[^<>]*>)?\): (.*)$")
_COUNTS = re.compile(
    r"\b(in|out|deleted|expunged|trashed|hdr_count|body_count|retr|del|top|size|bytes)=([\d/]+)"
)
# Of the server's own script, which alone may write so: what spamd told it, or why nobody was asked.
_SCAN = "sieve: DEBUG: scan: "
_VERDICT = re.compile(r"(Yes|No), score=(-?[\d.]+) required=(-?[\d.]+) tests=(\S*)")
_MAILBOX_ACTS = (
    "delete: ",
    "undelete: ",
    "expunge: ",
    "copy",
    "Mailbox ",
    "mailbox_delete",
    "mailbox_rename",
)
_SESSIONS = {"imap", "pop3", "managesieve", "submission"}
_LONGEST_JSON = 8192


def event(stamp: str, text: str) -> Event:
    """text: what follows the stamp, from the service on."""
    found = _PREFIX.match(text)
    if not found:
        return Event(UNKNOWN, stamp, text=text)
    service, user, session = found[1], found[2] or "", found[3] or ""
    said = text[found.end() :]
    if service == "lmtp" or service == "lda":
        return _delivery(stamp, service, user, session, said)
    if service in _SESSIONS and session:
        return _in_session(stamp, service, user, session, said)
    if service.endswith("-login"):
        return _login(stamp, service[:-6], said)
    if service == "stats":
        return _exported(stamp, said)
    if service in ("auth", "auth-worker"):
        return _auth(stamp, service, said)
    return Event(OTHER, stamp, service, text=said)


def _delivery(stamp: str, service: str, user: str, session: str, said: str) -> Event:
    if session and said.startswith(_SCAN):
        return Event(SCANNED, stamp, service, text=said, fields=_scan(user, session, said[len(_SCAN) :]))
    marks = list(_RESULT.finditer(said))
    head = _DELIVERY.match(said)
    if not session or not marks or not head:
        fields = {"login": user, "session": session.partition(":")[0]} if session else {}
        return Event(OTHER, stamp, service, text=said, fields=fields)
    result = said[marks[-1].end() :]
    folder = _FOLDER.search(result)
    message_id = head[2].strip()
    fields = {
        "login": user,
        # ":R2" and so on: further recipients of the same transaction.
        "session": session.partition(":")[0],
        "from": head[1],
        "message_id": message_id[1:-1] if message_id.startswith("<") else "",
        "result": result,
        "folder": (folder[1] or folder[2] or "") if folder else "",
    }
    return Event(STORED, stamp, service, text=said, fields=fields)


def _scan(user: str, session: str, said: str) -> dict[str, str]:
    """is_spam: "yes", "no", or "" when it was not scanned; then why stands in state."""
    fields = {"login": user, "session": session.partition(":")[0]}
    if not (found := _VERDICT.match(said)):
        return {**fields, "is_spam": "", "state": said}
    rules = "" if found[4] == "none" else found[4]
    return {**fields, "is_spam": found[1].lower(), "score": found[2], "required": found[3], "rules": rules}


def _in_session(stamp: str, service: str, user: str, session: str, said: str) -> Event:
    fields = {"login": user, "session": session}
    if said.startswith(("Disconnected", "Connection closed", "Logged out")):
        fields.update(_COUNTS.findall(said))
        return Event(SESSION_END, stamp, service, text=said, fields=fields)
    kind = MAILBOX if said.startswith(_MAILBOX_ACTS) else OTHER
    return Event(kind, stamp, service, text=said, fields=fields)


def _login(stamp: str, service: str, said: str) -> Event:
    session = _SESSION.search(said)
    fields = {"session": session[1] if session else "", "tls": "TLS" if _TLS.search(said) else ""}
    if found := _LOGIN.match(said):
        fields.update(login=found[1], method=found[2].rstrip(","), address=found[3])
        return Event(LOGIN, stamp, service, text=said, fields=fields)
    if found := _ORIGIN.match(said):
        return Event(ORIGIN, stamp, service, text=said, fields={**fields, "address": found[1]})
    if (found := _FAILED.match(said)) and found[2]:
        fields.update(reason=found[1], login=found[2], method=(found[3] or "").rstrip(","), address=found[4])
        return Event(LOGIN_FAILED, stamp, service, text=said, fields=fields)
    return Event(OTHER, stamp, service, text=said)


def _auth(stamp: str, service: str, said: str) -> Event:
    if said.endswith("found from deny passdb"):
        return Event(DENIED, stamp, service, text=said)
    if found := _AUTH.search(said):
        fields = {"login": found[1], "address": found[2] or "", "reason": found[3]}
        return Event(AUTH_DETAIL, stamp, service, text=said, fields=fields)
    return Event(OTHER, stamp, service, text=said)


def _exported(stamp: str, said: str) -> Event:
    """The event exporter's JSON. Of the logins, those over SMTP alone leave no line elsewhere."""
    if '"service":"smtp"' not in said or len(said) > _LONGEST_JSON:
        return Event(OTHER, stamp, "stats", text=said)
    try:
        exported = json.loads(said)
    except (ValueError, RecursionError):
        return Event(OTHER, stamp, "stats", text=said)
    values = exported.get("fields") if isinstance(exported, dict) else None
    if not isinstance(values, dict) or exported.get("event") != "auth_request_finished":
        return Event(OTHER, stamp, "stats", text=said)
    fields = {
        "login": storable(str(values.get("user", ""))),
        "typed": storable(str(values.get("original_user", ""))),
        "address": storable(str(values.get("remote_ip", ""))),
        "method": storable(str(values.get("mechanism", ""))),
        "success": "yes" if values.get("success") == "yes" else "",
    }
    return Event(SMTP_LOGIN, stamp, "smtp", text=said, fields=fields)
