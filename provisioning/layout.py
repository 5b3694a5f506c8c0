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
WEBMAIL_USER = "qmailux-webmail"
WEB_SERVER_USER = "www-data"
# In node_run: whoever reads the logs into the trace holds it.
LOGS_LOCK = "maillog.lock"

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

        if self.bind != "*" and not is_address(self.bind):
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
    def panel_secrets(self) -> Path:
        """Secrets that are entered in the panel, which alone may read them."""
        return self.secrets / "panel"

    @property
    def sealing_public(self) -> Path:
        """What secrets in the database are sealed with; the panel may read it."""
        return self.secrets / "sealing.pub"

    @property
    def sealing_keys(self) -> Path:
        """What opens them, root's alone: a file for each key that was ever used."""
        return self.secrets / "sealing"

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

    @property
    def panel_url(self) -> str:
        """Without the slash at its end, as letters name it: never what a request's Host header says."""
        port = self.port("https")
        return f"https://{self.hostname}" if port == 443 else f"https://{self.hostname}:{port}"

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
    def spamassassin(self) -> Path:
        """What people want of the spam check, and what they taught it; by mailbox, never by address."""
        return self.node / "spamassassin"

    @property
    def spam_rules(self) -> Path:
        """A link to the set of rules in use."""
        return self.state / "spamassassin" / "rules"

    @property
    def spam_socket(self) -> Path:
        return self.node_run / "spamd" / "spamd.sock"

    @property
    def virus_milter(self) -> Path:
        return self.node_run / "clamav" / "milter.sock"

    @property
    def clamd_socket(self) -> Path:
        return self.node_run / "clamav" / "clamd.sock"

    @property
    def dkim_milter(self) -> Path:
        return self.node_run / "opendkim" / "milter.sock"

    @property
    def dkim(self) -> Path:
        """Keys of the domains' signatures, and the tables that say which signs what."""
        return self.node / "dkim"

    @property
    def dkim_signer(self) -> Path:
        return self.node_run / "opendkim" / "signer.sock"

    @property
    def sending_policy(self) -> Path:
        return self.node_run / "sending" / "policy.sock"

    @property
    def sending_state(self) -> Path:
        """What was sent in the last day, by whom."""
        return self.state / "sending" / "sent.sqlite"

    @property
    def brake_policy(self) -> Path:
        return self.node_run / "brake" / "policy.sock"

    @property
    def brake_state(self) -> Path:
        """What each login sent to strangers in the last hour, and who was stopped."""
        return self.state / "brake" / "sent.sqlite"

    @property
    def brake_tripped(self) -> Path:
        """Who is stopped, for the control plane."""
        return self.state / "brake" / "tripped"

    @property
    def quota_room(self) -> Path:
        return self.node_run / "quota-room" / "room.sock"

    @property
    def quota_events(self) -> Path:
        """Mailboxes that have grown past a tenth of their quota: a file each, written by the mail user."""
        return self.spool / "quota"

    @property
    def outgoing_scan(self) -> Path:
        return self.node_run / "outgoing-scan" / "milter.sock"

    @property
    def forward_socket(self) -> Path:
        return self.node_run / "forward" / "lmtp.sock"

    @property
    def dmarc_milter(self) -> Path:
        return self.node_run / "opendmarc" / "milter.sock"

    @property
    def greylist_socket(self) -> Path:
        return self.node_run / "postgrey" / "policy.sock"

    @property
    def webmail(self) -> Path:
        """What the webmails write: database, sessions, attachments being sent."""
        return self.state / "webmail"

    @property
    def webmail_copies(self) -> Path:
        """Of webmails that are configured by a file among their own."""
        return self.state / "webmail-copies"

    @property
    def webmail_door(self) -> Path:
        """The panel's way to the webmails, for logging in: only the panel gets to its folder."""
        return self.node_run / "webmail" / "door.sock"

    def php_socket(self, webmail: str) -> Path:
        return self.node_run / "php" / f"{webmail}.sock"

    @property
    def signatures(self) -> Path:
        return self.state / "clamav"

    @property
    def syslog_socket(self) -> Path:
        """What parts that know syslog alone see as /dev/log."""
        return self.node_run / "syslog" / "log"

    @property
    def debugged_clients(self) -> Path:
        """Whose SMTP sessions are logged word for word, and until when. Postfix reads it as a table."""
        return self.node_run / "debug" / "clients"

    @property
    def blocks(self) -> Path:
        """Who is blocked, as Postfix and nginx read it where there is no packet filter."""
        return self.node_run / "blocks"

    @property
    def spool(self) -> Path:
        return self.node / "spool"

    @property
    def events(self) -> Path:
        """What the mail plane tells the control plane: one small file each, written by the mail user."""
        return self.spool / "events"

    @property
    def learner_alive(self) -> Path:
        return self.node_run / "learner.alive"

    @property
    def taken_events(self) -> Path:
        """Events that are being acted on, out of the mail user's reach."""
        return self.spool / "taken"

    @property
    def taught(self) -> Path:
        """Taught spam, for as long as it can be taken back. Only root reads it."""
        return self.spool / "taught"

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
    def acme_answers(self) -> Path:
        """What nginx shows to an authority that asks whether a name is ours."""
        return self.state / "acme-answers"

    @property
    def bin(self) -> Path:
        """Small programs that the mail plane starts (quota warning, submission of Sieve's mail)."""
        return self.node / "bin"


def is_address(text: str) -> bool:
    """Of IPv4 or IPv6, with nothing else."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def home_of_account(uuid_hex: str) -> str:
    """Folder of a mailbox below ``node/mail``: never the address, so that the next owner inherits nothing."""
    return f"{uuid_hex[:2]}/{uuid_hex}"


def covers(pattern: str, host: str) -> bool:
    """Whether a certificate's name is good for a host's: "*.firma.test" for one more level, no deeper. host
    may be such a pattern itself, which only the same one covers.
    """
    if pattern == host:
        return True
    return pattern.startswith("*.") and not host.startswith("*.") and host.partition(".")[2] == pattern[2:]
