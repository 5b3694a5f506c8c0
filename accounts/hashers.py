"""How Django makes and verifies the hashes that the mail plane reads too (DESIGN 3, password storage)."""

from __future__ import annotations

import base64
import crypt
import hashlib
from typing import TYPE_CHECKING, NoReturn

import argon2
from django.contrib.auth.hashers import Argon2PasswordHasher, BasePasswordHasher
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_noop as _

from accounts.passwords import IMPORTED_PREFIX, MAX_PASSWORD_BYTES, normalise

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

_DIGESTS = {"SSHA": hashlib.sha1, "SSHA256": hashlib.sha256, "SSHA512": hashlib.sha512}


class QmailuxArgon2Hasher(Argon2PasswordHasher):
    """Argon2id at OWASP's cost. One lane: Dovecot's library computes lanes one after the other.

    Passwords are normalised here, so that no path to a hash can forget it.
    """

    time_cost = 2
    memory_cost = 19456
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return super().encode(normalise(password), salt)

    def verify(self, password: str, encoded: str) -> bool:
        return _is_possible(password) and super().verify(normalise(password), encoded)


class ImportedHasher(BasePasswordHasher):
    """Verifies the hashes of other systems (``imported${SCHEME}hash``); a login replaces them by Argon2id."""

    algorithm = "imported"

    def encode(self, password: str, salt: str) -> NoReturn:
        raise NotImplementedError("imported hashes are only verified, never made")

    def verify(self, password: str, encoded: str) -> bool:
        """As typed or in NFC: the other system may have hashed either."""
        scheme, hash_text = _split(encoded)
        return _is_possible(password) and any(
            _matches(candidate, scheme, hash_text)
            for candidate in dict.fromkeys((normalise(password), password))
        )

    def decode(self, encoded: str) -> dict[str, str]:
        scheme, hash_text = _split(encoded)
        return {"algorithm": self.algorithm, "scheme": scheme, "hash": hash_text}

    def safe_summary(self, encoded: str) -> dict[str | _StrPromise, str]:
        return {_("algorithm"): self.algorithm, _("scheme"): _split(encoded)[0]}

    def must_update(self, encoded: str) -> bool:
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing to even out: the schemes differ in cost anyway."""


def _split(encoded: str) -> tuple[str, str]:
    scheme, _brace, hash_text = encoded.removeprefix(IMPORTED_PREFIX).removeprefix("{").partition("}")
    return scheme, hash_text


def _is_possible(password: str) -> bool:
    """A text that no policy ever allowed is not hashed: some schemes would take minutes over it."""
    try:
        return "\0" not in password and len(password.encode()) <= 5 * MAX_PASSWORD_BYTES
    except UnicodeEncodeError:
        return False


def _matches(password: str, scheme: str, hash_text: str) -> bool:
    if scheme in _DIGESTS:
        return _matches_salted_sha(password, scheme, hash_text)
    if scheme == "ARGON2I":
        return _matches_argon2(password, hash_text)
    return constant_time_compare(crypt.crypt(password, hash_text), hash_text)


def _matches_salted_sha(password: str, scheme: str, hash_text: str) -> bool:
    digest = _DIGESTS[scheme]
    content = base64.b64decode(hash_text)
    expected, salt = content[: digest().digest_size], content[digest().digest_size :]
    return constant_time_compare(digest(password.encode() + salt).digest(), expected)


def _matches_argon2(password: str, hash_text: str) -> bool:
    try:
        return argon2.PasswordHasher().verify(hash_text, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
