"""How the daemons of the mail plane are started, tested, reloaded and stopped.

Pure: argument lists, no I/O. The stack (supervisor, systemd units) and the activation of settings read them
here.

Before the first start: ``provisioning.render.directories``, the rendered files, the maps
(``postmap -c DIR lmdb:FILE``, an empty one too: Postfix refuses mail while a map file is missing),
accounts.sqlite, then each daemon's ``prepare``. Every daemon must run with stdin, stdout and stderr that are
not the caller's pipe.
"""

from __future__ import annotations

from provisioning.daemons.checks import (
    SPAMASSASSIN,
    clamav_milter,
    clamd,
    dkim_signer,
    opendkim,
    opendmarc,
    outgoing_scan,
    postgrey,
    spamassassin_folder,
    spamd,
)
from provisioning.daemons.daemon import Argv, Daemon, logs_to_syslog, with_own_syslog
from provisioning.daemons.mail import address_blocks, dovecot, dovecot_conf, postfix, sievec_argv
from provisioning.daemons.own import alias_forward, hijack_brake, quota_room, sending_limits, syslog
from provisioning.daemons.web import PHP_FPM, nginx, php_fpm
from provisioning.layout import Layout

__all__ = [
    "PHP_FPM",
    "SPAMASSASSIN",
    "Argv",
    "Daemon",
    "address_blocks",
    "daemons",
    "dkim_signer",
    "dovecot_conf",
    "logs_to_syslog",
    "postfix",
    "sievec_argv",
    "spamassassin_folder",
    "spamd",
    "with_own_syslog",
]


def daemons(layout: Layout) -> tuple[Daemon, ...]:
    """In the order of their start; stop them the other way round."""
    return (
        syslog(layout),
        clamd(layout),
        clamav_milter(layout),
        opendkim(layout),
        dkim_signer(layout),
        opendmarc(layout),
        postgrey(layout),
        sending_limits(layout),
        hijack_brake(layout),
        quota_room(layout),
        alias_forward(layout),
        outgoing_scan(layout),
        spamd(layout),
        dovecot(layout),
        postfix(layout),
        php_fpm(layout),
        nginx(layout),
    )
