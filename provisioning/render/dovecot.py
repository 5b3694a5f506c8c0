"""Dovecot: its settings, and the rows of the accounts file (node/auth/accounts.sqlite) it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping

from provisioning.layout import MAIL_USER
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane
from qmailux_site.errors import UnsafeValue

# Bump with every change of SCHEMA: the file is then made anew from the database.
SCHEMA_VERSION = 3
# The first column of each table is its key.
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
    kind TEXT NOT NULL CHECK (kind IN ('account', 'domain', 'server'))
) WITHOUT ROWID;
CREATE TABLE app_password (
    address TEXT NOT NULL PRIMARY KEY,
    hashes TEXT NOT NULL CHECK (json_valid(hashes))
) WITHOUT ROWID;
CREATE TABLE script (
    address TEXT NOT NULL PRIMARY KEY,
    home TEXT NOT NULL,
    content TEXT NOT NULL
) WITHOUT ROWID;
"""
ACCOUNT_COLUMNS = ("address", "domain", "password", "home", "quota_rule", "language")
LOCK_COLUMNS = ("name", "kind")
SERVER_LOCK = ("*", "server")

# No password fits; delivery goes on.
NO_LOGIN = "{CRYPT}!"

AccountRow = tuple[str, str, str, str, str, str]
LockRow = tuple[str, str]
AppPasswordRow = tuple[str, str]


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
                conf=layout.etc / "dovecot",
                run=layout.node_run / "dovecot",
                queue=layout.queue,
                mail_user=MAIL_USER,
            ),
            daemon="dovecot",
        )
        for name in ("accounts.sql", "app_passwords.sql", "dovecot.conf", "locks.sql")
    ]


def account_row(
    *, address: str, password_dovecot: str, home: str, quota_bytes: int, language: str
) -> AccountRow:
    """A row in the order of ACCOUNT_COLUMNS.

    password_dovecot: hash with its scheme, such as "{ARGON2ID}$argon2id$...". home: relative
    (``layout.home_of_account``); Dovecot's query puts the folders before it.
    """
    if not password_dovecot.startswith("{") or "}" not in password_dovecot:
        # Without a scheme Dovecot would read it as default_pass_scheme, an empty one as "any password".
        raise UnsafeValue("password with its scheme", password_dovecot[:3] + "...")
    return address, address.rpartition("@")[2], password_dovecot, home, quota_rule(quota_bytes), language


def quota_rule(quota_bytes: int) -> str:
    """0 means no limit, in Dovecot as with us."""
    if quota_bytes < 0:
        raise UnsafeValue("Dovecot quota rule", str(quota_bytes))
    return f"*:bytes={quota_bytes}"


def account_lock_row(address: str) -> LockRow:
    return address, "account"


def domain_lock_row(domain: str) -> LockRow:
    return domain, "domain"


def app_password_row(address: str, hashes: Mapping[str, str]) -> AppPasswordRow:
    """All app passwords of an account in one row: hash with its scheme, by selector."""
    for password in hashes.values():
        if not password.startswith("{") or "}" not in password:
            raise UnsafeValue("app password with its scheme", password[:3] + "...")
    return address, json.dumps(hashes, sort_keys=True, separators=(",", ":"))
