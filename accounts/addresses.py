"""Mail addresses at the door: what may be an account, an alias, a target.

Everything behind this module may rely on it: lower case, ASCII, RFC 5321 lengths, no quotes, no white space,
no control character. Three grammars, each wider than the one before:

account   ``[a-z0-9._+=-]``. A "+" is allowed: Postfix looks up the whole address before the tagged one, so an
          account ``anna+lists`` takes only the mail that would else go to ``anna`` with the tag ``lists``.
alias     every character of an RFC 5321 dot-string, except those that Postfix reads as routing (``!``, ``%``)
          and a leading ``#`` or ``-`` (a comment in a map source, an option on a command line).
target    every dot-string: it may belong to somebody else's server, whose names are not ours to judge.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from django.utils.translation import gettext as _

from domains.names import canonical_domain, describe_character
from qmailux_site.errors import ActionRefused

MAX_LOCALPART_LENGTH = 64
MAX_ADDRESS_LENGTH = 254

# Postfix gives up on a message that expands further (virtual_alias_expansion_limit).
MAX_TARGETS = 1000

_LETTERS_AND_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"
_ACCOUNT_CHARACTERS = frozenset(_LETTERS_AND_DIGITS + "._+=-")
_TARGET_CHARACTERS = frozenset(_LETTERS_AND_DIGITS + ".!#$%&'*+-/=?^_`{|}~")
_ALIAS_CHARACTERS = _TARGET_CHARACTERS - frozenset("!%")

# A pasted list: separators outside quotation marks, then the addresses of each piece.
_MAX_PASTE_LENGTH = MAX_TARGETS * 512
_PIECE = re.compile(r'(?:"[^"\r\n]*"|[^,;\r\n"]|")+')
_QUOTED = re.compile(r'"[^"]*"')
_ENTRY = re.compile(r"<([^<>]*)>|([^\s<>]+)")

# Sender rewriting (SRS0=..., SRS1+...) and Postfix's own sender of last resort.
_SRS_FORM = re.compile(r"srs[01](?:[-=+]|$)")
_DOUBLE_BOUNCE = "double-bounce"
_MAILER_DAEMON = "mailer-daemon"


class Address(NamedTuple):
    """A checked address: ``localpart, domain = parse_address(text)``; ``str(address)`` joins them again."""

    localpart: str
    domain: str

    def __str__(self) -> str:
        return f"{self.localpart}@{self.domain}"


def parse_address(text: str, *, field: str = "address") -> Address:
    """Split and check an address of any kind; the local part in lower case, the domain in its stored form."""
    localpart, at, domain = text.strip().rpartition("@")
    if not at or not localpart or not domain:
        sentence = _("“%(text)s” is not an address of the form name@example.org.")
        raise ActionRefused(field, sentence % {"text": _short(text)})
    address = Address(_localpart(localpart, _TARGET_CHARACTERS, field), canonical_domain(domain, field=field))
    if len(str(address)) > MAX_ADDRESS_LENGTH:
        raise ActionRefused(field, _("An address has at most 254 characters in total."))
    return address


def is_same_address(typed: str, address: str) -> bool:
    """Whether somebody meant this stored address, whatever the spelling of the domain and the case."""
    try:
        return str(parse_address(typed)) == address
    except ActionRefused:
        return typed.strip().lower() == address  # one that no rule of today would accept


def account_localpart(text: str, *, field: str = "localpart") -> str:
    """The name before the @ of a new account, in lower case; names reserved by the software are refused."""
    localpart = _localpart(text.strip(), _ACCOUNT_CHARACTERS, field)
    _refuse_leading(localpart, "-", field)
    _refuse_reserved(localpart, field)
    if localpart == _MAILER_DAEMON:
        sentence = _("“%(name)s” signs returned mail and can only be an alias.")
        raise ActionRefused(field, sentence % {"name": localpart})
    return localpart


def alias_localpart(text: str, *, field: str = "localpart") -> str:
    """The name before the @ of a new alias, in lower case; names reserved by the software are refused."""
    localpart = _localpart(text.strip(), _ALIAS_CHARACTERS, field)
    _refuse_leading(localpart, "-#", field)
    _refuse_reserved(localpart, field)
    return localpart


def target_address(text: str, *, field: str = "targets") -> str:
    """The address that an alias or a forwarding points to, here or elsewhere, as it is stored."""
    address = parse_address(text, field=field)
    # Postfix: allow_min_user = no
    _refuse_leading(address.localpart, "-", field)
    return str(address)


def parse_targets(text: str, *, field: str = "targets") -> tuple[str, ...]:
    """The addresses of a pasted list, each once, in their order.

    Line breaks, commas, semicolons and white space separate; empty entries are skipped; "Anna Nowak
    <anna@x.example>" counts as its address. The first wrong entry refuses the list, as does an empty list or
    one above MAX_TARGETS.
    """
    if len(text) > _MAX_PASTE_LENGTH:
        raise ActionRefused(field, _too_many())
    entries = (entry for piece in _PIECE.findall(text) for entry in _entries(piece))
    targets = tuple(dict.fromkeys(target_address(entry, field=field) for entry in entries))
    if not targets:
        raise ActionRefused(field, _("Enter at least one address."))
    if len(targets) > MAX_TARGETS:
        raise ActionRefused(field, _too_many())
    return targets


def _entries(piece: str) -> list[str]:
    """The addresses of a piece without separators; beside an <address>, words without @ are a name."""
    if "<" not in piece:
        return piece.split()
    found = _ENTRY.findall(_QUOTED.sub(" ", piece))
    return [bracketed or word for bracketed, word in found if not word or "@" in word]


def _localpart(text: str, allowed: frozenset[str], field: str) -> str:
    localpart = text.lower() if text.isascii() else text
    if not localpart:
        raise ActionRefused(field, _("Enter the name before the @."))
    if len(localpart) > MAX_LOCALPART_LENGTH:
        raise ActionRefused(field, _("The name before the @ has at most 64 characters."))
    for character in localpart:
        if character not in allowed:
            sentence = _("The name before the @ cannot contain the character %(character)s.")
            raise ActionRefused(field, sentence % {"character": describe_character(character)})
    if localpart.startswith(".") or localpart.endswith(".") or ".." in localpart:
        sentence = _("“%(name)s” begins or ends with a dot or has two dots in a row.")
        raise ActionRefused(field, sentence % {"name": localpart})
    return localpart


def _refuse_leading(localpart: str, characters: str, field: str) -> None:
    if localpart[0] in characters:
        sentence = _("The name before the @ cannot begin with “%(character)s”.")
        raise ActionRefused(field, sentence % {"character": localpart[0]})


def _refuse_reserved(localpart: str, field: str) -> None:
    if localpart == _DOUBLE_BOUNCE:
        sentence = _("“%(name)s” is reserved: the server uses it for mail that cannot be returned.")
        raise ActionRefused(field, sentence % {"name": localpart})
    if _SRS_FORM.match(localpart):
        sentence = _("“%(name)s” is reserved: names of this form carry rewritten senders of forwarded mail.")
        raise ActionRefused(field, sentence % {"name": localpart})


def _too_many() -> str:
    return _("At most %(limit)d addresses are possible.") % {"limit": MAX_TARGETS}


def _short(text: str) -> str:
    """A text as it can stand in a message: one line, not too long."""
    return "".join(c if c.isprintable() else "�" for c in text.strip()[:80])
