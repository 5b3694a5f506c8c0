"""Lines of what checks signatures, the wishes of senders' domains, and what people send: opendkim, opendmarc,
our outgoing-scan. Pure and total.
"""

from __future__ import annotations

import re

from maillog.events import NOTE, OTHER, Event

PROGRAMS = ("opendkim", "opendmarc", "outgoing-scan")
_QUEUE_ID = re.compile(r"([0-9A-Za-z]{6,22}): (.*)", re.DOTALL)


def event(stamp: str, program: str, text: str) -> Event:
    if found := _QUEUE_ID.match(text):
        return Event(NOTE, stamp, program, queue_id=found[1], text=text, fields={"said": found[2].strip()})
    return Event(OTHER, stamp, program, text=text)
