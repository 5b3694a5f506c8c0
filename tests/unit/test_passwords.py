"""The one password policy, and hashes: ours, other systems', and as Dovecot's own checker reads them."""

from __future__ import annotations

import base64
import crypt
import hashlib
import subprocess
import time
from pathlib import Path

import argon2
import pytest
from django.contrib.auth.hashers import check_password, identify_hasher, make_password

from accounts.hashers import ImportedHasher, QmailuxArgon2Hasher
from accounts.passwords import (
    MAX_STORED_LENGTH,
    check_policy,
    imported_hash,
    normalise,
    random_password,
    strength,
    to_dovecot,
)
from qmailux_site.errors import ActionRefused, UnsafeValue

SECRET = "Żółw€:%{}$x y"
HASHER = QmailuxArgon2Hasher()
IMPORTER = ImportedHasher()

# PWD-01 and PWD-02 of the case collection, and what becomes of them.
ACCEPTED = [
    *("colon:inside", "trailing:", "50%off%u%n", "back\\slash\\n", 'quote"double"', "apos'single"),
    *("{SSHA}looksLikeAHash", "{PLAIN}x", "{SHA512-CRYPT}$6$abc$def", "$1$ab$cd", "$HOME`id`$(id)"),
    *("semi;colon;", "pipe|amp&lt<gt>", "zażółć gęślą jaźń", "comma,inside", "{{7*7}}x", "%(x)s$HOME"),
    *(
        "x" * 72,
        "x" * 73 + "A",
        "y" * 512,
        "€uro-żółw",
        "пароль-пароль",
        "=cmd|xyz",
        "-dash-dash",
        "emoji-pass😀",
    ),
]
REFUSED = [
    *(
        "a b  c",
        "€uro",
        "{{7*7}}",
        "\\",
        '"',
        "'",
        "tab\tinside",
        "",
        " " * 9,
        " haslo-dobre",
        "haslo-dobre\u00a0",
    ),
    *(
        "password",
        "Password1",
        "qwertyuiop",
        "jan@firma.test",
        "JAN@FIRMA.TEST1",
        "jan12345",
        "x" * 513,
        "ż" * 257,
    ),
    *("haslo\ndobre", "haslo\0dobre", "haslo\x7fdobre", "haslo\x85dobre", "haslo\ud800dobre", "Jan Żak 12"),
]


def dovecot_accepts(rendered: str, password: str, folder: Path) -> bool:
    """Whether Dovecot's own checker verifies the password."""
    conf = folder / "dovecot.conf"
    conf.write_text(f"base_dir = {folder}\n")
    argv = ["doveadm", "-c", str(conf), "pw", "-t", rendered, "-p", password]
    return subprocess.run(argv, capture_output=True, check=False, timeout=30).returncode == 0


@pytest.mark.parametrize("password", ACCEPTED)
def test_PWD_01_02_accepted_passwords_verify_here_and_in_dovecot(password: str, tmp_path: Path) -> None:
    check_policy(password, address="jan@firma.test", name="Jan Żak")
    encoded = make_password(password)
    assert check_password(password, encoded)
    assert dovecot_accepts(to_dovecot(encoded), normalise(password), tmp_path)
    assert not dovecot_accepts(to_dovecot(encoded), normalise(password) + "x", tmp_path)


@pytest.mark.parametrize("password", REFUSED)
def test_PWD_01_04_other_passwords_are_refused_with_a_reason(password: str) -> None:
    with pytest.raises(ActionRefused) as caught:
        check_policy(password, address="jan@firma.test", name="Jan Żak")
    assert caught.value.field == "password"
    assert caught.value.message.endswith(".")


def test_BLK_03_a_local_part_inside_a_password_is_no_harm() -> None:
    check_policy("Haslo-f001", address="f001@example.com")
    check_policy("papa-mama", address="a@example.com")


def test_PWD_02_composed_and_decomposed_are_one_password() -> None:
    encoded = make_password("z\u0307o\u0301łw-i-coś")
    assert check_password("żółw-i-coś", encoded)


def test_PWD_05_what_looks_like_a_hash_is_hashed() -> None:
    encoded = make_password("{PLAIN}secret")
    assert not check_password("secret", encoded)
    assert check_password("{PLAIN}secret", encoded)


@pytest.mark.parametrize("size", [72, 73, 128, 512])
def test_PWD_06_the_last_byte_of_a_long_password_counts(size: int) -> None:
    encoded = make_password("x" * (size - 1) + "A")
    assert not check_password("x" * (size - 1) + "B", encoded)


def test_PWD_06_a_huge_password_is_refused_quickly() -> None:
    costly = imported_hash(crypt.crypt("x", "$6$rounds=900000$salt"))
    started = time.process_time()
    with pytest.raises(ActionRefused):
        check_policy("ż" * 50_000_000)
    assert not check_password("x" * 1_000_000, costly)
    assert not check_password("x" * 1_000_000, make_password("a"))
    assert time.process_time() - started < 1


def test_PWD_10_random_passwords() -> None:
    passwords = {random_password() for _number in range(500)}
    assert len(passwords) == 500
    for password in passwords:
        check_policy(password)
        assert len(password) == 16
        assert password.isascii()
        assert password.isalnum()
        assert password[0].isalpha()
        assert not set(password) & set("O0l1I")
    assert min(map(strength, passwords)) >= 3


def test_strength_grows_with_the_password() -> None:
    weak_to_strong = ["short", "aaaaaaaaaaaa", "kotkotek", "Kotek-12z", "Kotek-na-plocie-7"]
    found = [strength(password) for password in weak_to_strong]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 4)


# --- stored and rendered ------------------------------------------------------------------------------------


def test_our_hash_has_the_cost_of_the_design() -> None:
    assert make_password("x").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_no_password_renders_as_nothing() -> None:
    assert to_dovecot(make_password(None)) == ""


@pytest.mark.parametrize(
    "encoded",
    [
        *("", "plain", "md5$a$b", "argon2$argon2id$v=19$m=1,t=1,p=1$a", "imported${PLAIN}a b", "imported$x"),
        *("argon2$argon2id$v=19$m=8,t=1,p=1$YQ$YQ\n", "imported${SSHA}a\0", "{PLAIN}x"),
    ],
)
def test_an_unknown_stored_form_is_never_rendered(encoded: str) -> None:
    with pytest.raises(UnsafeValue):
        to_dovecot(encoded)


def test_rendering_a_million_hashes_is_cheap() -> None:
    encoded = make_password("x")
    started = time.process_time()
    for _number in range(100_000):
        to_dovecot(encoded)
    assert time.process_time() - started < 1


# --- hashes of other systems --------------------------------------------------------------------------------


def argon2_hash(
    kind: argon2.Type = argon2.Type.ID, *, lanes: int = 1, kib: int = 8192, passes: int = 2
) -> str:
    secret, salt = SECRET.encode(), b"12345678abcdefgh"
    return argon2.low_level.hash_secret(secret, salt, passes, kib, lanes, 32, kind).decode()


def salted(scheme: str, digest: str) -> str:
    salt = b"\x00\xffsalt"
    content = hashlib.new(digest, SECRET.encode() + salt).digest() + salt
    return f"{{{scheme}}}{base64.b64encode(content).decode()}"


IMPORTED = [
    crypt.crypt(SECRET, "$1$saltsalt"),
    crypt.crypt(SECRET, "$5$saltsaltsaltsalt"),
    crypt.crypt(SECRET, "$6$rounds=12345$salt"),
    crypt.crypt(SECRET, "$2y$05$YbimloiCAYSNn799RNTqQ."),
    "{BLF-CRYPT}" + crypt.crypt(SECRET, "$2a$05$YbimloiCAYSNn799RNTqQ."),
    "{blf-crypt}" + crypt.crypt(SECRET, "$2b$05$YbimloiCAYSNn799RNTqQ."),
    "{SHA512-CRYPT}" + crypt.crypt(SECRET, "$6$salt"),
    "{SHA256-CRYPT}" + crypt.crypt(SECRET, "$5$rounds=1000$s"),
    "{MD5-CRYPT}" + crypt.crypt(SECRET, "$1$s"),
    "{CRYPT}" + crypt.crypt(SECRET, "$6$salt"),
    salted("SSHA", "sha1"),
    salted("SSHA256", "sha256"),
    salted("SSHA512", "sha512"),
    argon2_hash(),
    "{ARGON2ID}" + argon2_hash(lanes=8),
    "{ARGON2I}" + argon2_hash(argon2.Type.I),
]


@pytest.mark.parametrize("text", IMPORTED)
def test_imported_hash_verifies_here_and_in_dovecot_and_is_upgraded(text: str, tmp_path: Path) -> None:
    stored = imported_hash(f" {text}\n")
    assert len(stored) <= MAX_STORED_LENGTH
    assert check_password(SECRET, stored)
    assert not check_password(SECRET + "x", stored)
    assert identify_hasher(stored).must_update(stored)
    assert dovecot_accepts(to_dovecot(stored), SECRET, tmp_path)
    assert not dovecot_accepts(to_dovecot(stored), SECRET + "x", tmp_path)


@pytest.mark.parametrize("text", IMPORTED)
def test_a_hash_cut_short_or_longer_is_refused(text: str) -> None:
    for wrong in (text[:-1], text + "a", text + "\n" + text, text[:-1] + "!", text.replace("$", ":")[:-2]):
        with pytest.raises(ActionRefused):
            imported_hash(wrong)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "secret",
            "{PLAIN}secret",
            "{CLEAR}x",
            "{CLEARTEXT}x",
            "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
        ),
        *(
            "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            "{MD5}x",
            "{UNKNOWN}xyz",
            "{SSHA}abcd",
            "{SHA512-CRYPT}$6$bad",
        ),
        *(
            "$6$salt$hash",
            "$6$",
            "{CRYPT}ab01FAX.bQRSU",
            "ab01FAX.bQRSU",
            "{DES-CRYPT}ab01FAX.bQRSU",
            "!",
            "*",
        ),
        *(
            "{SSHA.HEX}00",
            "{}",
            "{SSHA}",
            "{ARGON2ID}$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YWJjZGVmZ2hpamtsbW5vcA",
        ),
        # Salt or digest in a form that no encoder writes: they would never match.
        *("$2y$05$YbimloiCAYSNn799RNTqQ.ldYZq3zVvp2./KPWFxaisVq8rgui7Kv", "{SSHA}" + "A" * 29 + "B=="),
        "$2x$05$YbimloiCAYSNn799RNTqQ.JleU69tcBtqQr2cTvkl/h2DAgDKIg2a",
    ],
)
def test_PWD_05_plain_unknown_and_malformed_hashes_are_refused(text: str) -> None:
    with pytest.raises(ActionRefused) as caught:
        imported_hash(text)
    assert caught.value.field == "password_hash"


@pytest.mark.parametrize(
    "text",
    [
        "$6$rounds=1000001$salt$" + "a" * 85 + "/",
        "$5$rounds=999999999$salt$" + "a" * 42 + "/",
        "$2y$15$YbimloiCAYSNn799RNTqQ.ldYZq3zVvp2./KPWFxaisVq8rgui7Ku",
        "$2y$31$YbimloiCAYSNn799RNTqQ.ldYZq3zVvp2./KPWFxaisVq8rgui7Ku",
        "$argon2id$v=19$m=262144,t=1,p=1$c2FsdHNhbHQ$YWJjZGVmZ2hpamtsbW5vcA",
        "$argon2id$v=19$m=131072,t=9,p=1$c2FsdHNhbHQ$YWJjZGVmZ2hpamtsbW5vcA",
        "$argon2id$v=19$m=65536,t=2,p=99$c2FsdHNhbHQ$YWJjZGVmZ2hpamtsbW5vcA",
    ],
)
def test_a_hash_that_would_hang_a_login_is_refused(text: str) -> None:
    with pytest.raises(ActionRefused, match="too long at every login"):
        imported_hash(text)


def test_PWD_05_real_hash_of_the_cases_is_accepted() -> None:
    text = "{BLF-CRYPT}$2y$05$YbimloiCAYSNn799RNTqQ.ldYZq3zVvp2./KPWFxaisVq8rgui7Ku"
    assert imported_hash(text) == f"imported${text}"


@pytest.mark.parametrize("password", ["a\0b", "a\ud800b", ""])
def test_odd_login_attempts_are_simply_wrong(password: str) -> None:
    for text in IMPORTED:
        assert not check_password(password, imported_hash(text))
    assert not HASHER.verify(password, make_password("x"))


def test_imported_hashes_are_never_made() -> None:
    with pytest.raises(NotImplementedError):
        IMPORTER.encode("x", "salt")
