"""manage.py queue: what waits to be delivered, and orders to it."""

from __future__ import annotations

import re
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from accounts.actor import Actor
from provisioning.hosts import host_of
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.mailqueue import QueuedMessage, QueueFilter, find, text_of, with_envelopes
from provisioning.models import Node
from provisioning.queue_desk import give_order
from qmailux_site.console import Fact, SubcommandCommand, add_dry_run, add_json, add_yes

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DONE = {
    "hold": "held",
    "release": "released",
    "requeue": "requeued",
    "delete": "deleted",
    "flush": "told to try again now",
}
_QUESTION = {
    "hold": "Hold {count} messages, so that nobody gets them until they are released?",
    "release": "Release {count} held messages?",
    "requeue": "Put {count} messages through the queue again?",
    "delete": "Delete {count} messages for good? Nobody gets them, and no sender is told.",
    "flush": "Try to deliver {count} messages now?",
}


class Command(SubcommandCommand):
    help = "Look at the mail queue; hold, release, requeue, delete and flush messages."
    verbs = {
        "list": "list queued messages, or count them in groups",
        "show": "show a message's envelope, headers and body",
        "hold": "keep messages in the queue until they are released",
        "release": "let held messages go",
        "requeue": "put messages through the queue again under new ids: rules and routes of today",
        "delete": "delete messages for good",
        "flush": "try to deliver messages now",
    }

    def add_list_arguments(self, parser: ArgumentParser) -> None:
        _add_filters(parser)
        parser.add_argument("--by", choices=sorted(_GROUPS), help="count instead, in groups")
        add_json(parser)

    def verb_list(self, options: dict[str, Any]) -> None:
        host, layout = _machine()
        found = _found(host, layout, options)
        if options["by"] is None:
            self.show([_facts(message) for message in found], as_json=options["json"])
            return
        counted: dict[str, int] = {}
        if options["by"] == "login":
            found = with_envelopes(host, layout, found)
        for message in found:
            for group in _GROUPS[options["by"]](message):
                counted[group] = counted.get(group, 0) + 1
        largest = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        self.show(
            [{"messages": count, options["by"]: group} for group, count in largest], as_json=options["json"]
        )

    def add_show_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id")
        add_json(parser)

    def verb_show(self, options: dict[str, Any]) -> None:
        host, layout = _machine()
        found = with_envelopes(
            host, layout, find(host, layout, QueueFilter(ids=(options["id"],)), now=time.time())
        )
        if not found:
            raise CommandError(f"{options['id']} is no longer in the queue.")
        headers, body = text_of(host, layout, options["id"])
        facts = {**_facts(found[0]), "login": found[0].login or None, "client": found[0].client or None}
        self.show_one(
            {**facts, "headers": _visible(headers), "body": _visible(body)}, as_json=options["json"]
        )

    def add_hold_arguments(self, parser: ArgumentParser) -> None:
        _add_order(parser)

    def add_release_arguments(self, parser: ArgumentParser) -> None:
        _add_order(parser)

    def add_requeue_arguments(self, parser: ArgumentParser) -> None:
        _add_order(parser)

    def add_delete_arguments(self, parser: ArgumentParser) -> None:
        _add_order(parser)

    def add_flush_arguments(self, parser: ArgumentParser) -> None:
        _add_order(parser)

    def verb_hold(self, options: dict[str, Any]) -> None:
        self._order("hold", options)

    def verb_release(self, options: dict[str, Any]) -> None:
        self._order("release", options)

    def verb_requeue(self, options: dict[str, Any]) -> None:
        self._order("requeue", options)

    def verb_delete(self, options: dict[str, Any]) -> None:
        self._order("delete", options)

    def verb_flush(self, options: dict[str, Any]) -> None:
        self._order("flush", options)

    def _order(self, verb: str, options: dict[str, Any]) -> None:
        wanted = _filter(options)
        if wanted.is_empty and not options["all"]:
            raise CommandError("Say which messages: ids, a filter, or --all.")
        host, layout = _machine()
        found = find(host, layout, wanted, now=time.time())
        if missing := set(wanted.ids) - {message.queue_id for message in found}:
            self.stderr.write(f"no longer in the queue: {', '.join(sorted(missing))}")
        if options["dry_run"]:
            self.stdout.write(f"{len(found)} messages would be {_DONE[verb]}")
            return
        if found and verb in ("delete", "hold"):
            self.confirm(_QUESTION[verb].format(count=len(found)), yes=options["yes"])
        count = give_order(host, layout, verb, found, wanted=wanted, by=Actor.console())
        self.stdout.write(f"{count} messages {_DONE[verb]}")


def _sender_group(message: QueuedMessage) -> list[str]:
    return [message.sender or "<>"]


def _sender_domain_group(message: QueuedMessage) -> list[str]:
    return [message.sender.rpartition("@")[2].lower() or "<>"]


def _recipient_domain_group(message: QueuedMessage) -> list[str]:
    return sorted({waiting.address.rpartition("@")[2].lower() for waiting in message.recipients})


def _error_group(message: QueuedMessage) -> list[str]:
    return sorted({_visible(waiting.reason) or "-" for waiting in message.recipients})


def _login_group(message: QueuedMessage) -> list[str]:
    return [message.login or "-"]


_GROUPS = {
    "sender": _sender_group,
    "sender-domain": _sender_domain_group,
    "recipient-domain": _recipient_domain_group,
    "error": _error_group,
    "login": _login_group,
}


def _add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="queue ids")
    parser.add_argument("--sender", default="", help="address, @domain, or <> for bounces")
    parser.add_argument("--recipient", default="", help="address or @domain")
    parser.add_argument("--login", default="", help="the account that handed it in")
    parser.add_argument("--domain", default="", help="of the sender or of a recipient")
    parser.add_argument("--error", default="", help="part of the reason why it waits")
    parser.add_argument("--client", default="", metavar="IP", help="the address it came from")
    parser.add_argument("--queue", default="", choices=["incoming", "active", "deferred", "hold"])
    parser.add_argument("--older-than", default="", metavar="AGE", help="such as 90s, 30m, 2h or 3d")


def _add_order(parser: ArgumentParser) -> None:
    _add_filters(parser)
    parser.add_argument("--all", action="store_true", help="every message in the queue")
    add_dry_run(parser)
    add_yes(parser)


def _filter(options: dict[str, Any]) -> QueueFilter:
    return QueueFilter(
        ids=tuple(options["ids"]),
        sender=options["sender"].lower(),
        recipient=options["recipient"].lower(),
        login=options["login"].lower(),
        domain=options["domain"].lower(),
        error=options["error"],
        client=options["client"],
        queue=options["queue"],
        older_than_seconds=_seconds(options["older_than"]),
    )


def _seconds(text: str) -> int:
    if not text:
        return 0
    parsed = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if parsed is None:
        raise CommandError(f"An age is a number with s, m, h or d, such as 2h, not {text!r}.")
    return int(parsed[1]) * _SECONDS[parsed[2]]


def _machine() -> tuple[Host, Layout]:
    node = Node.objects.order_by("pk").first()
    if node is None:
        raise CommandError("There is no server yet: run manage.py setup.")
    return host_of(node), settings.QMAILUX_LAYOUT


def _found(host: Host, layout: Layout, options: dict[str, Any]) -> list[QueuedMessage]:
    return find(host, layout, _filter(options), now=time.time())


def _facts(message: QueuedMessage) -> dict[str, Fact]:
    return {
        "id": message.queue_id,
        "queue": message.queue,
        "arrived": datetime.fromtimestamp(message.arrived_at, tz=UTC).isoformat(timespec="seconds"),
        "size bytes": message.size_bytes,
        "sender": message.sender or "<>",
        "recipients": [waiting.address for waiting in message.recipients],
        "reason": next((_visible(waiting.reason) for waiting in message.recipients if waiting.reason), None),
    }


def _visible(text: str) -> str:
    """What a stranger wrote must not steer the terminal."""
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
