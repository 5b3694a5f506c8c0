"""Postfix: main.cf, master.cf and the keys and values of its maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provisioning.layout import MAIL_USER
from provisioning.render import quoting
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane
from qmailux_site.errors import UnsafeValue

# The maps in node/maps/, each an LMDB file changed by postmap alone. Keys are lower case: Postfix folds what
# it asks.
DOMAINS = "domains"  # every hosted domain and domain alias -> "1"
MAILBOXES = "mailboxes"  # address of an account -> "1"
ALIASES = "aliases"  # address or "@domain" -> targets
SENDERS = "senders"  # address -> logins that may send as it
LOCK_REJECT = "lock_reject"  # recipient address or domain -> 550
LOCK_DEFER = "lock_defer"  # recipient address or domain -> 450
LOCK_LOGIN = "lock_login"  # login, its domain, or "*" for all -> 535
MAPS = (DOMAINS, MAILBOXES, ALIASES, SENDERS, LOCK_REJECT, LOCK_DEFER, LOCK_LOGIN)

REJECTED = "550 5.2.1 This mailbox is locked and takes no mail"
DANGLING = "550 5.1.1 This address leads nowhere at present"
DEFERRED = "450 4.2.1 This mailbox takes no mail at the moment, try again later"
LOGIN_REFUSED = "535 5.7.8 This account is locked"
LOCK_ALL_LOGINS = "*"

Entry = tuple[str, str]


def settings(plane: MailPlane) -> list[RenderedFile]:
    """Postfix's own configuration folder. Nothing in Debian's /etc/postfix is read."""
    listener = "" if plane.layout.bind == "*" else f"{_listen_host(plane.layout.bind)}:"
    names = {
        "main.cf": "postfix/main.cf.j2",
        "master.cf": "postfix/master.cf.j2",
        "dynamicmaps.cf": "postfix/dynamicmaps.cf.j2",
        "postfix-files": "postfix/postfix-files.j2",
        "header_checks": "postfix/header_checks.j2",
        "login_domain": "postfix/login_domain.j2",
    }
    return [
        RenderedFile(
            path=f"etc/postfix/{name}",
            content=render(
                template, plane=plane, layout=plane.layout, listener=listener, mail_user=MAIL_USER
            ),
            daemon="postfix",
        )
        for name, template in sorted(names.items())
    ]


def _listen_host(bind: str) -> str:
    """master.cf takes a numeric IPv6 address only in brackets."""
    return f"[{bind}]" if ":" in bind else bind


def domain_entry(name: str) -> Entry:
    """A domain (or domain alias) whose mail we accept."""
    return quoting.map_key(name), "1"


def mailbox_entry(address: str) -> Entry:
    return quoting.map_key(address), "1"


def alias_entry(address: str, targets: Iterable[str]) -> Entry:
    """``address`` (or ``@domain``) goes to the targets. An identity entry keeps a mailbox before a
    catch-all.
    """
    return quoting.map_key(address), _address_list(targets)


def sender_entry(address: str, logins: Iterable[str]) -> Entry:
    """The logins that may use ``address`` as their envelope sender."""
    return quoting.map_key(address), _address_list(logins)


def lock_reject_entry(recipient: str) -> Entry:
    """``recipient``: an address, or a bare domain for all its addresses."""
    return quoting.map_key(recipient), quoting.map_value(REJECTED)


def lock_defer_entry(recipient: str) -> Entry:
    return quoting.map_key(recipient), quoting.map_value(DEFERRED)


def lock_login_entry(login: str) -> Entry:
    """``login``: an address, a bare domain, or LOCK_ALL_LOGINS. Ends SMTP sessions that are already logged
    in.
    """
    return quoting.map_key(login), quoting.map_value(LOGIN_REFUSED)


def _address_list(addresses: Iterable[str]) -> str:
    """Sorted, each once: same rows, same bytes. A comma inside an address would become two addresses."""
    unique: Sequence[str] = sorted(set(addresses))
    for address in unique:
        if not address or any(sign in address for sign in ', \t"<>()[]\\;:'):
            raise UnsafeValue("list of addresses in a Postfix map", address)
    return quoting.map_value(",".join(unique))


def dangling_entry(recipient: str) -> Entry:
    """An alias whose targets are all gone: refused at RCPT like an unknown user, a catch-all beside it or
    not.
    """
    return quoting.map_key(recipient), quoting.map_value(DANGLING)
