"""Our own programs of the node (provisioning/node_programs) that run all the time."""

from __future__ import annotations

from provisioning.daemons.daemon import Daemon, own_service
from provisioning.daemons.mail import postfix_folder
from provisioning.layout import Layout
from provisioning.render.postfix import QUOTA_ROOM


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


def sending_limits(layout: Layout) -> Daemon:
    """Counts what each login sends."""
    files = {"accounts": layout.accounts_file, "state": layout.sending_state}
    return own_service(layout, "sending-limits", layout.sending_policy, files)


def hijack_brake(layout: Layout) -> Daemon:
    """Stops logins that send as a stranger with their password would."""
    files = {
        "accounts": layout.accounts_file,
        "state": layout.brake_state,
        "tripped": layout.brake_tripped,
    }
    return own_service(layout, "hijack-brake", layout.brake_policy, files)


def quota_room(layout: Layout) -> Daemon:
    """Keeps the map of mailboxes that quota-status need not be asked about."""
    files = {
        "accounts": layout.accounts_file,
        "mail": layout.mail,
        "events": layout.quota_events,
        "map": layout.maps / QUOTA_ROOM,
        "postfix": postfix_folder(layout),
    }
    return own_service(layout, "quota-room", layout.quota_room, files, user="")


def alias_forward(layout: Layout) -> Daemon:
    """Passes mail for aliases on to other servers, in the name of the alias's domain."""
    files = {
        "secret": layout.etc / "forward_secret",
        "accounts": layout.accounts_file,
        "submit": layout.bin / "qmailux-submit",
    }
    return own_service(layout, "alias-forward", layout.forward_socket, files)
