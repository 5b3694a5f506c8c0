"""All settings of one node's mail plane in one value, and the folders its daemons need.

Pure: no Django, no I/O. What a person can change on a settings page becomes a field here; every field has a
safe default, so that a renderer never has to ask whether something is set.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from provisioning.layout import MAIL_USER, PANEL_USER, WEB_SERVER_USER, WEBMAIL_USER, Layout, covers
from provisioning.render.sites import ROUNDCUBE, Brand, WebmailSite
from qmailux_site.errors import SetupError

# Some places of the daemons' files have no quoting at all (Dovecot splits "executable = script PATH
# ARGUMENTS" at blanks, SQL in accounts.sql expands "%"): so the home folder itself is held to characters that
# are safe everywhere.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/-]+")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*")
_TIME_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")

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
class NodeAddress:
    """An address of the node beside the one that the instance is bound to.

    number: in the names of its services, which the maps of data name too: it never changes. is_present:
    whether the machine has it; nothing may listen on one that is missing, for that ends Postfix's master.
    """

    number: int
    address: str
    hostname: str
    is_present: bool
    is_default: bool = False

    @property
    def label(self) -> str:
        return f"p{self.number}"

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.address


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """One with its files in ``node/tls/certificates``. fingerprint: changes when it is replaced."""

    number: int
    names: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class LearnFolder:
    """A folder that teaches. Mail that is put there is learned as spam or ham by whose folder it is."""

    name: str
    kind: str  # "spam" or "ham"
    language: str


# Every account has the two of its language; those of the other keep working when the language changes.
LEARN_FOLDERS = (
    LearnFolder("Naucz spam", "spam", "pl"),
    LearnFolder("Oducz spam", "ham", "pl"),
    LearnFolder("Learn spam", "spam", "en"),
    LearnFolder("Unlearn spam", "ham", "en"),
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """A network, or a sender's address or domain, that goes past the protections. passes_viruses: past the
    virus check too.
    """

    value: str
    is_network: bool
    passes_viruses: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingCheck:
    """What people send is searched. found: refuse or hold. on_failure: defer or accept. points: from which on
    it is spam.
    """

    found: str
    on_failure: str
    points: int = 0


@dataclass(frozen=True, slots=True)
class Protections:
    """on: names of antispam.protections. accepts_unscanned: mail passes while the virus scanner is down.
    refuses_encrypted: archives that cannot be looked into. refuses_bad_signatures: of DKIM. allowed: what
    goes past them. outgoing: of those that search what people send, by name, how.
    """

    on: frozenset[str] = frozenset()
    dnsbl_sites: tuple[str, ...] = ()
    attachment_endings: tuple[str, ...] = ()
    accepts_unscanned: bool = False
    refuses_encrypted: bool = False
    scored_sites: tuple[str, ...] = ()
    score_threshold: int = 3
    greet_wait_seconds: int = 6
    refuses_bad_signatures: bool = False
    allowed: tuple[Allowed, ...] = ()
    outgoing: tuple[tuple[str, OutgoingCheck], ...] = ()

    @property
    def outgoing_checks(self) -> dict[str, OutgoingCheck]:
        """Of what is on."""
        return {name: check for name, check in self.outgoing if name in self.on}

    @property
    def screens(self) -> bool:
        """Whether postscreen stands before smtpd."""
        return any(name.startswith("postscreen-") for name in self.on)

    @property
    def allowed_networks(self) -> tuple[Allowed, ...]:
        return tuple(entry for entry in self.allowed if entry.is_network)

    @property
    def allowed_senders(self) -> tuple[Allowed, ...]:
        return tuple(entry for entry in self.allowed if not entry.is_network)


@dataclass(frozen=True, slots=True)
class MailPlane:
    """Server settings of one node.

    mailname: the server's name in greetings and headers ("" means the layout's). tls_*: PEM files; "" means
    the layout's folder. plaintext_logins: whether a password may be sent without TLS (True in a new instance:
    nobody has to replace a mail program). relayhost: next hop of outgoing mail, such as
    "[smtp.isp.example]:587" ("" sends directly), always with TLS. relayhost_logs_in: mail
    waits where its login is not there. addresses: those with a name of their own.
    other_addresses: where else to listen, when the layout binds to all and some have a name of their own: a
    listener on all addresses and one on a single address exclude each other. time_zone: of the stamps in
    mail.log, which name none. nameservers: of the machine, for what does not read resolv.conf.
    webmail_secret: what Roundcube encrypts the passwords in its sessions with. forward_secret: what signs
    the senders of mail that aliases pass on.
    webmail_keys: public keys of the sign-in tokens, by name. outgoing_stopped: nothing leaves the server.
    passes_mail_on: there are domains whose mailboxes are on another server.
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
    relayhost_logs_in: bool = False
    time_zone: str = "UTC"
    alias_expansion_limit: int = 5000
    recipients_per_message_limit: int = 1000
    hop_limit: int = 50
    quota_warning_percents: tuple[int, ...] = (95, 80)
    quota_grace_percent: int = 10
    spam_expire_days: int = 30
    spam_probable: int = 10
    spam_scan: bool = True
    spam_scan_limit_bytes: int = 500 * 1024
    spam_scan_seconds: int = 30
    spam_bayes_minimum: int = 10
    redirect_limit: int = 32
    sessions_per_user_and_address: int = 50
    imap_sessions: int = 4000
    pop3_sessions: int = 1000
    protections: Protections = field(default_factory=Protections)
    folders: Folders = field(default_factory=Folders)
    nameservers: tuple[str, ...] = ()
    addresses: tuple[NodeAddress, ...] = ()
    other_addresses: tuple[str, ...] = ()
    webmails: tuple[WebmailSite, ...] = (ROUNDCUBE,)
    brands: tuple[Brand, ...] = (Brand("", "QmaiLux"),)
    webmail_secret: str = ""
    forward_secret: str = ""
    webmail_keys: tuple[tuple[str, bytes], ...] = ()
    outgoing_stopped: bool = False
    passes_mail_on: bool = False
    certificates: tuple[ServedCertificate, ...] = ()
    certificate_mark: str = ""

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
        for address in self.addresses:
            if not _HOST_NAME.fullmatch(address.hostname):
                raise SetupError(f"not a host name that a mail server can call itself: {address.hostname}")
            ipaddress.ip_address(address.address)
        for server in self.nameservers:
            ipaddress.ip_address(server)
        if not _TIME_ZONE.fullmatch(self.time_zone):
            raise SetupError(f"not the name of a time zone: {self.time_zone}")
        if list(self.quota_warning_percents) != sorted(set(self.quota_warning_percents), reverse=True):
            raise SetupError(
                "quota warnings must go from the highest percentage down: Dovecot takes the first"
            )

    @property
    def name(self) -> str:
        return self.mailname or self.layout.hostname

    @property
    def chain(self) -> Path:
        return self.tls_chain or self._file_for(self.name, "crt") or self.layout.tls / "server.crt"

    @property
    def key(self) -> Path:
        return self.tls_key or self._file_for(self.name, "key") or self.layout.tls / "server.key"

    def _file_for(self, hostname: str, ending: str) -> Path | None:
        """Of the first certificate that is good for the name."""
        for certificate in self.certificates:
            if any(covers(name, hostname) for name in certificate.names):
                return self.layout.tls / "certificates" / f"{certificate.number}.{ending}"
        return None

    @property
    def certificates_by_name(self) -> tuple[tuple[str, tuple[Path, Path]], ...]:
        """Chain and key for every name that a client may ask for (SNI)."""
        found = {
            address.hostname: (self.chain_of(address), self.key_of(address)) for address in self.addresses
        }
        found[self.name] = (self.chain, self.key)
        folder = self.layout.tls / "certificates"
        for certificate in reversed(self.certificates):
            pair = (folder / f"{certificate.number}.crt", folder / f"{certificate.number}.key")
            found.update(dict.fromkeys(certificate.names, pair))
        return tuple(sorted(found.items()))

    @property
    def certificate_fingerprints(self) -> str:
        """Stands in the daemons' files, so that they are told when a certificate is replaced."""
        served = [f"{each.number}={each.fingerprint[:16]}" for each in self.certificates]
        return " ".join([self.certificate_mark or "-", *served])

    @property
    def ca(self) -> Path:
        return self.tls_ca or self.layout.tls / "ca.crt"

    @property
    def own_name(self) -> str:
        """The name in the certificate that is shown at the instance's own address."""
        names = {address.address: address.hostname for address in self.listening}
        return names.get(self.layout.own_address, self.name)

    @property
    def listening(self) -> tuple[NodeAddress, ...]:
        """The addresses with a name of their own that can be listened on."""
        return tuple(address for address in self.addresses if address.is_present)

    @property
    def listen(self) -> tuple[str, ...]:
        """Addresses of the listeners that carry the server's own name; "*" is all of the machine."""
        own_name = {address.address for address in self.listening}
        if self.layout.bind == "*":
            return tuple(other for other in self.other_addresses if other not in own_name) or ("*",)
        return () if self.layout.bind in own_name else (self.layout.bind,)

    def chain_of(self, address: NodeAddress) -> Path:
        return self._file_for(address.hostname, "crt") or self.own_chain_of(address)

    def own_chain_of(self, address: NodeAddress) -> Path:
        """Of our own authority."""
        return self.layout.tls / "hosts" / f"{address.hostname}.crt"

    def key_of(self, address: NodeAddress) -> Path:
        own = self.layout.tls / "hosts" / f"{address.hostname}.key"
        return self._file_for(address.hostname, "key") or own

    @property
    def quota_steps(self) -> tuple[int, ...]:
        """Percentages at which Dovecot tells bin/quota-room, beside those of the warnings."""
        return tuple(step for step in range(90, 0, -10) if step not in self.quota_warning_percents)

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
    own postfix-files (the daemons' ``prepare``).
    """
    layout = plane.layout
    return [
        Directory(layout.node, "root", "root", 0o755),
        Directory(layout.etc, "root", "root", 0o755),
        Directory(layout.etc / "postfix", "root", "root", 0o755),
        Directory(layout.etc / "postfix" / "addresses", "root", "root", 0o755),
        Directory(layout.etc / "dovecot", "root", "root", 0o755),
        Directory(layout.etc / "dovecot" / "keys", "root", "root", 0o755),
        Directory(layout.etc / "nginx", "root", "root", 0o755),
        Directory(layout.etc / "spamassassin", "root", "root", 0o755),
        # Set-gid: sievec gives a compiled script the mode of its source but root's own group, and Dovecot
        # reads both as the mail user. Folders made below inherit it.
        Directory(layout.etc / "dovecot" / "sieve", "root", MAIL_USER, 0o2750),
        Directory(layout.bin, "root", "root", 0o755),
        # What Sieve may start.
        Directory(layout.bin / "sieve", "root", "root", 0o755),
        Directory(layout.maps, "root", "postfix", 0o750),
        # SQLite deletes -wal and -shm with the last writer; a reader (user dovecot) must be able to make them
        # again.
        Directory(layout.auth, "root", "dovecot", 0o2770),
        Directory(layout.sieve, "root", MAIL_USER, 0o2750),
        Directory(layout.mail, MAIL_USER, MAIL_USER, 0o700),
        # A mailbox's folder in it is the mail user's (Bayes), and is made when something is taught.
        Directory(layout.spamassassin, "root", "root", 0o755),
        Directory(layout.spamassassin / "domains", "root", "root", 0o755),
        Directory(layout.spool, "root", "root", 0o755),
        Directory(layout.events, MAIL_USER, MAIL_USER, 0o700),
        Directory(layout.events / "tmp", MAIL_USER, MAIL_USER, 0o700),
        Directory(layout.events / "new", MAIL_USER, MAIL_USER, 0o700),
        Directory(layout.taken_events, "root", "root", 0o700),
        Directory(layout.taught, "root", "root", 0o700),
        Directory(layout.queue, "root", "root", 0o755),
        Directory(layout.state, "root", "root", 0o755),
        Directory(layout.state / "postfix", "postfix", "postfix", 0o700),
        Directory(layout.state / "dovecot", "root", "root", 0o755),
        # nginx makes its temporary folders in it as root, with their owner.
        Directory(layout.state / "nginx", "root", "root", 0o755),
        Directory(layout.node_run, "root", "root", 0o755),
        Directory(layout.node_run / "dovecot", "root", "root", 0o755),
        # ClamAV's user keeps the signatures itself (freshclam). Postfix must get to the milter's socket.
        Directory(layout.state / "clamav", "clamav", "clamav", 0o755),
        Directory(layout.state / "clamav-temporary", "clamav", "clamav", 0o700),
        Directory(layout.node_run / "clamav", "clamav", "clamav", 0o755),
        Directory(layout.etc / "clamav", "root", "root", 0o755),
        Directory(layout.debugged_clients.parent, "root", "root", 0o755),
        Directory(layout.blocks, "root", "root", 0o755),
        Directory(layout.syslog_socket.parent, "root", "root", 0o755),
        Directory(layout.syslog_socket.with_name("private"), "root", "root", 0o700),
        Directory(layout.etc / "opendkim", "root", "root", 0o755),
        Directory(layout.state / "sending", MAIL_USER, MAIL_USER, 0o700),
        Directory(layout.node_run / "sending", MAIL_USER, MAIL_USER, 0o755),
        Directory(layout.node_run / "forward", MAIL_USER, "postfix", 0o750),
        Directory(layout.state / "brake", MAIL_USER, MAIL_USER, 0o700),
        Directory(layout.node_run / "outgoing-scan", "clamav", "postfix", 0o750),
        Directory(layout.quota_room.parent, "root", "root", 0o755),
        Directory(layout.quota_events, MAIL_USER, MAIL_USER, 0o700),
        Directory(layout.node_run / "brake", MAIL_USER, MAIL_USER, 0o755),
        Directory(layout.dkim, "root", "root", 0o755),
        Directory(layout.dkim / "keys", "opendkim", "opendkim", 0o700),
        Directory(layout.etc / "opendmarc", "root", "root", 0o755),
        # Postfix alone gets to their sockets, and nobody else to their pid files.
        Directory(layout.node_run / "opendkim", "opendkim", "postfix", 0o750),
        Directory(layout.node_run / "opendmarc", "opendmarc", "postfix", 0o750),
        Directory(layout.node_run / "postgrey", "postgrey", "postfix", 0o750),
        Directory(layout.state / "spamassassin", "root", "root", 0o755),
        Directory(layout.state / "postgrey", "postgrey", "postgrey", 0o700),
        Directory(layout.spam_socket.parent, "root", MAIL_USER, 0o750),
        Directory(layout.etc / "php", "root", "root", 0o755),
        Directory(layout.etc / "webmail", "root", WEBMAIL_USER, 0o750),
        Directory(layout.etc / "webmail" / "plugins", "root", WEBMAIL_USER, 0o750),
        Directory(layout.webmail_copies, "root", "root", 0o755),
        Directory(layout.webmail, WEBMAIL_USER, WEBMAIL_USER, 0o700),
        # nginx gets to the sockets of PHP, the panel to nginx' door; nobody else to either.
        Directory(layout.node_run / "php", "root", WEB_SERVER_USER, 0o750),
        Directory(layout.webmail_door.parent, "root", PANEL_USER, 0o750),
        Directory(layout.node_log, "root", "root", 0o755),
        Directory(layout.tls, "root", "root", 0o755),
        Directory(layout.tls / "hosts", "root", "root", 0o755),
        Directory(layout.tls / "certificates", "root", "root", 0o755),
        Directory(layout.acme_answers, "root", "root", 0o755),
    ]
