"""What logs, queue and scripts say of one address. Pure: text in, plain values out."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from provisioning.auth_events import Reason, auth_events

MOST_SHOWN = 10
_NO_TLS = re.compile(
    r"(?P<at>\S+) (?P<service>[a-z0-9]+)-login: (?:Info: )?Login failed: Plaintext authentication disabled: "
    r"user=<[^>]*>, .*?\brip=(?P<source>[^, ]+)"
)
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
    found = [event for event in auth_events(text.splitlines()) if event.user == address]
    return [
        Attempt(event.at, event.service, event.source, event.reason)
        for event in found[: -MOST_SHOWN - 1 : -1]
    ]


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
