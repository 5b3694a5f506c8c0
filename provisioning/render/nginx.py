"""nginx: TLS for the panel, and the redirect from HTTP. Nothing in Debian's /etc/nginx is read."""

from __future__ import annotations

import re
from pathlib import Path

from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane
from qmailux_site.errors import UnsafeValue

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
        panel_socket=nginx_value(layout.run / "panel.sock"),
    )
    return [RenderedFile(path="etc/nginx/nginx.conf", content=content, daemon="nginx")]


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
