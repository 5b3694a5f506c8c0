# managed by QmaiLux: changes made here are overwritten
"""Searches what people of this server send for viruses and spam before it is taken: a milter for Postfix.

    outgoing-scan --settings FILE --clamd SOCKET --spamd SOCKET --socket PATH --pid FILE
                  [--user NAME --group NAME]

The settings are read at each message, so a switch needs no restart. What is found is refused or put on hold.
What the server itself sends for people (forwards, answers) comes without a login: nobody is there to be
refused, so what is found in it is put on hold in any case. While a scanner is down the mail waits or passes,
as chosen, and either is written to syslog: no message ever passes unsearched in silence, as it does with
spamass-milter.

It also marks mail that comes in and is passed on to another server (relay_marks).

Needs Debian's python3-milter (libmilter), which is imported when the service begins.
"""

from __future__ import annotations

import argparse
import os
import syslog
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioning.node_programs import relay_marks, service
from provisioning.node_programs.scanning import Message, NoAnswer, Scanners, log_line

# No mailbox: nobody's own preferences and nothing that anybody taught.
SPAM_USER = "outgoing"


@dataclass(frozen=True, slots=True)
class Rule:
    """found: "refuse" or "hold". on_failure: "defer" or "accept". points: from which on it is spam."""

    found: str
    on_failure: str
    points: float = 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """None: it is not searched for. A message of more bytes is not asked about at spamd: scoring it would
    take minutes.
    """

    viruses: Rule | None = None
    spam: Rule | None = None
    spam_limit_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """action: "pass", "refuse", "hold" or "wait". answer: to the sender. said: for the log."""

    action: str = "pass"
    answer: str = ""
    said: tuple[str, ...] = ()


def read_settings(path: Path) -> Settings:
    """Lines "viruses FOUND ON_FAILURE", "spam FOUND ON_FAILURE POINTS", "spam-limit BYTES"."""
    viruses, spam, limit = None, None, 0
    for line in path.read_text().splitlines():
        match line.split():
            case ["viruses", found, on_failure]:
                viruses = Rule(found, on_failure)
            case ["spam", found, on_failure, points]:
                spam = Rule(found, on_failure, float(points))
            case ["spam-limit", number]:
                limit = int(number)
    return Settings(viruses, spam, limit)


def judge(scanners: Scanners, message: Message, settings: Settings) -> Verdict:
    """Viruses first: what holds one is not scored."""
    said: list[str] = []
    if (rule := settings.viruses) is not None:
        try:
            name = scanners.virus(message)
        except (OSError, NoAnswer) as error:
            if rule.on_failure == "defer":
                return _wait("virus", error)
            said.append(f"passed without virus check: {error}")
        else:
            if name:
                action = _action(rule, message)
                answer = f"This message holds a virus and was not sent: {name}"
                return Verdict(action, answer, (f"{_DONE[action]}, virus {name}",))
    if (rule := settings.spam) is not None and message.size() <= settings.spam_limit_bytes:
        try:
            points, tests = scanners.spam(message, SPAM_USER)
        except (OSError, NoAnswer) as error:
            if rule.on_failure == "defer":
                return _wait("spam", error)
            said.append(f"passed without spam check: {error}")
        else:
            if points >= rule.points:
                action = _action(rule, message)
                answer = f"This message reads like spam and was not sent ({points:.1f} points)"
                told = f"{_DONE[action]}, spam {points:.1f}/{rule.points:.1f} {tests}"
                return Verdict(action, answer, (*said, told))
    return Verdict(said=tuple(said))


# What stands in the log, which the control plane counts.
_DONE = {"refuse": "refused", "hold": "held"}


def _action(rule: Rule, message: Message) -> str:
    return rule.found if message.login else "hold"


def _wait(what: str, error: Exception) -> Verdict:
    answer = f"The {what} check does not answer at present: try again later"
    return Verdict("wait", answer, (f"deferred, no {what} check: {error}",))


def _milter(settings: Path, scanners: Scanners) -> type[Any]:
    """libmilter calls one object of it for each connection."""
    import Milter  # type: ignore[import-not-found,unused-ignore]  # Debian's, not in our venv

    class Scan(Milter.Base):  # type: ignore[misc,unused-ignore]
        message: Message
        relayed: relay_marks.Relayed | None

        def envfrom(self, sender: str, *_words: str) -> Any:
            login = self.getsymval("{auth_authen}") or ""
            self.message = Message(sender.strip("<>"), login)
            is_incoming = self.getsymval("{daemon_name}") == relay_marks.DAEMON_NAME
            self.relayed = relay_marks.Relayed() if is_incoming else None
            return Milter.CONTINUE

        def envrcpt(self, _recipient: str, *_words: str) -> Any:
            if self.relayed is not None:
                self.relayed.add_recipient(self.getsymval("{rcpt_mailer}") or "")
            return Milter.CONTINUE

        def header(self, name: str, value: bytes) -> Any:
            if self.relayed is not None:
                if not self.relayed.is_wanted:
                    return Milter.ACCEPT
                if self.relayed.is_forged(name):
                    return Milter.CONTINUE
            self.message.add_header(name, value)
            return Milter.CONTINUE

        header_bytes = header  # as it came, not decoded

        def eoh(self) -> Any:
            self.message.content.write(b"\r\n")
            return Milter.CONTINUE

        def body(self, chunk: bytes) -> Any:
            self.message.content.write(chunk)
            return Milter.CONTINUE

        def eom(self) -> Any:
            try:
                return self._sent() if self.relayed is None else self._passed_on(self.relayed)
            finally:
                self.message.content.close()

        def _sent(self) -> Any:
            try:
                verdict = judge(scanners, self.message, read_settings(settings))
            except (OSError, ValueError) as error:
                verdict = _wait("outgoing", error)
            self._tell(verdict.said)
            if verdict.action == "hold":
                self.quarantine(verdict.answer)
            elif verdict.action == "refuse":
                self.setreply("550", "5.7.1", verdict.answer)
                return Milter.REJECT
            elif verdict.action == "wait":
                self.setreply("451", "4.7.1", verdict.answer)
                return Milter.TEMPFAIL
            return Milter.ACCEPT

        def _passed_on(self, relayed: relay_marks.Relayed) -> Any:
            limit = read_settings(settings).spam_limit_bytes
            said = relayed.mark(self, self.message, scanners, limit)
            self._tell(said)
            return Milter.ACCEPT

        def _tell(self, said: Iterable[str]) -> None:
            for words in said:
                syslog.syslog(syslog.LOG_INFO, log_line(self.getsymval("i") or "", self.message, words))

    return Scan


def main() -> None:
    parser = argparse.ArgumentParser()
    service.add_arguments(parser, "settings", "clamd", "spamd")
    options = parser.parse_args()
    syslog.openlog("outgoing-scan", syslog.LOG_PID, syslog.LOG_MAIL)
    scan = _milter(options.settings, Scanners(options.clamd, options.spamd))
    service.begin(options)

    import Milter

    Milter.factory = scan
    Milter.set_flags(Milter.QUARANTINE | Milter.ADDHDRS | Milter.CHGHDRS)
    os.umask(0o111)  # whoever gets into its folder may ask it
    Milter.runmilter("outgoing-scan", f"unix:{options.socket}", 300)
