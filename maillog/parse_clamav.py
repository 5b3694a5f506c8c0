"""Lines of clamav-milter and of freshclam: "Wed Nov 25 16:08:35 2026 -> text". Pure and total."""

from __future__ import annotations

import re

from maillog.events import INFECTED, OTHER, UPDATE_BEGUN, UPDATED, Event

_MESSAGE = re.compile(r"Message (\w{6,22}) from ")
# daily.cld updated (version: 27457, sigs: 2067000, f-level: 90, builder: x)
_OUTCOME = re.compile(
    r"(\S+?)(?:\.c[lv]d)? (?:(?:database )?is (up-to-date)|(updated)) \(version: ([\w ]+)", re.ASCII
)
_FAILURES = ("ERROR: ", "Update failed", "Giving up on ")


def event(stamp: str, text: str) -> Event:
    if text.startswith("Message "):
        return _infected(stamp, text)
    if text.startswith("ClamAV update process started"):
        return Event(UPDATE_BEGUN, stamp, "freshclam", text=text)
    if found := _OUTCOME.match(text):
        fields = {"outcome": "updated" if found[3] else "unchanged", "what": found[1], "version": found[4]}
        return Event(UPDATED, stamp, "freshclam", text=text, fields=fields)
    if text.startswith(_FAILURES):
        fields = {"outcome": "failed", "reason": text.removeprefix("ERROR: ")}
        return Event(UPDATED, stamp, "freshclam", text=text, fields=fields)
    return Event(OTHER, stamp, "clamav", text=text)


def _infected(stamp: str, text: str) -> Event:
    """Message ID from <a> to <b> with subject 's' message-id 'm' date 'd' infected by NAME"""
    found = _MESSAGE.match(text)
    _, mark, name = text.rpartition(" infected by ")
    if not found or not mark:
        return Event(OTHER, stamp, "clamav-milter", text=text)
    return Event(INFECTED, stamp, "clamav-milter", queue_id=found[1], text=text, fields={"virus": name})
