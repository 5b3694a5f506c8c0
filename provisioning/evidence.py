"""What logs, queue and scripts say of one address. Pure: text in, plain values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

MOST_SHOWN = 10
# password: the wrong one; unknown: no such login on the machine; locked: the deny list; refused: all else.
Reason = Literal["", "password", "unknown", "locked", "refused"]

_VERDICT = re.compile(
    r"sql\((?P<user>[^,)]+),(?P<source>[^,)]+)(?:,<(?P<session>[^>]+)>)?\): "
    r"(?P<verdict>Password mismatch|unknown user)"
)
_NO_TLS = re.compile(
    r"(?P<at>\S+) (?P<service>[a-z0-9]+)-login: (?:Info: )?Login failed: Plaintext authentication disabled: "
    r"user=<[^>]*>, .*?\brip=(?P<source>[^, ]+)"
)
_FINISHED = '"event":"auth_request_finished"'
_DENIED = "User found from deny passdb"
_SENDER = re.compile(r": (?P<queue_id>[0-9A-Za-z]+): from=<(?P<sender>[^>]*)>, size=")
_DELIVERY = re.compile(
    r"^(?P<time>\S+ +\S+ \S+) .*: (?P<queue_id>[0-9A-Za-z]+): to=<(?P<to>[^>]*)>, "
    r"(?:orig_to=<(?P<first>[^>]*)>, )?"
    r".*?status=(?P<status>[a-z]+) \((?P<words>.*)\)$"
)
_COMMENT_OR_TEXT = re.compile(r'#[^\n]*|/\*.*?\*/|"(?:[^"\\]|\\.)*"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login. at: ISO time; service: imap, pop3, managesieve, smtp; source: network address."""

    at: str
    service: str
    source: str
    reason: Reason

    def plain(self) -> dict[str, str]:
        return asdict(self)


def login_attempts(text: str, address: str) -> list[Attempt]:
    """Those of the address in Dovecot's log, the newest first."""
    return list(_attempts(text, address))[: -MOST_SHOWN - 1 : -1]


def _attempts(text: str, address: str) -> Iterator[Attempt]:
    verdicts: dict[str, Reason] = {}
    is_denied = False
    for line in text.splitlines():
        if _DENIED in line:
            is_denied = True
        elif (found := _VERDICT.search(line)) and found["user"] == address:
            reason: Reason = "password" if found["verdict"] == "Password mismatch" else "unknown"
            verdicts[found["session"] or found["source"]] = reason
        elif _FINISHED in line and (fields := _fields_of(line)):
            was_denied, is_denied = is_denied, False
            if fields.get("user") != address:
                continue
            source = fields.get("remote_ip", "")
            judged = verdicts.pop(fields.get("session") or source, "locked" if was_denied else "refused")
            is_good = fields.get("success") == "yes"
            yield Attempt(fields["at"], fields.get("service", ""), source, "" if is_good else judged)


def _fields_of(line: str) -> dict[str, str]:
    """Empty for a line that is cut off."""
    try:
        event = json.loads(line[line.index("{") :])
        return {name: str(value) for name, value in event["fields"].items()} | {"at": event["end_time"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def refused_without_tls(text: str, sources: set[str]) -> list[Attempt]:
    """Logins that were refused before the name was said, from network addresses that the account uses."""
    found = (_NO_TLS.match(line) for line in text.splitlines())
    hits = [hit for hit in found if hit and hit["source"] in sources]
    newest = hits[: -MOST_SHOWN - 1 : -1]
    return [Attempt(hit["at"], hit["service"], hit["source"], "refused") for hit in newest]


def deliveries(text: str, address: str) -> list[dict[str, str]]:
    """The last messages to and from the address in Postfix's log, the newest first."""
    senders: dict[str, str] = {}
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        if sender := _SENDER.search(line):
            senders[sender["queue_id"]] = sender["sender"].lower()
        elif delivery := _DELIVERY.match(line):
            from_whom = senders.get(delivery["queue_id"], "")
            to_whom = {delivery["to"].lower(), (delivery["first"] or "").lower()}
            if address in to_whom or address == from_whom:
                found.append(
                    {
                        "time": delivery["time"],
                        "direction": "in" if address in to_whom else "out",
                        "other": from_whom if address in to_whom else delivery["to"],
                        "status": delivery["status"],
                        "words": delivery["words"][:300],
                    }
                )
    return found[: -MOST_SHOWN - 1 : -1]


def queued(text: str, address: str) -> list[dict[str, str]]:
    """Messages to or from the address that wait in Postfix's queue (postqueue -j)."""
    found = []
    for line in text.splitlines():
        message = json.loads(line)
        for recipient in message["recipients"]:
            if address in (recipient["address"].lower(), message["sender"].lower()):
                found.append(
                    {
                        "queue_id": message["queue_id"],
                        "sender": message["sender"],
                        "recipient": recipient["address"],
                        "words": recipient.get("delay_reason", "")[:300],
                    }
                )
    return found


def discards(script: str) -> bool:
    """Whether a Sieve script has a discard; comments and texts do not count."""
    return bool(re.search(r"\bdiscard\b", _COMMENT_OR_TEXT.sub(" ", script), re.IGNORECASE))
