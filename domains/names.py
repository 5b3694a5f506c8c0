"""Domain names: A-labels inside, U-labels for people.

Every domain name that enters QmaiLux passes ``canonical_domain`` once. What comes out is plain lower-case
ASCII (letters, digits, hyphens, dots), so nothing behind this door has to think about spellings again.

International names follow IDNA 2008 with the mapping of UTS 46, non-transitional: upper case, full-width
letters and the ideographic full stop are mapped, ``ß`` stays ``ß`` (``straße.example`` is
``xn--strae-oqa.example``, never ``strasse.example``). What UTS 46 would drop without a word (soft hyphen,
zero width space) is refused by name.
"""

from __future__ import annotations

import unicodedata

import idna
from django.utils.translation import gettext as _
from idna.idnadata import codepoint_classes
from idna.intranges import intranges_contain

from qmailux_site.errors import ActionRefused

MAX_DOMAIN_LENGTH = 253
MAX_LABEL_LENGTH = 63

# Longer texts are no domain in any spelling; stops slow work on a pasted novel.
_MAX_INPUT_LENGTH = 1000
_LDH_AND_DOT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")
_LOWER_LDH_AND_DOT = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_ACE_PREFIX = "xn--"


def canonical_domain(text: str, *, field: str = "name") -> str:
    """The one stored form of a domain name: A-labels in lower case, without the final dot.

    Surrounding white space and one trailing dot are stripped. Anything else that is no host name of at least
    two labels raises ActionRefused(field, ...), with the offending character named as U+XXXX.
    """
    name = text.strip()
    if len(name) > _MAX_INPUT_LENGTH:
        raise ActionRefused(field, _("A domain name has at most 253 characters."))
    name = name.removesuffix(".")
    if not name:
        raise ActionRefused(field, _("Enter a domain name."))
    _refuse_foreign_characters(name, field)
    if not _LOWER_LDH_AND_DOT.issuperset(name):
        name = idna.uts46_remap(name, std3_rules=True, transitional=False)
    labels = [_canonical_label(label, field) for label in name.split(".")]
    _refuse_what_is_no_domain(labels, field)
    domain = ".".join(labels)
    if len(domain) > MAX_DOMAIN_LENGTH:
        raise ActionRefused(field, _("A domain name has at most 253 characters."))
    return domain


def display_domain(a_label: str) -> str:
    """The name as people write it (``żółw.example``). A label that cannot be decoded is shown as stored."""
    if _ACE_PREFIX not in a_label:
        return a_label
    return ".".join(_display_label(label) for label in a_label.split("."))


def describe_character(character: str) -> str:
    """A character for an error message: visible ones are shown, all are named: ``“_” (U+005F LOW LINE)``."""
    code = f"U+{ord(character):04X}"
    name = unicodedata.name(character, "") or _("a control character")
    if character.isprintable() and not unicodedata.category(character).startswith(("Z", "C", "M")):
        return f"“{character}” ({code} {name})"
    return f"{code} ({name})"


def _refuse_foreign_characters(name: str, field: str) -> None:
    for character in name:
        if character not in _LDH_AND_DOT and (character.isascii() or not _is_mapped(character)):
            raise _unusable(character, field)


def _is_mapped(character: str) -> bool:
    """Whether UTS 46 keeps the character or maps it to something that a domain name may hold.

    Not so for what it drops (soft hyphen) or maps to other ASCII (a no-break space to a space, ``℀`` to
    ``a/c``).
    """
    try:
        mapped = idna.uts46_remap(character, std3_rules=True, transitional=False)
    except idna.IDNAError:
        return False
    return mapped != "" and all(c in _LDH_AND_DOT or not c.isascii() for c in mapped)


def _canonical_label(label: str, field: str) -> str:
    if not label:
        raise ActionRefused(field, _("A domain name has no dot at its start and no two dots in a row."))
    if label.startswith("-") or label.endswith("-"):
        raise ActionRefused(field, _("“%(label)s” begins or ends with a hyphen.") % {"label": label[:80]})
    a_label = label if label.isascii() else _ACE_PREFIX + label.encode("punycode").decode("ascii")
    if len(a_label) > MAX_LABEL_LENGTH:
        raise ActionRefused(field, _("Each part of a domain name between dots has at most 63 characters."))
    if a_label.startswith(_ACE_PREFIX):
        _check_international(label, a_label, field)
    return a_label


def _check_international(label: str, a_label: str, field: str) -> None:
    """Decode and encode again: only what survives unchanged is an A-label."""
    try:
        u_label = idna.ulabel(a_label) if label.isascii() else label
        if idna.alabel(u_label).decode("ascii") == a_label:
            return
    except (idna.IDNAError, UnicodeError):
        pass
    offender = _first_disallowed(label)
    if offender:
        raise _unusable(offender, field)
    raise ActionRefused(field, _("“%(label)s” is not a valid international name.") % {"label": label})


def _first_disallowed(label: str) -> str:
    """A character that IDNA 2008 never allows, else one it allows only beside certain others, else ""."""
    for allowed in (("PVALID", "CONTEXTJ", "CONTEXTO"), ("PVALID",)):
        for character in label:
            if not any(intranges_contain(ord(character), codepoint_classes[kind]) for kind in allowed):
                return character
    return ""


def _refuse_what_is_no_domain(labels: list[str], field: str) -> None:
    if all(label.isdigit() for label in labels):
        raise ActionRefused(field, _("An IP address is not a domain name."))
    if len(labels) < 2:
        raise ActionRefused(field, _("A domain name has at least two parts, such as example.org."))
    if labels[-1].isdigit():
        raise ActionRefused(field, _("The last part of a domain name is not a number."))


def _display_label(label: str) -> str:
    try:
        return idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        return label


def _unusable(character: str, field: str) -> ActionRefused:
    sentence = _("A domain name cannot contain the character %(character)s.")
    return ActionRefused(field, sentence % {"character": describe_character(character)})
