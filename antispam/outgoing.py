"""Who sends viruses or spam, told from the log of the search of what people send."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from django.utils import timezone

from alarms.actions import clear_alarm, raise_alarm
from alarms.models import Alarm

ALARM = "outgoing.found"
# Nothing more was found for so long: it is over.
QUIET = timedelta(days=1)
_FOUND = re.compile(
    r"^\S+ \S+ outgoing-scan\[\d+\]: [0-9A-Za-z]+: (?P<why>(?:refused|held), .*); by=(?P<who>[^ ;]+)$"
)


def tell_of_senders(lines: Iterable[str]) -> None:
    """An alarm for each sender of whom something was refused or held, with the last reason."""
    found = {match["who"]: match["why"] for line in lines if (match := _FOUND.match(line))}
    for who, why in found.items():
        raise_alarm(ALARM, about=who, why=why[:300])
    quiet = Alarm.objects.open().filter(name=ALARM, seen_at__lt=timezone.now() - QUIET)
    for about in list(quiet.values_list("about", flat=True)):
        clear_alarm(ALARM, about=about)
