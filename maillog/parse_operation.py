"""What people did in the panel, as a line beside those of the mail plane. Pure and total."""

from __future__ import annotations

import json
from collections.abc import Mapping

from maillog.events import OPERATION, OTHER, Event
from maillog.subjects import storable

PROGRAM = "audit"
_TEXTS = ("real", "acting_as", "role", "channel", "address", "action", "target", "scope")


def line_of(stamp: str, host: str, number: int, told: Mapping[str, object]) -> str:
    """One line; parse() reads it."""
    return f"{stamp} {host} {PROGRAM}[{number}]: {json.dumps(told, ensure_ascii=False, sort_keys=True)}"


def event(stamp: str, text: str) -> Event:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        return Event(OTHER, stamp, PROGRAM, text=text)
    fields = {name: storable(str(told.get(name, ""))) for name in _TEXTS}
    return Event(OPERATION, stamp, PROGRAM, text=text, fields=fields)
