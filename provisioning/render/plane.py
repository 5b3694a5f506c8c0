"""All settings of one node's mail plane in one value, and the folders its daemons need.

Pure: no Django, no I/O. What a person can change on a settings page becomes a field here; every field has a
safe default, so that a renderer never has to ask whether something is set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from provisioning.layout import MAIL_USER, Layout
from qmailux_site.errors import SetupError

# Some places of the daemons' files have no quoting at all (Dovecot splits "executable = script PATH
# ARGUMENTS" at blanks, SQL in accounts.sql expands "%"): so the home folder itself is held to characters that
# are safe everywhere.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*")

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Folders:
    """Names of the folders every mailbox has.

    Mail programs find them by their special-use flag and show them in the person's language, so one set of
    names serves all languages.
    """

    sent: str = "Sent"
    drafts: str = "Drafts"
    trash: str = "Trash"
    spam: str = "SPAM"


@dataclass(frozen=True, slots=True)
class MailPlane:
    """Server settings of one node.

    mailname: the server's name in greetings and headers ("" means the layout's). tls_*: PEM files; "" means
    the layout's folder. plaintext_logins: whether a password may be sent without TLS (True in a new instance:
    nobody has to replace a mail program). relayhost: next hop of all outgoing mail, such as
    "[smtp.isp.example]:587" ("" sends directly).
    """

    layout: Layout
    vmail_uid: int
    vmail_gid: int
    mailname: str = ""
    tls_chain: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    plaintext_logins: bool = True
    message_size_limit_bytes: int = 50 * MEBIBYTE
    relayhost: str = ""
    alias_expansion_limit: int = 5000
    recipients_per_message_limit: int = 1000
    hop_limit: int = 50
    quota_warning_percents: tuple[int, ...] = (95, 80)
    quota_grace_percent: int = 10
    spam_expire_days: int = 30
    redirect_limit: int = 32
    sessions_per_user_and_address: int = 50
    imap_sessions: int = 4000
    pop3_sessions: int = 1000
    folders: Folders = field(default_factory=Folders)

    def __post_init__(self) -> None:
        home = str(self.layout.home)
        if not _PLAIN_PATH.fullmatch(home):
            raise SetupError(
                f"QMAILUX_HOME may hold only letters, digits, dot, dash, underscore and slash: {home}"
            )
        for path in (self.chain, self.key, self.ca):
            if not _PLAIN_PATH.fullmatch(str(path)):
                raise SetupError(f"a certificate's path has a character that the daemons cannot read: {path}")
        if not _HOST_NAME.fullmatch(self.name):
            raise SetupError(f"not a host name that a mail server can call itself: {self.name}")
        if list(self.quota_warning_percents) != sorted(set(self.quota_warning_percents), reverse=True):
            raise SetupError(
                "quota warnings must go from the highest percentage down: Dovecot takes the first"
            )

    @property
    def name(self) -> str:
        return self.mailname or self.layout.hostname

    @property
    def chain(self) -> Path:
        return self.tls_chain or self.layout.tls / "server.crt"

    @property
    def key(self) -> Path:
        return self.tls_key or self.layout.tls / "server.key"

    @property
    def ca(self) -> Path:
        return self.tls_ca or self.layout.tls / "ca.crt"

    @property
    def usage_folder(self) -> str:
        """Name of the folder in an account's home where Dovecot leaves its usage (quota_clone)."""
        return "usage"


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder that must exist with this owner and mode before the daemons start."""

    path: Path
    owner: str
    group: str
    mode: int


def directories(plane: MailPlane) -> list[Directory]:
    """Every folder of the mail plane, parents first.

    The queue's inner folders are not here: ``postfix -c DIR post-install create-missing`` makes them from our
    own postfix-files (``provisioning.daemons.prepare_argv``).
    """
    layout = plane.layout
    return [
        Directory(layout.node, "root", "root", 0o755),
        Directory(layout.etc, "root", "root", 0o755),
        Directory(layout.etc / "postfix", "root", "root", 0o755),
        Directory(layout.etc / "dovecot", "root", "root", 0o755),
        Directory(layout.etc / "nginx", "root", "root", 0o755),
        # Set-gid: sievec gives a compiled script the mode of its source but root's own group, and Dovecot
        # reads both as the mail user. Folders made below inherit it.
        Directory(layout.etc / "dovecot" / "sieve", "root", MAIL_USER, 0o2750),
        Directory(layout.bin, "root", "root", 0o755),
        Directory(layout.maps, "root", "postfix", 0o750),
        # SQLite deletes -wal and -shm with the last writer; a reader (user dovecot) must be able to make them
        # again.
        Directory(layout.auth, "root", "dovecot", 0o2770),
        Directory(layout.sieve, "root", MAIL_USER, 0o2750),
        Directory(layout.mail, MAIL_USER, MAIL_USER, 0o700),
        Directory(layout.spool, "root", "root", 0o755),
        Directory(layout.queue, "root", "root", 0o755),
        Directory(layout.state, "root", "root", 0o755),
        Directory(layout.state / "postfix", "postfix", "postfix", 0o700),
        Directory(layout.state / "dovecot", "root", "root", 0o755),
        # nginx makes its temporary folders in it as root, with their owner.
        Directory(layout.state / "nginx", "root", "root", 0o755),
        Directory(layout.node_run, "root", "root", 0o755),
        Directory(layout.node_run / "dovecot", "root", "root", 0o755),
        Directory(layout.node_log, "root", "root", 0o755),
        Directory(layout.tls, "root", "root", 0o755),
    ]
