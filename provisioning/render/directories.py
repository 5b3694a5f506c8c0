"""The folders that the daemons of a node need. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from provisioning.layout import MAIL_USER, PANEL_USER, WEB_SERVER_USER, WEBMAIL_USER, Layout


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder that must exist with this owner and mode before the daemons start."""

    path: Path
    owner: str
    group: str
    mode: int


def directories(layout: Layout) -> list[Directory]:
    """Every folder of the mail plane, parents first.

    The queue's inner folders are not here: ``postfix -c DIR post-install create-missing`` makes them from our
    own postfix-files (the daemons' ``prepare``).
    """
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
