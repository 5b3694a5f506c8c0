"""How the daemons of the mail plane are started, tested, reloaded and stopped.

Pure: argument lists, no I/O. The stack (supervisor, systemd units) and the activation of settings read them
here.

Before the first start: ``provisioning.render.plane.directories``, the rendered files, the maps
(``postmap -c DIR lmdb:FILE``, an empty one too: Postfix refuses mail while a map file is missing),
accounts.sqlite, then ``prepare_argv``. Every daemon must run with stdin, stdout and stderr that are not the
caller's pipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning.layout import MAIL_USER, Layout
from provisioning.render.postfix import QUOTA_ROOM

Argv = tuple[str, ...]

SPAMD = "/usr/sbin/spamd"
# Without network tests a scan is all CPU, and more than one a core gains nothing; with them it mostly waits.
SPAMD_CHILDREN = 5
SPAMASSASSIN = "/usr/bin/spamassassin"
# After which a sender that greylisting sent away may come again.
GREYLIST_SECONDS = 60
POSTFIX_MASTER = "/usr/lib/postfix/sbin/master"
NGINX = "/usr/sbin/nginx"
PHP_FPM = "/usr/sbin/php-fpm8.2"
POSTFIX_POST_INSTALL = "/usr/lib/postfix/sbin/post-install"


@dataclass(frozen=True, slots=True)
class Daemon:
    """One daemon of an instance, started as root in the foreground.

    start: never forks away; ends on SIGTERM within seconds, its children with it. prepare: commands to run
    before each start, in order; every one must end with 0. check: ends with non-zero when the rendered
    settings are wrong; what it prints on stderr is shown to the operator. reload: takes up changed settings,
    cuts no session. ready_sockets: unix sockets that exist once it works. services: names in
    ``layout.STANDARD_PORTS`` that it listens on. stop_seconds: how long to wait after SIGTERM before SIGKILL.
    """

    name: str
    start: Argv
    prepare: tuple[Argv, ...]
    check: tuple[Argv, ...]
    reload: Argv
    pid_file: Path
    log: Path
    services: tuple[str, ...]
    ready_sockets: tuple[Path, ...]
    stop_seconds: int = 10


def postfix_folder(layout: Layout) -> Path:
    return layout.etc / "postfix"


def dovecot_conf(layout: Layout) -> Path:
    return layout.etc / "dovecot" / "dovecot.conf"


def address_blocks(layout: Layout) -> Argv:
    """Puts blocked addresses into the packet filter, where an instance has a table of its own, or else tells
    the parts of them.
    """
    services = {
        "smtp": ("smtp",),
        "submission": ("submission", "smtps"),
        "imap": ("imap", "imaps"),
        "pop3": ("pop3", "pop3s"),
        "sieve": ("sieve",),
        "web": ("http", "https"),
    }
    ports = {name: [str(layout.port(each)) for each in members] for name, members in services.items()}
    ports["all"] = sorted({port for members in ports.values() for port in members}, key=int)
    return (
        str(layout.bin / "address-blocks"),
        str(layout.accounts_file),
        f"qmailux_{layout.offset}" if layout.offset else "qmailux",
        *(f"{name}={','.join(members)}" for name, members in ports.items()),
        # Who refuses where there is no packet filter.
        f"--folder={layout.blocks}",
        f"--maps={layout.maps}",
        f"--postfix={postfix_folder(layout)}",
        f"--postfix-reload={layout.bin / 'postfix-reload'}",
        f"--dovecot={dovecot_conf(layout)}",
        f"--nginx={nginx_conf(layout)}",
    )


def postfix(layout: Layout) -> Daemon:
    """Postfix's master itself, not ``postfix start-fg``: the latter is a shell whose end would leave master
    running, and its ``postfix check`` takes 13 seconds with 500 addresses (engine 2, 1)."""
    folder = str(postfix_folder(layout))
    return Daemon(
        name="postfix",
        # -s: stay in the foreground and lead a process group of its own.
        start=(POSTFIX_MASTER, "-c", folder, "-s"),
        prepare=(
            # Makes the queue's folders with their owners from our own postfix-files.
            ("/usr/sbin/postfix", "-c", folder, "post-install", "create-missing"),
            # Puts misplaced queue files right, as "postfix start" does.
            ("/usr/sbin/postsuper", "-c", folder),
            # Who is blocked stays so over a restart, with the control plane down too.
            ("/bin/sh", "-c", '"$@" || true', "sh", *address_blocks(layout)),
        ),
        check=((str(layout.bin / "postfix-check"),),),
        reload=(str(layout.bin / "postfix-reload"),),
        pid_file=layout.queue / "pid" / "master.pid",
        log=layout.node_log / "mail.log",
        services=("smtp", "submission", "smtps"),
        ready_sockets=(layout.queue / "public" / "sieve", layout.queue / "public" / "qmgr"),
    )


def dovecot(layout: Layout) -> Daemon:
    """Dovecot. Its sockets for Postfix lie in queue/private, so the queue must be prepared first."""
    conf = str(dovecot_conf(layout))
    folder = str(postfix_folder(layout))
    return Daemon(
        name="dovecot",
        start=("/usr/sbin/dovecot", "-F", "-c", conf),
        prepare=(("/usr/sbin/postfix", "-c", folder, "post-install", "create-missing"),),
        check=(("/usr/bin/doveconf", "-c", conf, "-n"),),
        reload=("/usr/bin/doveadm", "-c", conf, "reload"),
        pid_file=layout.node_run / "dovecot" / "master.pid",
        log=layout.node_log / "dovecot.log",
        services=("imap", "imaps", "pop3", "pop3s", "sieve"),
        ready_sockets=(
            layout.queue / "private" / "dovecot-lmtp",
            layout.queue / "private" / "auth",
            layout.queue / "private" / "quota-status",
        ),
    )


def nginx_conf(layout: Layout) -> Path:
    return layout.etc / "nginx" / "nginx.conf"


def nginx(layout: Layout) -> Daemon:
    """nginx: TLS for the panel. It answers 502 while the web process is away, so it starts by itself."""
    conf = str(nginx_conf(layout))
    return Daemon(
        name="nginx",
        start=(NGINX, "-c", conf, "-g", "daemon off;"),
        # What a crash left: nginx would not listen there again.
        prepare=(("/bin/rm", "-f", str(layout.webmail_door)),),
        check=((NGINX, "-t", "-q", "-c", conf),),
        reload=(NGINX, "-c", conf, "-s", "reload"),
        pid_file=layout.node_run / "nginx.pid",
        log=layout.node_log / "nginx.log",
        services=("https", "http"),
        ready_sockets=(layout.webmail_door,),
    )


def php_fpm(layout: Layout) -> Daemon:
    """PHP, a pool for each webmail that runs here. Each pool starts processes when it is asked."""
    conf = str(layout.etc / "php" / "php-fpm.conf")
    prepare = str(layout.bin / "webmail-prepare")
    pid_file = layout.node_run / "php" / "php-fpm.pid"
    return Daemon(
        name="php-fpm",
        start=(PHP_FPM, "--nodaemonize", "--fpm-config", conf),
        # Folders and the database of what is in use by now, before the pools that need them.
        prepare=((prepare,),),
        check=((PHP_FPM, "--test", "--fpm-config", conf),),
        reload=(prepare, str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "php-fpm.log",
        services=(),
        # Roundcube's pool is always there, offered or not.
        ready_sockets=(layout.php_socket("roundcube"),),
    )


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


def syslog(layout: Layout) -> Daemon:
    """Takes the lines of parts that know syslog alone. It reads no settings."""
    socket = str(layout.syslog_socket)
    return Daemon(
        name="syslog",
        start=(str(layout.bin / "syslog"),),
        prepare=(("/bin/rm", "-f", socket),),
        check=(),
        reload=("/bin/true",),
        pid_file=layout.syslog_socket.with_name("syslog.pid"),
        log=layout.node_log / "syslog.log",
        services=(),
        ready_sockets=(layout.syslog_socket,),
    )


def with_own_syslog(layout: Layout, *argv: str) -> Argv:
    """The command line of a daemon that logs to /dev/log alone: it sees this instance's socket there."""
    return (str(layout.bin / "with-syslog"), *argv)


def logs_to_syslog(daemon: Daemon) -> bool:
    return Path(daemon.start[0]).name == "with-syslog"


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


def sending_limits(layout: Layout) -> Daemon:
    """Counts what each login sends."""
    files = {"accounts": layout.accounts_file, "state": layout.sending_state}
    return _own_service(layout, "sending-limits", layout.sending_policy, files)


def hijack_brake(layout: Layout) -> Daemon:
    """Stops logins that send as a stranger with their password would."""
    files = {
        "accounts": layout.accounts_file,
        "state": layout.brake_state,
        "tripped": layout.brake_tripped,
    }
    return _own_service(layout, "hijack-brake", layout.brake_policy, files)


def quota_room(layout: Layout) -> Daemon:
    """Keeps the map of mailboxes that quota-status need not be asked about."""
    files = {
        "accounts": layout.accounts_file,
        "mail": layout.mail,
        "events": layout.quota_events,
        "map": layout.maps / QUOTA_ROOM,
        "postfix": postfix_folder(layout),
    }
    return _own_service(layout, "quota-room", layout.quota_room, files, user="")


def alias_forward(layout: Layout) -> Daemon:
    """Passes mail for aliases on to other servers, in the name of the alias's domain."""
    files = {
        "secret": layout.etc / "forward_secret",
        "accounts": layout.accounts_file,
        "submit": layout.bin / "qmailux-submit",
    }
    return _own_service(layout, "alias-forward", layout.forward_socket, files)


def _own_service(
    layout: Layout, name: str, socket: Path, files: Mapping[str, Path], *, user: str = MAIL_USER
) -> Daemon:
    """One of provisioning/node_programs. Dovecot's group, for it reads the accounts file. user "": root."""
    pid_file = socket.with_suffix(".pid")
    return Daemon(
        name=name,
        start=(
            str(layout.bin / name),
            *(f"--{option}={path}" for option, path in files.items()),
            f"--socket={socket}",
            f"--pid={pid_file}",
            *((f"--user={user}", "--group=dovecot") if user else ()),
        ),
        prepare=(("/bin/rm", "-f", str(pid_file), str(socket)),),
        check=(),
        # Nothing to read again: what they go by is data. A new program is taken up at the next start.
        reload=("/usr/bin/pkill", "-TERM", "--pidfile", str(pid_file)),
        pid_file=pid_file,
        log=layout.node_log / "mail.log",
        services=(),
        ready_sockets=(socket,),
    )


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


def postmap_argv(layout: Layout, *arguments: str) -> Argv:
    """``postmap`` with this instance's configuration: postmap_argv(layout, "-r", "-i", "lmdb:...")."""
    return ("/usr/sbin/postmap", "-c", str(postfix_folder(layout)), *arguments)


def sievec_argv(layout: Layout, *scripts: Path) -> Argv:
    """Compile scripts with this instance's configuration: it decides which extensions a script may use."""
    return ("/usr/bin/sievec", "-c", str(dovecot_conf(layout)), *map(str, scripts))
