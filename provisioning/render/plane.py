"""All settings of one node's mail plane in one value.

Pure: no Django, no I/O. What a person can change on a settings page becomes a field here; every field has a
safe default, so that a renderer never has to ask whether something is set.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from provisioning.layout import Layout, covers
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
