"""Postfix's queue on one node: what waits, why, and the orders to it (engine 2, 6).

Queue ids are long here (enable_long_queue_ids), so none is ever used again: an order by id never meets
another message than the one that was looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

from provisioning.hosts.base import Host
from provisioning.layout import Layout
from qmailux_site.errors import CommandFailed

Verb = Literal["hold", "release", "requeue", "delete", "flush"]
VERBS: Final[tuple[Verb, ...]] = ("hold", "release", "requeue", "delete", "flush")
# Which queues an order reaches. Requeueing what is held would release it.
QUEUES_OF_VERB: Final[Mapping[str, tuple[str, ...]]] = {
    "hold": ("incoming", "active", "deferred"),
    "release": ("hold",),
    "requeue": ("incoming", "active", "deferred"),
    "delete": ("incoming", "active", "deferred", "hold"),
    "flush": ("incoming", "active", "deferred"),
}
_OPTION_OF_VERB = {"hold": "-h", "release": "-H", "requeue": "-r", "delete": "-d"}
IDS_A_CALL = 500
# Past this number single wake-ups are slower than waking up the whole queue.
MOST_SINGLE_FLUSHES = 50
LONGEST_BODY_BYTES = 64 * 1024

_QUEUE_ID = re.compile(r"[0-9A-Za-z]{10,30}")
_SUMMARY = re.compile(r": (\d+) messages?\b")
_ENVELOPE = re.compile(r"\*\*\* ENVELOPE RECORDS \S*?([0-9A-Za-z]+) \*\*\*")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A recipient that has not got the message yet, and why."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """login and client: who handed it in, and from which address; "" when not looked up or from elsewhere."""

    queue_id: str
    queue: str
    arrived_at: int
    size_bytes: int
    sender: str
    recipients: tuple[Waiting, ...]
    login: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which messages are meant; what is empty does not matter.

    sender, recipient: an address or "@domain"; "<>" is the empty sender. domain: of the sender or of a
    recipient. error: part of the reason. older_than_seconds: at least as old.
    """

    ids: tuple[str, ...] = ()
    sender: str = ""
    recipient: str = ""
    login: str = ""
    domain: str = ""
    error: str = ""
    client: str = ""
    queue: str = ""
    older_than_seconds: int = 0

    @property
    def is_empty(self) -> bool:
        return self == QueueFilter()

    @property
    def needs_envelope(self) -> bool:
        return bool(self.login or self.client)

    def as_plain(self) -> dict[str, object]:
        return {key: list(value) if key == "ids" else value for key, value in asdict(self).items() if value}

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> QueueFilter:
        """Of what as_plain has given; every value is made its type again, for it came through a database."""
        texts = ("sender", "recipient", "login", "domain", "error", "client", "queue")
        ids = plain.get("ids", [])
        return cls(
            ids=tuple(str(value) for value in ids) if isinstance(ids, list) else (),
            older_than_seconds=int(str(plain.get("older_than_seconds", 0))),
            **{name: str(plain.get(name, "")) for name in texts},
        )

    def matches(self, message: QueuedMessage, *, now: float) -> bool:
        addresses = [recipient.address for recipient in message.recipients]
        return (
            (not self.ids or message.queue_id in self.ids)
            and (not self.sender or _is_meant(self.sender, message.sender))
            and (not self.recipient or any(_is_meant(self.recipient, address) for address in addresses))
            and (
                not self.domain or self.domain in {_domain_of(each) for each in (message.sender, *addresses)}
            )
            and (not self.error or any(self._is_error(waiting) for waiting in message.recipients))
            and (not self.queue or message.queue == self.queue)
            and (now - message.arrived_at >= self.older_than_seconds)
            and (not self.login or message.login == self.login)
            and (not self.client or message.client == self.client)
        )

    def _is_error(self, waiting: Waiting) -> bool:
        return self.error.lower() in waiting.reason.lower()


def read_queue(host: Host, layout: Layout) -> list[QueuedMessage]:
    """Everything that waits, oldest first. 20,000 messages take a second."""
    output = host.run(_command(layout, "postqueue", "-j"), timeout=120).stdout
    return sorted(
        _messages(output.decode("utf-8", "replace")), key=lambda each: (each.arrived_at, each.queue_id)
    )


def find(host: Host, layout: Layout, wanted: QueueFilter, *, now: float) -> list[QueuedMessage]:
    """The messages that the filter means. Envelopes are read only where a login or address is asked for, and
    only those of messages that fit otherwise.
    """
    without = replace(wanted, login="", client="")
    found = [message for message in read_queue(host, layout) if without.matches(message, now=now)]
    if not wanted.needs_envelope:
        return found
    return [each for each in with_envelopes(host, layout, found) if wanted.matches(each, now=now)]


def with_envelopes(host: Host, layout: Layout, messages: Sequence[QueuedMessage]) -> list[QueuedMessage]:
    """The same messages with login and client. One that has left meanwhile is left out."""
    envelopes: dict[str, dict[str, str]] = {}
    for start in range(0, len(messages), IDS_A_CALL):
        envelopes.update(
            _read_envelopes(host, layout, [m.queue_id for m in messages[start : start + IDS_A_CALL]])
        )
    return [
        replace(
            message,
            login=envelopes[message.queue_id].get("sasl_username", ""),
            client=envelopes[message.queue_id].get("client_address", ""),
        )
        for message in messages
        if message.queue_id in envelopes
    ]


def order(host: Host, layout: Layout, verb: Verb, messages: Iterable[QueuedMessage]) -> int:
    """Give the order for these messages; returns how many it reached. Those that left meanwhile are not
    counted, and no other message is touched.
    """
    ids = [message.queue_id for message in messages if message.queue in QUEUES_OF_VERB[verb]]
    if not ids:
        return 0
    if verb == "flush":
        return _flush(host, layout, ids)
    argv = _command(layout, "postsuper", _OPTION_OF_VERB[verb], "-", *QUEUES_OF_VERB[verb])
    done = host.run(argv, stdin="".join(f"{queue_id}\n" for queue_id in ids).encode(), timeout=300)
    if verb == "requeue":
        # They lie in maildrop now, where pickup looks once a minute.
        host.run(_command(layout, "postkick", "public", "pickup", "W"), check=False)
    summary = _SUMMARY.search(done.stderr.decode("utf-8", "replace"))
    return int(summary[1]) if summary else 0


def text_of(host: Host, layout: Layout, queue_id: str) -> tuple[str, str]:
    """Headers and the beginning of the body, as they are."""
    if not _QUEUE_ID.fullmatch(queue_id):
        return "", ""
    headers = host.run(_command(layout, "postcat", "-hq", queue_id), check=False).stdout
    body = host.run(_command(layout, "postcat", "-bq", queue_id), check=False).stdout
    return headers.decode("utf-8", "replace"), body[:LONGEST_BODY_BYTES].decode("utf-8", "replace")


def _flush(host: Host, layout: Layout, ids: Sequence[str]) -> int:
    if len(ids) > MOST_SINGLE_FLUSHES:
        host.run(_command(layout, "postqueue", "-f"))
        return len(ids)
    done = [host.run(_command(layout, "postqueue", "-i", queue_id), check=False) for queue_id in ids]
    return sum(output.code == 0 for output in done)


def _messages(lines: str) -> Iterator[QueuedMessage]:
    for line in lines.splitlines():
        entry = json.loads(line)
        yield QueuedMessage(
            queue_id=entry["queue_id"],
            queue=entry["queue_name"],
            arrived_at=entry["arrival_time"],
            size_bytes=entry["message_size"],
            sender="" if entry["sender"] == "MAILER-DAEMON" else entry["sender"],
            recipients=tuple(
                Waiting(recipient["address"], recipient.get("delay_reason", ""))
                for recipient in entry["recipients"]
            ),
        )


def _read_envelopes(host: Host, layout: Layout, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """postcat ends at the first id that is gone: the ones after it are asked for again."""
    found: dict[str, dict[str, str]] = {}
    rest = list(ids)
    while rest:
        done = host.run(_command(layout, "postcat", "-eq", *rest), timeout=120, check=False)
        part = _envelopes(done.stdout.decode("utf-8", "replace"))
        found.update(part)
        if done.code == 0:
            break
        if done.code != 1:
            raise CommandFailed(["postcat"], done.code, done.stderr.decode("utf-8", "replace"))
        missing = next((queue_id for queue_id in rest if queue_id not in part), rest[-1])
        rest = rest[rest.index(missing) + 1 :]
    return found


def _envelopes(output: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in output.splitlines():
        if head := _ENVELOPE.match(line):
            current = found.setdefault(head[1], {})
        elif line.startswith("named_attribute: "):
            name, _equals, value = line.removeprefix("named_attribute: ").partition("=")
            current[name] = value
    return found


def _is_meant(wanted: str, address: str) -> bool:
    if wanted == "<>":
        return address == ""
    return address.lower().endswith(wanted) if wanted.startswith("@") else address.lower() == wanted


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _command(layout: Layout, program: str, *arguments: str) -> list[str]:
    return [f"/usr/sbin/{program}", "-c", str(layout.etc / "postfix"), *arguments]
