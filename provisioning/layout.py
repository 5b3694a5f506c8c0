"""Where everything of one instance lives, and on which ports it listens (DESIGN 5).

Pure: no Django, no I/O. Production, a developer's instance and each test's instance are the same layout under
another home and another port offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from qmailux_site.errors import SetupError

# Unix socket paths end at 107 bytes; the longest of ours below the home is under 57.
LONGEST_HOME_BYTES = 50

MAIL_USER = "qmailux-vmail"
PANEL_USER = "qmailux"

# Standard port of every service; an instance adds its offset. What must be reached over TCP inside the
# machine would stand here too: at present everything internal is a unix socket.
STANDARD_PORTS = {
    "smtp": 25,
    "submission": 587,
    "smtps": 465,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "sieve": 4190,
    "https": 443,
    "http": 80,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths and ports of one instance.

    home: absolute, at most 50 bytes. bind: address to listen on ("*" for all). hostname: the server's mail
    name.
    """

    home: Path
    bind: str
    offset: int
    hostname: str

    def __post_init__(self) -> None:
        if not self.home.is_absolute():
            raise SetupError(f"QMAILUX_HOME must be an absolute path, not {self.home}")
        if len(bytes(self.home)) > LONGEST_HOME_BYTES:
            raise SetupError(
                f"QMAILUX_HOME may have at most {LONGEST_HOME_BYTES} bytes"
                f" (unix sockets lie below it): {self.home}"
            )

        if self.bind != "*" and not _is_address(self.bind):
            raise SetupError(f"QMAILUX_BIND must be an address of this machine, or * for all: {self.bind!r}")

    @property
    def own_address(self) -> str:
        """Where the instance is reached from its own machine."""
        listens_on_all = self.bind == "*" or ip_address(self.bind).is_unspecified
        return "127.0.0.1" if listens_on_all else self.bind

    def port(self, service: str) -> int:
        return STANDARD_PORTS[service] + self.offset

    # The control plane's part
    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def run(self) -> Path:
        """Sockets and pid files of the control plane (supervisor, Redis, gunicorn)."""
        return self.home / "run"

    @property
    def log(self) -> Path:
        """Logs of the control plane."""
        return self.home / "log"

    @property
    def panel_etc(self) -> Path:
        """Configuration of supervisor and Redis."""
        return self.home / "etc"

    # The mail plane's part: the same tree on every node
    @property
    def node(self) -> Path:
        return self.home / "node"

    @property
    def etc(self) -> Path:
        return self.node / "etc"

    @property
    def maps(self) -> Path:
        return self.node / "maps"

    @property
    def auth(self) -> Path:
        """Alone in its folder: root:dovecot 2770, so that Dovecot can make -wal and -shm (engine 1, 0a)."""
        return self.node / "auth"

    @property
    def accounts_file(self) -> Path:
        return self.auth / "accounts.sqlite"

    @property
    def sieve(self) -> Path:
        return self.node / "sieve"

    @property
    def mail(self) -> Path:
        return self.node / "mail"

    @property
    def spool(self) -> Path:
        return self.node / "spool"

    @property
    def queue(self) -> Path:
        """Postfix's queue directory."""
        return self.node / "queue"

    @property
    def state(self) -> Path:
        """Data directories of the daemons."""
        return self.node / "state"

    @property
    def node_run(self) -> Path:
        return self.node / "run"

    @property
    def node_log(self) -> Path:
        return self.node / "log"

    @property
    def tls(self) -> Path:
        return self.node / "tls"

    @property
    def bin(self) -> Path:
        """Small programs that the mail plane starts (quota warning, submission of Sieve's mail)."""
        return self.node / "bin"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def home_of_account(uuid_hex: str) -> str:
    """Folder of a mailbox below ``node/mail``: never the address, so that the next owner inherits nothing."""
    return f"{uuid_hex[:2]}/{uuid_hex}"
