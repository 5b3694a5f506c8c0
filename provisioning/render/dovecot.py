"""Dovecot: its settings, and the rows of the accounts file (node/auth/accounts.sqlite) it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from sys import intern

from provisioning.layout import MAIL_USER
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import LEARN_FOLDERS, MailPlane
from qmailux_site.errors import UnsafeValue

# Bump with every change of SCHEMA: the file is then made anew from the database.
SCHEMA_VERSION = 12
# The first column of each table is its key. Of blocked_login bin/address-blocks alone takes care.
# The accounts file. Changed in place by transactions only: Dovecot keeps it open.
SCHEMA = """\
CREATE TABLE account (
    address TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    password TEXT NOT NULL,
    home TEXT NOT NULL,
    quota_rule TEXT NOT NULL,
    language TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX account_domain ON account (domain);
CREATE TABLE lock (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('account', 'domain', 'left', 'server'))
) WITHOUT ROWID;
CREATE TABLE encryption (
    name TEXT NOT NULL PRIMARY KEY,
    level TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE app_password (
    address TEXT NOT NULL PRIMARY KEY,
    hashes TEXT NOT NULL CHECK (json_valid(hashes))
) WITHOUT ROWID;
CREATE TABLE domain_host (
    domain TEXT NOT NULL PRIMARY KEY,
    hostname TEXT NOT NULL,
    sieve_service TEXT NOT NULL,
    sieve_name TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE script (
    address TEXT NOT NULL PRIMARY KEY,
    home TEXT NOT NULL,
    content TEXT NOT NULL,
    forwards TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE spam (
    name TEXT NOT NULL PRIMARY KEY,
    probable TEXT,
    scan TEXT,
    days INTEGER
) WITHOUT ROWID;
CREATE TABLE spam_file (
    name TEXT NOT NULL PRIMARY KEY,
    path TEXT NOT NULL,
    content TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE sending_limit (
    name TEXT NOT NULL PRIMARY KEY,
    messages_hour INTEGER,
    messages_day INTEGER,
    recipients_hour INTEGER,
    recipients_day INTEGER
) WITHOUT ROWID;
CREATE TABLE brake (
    name TEXT NOT NULL PRIMARY KEY,
    messages INTEGER,
    recipients INTEGER,
    stopped INTEGER NOT NULL,
    let_go_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE block (
    name TEXT NOT NULL PRIMARY KEY,
    network TEXT NOT NULL,
    service TEXT NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE ban (
    name TEXT NOT NULL PRIMARY KEY,
    who TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX ban_who ON ban (who);
CREATE TABLE blocked_login (
    first TEXT NOT NULL,
    last TEXT NOT NULL,
    service TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (first, last, service, until)
) WITHOUT ROWID;
CREATE TABLE dkim (
    name TEXT NOT NULL PRIMARY KEY,
    selector TEXT NOT NULL,
    signer TEXT NOT NULL
) WITHOUT ROWID;
"""
ACCOUNT_COLUMNS = ("address", "domain", "password", "home", "quota_rule", "language")
BRAKE_COLUMNS = ("name", "messages", "recipients", "stopped", "let_go_at_ms")
LOCK_COLUMNS = ("name", "kind")
SERVER_LOCK = ("*", "server")
SERVER_LOCK_ENTRY = ("*", SERVER_LOCK)

# No password fits; delivery goes on.
NO_LOGIN = "{CRYPT}!"

AccountRow = tuple[str, str, str, str, str, str]
LockRow = tuple[str, str]
AppPasswordRow = tuple[str, str]
DomainHostRow = tuple[str, str, str, str]
SpamRow = tuple[str, str | None, str | None, int | None]


def settings(plane: MailPlane) -> list[RenderedFile]:
    """Dovecot's own configuration folder. Nothing in Debian's /etc/dovecot is read."""
    layout = plane.layout
    return [
        RenderedFile(
            path=f"etc/dovecot/{name}",
            content=render(
                f"dovecot/{name}.j2",
                plane=plane,
                layout=layout,
                listen=[
                    layout.bind,
                    *(address.address for address in plane.listening if address.address != layout.bind),
                ],
                conf=layout.etc / "dovecot",
                run=layout.node_run / "dovecot",
                queue=layout.queue,
                mail_user=MAIL_USER,
                learn_folders=LEARN_FOLDERS,
            ),
            daemon="dovecot",
        )
        for name in (
            "accounts.sql",
            "app_passwords.sql",
            "app_use.sql",
            "dovecot.conf",
            "locks.sql",
            "webmail.conf",
        )
    ] + [
        # Where Dovecot looks for the key of a token: its party, its algorithm, its name.
        RenderedFile(path=f"etc/dovecot/keys/webmail/ES256/{name}", content=content, daemon="dovecot")
        for name, content in plane.webmail_keys
    ]


def account_row(
    *, address: str, domain: str, password_dovecot: str, home: str, quota_bytes: int, language: str
) -> AccountRow:
    """A row in the order of ACCOUNT_COLUMNS.

    password_dovecot: hash with its scheme, such as "{ARGON2ID}$argon2id$...". home: relative
    (``layout.home_of_account``); Dovecot's query puts the folders before it.
    """
    if not password_dovecot.startswith("{") or "}" not in password_dovecot:
        # Without a scheme Dovecot would read it as default_pass_scheme, an empty one as "any password".
        raise UnsafeValue("password with its scheme", password_dovecot[:3] + "...")
    # One text for all that speak it, of a million rows.
    return address, domain, password_dovecot, home, quota_rule(quota_bytes), intern(language)


@lru_cache
def quota_rule(quota_bytes: int) -> str:
    """0 means no limit, in Dovecot as with us."""
    if quota_bytes < 0:
        raise UnsafeValue("Dovecot quota rule", str(quota_bytes))
    return f"*:bytes={quota_bytes}"


def account_lock_row(address: str, *, has_left: bool = False) -> LockRow:
    """has_left: nobody logs in, but the panel's script of the account goes on, and its owner's does not."""
    return address, "left" if has_left else "account"


def domain_lock_row(domain: str) -> LockRow:
    return domain, "domain"


def domain_host_row(domain: str, *, hostname: str, sieve_service: str, sieve_name: str) -> DomainHostRow:
    """domain: or an account whose Sieve's mail leaves otherwise than its domain's, of which the hostname is
    not read. hostname: the name that a delivery to the domain shows. sieve_service, sieve_name: which of
    Postfix's services takes the mail that its accounts' Sieve makes, and the name said to it.
    """
    return domain, hostname, sieve_service, sieve_name


def app_password_row(address: str, hashes: Mapping[str, str]) -> AppPasswordRow:
    """All app passwords of an account in one row: hash with its scheme, by selector."""
    for password in hashes.values():
        if not password.startswith("{") or "}" not in password:
            raise UnsafeValue("app password with its scheme", password[:3] + "...")
    return address, json.dumps(hashes, sort_keys=True, separators=(",", ":"))


def spam_row(name: str, *, probable: int | None, is_scanned: bool | None, days: int | None) -> SpamRow:
    """name: of an account or a domain. What is None is left to the level below."""
    stars = None if probable is None else "*" * probable
    return name, stars, None if is_scanned is None else ("yes" if is_scanned else "no"), days
