"""Each login that Dovecot judged, SMTP's too, with what it said of it. Pure: lines of its log in, values out.

The reason stands in a line of its own, mostly just before the event of its login; others may lie between
them, and the order of what several processes say at once is nobody's. That of a password names the login,
that of a deny list nobody, so those are counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# password: the wrong one; unknown: no such login on the machine; locked: the deny list; refused: all else.
Reason = Literal["", "password", "unknown", "locked", "refused"]

_VERDICT = re.compile(
    r"sql\((?P<user>[^,)]+),(?P<source>[^,)]+)(?:,<(?P<session>[^>]+)>)?\): "
    r"(?P<verdict>Password mismatch|unknown user)"
)
_DENIED = "User found from deny passdb"
_FINISHED = '"event":"auth_request_finished"'


@dataclass(frozen=True, slots=True)
class AuthEvent:
    """at: ISO time; service: imap, pop3, sieve, smtp; source: network address; reason: "" when let in."""

    at: str
    user: str
    service: str
    source: str
    reason: Reason


def auth_events(lines: Iterable[str]) -> list[AuthEvent]:
    """In the order of the log. A line that is cut off is left out."""
    verdicts: dict[tuple[str, str, str], list[Reason]] = {}
    denied, finished = 0, []
    for line in lines:
        if _DENIED in line:
            denied += 1
        elif found := _VERDICT.search(line):
            reason: Reason = "password" if found["verdict"] == "Password mismatch" else "unknown"
            key = found["user"], found["source"], found["session"] or ""
            verdicts.setdefault(key, []).append(reason)
        elif _FINISHED in line and (fields := _fields_of(line)):
            finished.append(fields)
    events = []
    for fields in finished:
        user, source = fields.get("user", ""), fields.get("remote_ip", "")
        said = verdicts.get((user, source, fields.get("session", "")))
        judged: Reason = ""
        if fields.get("success") != "yes":
            judged = said.pop(0) if said else "locked" if denied else "refused"
            denied -= judged == "locked"
        events.append(AuthEvent(fields["at"], user, fields.get("service", ""), source, judged))
    return events


def _fields_of(line: str) -> dict[str, str]:
    """Empty for a line that is cut off."""
    try:
        event = json.loads(line[line.index("{") :])
        return {name: str(value) for name, value in event["fields"].items()} | {"at": event["end_time"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
