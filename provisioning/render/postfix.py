"""Postfix: main.cf, master.cf and the keys and values of its maps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning.layout import MAIL_USER
from provisioning.node_programs.alias_forward import FORWARD, RETURN
from provisioning.render import quoting
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane, NodeAddress
from qmailux_site.errors import UnsafeValue

# The maps in node/maps/, each an LMDB file changed by postmap alone. Keys are lower case: Postfix folds what
# it asks.
MAPS = (
    "domains",  # every hosted domain and domain alias -> "1"
    "relay",  # a domain whose mailboxes are on another server -> the way there
    # address -> "DUNNO"; of a domain that asks, itself and "@domain" -> the question to the other server
    "relay_recipients",
    "mailboxes",  # address of an account -> its mailbox and quota, "home:quota"
    "aliases",  # address or "@domain" -> targets
    "senders",  # address -> logins that may send as it
    "lock_reject",  # recipient address or domain -> 550
    "lock_defer",  # recipient address or domain -> 450
    "lock_login",  # login, its domain, or "*" for all -> 535
    "sender_transport",  # "@domain", or an address -> the service that sends its mail, and where to
    "smarthost_login",  # "@domain", or the server's next hop -> user:password there
    "protections",  # domain -> what its recipients meet in place of the server's checks
    "encryption_login",  # login, its domain, or "*" for all -> no session without TLS
    "encryption_out",  # another server's domain -> how mail to it must be encrypted
)
# Their keys are bare domains: none is an address.
DOMAIN_MAPS = ("domains", "relay", "protections", "encryption_out")
# Mailboxes that quota-status is not asked about, kept on the node by bin/quota-room.
QUOTA_ROOM = "quota_room"
# They hold passwords. Postfix's programs open them before they give up root's rights.
SECRET_MAPS = ("smarthost_login",)

QUEUE_LIFETIME = "5d"
# The most that Postfix takes.
QUEUE_LIFETIME_WHILE_STOPPED = "100d"
REJECTED = "550 5.2.1 This mailbox is locked and takes no mail"
DANGLING = "550 5.1.1 This address leads nowhere at present"
DEFERRED = "450 4.2.1 This mailbox takes no mail at the moment, try again later"
LOGIN_REFUSED = "535 5.7.8 This account is locked"
SENDING_STOPPED = "535 5.7.8 This account may not send mail at present: ask your postmaster"
LOCK_ALL_LOGINS = "*"
RETURN_LOCALPART = "srs0"

# At the end of a next hop: TLS begins with the first byte.
WRAPPED = "]:465"

_LIST_SIGNS = re.compile(r"""[, \t"<>()\[\]\\;:]""")

Entry = tuple[str, str]


def settings(plane: MailPlane) -> list[RenderedFile]:
    """Postfix's own configuration folder. Nothing in Debian's /etc/postfix is read."""
    names = {
        "main.cf": "postfix/main.cf.j2",
        "master.cf": "postfix/master.cf.j2",
        "dynamicmaps.cf": "postfix/dynamicmaps.cf.j2",
        "postfix-files": "postfix/postfix-files.j2",
        "header_checks": "postfix/header_checks.j2",
        "forward_transport": "postfix/forward_transport.j2",
        "attachment_types": "postfix/attachment_types.j2",
        "login_domain": "postfix/login_domain.j2",
        "by_server_smarthost": "postfix/by_server_smarthost.j2",
        "policyd-spf.conf": "postfix/policyd-spf.conf.j2",
        "allowed_clients": "postfix/allowed_clients.j2",
        "allowed_senders": "postfix/allowed_senders.j2",
        "allowed_milters": "postfix/allowed_milters.j2",
        "postscreen_access": "postfix/postscreen_access.j2",
    }
    default4 = _default(plane, is_ipv6=False)
    default6 = _default(plane, is_ipv6=True)
    values = {
        "plane": plane,
        "layout": plane.layout,
        "quota_room": QUOTA_ROOM,
        # One of the two is empty.
        "relayhost": "" if _is_wrapped(plane.relayhost) else plane.relayhost,
        "wrapped": plane.relayhost if _is_wrapped(plane.relayhost) else "",
        "listeners": _listeners(plane),
        "mail_user": MAIL_USER,
        "protections": plane.protections,
        "milters": ", ".join(_milters(plane)),
        "recipient_protections": RECIPIENT_PROTECTIONS,
        "outgoing_milter": "".join(_outgoing_milter(plane)),
        "virus_milter": "".join(_virus_milter(plane)),
        "own_addresses": sorted({"127.0.0.1", "::1", plane.layout.own_address}),
        "endings": "|".join(plane.protections.attachment_endings) or "(?!)",
        "default4": default4,
        "default6": default6,
        "default": default4 or default6,
        "stopped": _outgoing_services(plane) if plane.outgoing_stopped else [],
        "queue_lifetime": QUEUE_LIFETIME_WHILE_STOPPED if plane.outgoing_stopped else QUEUE_LIFETIME,
    }
    # What the others name comes first: a header check that is missing defers mail.
    return [
        *_programs(plane),
        *(file for address in plane.addresses for file in _address_files(plane, address)),
        *(
            RenderedFile(
                path=f"etc/postfix/{name}",
                content=render(template, **values),
                daemon="postfix",
                # Every Postfix program that meets a new main.cf would wait two seconds for a writer who has
                # not finished; ours is replaced as a whole.
                is_settled=name == "main.cf",
            )
            for name, template in sorted(names.items())
        ),
    ]


def settings_of_unlocked() -> list[str]:
    """Lines of main.cf as they are while mail may leave, for a lock that is lifted on the machine."""
    return [
        "defer_transports =",
        "outgoing_stop =",
        f"bounce_queue_lifetime = {QUEUE_LIFETIME}",
        f"maximal_queue_lifetime = {QUEUE_LIFETIME}",
    ]


def _programs(plane: MailPlane) -> list[RenderedFile]:
    """Among Postfix's own files, so that they are there when those are put in force."""
    values = {
        "folder": plane.layout.etc / "postfix",
        "run": plane.layout.node_run,
        "pid_file": plane.layout.queue / "pid" / "master.pid",
    }
    return [
        RenderedFile(f"bin/{name}", render(f"bin/{name}.j2", **values), daemon="postfix", mode=0o755)
        for name in ("postfix-check", "postfix-reload")
    ]


def outgoing_service(number: int) -> str:
    """The service in master.cf that sends from the address of that number."""
    return f"smtp-p{number}"


# The one that logs in would find the server's password at the same next hop, so a domain without a login has
# the second; the third begins TLS with the first byte.
SMARTHOST_SERVICES = ("smarthost", "smarthost-open", "smarthost-tls")


def smarthost_service(number: int | None, next_hop: str, *, logs_in: bool = True) -> str:
    """The service that sends to that smarthost, from the address of that number."""
    logging_in, open_one, wrapped = SMARTHOST_SERVICES
    name = wrapped if _is_wrapped(next_hop) else logging_in if logs_in else open_one
    return _from(number, name)


def _from(number: int | None, name: str) -> str:
    return name if number is None else f"{name}-p{number}"


def _is_wrapped(next_hop: str) -> bool:
    return next_hop.endswith(WRAPPED)


def sending_service(number: int | None, next_hop: str, *, logs_in: bool = True) -> str | None:
    """The service that sends from the address of that number, to the smarthost if there is one; None: as the
    server sends.
    """
    if next_hop:
        return smarthost_service(number, next_hop, logs_in=logs_in)
    return None if number is None else outgoing_service(number)


def _outgoing_services(plane: MailPlane) -> list[str]:
    numbers = [address.number for address in plane.addresses]
    return [
        "smtp",
        "relay",
        *(outgoing_service(number) for number in numbers),
        *(_from(number, name) for number in (None, *numbers) for name in SMARTHOST_SERVICES),
    ]


def sieve_service(number: int) -> str:
    return f"sieve-p{number}"


def _default(plane: MailPlane, *, is_ipv6: bool) -> NodeAddress | None:
    found = (address for address in plane.addresses if address.is_default and address.is_ipv6 == is_ipv6)
    return next(found, None)


def _virus_milter(plane: MailPlane) -> list[str]:
    if "clamav" not in plane.protections.on:
        return []
    action = "accept" if plane.protections.accepts_unscanned else "tempfail"
    return [_milter(plane.layout.virus_milter, action)]


def _outgoing_milter(plane: MailPlane) -> list[str]:
    """Gone itself, it does what the stricter of its checks does without its scanner."""
    checks = plane.protections.outgoing_checks.values()
    if not checks:
        return []
    waits = any(check.on_failure == "defer" for check in checks)
    return [_milter(plane.layout.outgoing_scan, "tempfail" if waits else "accept")]


def _milters(plane: MailPlane) -> list[str]:
    """In this order: DMARC reads what the one before it noted about signatures, so it never works alone."""
    on = plane.protections.on
    found = _virus_milter(plane)
    if on & {"dkim", "dmarc"}:
        found.append(_milter(plane.layout.dkim_milter, "accept"))
    if "dmarc" in on:
        found.append(_milter(plane.layout.dmarc_milter, "accept"))
    if plane.passes_mail_on and "spamassassin" in on:
        found.append(_milter(plane.layout.outgoing_scan, "accept"))
    return found


def _milter(socket: Path, action: str) -> str:
    return f"{{ unix:{quoting.postfix_value(str(socket))}, connect_timeout=10s, default_action={action} }}"


# In the order in which main.cf names them.
RECIPIENT_PROTECTIONS = ("helo", "reverse-name", "sender-domain", "dnsbl", "spf", "greylisting")


@dataclass(frozen=True, slots=True)
class _Listener:
    """host: what stands before the port in master.cf. address: None for the server's own name.

    is_first_of_its_name: listeners of one name share the smtpd behind postscreen.
    """

    host: str
    address: NodeAddress | None = None
    is_first_of_its_name: bool = True

    @property
    def screened(self) -> str:
        """The service that takes what postscreen lets through."""
        return f"mx-{self.address.label}" if self.address else "mx"

    @property
    def suffix(self) -> str:
        return f"/{self.address.label}" if self.address else ""


def _listeners(plane: MailPlane) -> list[_Listener]:
    own = [
        _Listener("" if host == "*" else f"{_listen_host(host)}:", is_first_of_its_name=number == 0)
        for number, host in enumerate(plane.listen)
    ]
    named = [_Listener(f"{_listen_host(address.address)}:", address) for address in plane.listening]
    return own + named


def _address_files(plane: MailPlane, address: NodeAddress) -> list[RenderedFile]:
    """Header checks that put the address's name in place of the server's."""
    return [
        RenderedFile(
            path=f"etc/postfix/addresses/{kind}-{address.label}",
            content=render(f"postfix/address_{kind}.j2", server=plane.name, hostname=address.hostname),
            daemon="postfix",
        )
        for kind in ("out", "sieve")
    ]


def _listen_host(bind: str) -> str:
    """master.cf takes a numeric IPv6 address only in brackets."""
    return f"[{bind}]" if ":" in bind else bind


def protections_entry(name: str, choices: Mapping[str, bool]) -> Entry:
    """What a domain meets in place of the server's checks: each as the domain, or else the server, has it.
    The names of main.cf's restriction classes; the permit at their end goes past the server's list.
    """
    found = []
    for protection in RECIPIENT_PROTECTIONS:
        words = protection.replace("-", "_")
        if protection not in choices:
            found.append(f"server_{words}")
        elif choices[protection]:
            found.append(f"domain_{words}")
    return quoting.map_key(name), ", ".join([*found, "permit"])


def domain_entry(name: str) -> Entry:
    """A domain (or domain alias) whose mail we accept."""
    return quoting.map_key(name), "1"


def relay_entry(name: str, host: str, port: int) -> Entry:
    """The host's own address is meant, never its MX: that would lead back here."""
    return quoting.map_key(name), quoting.map_value(f"relay:[{host}]:{port}")


def relay_recipient_entry(address: str) -> Entry:
    return quoting.map_key(address), "DUNNO"


def asked_recipient_entry(key: str) -> Entry:
    """``key``: "@domain" makes every recipient possible, the bare domain has each asked for."""
    return quoting.map_key(key), "reject_unverified_recipient"


def mailbox_entry(address: str, home: str, quota_bytes: int) -> Entry:
    """The value is the mailbox's key in the map of bin/quota-room: another quota makes it another key."""
    return quoting.map_key(address), quoting.map_value(f"{home}:{quota_bytes}")


def own_values(address: str, home: str, quota_bytes: int) -> tuple[str, str]:
    """What stands under an account's address as its mailbox_entry, and as its sender_entry for itself. home:
    of home_of_account.
    """
    if quoting.is_plain_address(address):
        return f"{home}:{quota_bytes}", address
    return mailbox_entry(address, home, quota_bytes)[1], sender_entry(address, (address,))[1]


def alias_entry(address: str, targets: Iterable[str]) -> Entry:
    """``address`` (or ``@domain``) goes to the targets. An identity entry keeps a mailbox before a
    catch-all.
    """
    return quoting.map_key(address), _address_list(targets)


def forward_target(target: str, domain: str) -> str:
    """An alias of the domain leads elsewhere: in the form that bin/alias-forward takes apart."""
    localpart, _at, name = target.rpartition("@")
    return f"{localpart}={name}@{domain}{FORWARD}"


def return_entry(name: str) -> Entry:
    """What comes back for mail that the domain's aliases have passed on."""
    return alias_entry(f"{RETURN_LOCALPART}@{name}", (f"{RETURN_LOCALPART}@{name}{RETURN}",))


def sender_entry(address: str, logins: Iterable[str]) -> Entry:
    """The logins that may use ``address`` as their envelope sender."""
    return quoting.map_key(address), _address_list(logins)


def sender_transport_entry(sender: str, service: str, next_hop: str = "") -> Entry:
    """``sender``: an address, or "@domain". Its mail leaves by the service: to the next hop, or directly."""
    return quoting.map_key(sender), quoting.map_value(f"{service}:{next_hop}")


def smarthost_login_entry(key: str, user: str, password: str) -> Entry:
    """Postfix parts them at the first colon."""
    return quoting.map_key(key), quoting.map_value(f"{user}:{password}")


def lock_reject_entry(recipient: str) -> Entry:
    """``recipient``: an address, or a bare domain for all its addresses."""
    return quoting.map_key(recipient), quoting.map_value(REJECTED)


def lock_defer_entry(recipient: str) -> Entry:
    return quoting.map_key(recipient), quoting.map_value(DEFERRED)


def encryption_entry(name: str) -> Entry:
    """``name``: an address, a bare domain, or LOCK_ALL_LOGINS. Meets running sessions too."""
    return quoting.map_key(name), "reject_plaintext_session"


def remote_encryption_entry(domain: str, level: str) -> Entry:
    return quoting.map_key(domain), quoting.map_value(level)


def lock_login_entry(login: str) -> Entry:
    """``login``: an address, a bare domain, or LOCK_ALL_LOGINS. Ends SMTP sessions that are already logged
    in.
    """
    return quoting.map_key(login), quoting.map_value(LOGIN_REFUSED)


def sending_stopped_entry(login: str) -> Entry:
    """No mail is taken from the login, in running sessions too."""
    return quoting.map_key(login), quoting.map_value(SENDING_STOPPED)


def _address_list(addresses: Iterable[str]) -> str:
    """Sorted, each once: same rows, same bytes. A comma inside an address would become two addresses."""
    unique = sorted(set(addresses))
    for address in unique:
        if not address or _LIST_SIGNS.search(address):
            raise UnsafeValue("list of addresses in a Postfix map", address)
    return quoting.map_value(",".join(unique))


def dangling_entry(recipient: str) -> Entry:
    """An alias whose targets are all gone: refused at RCPT like an unknown user, a catch-all beside it or
    not.
    """
    return quoting.map_key(recipient), quoting.map_value(DANGLING)
