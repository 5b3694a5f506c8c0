"""Passwords: the one policy of every entry path, and how hashes are stored, rendered and imported.

A password is always plain text, whatever it looks like: ``{SSHA}abcd`` typed into a form is ten characters to
be hashed. A hash of another system comes in by its own column or option and passes ``imported_hash``.

Stored form (Django)                    rendered for Dovecot
``argon2$argon2id$v=19$m=..$..$..``     ``{ARGON2ID}$argon2id$v=19$m=..$..$..``
``imported${SCHEME}hash``               ``{SCHEME}hash``
``!...`` (no password)                  empty: nobody logs in
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import secrets
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import pairwise

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.utils.translation import gettext as _

from domains.names import describe_character
from qmailux_site.errors import ActionRefused, UnsafeValue

MIN_PASSWORD_LENGTH = 8
# Of UTF-8 after NFC. No scheme of ours cuts passwords off, and every client can send this much.
MAX_PASSWORD_BYTES = 512
# The longest stored form; the database column is as wide.
MAX_STORED_LENGTH = 255

# What a password must hold beside the account's own address and name.
_MIN_OWN_CHARACTERS = 6
_MIN_HINT_LENGTH = 3
# NFC can shorten a text, but never to a fifth.
_MAX_INPUT_CHARACTERS = 5 * MAX_PASSWORD_BYTES

_RANDOM_LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
_RANDOM_CHARACTERS = _RANDOM_LETTERS + "23456789"
_RANDOM_LENGTH = 16

IMPORTED_PREFIX = "imported$"
_STORED_ARGON2 = re.compile(r"argon2\$(argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+)")
_STORED_IMPORTED = re.compile(r"imported\$(\{[A-Z0-9-]+\}[A-Za-z0-9./+=,$-]+)")


# --- policy -------------------------------------------------------------------------------------------------


def normalise(password: str) -> str:
    """The one spelling that is hashed: NFC, so that a composed and a decomposed ``ż`` are the same."""
    return unicodedata.normalize("NFC", password)


def check_policy(password: str, *, address: str = "", name: str = "") -> None:
    """Raise ActionRefused("password", ...) unless the password is good enough for that address and name.

    Cheap checks of size come first: a password of any length is refused in no time.
    """
    if len(password) > _MAX_INPUT_CHARACTERS:
        raise _too_long()
    text = normalise(password)
    _refuse_unusable_characters(text)
    if len(text.encode()) > MAX_PASSWORD_BYTES:
        raise _too_long()
    if not text.strip():
        raise _refused(_("Enter a password."))
    if text != text.strip():
        raise _refused(_("A password cannot begin or end with a space: nobody could see it."))
    if len(text) < MIN_PASSWORD_LENGTH:
        raise _refused(_("A password has at least %(limit)d characters.") % {"limit": MIN_PASSWORD_LENGTH})
    if text.lower() in _common_passwords():
        raise _refused(_("This password is too common."))
    if _is_mostly_known(text, address, name):
        raise _refused(_("This password consists mostly of the address or the name."))


def strength(password: str) -> int:
    """A rough estimate for the meter: 0 (refused or guessed at once) to 4 (very good)."""
    text = normalise(password[:_MAX_INPUT_CHARACTERS])
    if len(text) < MIN_PASSWORD_LENGTH or text.lower() in _common_passwords():
        return 0
    bits = _surprising_characters(text) * math.log2(_alphabet_size(text))
    return sum(bits >= limit for limit in (28, 40, 55, 75))


def random_password() -> str:
    """92 bits to be printed and typed: no letters that look alike, nothing a spreadsheet would run."""
    rest = "".join(secrets.choice(_RANDOM_CHARACTERS) for _position in range(_RANDOM_LENGTH - 1))
    return secrets.choice(_RANDOM_LETTERS) + rest


def _refuse_unusable_characters(text: str) -> None:
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs"}:
            sentence = _("A password cannot contain the character %(character)s.")
            raise _refused(sentence % {"character": describe_character(character)})


def _is_mostly_known(text: str, address: str, name: str) -> bool:
    """Whether too little is left once the address, its local part and the person's name are taken out."""
    rest = text.casefold()
    hints = (address, address.partition("@")[0], name)
    for known in sorted(map(str.casefold, hints), key=len, reverse=True):
        if rest == known:
            return True
        if len(known) >= _MIN_HINT_LENGTH:
            rest = rest.replace(known, "")
    return len(rest) < _MIN_OWN_CHARACTERS


def _surprising_characters(text: str) -> float:
    """Length, with runs (aaaa, 1234, dcba) counted at a fifth."""
    steps = [ord(b) - ord(a) for a, b in pairwise(text)]
    return 1 + sum(0.2 if step in (-1, 0, 1) else 1.0 for step in steps)


def _alphabet_size(text: str) -> int:
    kinds: tuple[tuple[Callable[[str], bool], int], ...] = (
        (lambda c: c.isascii() and c.islower(), 26),
        (lambda c: c.isascii() and c.isupper(), 26),
        (lambda c: c.isascii() and c.isdigit(), 10),
        (lambda c: c.isascii() and not c.isalnum(), 33),
        (lambda c: not c.isascii(), 100),
    )
    return sum(size for belongs, size in kinds if any(map(belongs, text)))


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)


def _too_long() -> ActionRefused:
    return _refused(_("A password has at most %(limit)d bytes.") % {"limit": MAX_PASSWORD_BYTES})


def _refused(sentence: str) -> ActionRefused:
    return ActionRefused("password", sentence)


# --- stored -> rendered -------------------------------------------------------------------------------------


def to_dovecot(encoded: str) -> str:
    """The stored form as Dovecot reads it; "" for an account without a password. Called for every account."""
    if match := _STORED_ARGON2.fullmatch(encoded):
        return "{ARGON2ID}$" + match[1]
    if match := _STORED_IMPORTED.fullmatch(encoded):
        return match[1]
    if encoded.startswith("!"):
        return ""
    raise UnsafeValue("Dovecot password", encoded[:12] + "...")


# --- hashes of other systems --------------------------------------------------------------------------------

# One login may cost about a second of one core, no more.
_MAX_CRYPT_ROUNDS = 1_000_000
_MAX_BCRYPT_COST = 14
_MAX_ARGON2_KIB = 131_072
_MAX_ARGON2_KIB_PASSES = 1_048_576
_MAX_ARGON2_LANES = 16
_ARGON2_DIGEST_BYTES = range(16, 65, 8)

_CRYPT64 = "[./0-9A-Za-z]"
_SCHEME = re.compile(r"\{([A-Za-z0-9.-]+)\}(.*)", re.DOTALL)
_SHA_CRYPT = rf"(?:rounds=([1-9]\d{{3,8}})\$)?{_CRYPT64}{{1,16}}\$"
_SHA512_CRYPT = re.compile(rf"\$6\${_SHA_CRYPT}{_CRYPT64}{{85}}[./01]")
_SHA256_CRYPT = re.compile(rf"\$5\${_SHA_CRYPT}{_CRYPT64}{{42}}[./0-9A-D]")
_MD5_CRYPT = re.compile(rf"\$1\${_CRYPT64}{{1,8}}\${_CRYPT64}{{21}}[./01]")
# The last characters of salt and digest carry unused bits, which must be zero or no password ever matches.
_BCRYPT = re.compile(rf"\$2[aby]\$(\d\d)\${_CRYPT64}{{21}}[.Oeu]{_CRYPT64}{{30}}[.CGKOSWaeimquy26]")
_ARGON2 = re.compile(
    r"\$(argon2id?)\$v=19\$m=([1-9]\d{0,6}),t=([1-9]\d{0,2}),p=([1-9]\d?)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
_SALTED_SHA_DIGEST_BYTES = {"SSHA": 20, "SSHA256": 32, "SSHA512": 64}
_SCHEME_OF_PREFIX = {
    "$1$": "MD5-CRYPT",
    "$5$": "SHA256-CRYPT",
    "$6$": "SHA512-CRYPT",
    "$2a$": "BLF-CRYPT",
    "$2b$": "BLF-CRYPT",
    "$2y$": "BLF-CRYPT",
    "$argon2id$": "ARGON2ID",
    "$argon2i$": "ARGON2I",
}
_FIELD = "password_hash"


def imported_hash(text: str) -> str:
    """The stored form of a hash that another system made, so that people keep their passwords.

    ``{SCHEME}hash`` or a bare ``$id$...``. Its whole shape is checked here, not at the first login, and so is
    its cost. Unknown, unsalted and plain-text schemes are refused: ActionRefused("password_hash", ...).
    """
    hash_text = text.strip()
    match = _SCHEME.fullmatch(hash_text)
    scheme, rest = (match[1].upper(), match[2]) if match else ("CRYPT", hash_text)
    if scheme == "CRYPT":
        scheme = _scheme_of_crypt(rest)
    check = _CHECKS.get(scheme)
    if check is None:
        raise ActionRefused(
            _FIELD, _("Password hashes of the kind “%(scheme)s” cannot be imported.") % {"scheme": scheme}
        )
    if len(rest) > MAX_STORED_LENGTH or not check(scheme, rest):
        raise ActionRefused(
            _FIELD, _("This is not a complete %(scheme)s password hash.") % {"scheme": scheme}
        )
    stored = f"argon2{rest}" if scheme == "ARGON2ID" else f"{IMPORTED_PREFIX}{{{scheme}}}{rest}"
    if len(stored) > MAX_STORED_LENGTH:
        raise ActionRefused(_FIELD, _("This password hash is too long."))
    return stored


def _scheme_of_crypt(text: str) -> str:
    for prefix, scheme in _SCHEME_OF_PREFIX.items():
        if text.startswith(prefix):
            return scheme
    raise ActionRefused(_FIELD, _("This is not a password hash of a known kind."))


def _is_sha512_crypt(_scheme: str, text: str) -> bool:
    return _is_sha_crypt(_SHA512_CRYPT.fullmatch(text))


def _is_sha256_crypt(_scheme: str, text: str) -> bool:
    return _is_sha_crypt(_SHA256_CRYPT.fullmatch(text))


def _is_sha_crypt(match: re.Match[str] | None) -> bool:
    if match and match[1] and int(match[1]) > _MAX_CRYPT_ROUNDS:
        raise _too_costly()
    return match is not None


def _is_md5_crypt(_scheme: str, text: str) -> bool:
    return _MD5_CRYPT.fullmatch(text) is not None


def _is_bcrypt(_scheme: str, text: str) -> bool:
    match = _BCRYPT.fullmatch(text)
    if match and int(match[1]) > _MAX_BCRYPT_COST:
        raise _too_costly()
    return match is not None and int(match[1]) >= 4


def _is_argon2(scheme: str, text: str) -> bool:
    match = _ARGON2.fullmatch(text)
    if not match or match[1].upper() != scheme:
        return False
    kib, passes, lanes = int(match[2]), int(match[3]), int(match[4])
    if kib > _MAX_ARGON2_KIB or kib * passes > _MAX_ARGON2_KIB_PASSES or lanes > _MAX_ARGON2_LANES:
        raise _too_costly()
    salt, digest = _unpadded_base64(match[5]), _unpadded_base64(match[6])
    # Every length is legal, but nobody makes 31 bytes: a cut one is found here.
    return kib >= 8 * lanes and 8 <= len(salt) <= 48 and len(digest) in _ARGON2_DIGEST_BYTES


def _is_salted_sha(scheme: str, text: str) -> bool:
    """Base64 of the digest followed by the salt."""
    return 1 <= len(_strict_base64(text)) - _SALTED_SHA_DIGEST_BYTES[scheme] <= 64


def _unpadded_base64(text: str) -> bytes:
    return _strict_base64(text + "=" * (-len(text) % 4))


def _strict_base64(text: str) -> bytes:
    """The bytes of a text in exactly the form that an encoder writes, else none."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return content if base64.b64encode(content).decode("ascii") == text else b""


def _too_costly() -> ActionRefused:
    return ActionRefused(_FIELD, _("Checking this password hash would take too long at every login."))


_CHECKS: dict[str, Callable[[str, str], bool]] = {
    "SHA512-CRYPT": _is_sha512_crypt,
    "SHA256-CRYPT": _is_sha256_crypt,
    "MD5-CRYPT": _is_md5_crypt,
    "BLF-CRYPT": _is_bcrypt,
    "ARGON2ID": _is_argon2,
    "ARGON2I": _is_argon2,
    "SSHA": _is_salted_sha,
    "SSHA256": _is_salted_sha,
    "SSHA512": _is_salted_sha,
}
