"""The small programs that the mail plane starts, in node/bin; what they share is in node/lib. They run as the
mail user; the control plane's folder need not be readable for them."""

from __future__ import annotations

from email.header import Header
from pathlib import Path
from types import ModuleType

from provisioning.layout import MAIL_USER
from provisioning.node_programs import (
    address_blocks,
    alias_forward,
    blocks_in_parts,
    hijack_brake,
    outgoing_scan,
    quota_room,
    relay_marks,
    scanning,
    sending_limits,
    service,
)
from provisioning.render.engine import render
from provisioning.render.files import HEADER, RenderedFile
from provisioning.render.plane import MailPlane

# What they are made of besides.
SHARED = (service, blocks_in_parts, scanning, relay_marks)
# Programs in Python with modules of their own.
PROGRAMS = {
    "sending-limits": sending_limits,
    "hijack-brake": hijack_brake,
    "address-blocks": address_blocks,
    "quota-room": quota_room,
    "alias-forward": alias_forward,
    "outgoing-scan": outgoing_scan,
}
# They import a package of Debian's, which Python does not find without its site module.
WITH_PACKAGES = ("outgoing-scan",)
# The owner's language -> subject and body; PERCENT is replaced by the program. Other languages get English.
_WARNING_TEXTS = {
    "pl": (
        "Twoja skrzynka jest zajęta w ponad PERCENT%",
        "Skrzynka ADDRESS jest zajęta w ponad PERCENT% przyznanego miejsca.\n"
        "Gdy się zapełni, nowa poczta nie będzie przyjmowana, a nadawcy dostaną ją z powrotem.\n"
        "\n"
        "Usuń niepotrzebne wiadomości, także z folderów wysłanych i usuniętych, albo poproś\n"
        "administratora swojej domeny o więcej miejsca.\n",
    ),
    "en": (
        "Your mailbox is more than PERCENT% full",
        "The mailbox ADDRESS uses more than PERCENT% of its space.\n"
        "When it is full, new mail will be refused and returned to its senders.\n"
        "\n"
        "Delete messages you no longer need, also from the folders of sent and deleted mail,\n"
        "or ask the administrator of your domain for more space.\n",
    ),
}


def settings(plane: MailPlane) -> list[RenderedFile]:
    return [
        _quota_warning(plane),
        _submit(plane),
        _scan(plane),
        _spamd_reload(plane),
        _learn_event(plane),
        *(_as_it_stands(module) for module in (*SHARED, *PROGRAMS.values())),
        *(_launcher(name, module) for name, module in PROGRAMS.items()),
        _forward_secret(plane),
        _outgoing_settings(plane),
        *_syslog(plane),
        _mail_event(plane),
    ]


def _as_it_stands(module: ModuleType) -> RenderedFile:
    """The text of ours, under its own name: it takes all that differs as arguments."""
    source = Path(str(module.__file__)).read_bytes()
    path = f"lib/{module.__name__.replace('.', '/')}.py"
    return RenderedFile(path=path, content=f"# {HEADER}\n".encode() + source, daemon="")


def _launcher(name: str, module: ModuleType) -> RenderedFile:
    options = "-IB" if name in WITH_PACKAGES else "-IBS"
    content = render("bin/launcher.j2", module=module.__name__, options=options)
    return RenderedFile(path=f"bin/{name}", content=content, daemon="", mode=0o755)


def _forward_secret(plane: MailPlane) -> RenderedFile:
    """What signs the senders of mail that aliases pass on; the program runs as the mail user."""
    content, owner = f"# {HEADER}\n{plane.forward_secret}\n".encode(), MAIL_USER
    return RenderedFile("etc/forward_secret", content, daemon="", mode=0o400, owner=owner, group=owner)


def _outgoing_settings(plane: MailPlane) -> RenderedFile:
    """The program reads them at each message, so nothing is told."""
    content = render(
        "outgoing_scan.j2", checks=plane.protections.outgoing_checks, limit=plane.spam_scan_limit_bytes
    )
    return RenderedFile(path="etc/outgoing-scan", content=content, daemon="")


def _quota_warning(plane: MailPlane) -> RenderedFile:
    # One encoded subject for each percentage: an encoded word cannot be filled in by a shell.
    subjects = {
        (language, percent): _encoded(subject.replace("PERCENT", str(percent)))
        for language, (subject, _) in sorted(_WARNING_TEXTS.items())
        for percent in plane.quota_warning_percents
    }
    bodies = {language: body for language, (_, body) in sorted(_WARNING_TEXTS.items())}
    content = render(
        "bin/quota-warning.j2",
        conf=plane.layout.etc / "dovecot" / "dovecot.conf",
        name=plane.name,
        subjects=subjects,
        steps=plane.quota_steps,
        events=plane.layout.quota_events,
        bodies=bodies,
    )
    return RenderedFile(path="bin/quota-warning", content=content, daemon="", mode=0o755)


def _submit(plane: MailPlane) -> RenderedFile:
    content = render(
        "bin/qmailux-submit.j2",
        sockets=plane.layout.queue / "public",
        name=plane.name,
    )
    return RenderedFile(path="bin/qmailux-submit", content=content, daemon="", mode=0o750, group=MAIL_USER)


def _scan(plane: MailPlane) -> RenderedFile:
    content = render("bin/scan.j2", plane=plane, socket=plane.layout.spam_socket)
    return RenderedFile(path="bin/sieve/scan", content=content, daemon="", mode=0o755)


def _spamd_reload(plane: MailPlane) -> RenderedFile:
    socket = plane.layout.spam_socket
    content = render("bin/spamd-reload.j2", socket=socket, pid_file=socket.with_name("spamd.pid"))
    return RenderedFile(path="bin/spamd-reload", content=content, daemon="", mode=0o755)


def _learn_event(plane: MailPlane) -> RenderedFile:
    content = render("bin/learn-event.j2", spool=plane.layout.events)
    return RenderedFile(path="bin/sieve/learn-event", content=content, daemon="", mode=0o755)


def _syslog(plane: MailPlane) -> list[RenderedFile]:
    socket = plane.layout.syslog_socket
    values = {
        "socket": socket,
        "log": plane.layout.node_log / "syslog.log",
        "folder": socket.with_name("private"),
        "pid_file": socket.with_name("syslog.pid"),
    }
    return [
        RenderedFile(path=f"bin/{name}", content=render(f"bin/{name}.j2", **values), daemon="", mode=0o755)
        for name in ("syslog", "with-syslog")
    ]


def _mail_event(plane: MailPlane) -> RenderedFile:
    content = render("bin/mail-event.j2", spool=plane.layout.events)
    return RenderedFile(path="bin/sieve/mail-event", content=content, daemon="", mode=0o755)


def _encoded(subject: str) -> str:
    """RFC 2047, on one line."""
    charset = "us-ascii" if subject.isascii() else "utf-8"
    return Header(subject, charset, maxlinelen=1000).encode()
