"""The settings of a node: reads Django's settings, returns whole files (DESIGN 4, render)."""

from __future__ import annotations

import pwd
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from domains.models import Domain
from enforcement.models import ServerLock
from provisioning.authority import authorities_of
from provisioning.certificates import default_mark, served_certificates
from provisioning.daemons import Daemon, daemons
from provisioning.encryption import server_needs_encryption
from provisioning.layout import MAIL_USER, Layout, is_address
from provisioning.presence import addresses_of_this_machine
from provisioning.protections import server_protections
from provisioning.render import (
    clamav,
    domainproof,
    dovecot,
    nginx,
    postfix,
    programs,
    sieve,
    spamassassin,
    webmail,
)
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane
from provisioning.secrets import forward_secret, public_webmail_keys, webmail_secret
from provisioning.server_lock import server_lock_file
from provisioning.smarthosts import server_smarthost
from provisioning.spam import server_values, server_wishes
from webmail.catalogue import brands, catalogue

RESOLVER = Path("/etc/resolv.conf")
# Absent on a machine that has no IPv6 at all.
IPV6_ADDRESSES = Path("/proc/net/if_inet6")


def mail_plane(layout: Layout) -> MailPlane:
    """The server's settings as the renderers want them."""
    user = pwd.getpwnam(MAIL_USER)
    addresses, others = addresses_of_this_machine(layout)
    spam = server_values()
    smarthost = server_smarthost()
    plane = MailPlane(
        layout=layout,
        vmail_uid=user.pw_uid,
        vmail_gid=user.pw_gid,
        relayhost=smarthost.next_hop if smarthost else "",
        relayhost_logs_in=bool(smarthost and smarthost.user),
        time_zone=settings.TIME_ZONE,
        message_size_limit_bytes=settings.QMAILUX_MESSAGE_SIZE_LIMIT_MB * 1024 * 1024,
        addresses=addresses,
        plaintext_logins=not server_needs_encryption(),
        outgoing_stopped=ServerLock.objects.exists(),
        passes_mail_on=Domain.objects.relayed().exists(),
        other_addresses=others,
        spam_probable=spam.probable,
        spam_scan=spam.is_scanned,
        protections=server_protections(),
        spam_expire_days=spam.days,
        nameservers=_nameservers(),
        webmail_secret=webmail_secret(layout),
        forward_secret=forward_secret(layout),
        webmail_keys=tuple(sorted(public_webmail_keys(layout).items())),
        webmails=tuple(webmail.site for webmail in catalogue()),
        brands=tuple(brands()),
        certificates=served_certificates(layout),
    )
    acme = settings.QMAILUX_ACME_CA_FILE
    authorities = authorities_of(layout, plane.chain, Path(acme) if acme else None)
    return replace(plane, certificate_mark=default_mark(plane), tls_ca=authorities)


def _nameservers() -> tuple[str, ...]:
    """As the machine's resolver knows them; what is no plain address (one with a zone) is left out."""
    text = RESOLVER.read_text(encoding="utf-8", errors="replace") if RESOLVER.exists() else ""
    named = [
        words[1] for line in text.splitlines() if (words := line.split())[:1] == ["nameserver"] and words[1:]
    ]
    return tuple(server for server in named if is_address(server))


def settings_files(layout: Layout) -> list[RenderedFile]:
    """Every settings file of the mail plane, in the order in which they are put in force."""
    plane = mail_plane(layout)
    return [
        *spamassassin.settings(plane, server_wishes()),
        *postfix.settings(plane),
        *dovecot.settings(plane),
        *clamav.settings(plane),
        *domainproof.settings(plane),
        *programs.settings(plane),
        *webmail.settings(plane),
        *nginx.settings(plane, has_ipv6=IPV6_ADDRESSES.exists()),
        # Compiled with Dovecot's configuration, so after it.
        sieve.server_script(plane),
        sieve.learn_script(plane),
        server_lock_file(),
    ]


def daemons_by_name(layout: Layout) -> dict[str, Daemon]:
    return {daemon.name: daemon for daemon in daemons(layout)}
