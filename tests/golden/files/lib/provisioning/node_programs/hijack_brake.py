# managed by QmaiLux: changes made here are overwritten
"""Stops a login that suddenly sends as a stranger with its password would: Postfix asks at each recipient and
at the end of each message.

    hijack-brake --accounts FILE --state FILE --tripped FILE --socket PATH --pid FILE
                 [--user NAME --group NAME]

Needs neither the panel nor its database: the thresholds stand in the accounts file, what was sent in a file
of its own, so a restart forgets nothing. A login that was stopped stays so until the accounts file says when
it was let go again. Who is stopped, why and since when stands in the file "tripped", one JSON object a line,
for whoever holds the queued mail and tells people. What goes wrong here stops no mail: the answer is DUNNO,
and the fault is printed.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from provisioning.node_programs import service
from provisioning.node_programs.service import PASSES

PERIOD = 3600
SERVER = "server.invalid"
STOPPED = "535 5.7.8 This account may not send mail at present: ask your postmaster"
# Messages that got recipients and never ended.
RESERVED_SECONDS = 3600
FORGET_SECONDS = 60
MEASURES = ("messages", "recipients")
SCHEMA = """
CREATE TABLE IF NOT EXISTS message (home TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS message_of ON message (home, at);
CREATE TABLE IF NOT EXISTS recipient (
    home TEXT NOT NULL, address TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (home, address)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tripped (
    home TEXT NOT NULL PRIMARY KEY, login TEXT NOT NULL, at REAL NOT NULL, measure TEXT NOT NULL,
    found INTEGER NOT NULL, threshold INTEGER NOT NULL
) WITHOUT ROWID;
"""


class Brake:
    """Asked for one line of Postfix, answers with one. Counts by the mailbox's folder: the next owner of an
    address inherits nothing.
    """

    def __init__(self, accounts: Path, state: Path, tripped: Path) -> None:
        self.accounts = accounts
        self.tripped = tripped
        self.state = sqlite3.connect(state, isolation_level=None)
        self.state.execute("PRAGMA journal_mode = WAL")
        self.state.execute("PRAGMA synchronous = NORMAL")
        self.state.executescript(SCHEMA)
        self.to_strangers: dict[str, float] = {}  # instance of a message -> since when
        self.forgotten_at = 0.0
        self._publish()

    def answer(self, asked: dict[str, str], now: float) -> str:
        login = asked.get("sasl_username", "").lower()
        if not login:
            return PASSES
        self._forget(now)
        instance = asked.get("instance", "")
        with sqlite3.connect(f"file:{self.accounts}?mode=ro", uri=True, timeout=2) as connection:
            home = self._home(connection, login)
            thresholds, is_stopped, let_go_at = self._rules(connection, login)
            recipient = asked.get("recipient", "").lower()
            is_foreign = bool(recipient) and not self._is_hosted(connection, recipient)
        connection.close()
        if is_stopped or self._is_tripped(home, let_go_at):
            return STOPPED
        who = (home, login)
        since = max(now - PERIOD, let_go_at)
        if asked.get("protocol_state") != "END-OF-MESSAGE":
            if not is_foreign:
                return PASSES
            self.to_strangers[instance] = now
            found = self._recipients(home, recipient, since, now)
            return self._judge(who, "recipients", found, thresholds[1], now)
        if self.to_strangers.pop(instance, None) is None:
            return PASSES
        (found,) = self.state.execute(
            "SELECT count(*) FROM message WHERE home = ? AND at > ?", (home, since)
        ).fetchone()
        answer = self._judge(who, "messages", found + 1, thresholds[0], now)
        if answer == PASSES:
            self.state.execute("INSERT INTO message VALUES (?, ?)", (home, now))
        return answer

    def _rules(
        self, connection: sqlite3.Connection, login: str
    ) -> tuple[tuple[int | None, ...], bool, float]:
        """The thresholds, whether sending is stopped, and when it was let go last. The account's own numbers
        come before its domain's, those before the server's; 0 is none.
        """
        names = (login, login.rpartition("@")[2], SERVER)
        rows = {
            row[0]: row[1:]
            for row in connection.execute(
                "SELECT name, messages, recipients, stopped, let_go_at_ms FROM brake WHERE name IN (?, ?, ?)",
                names,
            )
        }
        none = (None, None, 0, 0)
        levels = [rows.get(name, none) for name in names]
        thresholds = tuple(_first(level[column] for level in levels) for column in (0, 1))
        return thresholds, bool(levels[0][2]), levels[0][3] / 1000

    @staticmethod
    def _home(connection: sqlite3.Connection, login: str) -> str:
        row = connection.execute("SELECT home FROM account WHERE address = ?", (login,)).fetchone()
        return str(row[0]) if row else login

    @staticmethod
    def _is_hosted(connection: sqlite3.Connection, recipient: str) -> bool:
        """Colleagues are not strangers."""
        name = recipient.rpartition("@")[2]
        return bool(connection.execute("SELECT 1 FROM account WHERE domain = ? LIMIT 1", (name,)).fetchone())

    def _is_tripped(self, home: str, let_go_at: float) -> bool:
        row = self.state.execute("SELECT at FROM tripped WHERE home = ?", (home,)).fetchone()
        if row is None:
            return False
        if row[0] > let_go_at:
            return True
        self.state.execute("DELETE FROM tripped WHERE home = ?", (home,))
        self._publish()
        return False

    def _recipients(self, home: str, recipient: str, since: float, now: float) -> int:
        self.state.execute("INSERT OR REPLACE INTO recipient VALUES (?, ?, ?)", (home, recipient, now))
        (found,) = self.state.execute(
            "SELECT count(*) FROM recipient WHERE home = ? AND at > ?", (home, since)
        ).fetchone()
        return int(found)

    def _judge(
        self, who: tuple[str, str], measure: str, found: int, threshold: int | None, now: float
    ) -> str:
        if not threshold or found <= threshold:
            return PASSES
        self.state.execute(
            "INSERT OR REPLACE INTO tripped VALUES (?, ?, ?, ?, ?, ?)",
            (*who, now, measure, found, threshold),
        )
        self._publish()
        return STOPPED

    def _publish(self) -> None:
        """Whole, beside and renamed: a reader never sees half of it."""
        rows = self.state.execute(
            "SELECT home, login, at, measure, found, threshold FROM tripped ORDER BY at"
        )
        keys = ("home", "login", "at", "measure", "found", "threshold")
        lines = [json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows]
        fresh = self.tripped.with_suffix(".new")
        fresh.write_text("".join(lines))
        fresh.replace(self.tripped)

    def _forget(self, now: float) -> None:
        """Now and then: what counts no more."""
        if now - self.forgotten_at < FORGET_SECONDS:
            return
        self.forgotten_at = now
        for table in ("message", "recipient"):
            self.state.execute(f"DELETE FROM {table} WHERE at <= ?", (now - PERIOD,))  # noqa: S608  # ours
        alive = self.to_strangers.items()
        self.to_strangers = {key: since for key, since in alive if since > now - RESERVED_SECONDS}


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def main() -> None:
    parser = argparse.ArgumentParser()
    service.add_arguments(parser, "accounts", "state", "tripped")
    options = parser.parse_args()
    service.begin(options)
    brake = Brake(options.accounts, options.state, options.tripped)
    handler = service.answering_postfix(lambda asked: brake.answer(asked, time.time()), fault="not watched")
    service.serve(handler, options.socket)
