# managed by QmaiLux: changes made here are overwritten
"""Holds people to their sending limits: Postfix asks at each recipient and at the end of each message.

    sending-limits --accounts FILE --state FILE --socket PATH --pid FILE [--user NAME --group NAME]
    sending-limits --state FILE --report

Needs neither the panel nor its database: the limits stand in the accounts file, what was sent in a file of
its own, so a restart forgets nothing. What goes wrong here stops no mail: the answer is DUNNO, and the fault
is printed.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from provisioning.node_programs import service
from provisioning.node_programs.service import PASSES

HOUR, DAY = 3600, 86400
STEP = 60
SERVER = "server.invalid"
EVERY_ACCOUNT = "accounts@server.invalid"
# A message that got recipients and never ended.
RESERVED_SECONDS = 3600
SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (
    name TEXT NOT NULL, minute INTEGER NOT NULL, messages INTEGER NOT NULL, recipients INTEGER NOT NULL,
    PRIMARY KEY (name, minute)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (
    name TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL, frees_at INTEGER NOT NULL, sentence TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """of: whose it is, as the sentence names it. period: in seconds. unit: messages or recipients."""

    name: str
    of: str
    unit: str
    period: int
    most: int


@dataclass(slots=True)
class Use:
    """What one name sent in the last day: (messages, recipients) by minute, the oldest first."""

    minutes: dict[int, list[int]] = field(default_factory=dict)

    def add(self, minute: int, messages: int, recipients: int) -> None:
        found = self.minutes.setdefault(minute, [0, 0])
        found[0] += messages
        found[1] += recipients

    def within(self, period: int, now: int) -> Iterator[tuple[int, list[int]]]:
        return ((minute, sums) for minute, sums in self.minutes.items() if minute * STEP > now - period)

    def forget(self, now: int) -> None:
        for minute in [minute for minute in self.minutes if minute * STEP <= now - DAY]:
            del self.minutes[minute]


class Limiter:
    """Asked for one line of Postfix, answers with one."""

    def __init__(self, accounts: Path, state: Path) -> None:
        self.accounts = accounts
        self.state = sqlite3.connect(state, isolation_level=None)
        self.state.execute("PRAGMA journal_mode = WAL")
        self.state.execute("PRAGMA synchronous = NORMAL")
        self.state.executescript(SCHEMA)
        self.used: dict[str, Use] = {}
        self.reserved: dict[str, dict[str, tuple[int, int]]] = {}  # login -> instance -> (recipients, since)
        self.forgotten_at = 0
        for name, minute, messages, recipients in self.state.execute("SELECT * FROM sent"):
            self.used.setdefault(name, Use()).add(minute, messages, recipients)

    def answer(self, asked: dict[str, str], now: int) -> str:
        login = asked.get("sasl_username", "").lower()
        if not login:
            return PASSES
        self._forget(now)
        instance = asked.get("instance", "")
        is_end = asked.get("protocol_state") == "END-OF-MESSAGE"
        mine = self.reserved.setdefault(login, {})
        if is_end:
            mine.pop(instance, None)
            wanted = max(int(asked.get("recipient_count") or 0), 1)
        else:
            wanted = mine.get(instance, (0, 0))[0] + 1
        domain = login.rpartition("@")[2]
        limits = list(self._limits(login, domain))
        for limit in limits:
            if refusal := self._refusal(limit, wanted if limit.unit == "recipients" else 1, now):
                return self._refuse(login, refusal, now)
        if is_end:
            self._count(login, domain, wanted, now)
            if not mine:
                del self.reserved[login]
        else:
            mine[instance] = (wanted, now)
        return PASSES

    def _limits(self, login: str, domain: str) -> Iterator[Limit]:
        """The account's own numbers come before those that count for every account."""
        with sqlite3.connect(f"file:{self.accounts}?mode=ro", uri=True, timeout=2) as connection:
            rows = {
                row[0]: row[1:]
                for row in connection.execute(
                    "SELECT * FROM sending_limit WHERE name IN (?, ?, ?, ?)",
                    (login, domain, EVERY_ACCOUNT, SERVER),
                )
            }
        connection.close()
        none = (None,) * 4
        own = tuple(
            first if first is not None else other
            for first, other in zip(rows.get(login, none), rows.get(EVERY_ACCOUNT, none), strict=True)
        )
        levels = ((login, login, own), (domain, domain, rows.get(domain, none)))
        for name, of, values in (*levels, (SERVER, "this server", rows.get(SERVER, none))):
            for (unit, period), most in zip(
                (("messages", HOUR), ("messages", DAY), ("recipients", HOUR), ("recipients", DAY)),
                values,
                strict=True,
            ):
                if most is not None:
                    yield Limit(name, of, unit, period, most)

    def _refusal(self, limit: Limit, wanted: int, now: int) -> tuple[str, int] | None:
        """The sentence and when there is room again."""
        column = 0 if limit.unit == "messages" else 1
        sent = sorted(
            (minute, sums[column]) for minute, sums in self._use(limit.name).within(limit.period, now)
        )
        over = sum(count for _minute, count in sent) + wanted - limit.most
        if over <= 0:
            return None
        frees_at = now + limit.period
        for minute, count in sent:
            over -= count
            if over <= 0:
                frees_at = minute * STEP + limit.period
                break
        period = "an hour" if limit.period == HOUR else "a day"
        clock = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(frees_at + STEP))
        return (
            f"Sending limit of {limit.of}: {limit.most} {limit.unit} {period}. Room again at {clock}",
            frees_at + STEP,
        )

    def _use(self, name: str) -> Use:
        return self.used.get(name) or Use()

    def _refuse(self, login: str, refusal: tuple[str, int], now: int) -> str:
        sentence, frees_at = refusal
        self.state.execute(
            "INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)", (login, now, frees_at, sentence)
        )
        return f"450 4.7.1 {sentence}"

    def _count(self, login: str, domain: str, recipients: int, now: int) -> None:
        minute = now // STEP
        for name in (login, domain, SERVER):
            self.used.setdefault(name, Use()).add(minute, 1, recipients)
            self.state.execute(
                "INSERT INTO sent VALUES (?, ?, 1, ?) ON CONFLICT (name, minute) DO UPDATE"
                " SET messages = messages + 1, recipients = recipients + excluded.recipients",
                (name, minute, recipients),
            )

    def _forget(self, now: int) -> None:
        """Now and then: what counts no more, and messages that never ended."""
        if now - self.forgotten_at < STEP:
            return
        self.forgotten_at = now
        for name, use in list(self.used.items()):
            use.forget(now)
            if not use.minutes:
                del self.used[name]
        for login, messages in list(self.reserved.items()):
            alive = {key: kept for key, kept in messages.items() if kept[1] > now - RESERVED_SECONDS}
            if alive:
                self.reserved[login] = alive
            else:
                del self.reserved[login]
        self.state.execute("DELETE FROM sent WHERE minute <= ?", ((now - DAY) // STEP,))
        self.state.execute("DELETE FROM refused WHERE at <= ?", (now - DAY,))


def report(state: Path, now: int) -> dict[str, dict[str, object]]:
    """What each name sent in the last hour and day, and its last refusal."""
    found: dict[str, dict[str, object]] = {}
    with sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=10) as connection:
        hour, day = (now - HOUR) // STEP, (now - DAY) // STEP
        for name, *sums in connection.execute(
            "SELECT name, sum(messages * (minute > :hour)), sum(messages),"
            " sum(recipients * (minute > :hour)), sum(recipients)"
            " FROM sent WHERE minute > :day GROUP BY name",
            {"hour": hour, "day": day},
        ):
            found[name] = {"sums": sums}
        for name, at, frees_at, sentence in connection.execute("SELECT * FROM refused"):
            found.setdefault(name, {"sums": [0, 0, 0, 0]})["refused"] = [at, frees_at, sentence]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    service.add_arguments(parser, "accounts", "state", required=False)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    if options.report:
        print(json.dumps(report(options.state, int(time.time()))))
        return
    service.begin(options)
    limiter = Limiter(options.accounts, options.state)
    handler = service.answering_postfix(
        lambda asked: limiter.answer(asked, int(time.time())), fault="not limited"
    )
    service.serve(handler, options.socket)
