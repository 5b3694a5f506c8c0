"""nginx: TLS for the panel and the webmails, and the redirect from HTTP. Nothing in Debian's /etc/nginx is
read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from provisioning.node_programs.blocks_in_parts import WEB
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane
from provisioning.render.sites import WebmailSite
from provisioning.render.webmail import upload_bytes
from qmailux_site.errors import UnsafeValue

SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_PLAIN = re.compile(r"[A-Za-z0-9._/:*\[\]-]+")


def settings(plane: MailPlane, *, has_ipv6: bool) -> list[RenderedFile]:
    """has_ipv6: whether the machine knows IPv6 at all; nginx does not start on a family that is missing."""
    layout = plane.layout
    content = render(
        "nginx/nginx.conf.j2",
        addresses=[nginx_value(address) for address in listen_addresses(layout.bind, has_ipv6=has_ipv6)],
        http=layout.port("http"),
        https=layout.port("https"),
        pid_file=nginx_value(layout.node_run / "nginx.pid"),
        error_log=nginx_value(layout.node_log / "nginx.log"),
        access_log=nginx_value(layout.node_log / "nginx-access.log"),
        temp=nginx_value(layout.state / "nginx"),
        chain=nginx_value(plane.chain),
        key=nginx_value(plane.key),
        fingerprints=plane.certificate_fingerprints,
        blocked=nginx_value(layout.blocks / WEB),
        webroot=nginx_value(layout.acme_answers),
        hosts=[
            (nginx_value(name), nginx_value(chain), nginx_value(key))
            for name, (chain, key) in plane.certificates_by_name
            if (chain, key) != (plane.chain, plane.key)
        ],
        panel_socket=nginx_value(layout.run / "panel.sock"),
        webmail_door=nginx_value(layout.webmail_door),
        webmails=[_place(plane, site) for site in plane.webmails if site.is_offered],
        upload_bytes=upload_bytes(plane),
        authorities=SYSTEM_AUTHORITIES,
    )
    return [RenderedFile(path="etc/nginx/nginx.conf", content=content, daemon="nginx")]


@dataclass(frozen=True, slots=True)
class _Place:
    """A webmail as the template wants it."""

    name: str
    path: str
    runs_here: bool
    folder: str
    address: str
    doors: tuple[str, ...]
    closed_pattern: str
    socket: str


def _place(plane: MailPlane, site: WebmailSite) -> _Place:
    return _Place(
        name=site.name,
        path=nginx_value(site.path),
        runs_here=site.runs_here,
        folder=str(_folder(plane, site)),
        address=site.address,
        doors=site.doors,
        closed_pattern="|".join(re.escape(nginx_value(folder)) for folder in site.closed) or "\\.",
        socket=nginx_value(plane.layout.php_socket(site.name)),
    )


def _folder(plane: MailPlane, site: WebmailSite) -> str | Path:
    """SquirrelMail is served from a copy that bin/webmail-prepare makes."""
    return plane.layout.webmail_copies / site.name if site.kind == "squirrelmail" else site.folder


def listen_addresses(bind: str, *, has_ipv6: bool) -> list[str]:
    if bind == "*":
        return ["*", "[::]"] if has_ipv6 else ["*"]
    return [f"[{bind}]" if ":" in bind else bind]


def nginx_value(raw: str | Path) -> str:
    """A bare word of nginx.conf: nothing that nginx could read as a variable, a blank or an end."""
    text = str(raw)
    if not _PLAIN.fullmatch(text):
        raise UnsafeValue("nginx.conf", text)
    return text
