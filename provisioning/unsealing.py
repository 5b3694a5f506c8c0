"""Between what must change and its writing: secrets are opened, by root's worker alone."""

from __future__ import annotations

from dataclasses import replace

from provisioning.plan import StoreDiff
from provisioning.values import Sealed, Value
from qmailux_site.errors import CannotOpen, KeyMissing
from qmailux_site.sealing import Opener, Purpose

NAMES = {"dkim": "the DKIM key", "smarthost": "the smarthost's password"}
REMEDIES = {
    "dkim": "make a new key: manage.py dkim rotate",
    "smarthost": "set it anew: manage.py domain smarthost",
}


def opened(diff: StoreDiff, opener: Opener) -> tuple[StoreDiff, dict[str, str]]:
    """The diff with its secrets open, and by key why some do not open. What the machine has under those
    stays as it is; all others are written.
    """
    sealed = {key: value for key, value in diff.upserts.items() if isinstance(value, Sealed)}
    if not sealed:
        return diff, {}
    upserts: dict[str, Value] = dict(diff.upserts)
    broken: dict[str, str] = {}
    for key, value in sealed.items():
        try:
            upserts[key] = _opened(value, opener)
        except CannotOpen as error:
            broken[key] = str(error)
            del upserts[key]
    return StoreDiff(upserts, diff.deletes), broken


def _opened(value: Sealed, opener: Opener) -> Sealed:
    if value.is_clear:
        return value
    try:
        return replace(value, secret=opener.open(value.box, purpose=value.purpose))
    except KeyMissing as error:
        way = f"put that key back from the backup, or {_remedy(value.purpose)}"
        raise CannotOpen(f"{NAMES[value.purpose[0]]} is {error}: {way}") from None
    except CannotOpen as error:
        raise CannotOpen(f"{NAMES[value.purpose[0]]} is {error}: {_remedy(value.purpose)}") from None


def _remedy(purpose: Purpose) -> str:
    return f"{REMEDIES[purpose[0]]} {purpose[1] or '--server'}"
