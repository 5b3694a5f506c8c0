"""The settings of a node: reads Django's settings, returns whole files (DESIGN 4, render)."""

from __future__ import annotations

import pwd
from pathlib import Path

from django.conf import settings

from provisioning.daemons import Daemon, daemons
from provisioning.layout import MAIL_USER, Layout
from provisioning.render import dovecot, nginx, postfix, programs, sieve
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane

# Absent on a machine that has no IPv6 at all.
IPV6_ADDRESSES = Path("/proc/net/if_inet6")


def mail_plane(layout: Layout) -> MailPlane:
    """The server's settings as the renderers want them."""
    user = pwd.getpwnam(MAIL_USER)
    return MailPlane(
        layout=layout,
        vmail_uid=user.pw_uid,
        vmail_gid=user.pw_gid,
        message_size_limit_bytes=settings.QMAILUX_MESSAGE_SIZE_LIMIT_MB * 1024 * 1024,
    )


def settings_files(layout: Layout) -> list[RenderedFile]:
    """Every settings file of the mail plane, in the order in which they are put in force."""
    plane = mail_plane(layout)
    return [
        *postfix.settings(plane),
        *dovecot.settings(plane),
        *programs.settings(plane),
        *nginx.settings(plane, has_ipv6=IPV6_ADDRESSES.exists()),
        sieve.server_script(plane),  # compiled with Dovecot's configuration, so after it
    ]


def daemons_by_name(layout: Layout) -> dict[str, Daemon]:
    return {daemon.name: daemon for daemon in daemons(layout)}
