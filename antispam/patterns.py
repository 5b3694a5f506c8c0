"""Senders on an allow or deny list: what people type becomes one pattern that works as it looks.

SpamAssassin compares a pattern with the whole address, so "example.net" alone would match nothing and
"*example.net" would match notexample.net too (SPM-02). What is stored is always ``localpart@domain``, where
``*`` stands for anything:

    jan@example.net      that address
    *@example.net        every address of the domain      typed: example.net, @example.net, *@example.net
    *@*.example.net      every address below the domain   typed: *.example.net
    sales-*@example.net  what the star leaves open
"""

from __future__ import annotations

import re
from enum import IntEnum

from django.utils.translation import gettext as _

from domains.names import canonical_domain, describe_character
from qmailux_site.errors import ActionRefused

MOST_PATTERN_CHARACTERS = 254
MOST_TYPED_CHARACTERS = 1000
MOST_ENTRIES = 1000

_LOCALPART = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.!$%&'*+-/=^_`{|}~")
_IN_BRACKETS = re.compile(r"<([^<>]*)>\s*\Z")
_SEPARATORS = re.compile(r"[,;\r\n]+")
_LETTER_OR_DIGIT = re.compile(r"[a-z0-9]")


class Reach(IntEnum):
    """How much a pattern takes in; the narrower one wins over the wider one of the same list owner."""

    PATTERN = 0
    DOMAIN = 1
    ADDRESS = 2


def reach_of(pattern: str) -> Reach:
    localpart, _at, domain = pattern.rpartition("@")
    if "*" not in pattern:
        return Reach.ADDRESS
    return Reach.DOMAIN if localpart == "*" and "*" not in domain else Reach.PATTERN


def sender_pattern(text: str, *, field: str = "patterns") -> str:
    """The pattern that somebody means. Refused: what would match everybody, or not what it looks like."""
    typed = text.strip()
    if len(typed) > MOST_TYPED_CHARACTERS:
        raise ActionRefused(field, _("An entry has at most 254 characters."))
    if bracketed := _IN_BRACKETS.search(typed):
        typed = bracketed[1].strip()
    if not typed:
        raise ActionRefused(field, _("Enter an address or a domain."))
    localpart, _at, domain = typed.rpartition("@")
    if "@" not in typed and typed.startswith("*") and not typed.startswith("*.") and typed.strip("*"):
        rest = typed.lstrip("*")
        sentence = _(
            "“%(text)s” would also match not%(rest)s. Write *@%(rest)s, or *.%(rest)s for what lies below it."
        )
        raise ActionRefused(field, sentence % {"text": typed[:80], "rest": rest[:80]})
    pattern = f"{_localpart(localpart or '*', field)}@{_domain(domain, typed, field)}"
    if len(pattern) > MOST_PATTERN_CHARACTERS:
        raise ActionRefused(field, _("An entry has at most 254 characters."))
    return pattern


def sender_patterns(text: str, *, field: str = "patterns") -> tuple[str, ...]:
    """A pasted list, one a line or parted by commas; each pattern once, in order."""
    pieces = [piece for piece in _SEPARATORS.split(text[: MOST_ENTRIES * 300]) if piece.strip()]
    if not pieces:
        raise ActionRefused(field, _("Enter an address or a domain."))
    if len(pieces) > MOST_ENTRIES:
        raise ActionRefused(field, _("At most %(limit)d entries are possible.") % {"limit": MOST_ENTRIES})
    return tuple(dict.fromkeys(sender_pattern(piece, field=field) for piece in pieces))


def _localpart(text: str, field: str) -> str:
    localpart = text.lower() if text.isascii() else text
    for character in localpart:
        if character not in _LOCALPART:
            sentence = _("The name before the @ cannot contain the character %(character)s.")
            raise ActionRefused(field, sentence % {"character": describe_character(character)})
    return localpart


def _domain(text: str, typed: str, field: str) -> str:
    """With stars it is held to the letters of a stored domain name; without, it is one."""
    if "*" not in text:
        return canonical_domain(text, field=field)
    domain = text.lower()
    if not _LETTER_OR_DIGIT.search(domain):
        sentence = _("“%(text)s” would match every sender.")
        raise ActionRefused(field, sentence % {"text": typed[:80]})
    if not re.fullmatch(r"[a-z0-9.*-]+", domain):
        raise ActionRefused(field, _("“%(text)s” is not a pattern of addresses.") % {"text": typed[:80]})
    return domain
