"""What looks at mail: for spam and viruses, for signatures, and whether its sender comes again."""

from __future__ import annotations

from pathlib import Path

from provisioning.daemons.daemon import Daemon, with_own_syslog
from provisioning.layout import MAIL_USER, Layout

SPAMD = "/usr/sbin/spamd"
# Without network tests a scan is all CPU, and more than one a core gains nothing; with them it mostly waits.
SPAMD_CHILDREN = 5
SPAMASSASSIN = "/usr/bin/spamassassin"
# After which a sender that greylisting sent away may come again.
GREYLIST_SECONDS = 60


def spamassassin_folder(layout: Layout) -> Path:
    return layout.etc / "spamassassin"


def spamd(layout: Layout) -> Daemon:
    """SpamAssassin's daemon: rules stay in memory, preferences are read at each message."""
    folder = str(spamassassin_folder(layout))
    pid_file = layout.spam_socket.with_name("spamd.pid")
    return Daemon(
        name="spamd",
        start=(
            SPAMD,
            f"--configpath={layout.spam_rules}",
            f"--siteconfigpath={folder}",
            f"--socketpath={layout.spam_socket}",
            # Who gets to it is decided by its folder.
            "--socketmode=0666",
            f"--username={MAIL_USER}",
            "--nouser-config",
            f"--virtual-config-dir={layout.spamassassin}/%d/%l",
            "--allow-tell",
            "--min-children=1",
            f"--max-children={SPAMD_CHILDREN}",
            f"--max-spare={SPAMD_CHILDREN}",
            "--max-conn-per-child=200",
            f"--syslog={layout.node_log / 'spamd.log'}",
            f"--pidfile={pid_file}",
        ),
        prepare=(("/bin/rm", "-f", str(pid_file), str(layout.spam_socket)),),
        check=(
            # No preferences of whoever runs this.
            (
                SPAMASSASSIN,
                "--lint",
                "--local",
                "--nocreate-prefs",
                "--prefs-file=/dev/null",
                f"--configpath={layout.spam_rules}",
                f"--siteconfigpath={folder}",
            ),
        ),
        reload=(str(layout.bin / "spamd-reload"),),
        pid_file=pid_file,
        log=layout.node_log / "spamd.log",
        services=(),
        ready_sockets=(layout.spam_socket,),
    )


def clamav_folder(layout: Layout) -> Path:
    return layout.etc / "clamav"


def clamd(layout: Layout) -> Daemon:
    """The virus scanner. Its signatures stay in memory; new ones are loaded beside the work."""
    conf = str(clamav_folder(layout) / "clamd.conf")
    pid_file = layout.clamd_socket.with_name("clamd.pid")
    return Daemon(
        name="clamd",
        start=("/usr/sbin/clamd", f"--config-file={conf}"),
        prepare=(("/bin/rm", "-f", str(pid_file), str(layout.clamd_socket)),),
        check=(("/usr/sbin/clamd", f"--config-file={conf}", "--version"),),
        # It reads its settings at its start only; whoever keeps it up starts it again.
        reload=("/usr/bin/pkill", "-TERM", "--pidfile", str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "clamd.log",
        services=(),
        ready_sockets=(layout.clamd_socket,),
        stop_seconds=30,
    )


def clamav_milter(layout: Layout) -> Daemon:
    """Between Postfix and the virus scanner."""
    conf = str(clamav_folder(layout) / "milter.conf")
    pid_file = layout.virus_milter.with_name("milter.pid")
    return Daemon(
        name="clamav-milter",
        start=("/usr/sbin/clamav-milter", f"--config-file={conf}"),
        prepare=(("/bin/rm", "-f", str(pid_file), str(layout.virus_milter)),),
        check=(),
        reload=("/usr/bin/pkill", "-TERM", "--pidfile", str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "clamav-milter.log",
        services=(),
        ready_sockets=(layout.virus_milter,),
    )


def opendkim(layout: Layout) -> Daemon:
    """Checks the signatures of incoming mail."""
    return _domain_milter(layout, "opendkim", layout.dkim_milter)


def dkim_signer(layout: Layout) -> Daemon:
    """Signs what leaves. A process of its own: one that also checks would sign what others send from here."""
    conf = str(layout.etc / "opendkim" / "signing.conf")
    pid_file = layout.dkim_signer.with_name("signer.pid")
    return Daemon(
        name="dkim-signer",
        start=with_own_syslog(layout, "/usr/sbin/opendkim", "-f", "-x", conf),
        prepare=(("/bin/rm", "-f", str(pid_file), str(layout.dkim_signer)),),
        check=(("/usr/sbin/opendkim", "-n", "-x", conf),),
        reload=("/usr/bin/pkill", "-USR1", "--pidfile", str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "syslog.log",
        services=(),
        ready_sockets=(layout.dkim_signer,),
    )


def outgoing_scan(layout: Layout) -> Daemon:
    """Searches what people send. As clamd's user, who alone gets to it; spamd is its group's."""
    pid_file = layout.outgoing_scan.with_name("milter.pid")
    return Daemon(
        name="outgoing-scan",
        start=with_own_syslog(
            layout,
            str(layout.bin / "outgoing-scan"),
            f"--settings={layout.etc / 'outgoing-scan'}",
            f"--clamd={layout.clamd_socket}",
            f"--spamd={layout.spam_socket}",
            f"--socket={layout.outgoing_scan}",
            f"--pid={pid_file}",
            "--user=clamav",
            f"--group={MAIL_USER}",
        ),
        prepare=(("/bin/rm", "-f", str(pid_file), str(layout.outgoing_scan)),),
        check=(),
        # It reads its settings at each message. A new program is taken up at the next start.
        reload=("/usr/bin/pkill", "-TERM", "--pidfile", str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "syslog.log",
        services=(),
        ready_sockets=(layout.outgoing_scan,),
    )


def opendmarc(layout: Layout) -> Daemon:
    """Asks what a sender's domain wants of mail that nothing proves."""
    return _domain_milter(layout, "opendmarc", layout.dmarc_milter)


def _domain_milter(layout: Layout, name: str, socket: Path) -> Daemon:
    conf = str(layout.etc / name / f"{name}.conf")
    pid_file = socket.with_name("milter.pid")
    # opendmarc's own reload leaves the old settings in force; whoever keeps it up starts it again.
    signal = "-TERM" if name == "opendmarc" else "-USR1"
    return Daemon(
        name=name,
        start=with_own_syslog(layout, f"/usr/sbin/{name}", "-f", "-c" if name == "opendmarc" else "-x", conf),
        prepare=(("/bin/rm", "-f", str(pid_file), str(socket)),),
        check=((f"/usr/sbin/{name}", "-n", "-c" if name == "opendmarc" else "-x", conf),),
        reload=("/usr/bin/pkill", signal, "--pidfile", str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "syslog.log",
        services=(),
        ready_sockets=(socket,),
    )


def postgrey(layout: Layout) -> Daemon:
    """Remembers who has come before. Its list of servers that never come twice is Debian's."""
    pid_file = layout.greylist_socket.with_name("postgrey.pid")
    return Daemon(
        name="postgrey",
        start=(
            "/usr/sbin/postgrey",
            f"--unix={layout.greylist_socket}",
            "--socketmode=0666",
            f"--dbdir={layout.state / 'postgrey'}",
            f"--pidfile={pid_file}",
            "--user=postgrey",
            "--group=postgrey",
            f"--delay={GREYLIST_SECONDS}",
            "--auto-whitelist-clients=5",
        ),
        prepare=(("/bin/rm", "-f", str(pid_file), str(layout.greylist_socket)),),
        check=(),
        # In the foreground it writes no pid file, but its name holds its arguments (pkill spares itself).
        reload=("/usr/bin/pkill", "-HUP", "--full", f"postgrey .*{layout.greylist_socket}"),
        pid_file=pid_file,
        # In the foreground it says all to its standard error; whom it sends away stands in Postfix's log.
        log=layout.node_log / "mail.log",
        services=(),
        ready_sockets=(layout.greylist_socket,),
    )
