"""Passwords over the wire: byte for byte in every protocol, and changes that count at once."""

from __future__ import annotations

import base64
import crypt
import hashlib
import imaplib
import smtplib
import unicodedata
from pathlib import Path

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.passwords import check_policy, imported_hash
from domains.models import Domain
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance
from tests.mail.wire import Wire, panel_accepts

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases" / "files"


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def _lines(name: str) -> list[str]:
    return (CASES / name).read_text(encoding="utf-8").split("\n")[:-1]


def _accepted(password: str) -> bool:
    try:
        check_policy(password, address="jan@firma.test")
    except ActionRefused:
        return False
    return True


def _in_protocols(wire: Wire, login: str, password: str) -> dict[str, bool]:
    """Where this login works."""
    works = {"imap login": wire.imap_login_command(login, password) == "OK"}
    try:
        with wire.imap(login, password):
            works["imap plain"] = True
    except imaplib.IMAP4.error:
        works["imap plain"] = False
    works["pop3"] = _pop3(wire, login, password)
    for mechanism in ("PLAIN", "LOGIN"):
        works[f"smtp {mechanism}"] = _smtp(wire, login, password, mechanism)
    works["panel"] = panel_accepts(login, password)
    return works


def _pop3(wire: Wire, login: str, password: str) -> bool:
    try:
        with wire.pop3(login, password):
            return True
    except Exception as error:
        if "AUTH" not in str(error):
            raise
        return False


def _smtp(wire: Wire, login: str, password: str, mechanism: str) -> bool:
    with wire.submission() as client:
        try:
            wire.smtp_login(client, login, password, mechanism)
        except smtplib.SMTPAuthenticationError:
            return False
        return True


def _works_everywhere(wire: Wire, login: str, password: str) -> None:
    works = _in_protocols(wire, login, password)
    assert all(works.values()), (password, works)


@pytest.mark.parametrize("file", ["PWD-01-passwords.txt", "PWD-02-unicode-passwords.txt"])
def test_PWD_01_02_every_accepted_password_logs_in_everywhere(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, file: str
) -> None:
    passwords = [password for password in _lines(file) if _accepted(password)]
    assert len(passwords) >= 3
    for password in passwords:
        actions.change_password(jan, password=password, by=console)
        plane.apply()
        if not _is_nfc(password):
            continue  # the next test
        _works_everywhere(wire, jan.address, password)


def _is_nfc(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text)


def test_PWD_02_composed_form_is_the_one_rule(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    decomposed = "zaz\u0307o\u0301łc\u0301-gęs\u0301"
    composed = "zażółć-gęś"
    actions.change_password(jan, password=decomposed, by=console)
    plane.apply()
    _works_everywhere(wire, jan.address, composed)


@pytest.mark.parametrize("password", ["{SSHA}abcdefgh", "{PLAIN}secretsecret", "$6$salt$hash"])
def test_PWD_05_what_looks_like_a_hash_is_a_password(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, password: str
) -> None:
    actions.change_password(jan, password=password, by=console)
    plane.apply()
    _works_everywhere(wire, jan.address, password)
    assert not any(_in_protocols(wire, jan.address, password.partition("}")[2] or "hash").values())


def test_PWD_06_long_passwords_differ_to_the_last_byte(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    long = "dlugie-haslo-" + "x" * 115
    actions.change_password(jan, password=long + "A", by=console)
    plane.apply()
    _works_everywhere(wire, jan.address, long + "A")
    assert not any(_in_protocols(wire, jan.address, long + "B").values())


def test_imported_hashes_log_in_everywhere(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    password = "Stare-Haslo-9"
    salt = b"solsolso"
    digest = base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()  # noqa: S324
    hashes = [
        "{SHA512-CRYPT}" + crypt.crypt(password, "$6$abcdefgh"),
        crypt.crypt(password, "$5$abcdefgh"),
        crypt.crypt(password, "$1$abcdefgh"),
        "{BLF-CRYPT}" + crypt.crypt(password, "$2b$05$abcdefghijklmnopqrstuu"),
        "{SSHA}" + digest,
    ]
    for number, text in enumerate(hashes):
        account = actions.add_account(
            domain=firma, localpart=f"stary{number}", password_hash=imported_hash(text), by=console
        )
        plane.apply()
        works = _in_protocols(wire, account.address, password)
        assert all(works.values()), (text, works)


def test_changed_password_counts_at_once_and_cuts_nobody(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain
) -> None:
    ola = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    with wire.imap(ola.address, PASSWORD) as open_session:
        actions.change_password(jan, password="Zupelnie-Inne-3", by=console)
        plane.apply()
        assert wire.imap_login_command(jan.address, "Zupelnie-Inne-3") == "OK"
        assert wire.imap_login_command(jan.address, PASSWORD) == "NO"
        assert open_session.noop()[0] == "OK"
