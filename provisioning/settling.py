"""The settings of a node: its folders and certificates, and every daemon's files put in force (DESIGN 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from provisioning.activate import activate
from provisioning.authority import ensure_certificate, ensure_host_certificate
from provisioning.certificates import build_sni_map, forget_deleted, settle_certificates, sni_map_exists
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.node_programs.blocks_in_parts import SESSIONS, SMTP, WEB
from provisioning.render.directories import directories
from provisioning.render.dovecot import SCHEMA, SCHEMA_VERSION
from provisioning.render.files import RenderedFile
from provisioning.render.postfix import MAPS, QUOTA_ROOM
from provisioning.rules import ensure_rules
from provisioning.settings_files import daemons_by_name, mail_plane, settings_files
from provisioning.stores import open_store

POSTFIX_MAIN = "etc/postfix/main.cf"
SLOW_DAEMON = "spamd"
# Written by programs of the node.
NODE_MAPS = (*SESSIONS.values(), QUOTA_ROOM)


def prepare(host: Host, layout: Layout) -> None:
    """Folders and the accounts file exist, if only empty."""
    for folder in directories(layout):
        path = str(folder.path.relative_to(layout.node))
        host.make_folder(path, owner=folder.owner, group=folder.group, mode=folder.mode)
    # Others write them: whoever reads the logs, and bin/address-blocks. A table that is missing would end
    # every smtpd, and nginx would not start.
    for table in (layout.debugged_clients, *(layout.blocks / name for name in (*SMTP, WEB))):
        path = str(table.relative_to(layout.node))
        if host.read(path) is None:
            host.write(RenderedFile(path=path, content=b"", daemon=""))
    ensure_rules(host, layout)
    host.create_rows(SCHEMA, SCHEMA_VERSION)


@contextmanager
def settings_applied(host: Host, layout: Layout, written: list[str]) -> Iterator[None]:
    """One daemon after another; `written` grows by the files of each that is done. A failure leaves the old
    files of that daemon and of those after it (raises CommandFailed). Inside every map exists: Postfix defers
    all mail when one is missing.

    SpamAssassin looks at its own settings for a second, on one core: what is done inside is done beside that,
    and its failure is raised at the end.
    """
    with host.lock("settings"), ThreadPoolExecutor(max_workers=1) as beside:
        known = daemons_by_name(layout)
        # Its tables are part of the signer's config test.
        open_store(host, layout, "dkim").create()
        # Before a running Postfix is told of it: it defers all mail while a map is missing.
        if host.read(POSTFIX_MAIN) is not None:
            for name in NODE_MAPS:
                open_store(host, layout, name).create()
        _settle_certificates(host, layout)
        changed = _changed(host, settings_files(layout))
        slow_files = changed.pop(SLOW_DAEMON, [])
        slow = beside.submit(activate, host, layout, known[SLOW_DAEMON], slow_files) if slow_files else None
        for name, files in changed.items():
            was_stopped = _stops_outgoing_mail(host)
            activate(host, layout, known.get(name), files)
            written += [file.path for file in files]
            if was_stopped and not _stops_outgoing_mail(host):
                host.run(["postqueue", "-c", str(layout.etc / "postfix"), "-f"], check=False)
        for name in (*MAPS, *NODE_MAPS):
            open_store(host, layout, name).create()
        build_sni_map(host, layout, mail_plane(layout))
        forget_deleted(layout)
        yield
        if slow is not None:
            slow.result()
            written += [file.path for file in slow_files]


def _changed(host: Host, wanted: Iterable[RenderedFile]) -> dict[str, list[RenderedFile]]:
    """By daemon, in their order: the files that are not on the machine as they should be."""
    found: dict[str, list[RenderedFile]] = {}
    for file in wanted:
        if host.read(file.path) != file.content:
            found.setdefault(file.daemon, []).append(file)
    return found


def _settle_certificates(host: Host, layout: Layout) -> None:
    ensure_certificate(layout)
    for address in mail_plane(layout).addresses:
        ensure_host_certificate(layout, address.hostname)
    settle_certificates(layout)
    # A running Postfix that is told of a map which is missing would offer no TLS until it is there.
    if not sni_map_exists(layout) and host.read(POSTFIX_MAIN) is not None:
        build_sni_map(host, layout, mail_plane(layout))


def _stops_outgoing_mail(host: Host) -> bool:
    main = host.read(POSTFIX_MAIN) or b""
    return re.search(rb"^defer_transports = *\S", main, re.MULTILINE) is not None
