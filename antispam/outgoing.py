"""Who sends viruses or spam, told from the log of the search of what people send."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from alarms.actions import clear_alarm, raise_alarm
from alarms.models import Alarm

ALARM = "outgoing.found"
# Nothing more was found for so long: it is over.
QUIET = timedelta(days=1)
_FOUND = re.compile(
    r"^\S+ \S+ outgoing-scan\[\d+\]: [0-9A-Za-z]+: "
    r"(?P<why>(?:refused|held), (?P<what>virus|spam) .*); (?P<how>login|from)=(?P<who>[^ ;]*)$"
)


@dataclass(frozen=True, slots=True)
class Find:
    """what: "virus" or "spam". who: the address. is_login: it was sent with this login, not by the server in
    somebody's name (a forward, an answer).
    """

    what: str
    who: str
    is_login: bool
    why: str


def finds_in(lines: Iterable[str]) -> list[Find]:
    return [
        Find(found["what"], found["who"], found["how"] == "login", found["why"])
        for line in lines
        if (found := _FOUND.match(line))
    ]


def tell_of_senders(finds: Iterable[Find]) -> None:
    """An alarm for each sender of whom something was refused or held, with the last reason."""
    for who, why in {find.who or "<>": find.why for find in finds}.items():
        raise_alarm(ALARM, about=who, why=why[:300])
    quiet = Alarm.objects.open().filter(name=ALARM, seen_at__lt=timezone.now() - QUIET)
    for about in list(quiet.values_list("about", flat=True)):
        clear_alarm(ALARM, about=about)
