"""Finds the mailboxes with so much room that no message can be too large for them.

    quota-room --accounts FILE --mail DIR --events DIR --map FILE --postfix DIR --socket PATH --pid FILE

Dovecot's quota-status costs more than all else that Postfix asks at a recipient, so it is not asked for
these. Their map holds "home:quota". What is not in it is asked: a mailbox that is new, whose quota has
changed, of which nothing is known.

A mailbox leaves the map as soon as Dovecot tells that its usage has grown past a tenth of its quota (a file
in the folder of events, written by bin/quota-warning), and is looked at again, with all others, some minutes
later. Runs as root, for nobody else may write what Postfix reads; of the mail user's files it reads numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

POLL_SECONDS = 0.25
# Between two looks at all mailboxes: a minute at least, and so long that they take 0.5 % of a core.
PAUSE_SECONDS = 60.0
PAUSE_FOR_EACH_SECOND = 200
# Dovecot writes a mailbox's usage a moment after it has told of a step.
SETTLING_SECONDS = 60
# What is not asked must be left long before it could be full: Dovecot tells of every tenth of a quota, and
# between this bound and a mailbox that is too full for the largest message lies one at least.
FULLEST_TENTHS = 8
MESSAGES_OF_ROOM = 2
# postmap waits for the disk after each key; a map that is built anew waits once.
REBUILD_FROM_CHANGES = 200
REBUILD_FROM_SHARE = 1 / 100
KEYS_A_COMMAND = 200
MAILBOXES_BETWEEN_EVENTS = 1000
COMMAND_SECONDS = 600
SECONDS_AFTER_FAULT = 5
HAS_ROOM = "yes"

_EVENT = re.compile(r"([0-9a-f]{2})([0-9a-f]{30})\.\w+")
_SIZE_LIMIT = re.compile(r"^message_size_limit = (\d+)$", re.MULTILINE | re.ASCII)
# A quota_rule is "*:bytes=N".
_ACCOUNTS = "SELECT home, CAST(substr(quota_rule, 9) AS INTEGER) FROM account ORDER BY home"
_ACCOUNTS_OF = """SELECT home, CAST(substr(quota_rule, 9) AS INTEGER) FROM account
WHERE home IN (SELECT value FROM json_each(?))"""


@dataclass(slots=True)
class Room:
    """accounts, mail, events, map, postfix: where they are. seen: events that have been acted on.

    map: without the ending; its source lies there while it is compared.
    """

    accounts: Path
    mail: Path
    events: Path
    map: Path
    postfix: Path
    seen: set[str] = field(default_factory=set)

    def take_events(self) -> None:
        """Mailboxes that have grown past a step leave the map."""
        found = {path.name for path in self.events.iterdir() if _EVENT.fullmatch(path.name)}
        if new := found - self.seen:
            self._delete(self._keys_of({_home_of(name) for name in new}))
        self.seen = found

    def look_at_all(self) -> None:
        """The map holds the mailboxes with room, and no others."""
        self._forget_settled_events()
        with self.map.open("w", encoding="ascii") as lines:
            new, gone = differences(self._with_room(lines), self._listed())
        try:
            self._write(new, gone)
        finally:
            self.map.unlink()
        # Their usage files may have been older than what Dovecot had told of.
        self.seen.clear()
        self.take_events()

    def _forget_settled_events(self) -> None:
        settled = time.time() - SETTLING_SECONDS
        for path in self.events.iterdir():
            if _EVENT.fullmatch(path.name) and path.lstat().st_mtime < settled:
                path.unlink()

    def _with_room(self, lines: TextIO) -> Iterator[str]:
        """The keys, in the order of the map, and each as a line of its source. New events do not wait."""
        limit = self._message_size_limit()
        with closing(self._connect()) as connection:
            for count, (home, quota) in enumerate(connection.execute(_ACCOUNTS)):
                if count % MAILBOXES_BETWEEN_EVENTS == 0:
                    self.take_events()
                if self._has_room(home, quota, limit):
                    lines.write(f"{home}:{quota}\t{HAS_ROOM}\n")
                    yield f"{home}:{quota}"

    def _has_room(self, home: str, quota: int, limit: int) -> bool:
        """limit: of a message; 0: none, as for a quota."""
        if quota == 0:
            return True
        most = min(quota - MESSAGES_OF_ROOM * limit, quota * FULLEST_TENTHS // 10 - 1) if limit else -1
        if most < 0:
            return False
        used = used_bytes(f"{self.mail}/{home}")
        return used is not None and used <= most

    def _keys_of(self, homes: set[str]) -> list[str]:
        with closing(self._connect()) as connection:
            rows = connection.execute(_ACCOUNTS_OF, (json.dumps(sorted(homes)),))
            return [f"{home}:{quota}" for home, quota in rows]

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.accounts}?mode=ro", uri=True, timeout=10)

    def _message_size_limit(self) -> int:
        """As main.cf has it. postconf would read master.cf too: 17 s with 500 addresses."""
        found = _SIZE_LIMIT.search((self.postfix / "main.cf").read_text(encoding="utf-8"))
        if found is None:
            raise OSError(f"{self.postfix}/main.cf: no message_size_limit")
        return int(found[1])

    # The map

    def _listed(self) -> Iterator[str]:
        for line in self._postmap("-s").splitlines():
            yield line.partition("\t")[0]

    def _write(self, new: list[str], gone: list[str]) -> None:
        changes = len(new) + len(gone)
        if changes > REBUILD_FROM_CHANGES and changes > REBUILD_FROM_SHARE * self._size():
            self._postmap()
            return
        self._delete(gone)
        for keys in _parts(new):
            self._postmap("-r", "-i", stdin="".join(f"{key}\t{HAS_ROOM}\n" for key in keys))
            self.take_events()

    def _size(self) -> int:
        with self.map.open(encoding="ascii") as lines:
            return sum(1 for _line in lines)

    def _delete(self, keys: Sequence[str]) -> None:
        """Exit code 1 says that a key was not there, which is the aim, or that it went wrong."""
        for part in _parts(keys):
            lines = "".join(f"{key}\n" for key in part)
            self._postmap("-d", "-", stdin=lines, codes=(0, 1))
            if left := self._postmap("-q", "-", stdin=lines, codes=(0, 1)):
                raise OSError(f"{self.map}: could not delete {left.split()[0]}")

    def _postmap(self, *options: str, stdin: str = "", codes: tuple[int, ...] = (0,)) -> str:
        argv = ["postmap", "-c", str(self.postfix), *options, f"lmdb:{self.map}"]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
        if done.returncode not in codes:
            raise subprocess.CalledProcessError(done.returncode, argv, stderr=done.stderr)
        return done.stdout


def differences(wanted: Iterable[str], found: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is missing, and what is too much. Both are in order."""
    new: list[str] = []
    gone: list[str] = []
    others = iter(found)
    other = next(others, None)
    for key in wanted:
        while other is not None and other < key:
            gone.append(other)
            other = next(others, None)
        if key == other:
            other = next(others, None)
        else:
            new.append(key)
    if other is not None:
        gone += [other, *others]
    return new, gone


def used_bytes(home: str) -> int | None:
    """The most that any of Dovecot's files says: each rename leaves one behind. None: not known."""
    try:
        with os.scandir(f"{home}/usage") as entries:
            found = [_number(f"{entry.path}/quota/storage") for entry in entries]
    except FileNotFoundError:
        return None if Path(home).exists() else 0
    except OSError:
        return None
    known = [number for number in found if number is not None]
    return max(known) if known and len(known) == len(found) else None


def _number(path: str) -> int | None:
    """The mail user could put anything there: nothing is waited for, and what is no number is not known."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            text = os.read(descriptor, 20)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return int(text) if text.strip().isdigit() else None


def _home_of(event: str) -> str:
    found = _EVENT.fullmatch(event)
    return f"{found[1]}/{found[1]}{found[2]}" if found else ""


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), KEYS_A_COMMAND):
        yield keys[start : start + KEYS_A_COMMAND]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("accounts", "mail", "events", "map", "postfix", "socket", "pid"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    chosen = parser.parse_args()
    os.umask(0o022)
    chosen.pid.write_text(f"{os.getpid()}\n")
    room = Room(chosen.accounts, chosen.mail, chosen.events, chosen.map, chosen.postfix)
    with socket.socket(socket.AF_UNIX) as door:
        chosen.socket.unlink(missing_ok=True)
        door.bind(str(chosen.socket))
        door.listen()
        _run(room, door)


def _run(room: Room, door: socket.socket) -> None:
    """Who connects is let go when all that happened before has been taken up."""
    next_look = 0.0
    while True:
        visitor = door.accept()[0] if select.select([door], [], [], POLL_SECONDS)[0] else None
        try:
            room.take_events()
            started = time.monotonic()
            if started >= next_look:
                room.look_at_all()
                ended = time.monotonic()
                next_look = ended + max(PAUSE_SECONDS, PAUSE_FOR_EACH_SECOND * (ended - started))
        except (OSError, sqlite3.Error, subprocess.SubprocessError) as error:
            # Who is in the map stays there meanwhile; a mailbox that fills up is then refused by LMTP.
            print(f"quota-room: {error}", file=sys.stderr, flush=True)
            time.sleep(SECONDS_AFTER_FAULT)
        if visitor is not None:
            visitor.close()
