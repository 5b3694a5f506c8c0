"""From a line of a log to an event. Pure and total: no line, however broken, raises; others are UNKNOWN.

What others may have written into a line (addresses, subjects, names) is cut out at its known position, never
by the first delimiter that turns up (LOG-06, LOG-08).
"""

from __future__ import annotations

import re
from typing import TypeVar

from maillog import parse_clamav, parse_dovecot, parse_operation, parse_policy, parse_postfix
from maillog.events import OTHER, REPEATED, UNKNOWN, Event
from maillog.parse_postfix import Program

_STAMP_INSIDE = re.compile(r"(?<=[)a-z])(?=[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w/-]+\[\d+\]: )")
# Wed Nov 25 16:08:35 2026 -> text
_CLAMAV = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}) -> ")
_KEPT = 20_000
_REPEATED = "last message repeated "
Kept = TypeVar("Kept")

# Program tags repeat; taking each apart once is enough. tag -> how its lines are read
_tags: dict[str, Program] = {}
# So is what most lines begin with: "Jun  1 10:00:02 " -> the stamp, "postfix/mx/smtpd[17]:" -> Postfix's.
_stamps: dict[str, str] = {}
_postfix: dict[str, Program] = {}


def parse(line: str) -> Event:
    """The event of one line without its line end."""
    # Nearly every line of a big log begins as one before it; any other is read below, and remembered.
    stamp = _stamps.get(line[:16])
    if stamp is not None:
        # Host, program, text.
        words = line[16:].split(" ", 2)
        if len(words) == 3 and (program := _postfix.get(words[1])) is not None:
            return parse_postfix.event(stamp, program, words[2])
    return _parse(line)


def _parse(line: str) -> Event:
    if line[3:4] == " " and line[9:10] == ":" and line[12:13] == ":" and line[15:16] == " ":
        _remember(_stamps, line[:16], line[:15])
        return _syslog(line[:15], line, 16)
    if line[:1].isdigit():
        return _complete(line)
    if found := _CLAMAV.match(line):
        return parse_clamav.event(found[1], line[found.end() :])
    return Event(UNKNOWN, text=line)


def split_glued(line: str) -> list[str]:
    """The lines in a line: two writers' lines are sometimes glued together (LOG-09)."""
    return _STAMP_INSIDE.split(line)


def _complete(line: str) -> Event:
    """A stamp with year and zone: of syslog, of journald, or of Dovecot's own file."""
    stamp, _, rest = line.partition(" ")
    if rest.startswith("["):
        # [1:mail1:postfix/lmtp] text
        tag, _, text = rest[1:].partition("] ")
        return _of_program(stamp, tag.rpartition(":")[2], text)
    if rest.partition(" ")[0].endswith(":"):
        return parse_dovecot.event(stamp, rest)
    return _syslog(stamp, line, len(stamp) + 1)


def _syslog(stamp: str, line: str, start: int) -> Event:
    """What follows the stamp: host, program[pid]: text."""
    host_end = line.find(" ", start)
    tag_end = line.find(": ", host_end)
    if host_end > 0 and tag_end > 0:
        return _of_program(stamp, line[host_end + 1 : tag_end], line[tag_end + 2 :])
    rest = line[host_end + 1 :]
    return Event(REPEATED if rest.startswith(_REPEATED) else UNKNOWN, stamp, text=rest)


def _of_program(stamp: str, tag: str, text: str) -> Event:
    program = _tags.get(tag) or _remember(_tags, tag, _program(tag))
    if program.is_postfix:
        if " " not in tag:
            _remember(_postfix, f"{tag}:", program)
        return parse_postfix.event(stamp, program, text)
    if program.service == "dovecot":
        return parse_dovecot.event(stamp, text)
    if program.service in parse_policy.PROGRAMS:
        return parse_policy.event(stamp, program.service, text)
    if program.service == parse_operation.PROGRAM:
        return parse_operation.event(stamp, text)
    return Event(OTHER, stamp, program.service, program.origin, text=text)


def _remember(known: dict[str, Kept], text: str, kept: Kept) -> Kept:
    if len(known) >= _KEPT:
        known.clear()
    known[text] = kept
    return kept


def _program(tag: str) -> Program:
    """postfix/mx/smtpd[17]: service smtpd, origin mx. postfix-out/smtp: origin postfix-out."""
    name, _, pid = tag.partition("[")
    first, _, last = name.partition("/")
    middle, slash, service = last.rpartition("/")
    origin = middle if slash else ("" if first == "postfix" else first)
    service = service or first
    is_postfix = first.startswith("postfix")
    process = f"{origin}/{service}/{pid.rstrip(']')}"
    return Program(service, origin, process, is_postfix, parse_postfix.READERS.get(service))
