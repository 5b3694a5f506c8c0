"""What fits into one SMS: 160 places of the GSM alphabet, or 70 UTF-16 units of anything else. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

GSM_PLACES = 160
UCS2_UNITS = 70
# GSM 03.38: one place each, and the ones behind an escape, which take two.
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_ESCAPED = frozenset("^{}\\[~]|€\f")


def one_sms(text: str) -> str:
    """The text on one line, cut to what a single SMS holds; the cut is seen."""
    line = _on_one_line(text)
    if fits(line):
        return line
    # Cut to the GSM alphabet first: what is left may need no other.
    shortened = _cut(line, "...", _gsm_places, GSM_PLACES)
    if is_gsm(shortened):
        return shortened
    return _cut(line, "…", _ucs2_units, UCS2_UNITS)


def plain_letters(text: str) -> str:
    """Without the accents that leave room for 70 signs alone."""
    parted = unicodedata.normalize("NFD", text.replace("ł", "l").replace("Ł", "L").replace("–", "-"))
    return "".join(character for character in parted if not unicodedata.combining(character))


def fits(text: str) -> bool:
    return _gsm_places(text) <= GSM_PLACES if is_gsm(text) else _ucs2_units(text) <= UCS2_UNITS


def is_gsm(text: str) -> bool:
    return all(character in _GSM or character in _GSM_ESCAPED for character in text)


def about_mail(sender: str, subject: str) -> str:
    """Never more than who writes and about what."""
    return one_sms(": ".join(part for part in (sender.strip(), subject.strip()) if part))


def digest(heading: str, subjects: Sequence[str]) -> str:
    """How many came, then as many subjects as fit."""
    listed = ", ".join(filter(None, map(str.strip, subjects)))
    return one_sms(f"{heading} {listed}".strip())


def _on_one_line(text: str) -> str:
    """Composed, without anything that a phone would not show."""
    composed = unicodedata.normalize("NFC", text)
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in composed)
    return " ".join("".join(c for c in shown if unicodedata.category(c) != "Cf").split())


def _cut(text: str, mark: str, measure: Callable[[str], int], limit: int) -> str:
    room = limit - measure(mark)
    kept = ""
    for cluster in _clusters(text):
        if measure(kept + cluster) > room:
            break
        kept += cluster
    return kept.rstrip() + mark


def _clusters(text: str) -> list[str]:
    """A sign with the accents that belong to it is never parted."""
    found: list[str] = []
    for character in text:
        if found and unicodedata.combining(character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _gsm_places(text: str) -> int:
    return sum(2 if character in _GSM_ESCAPED else 1 for character in text)


def _ucs2_units(text: str) -> int:
    return len(text.encode("utf-16-be", "replace")) // 2
