"""The webmails: PHP's pools, Roundcube's configuration and our plugin for it."""

from __future__ import annotations

from provisioning.layout import WEB_SERVER_USER, WEBMAIL_USER
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import LEARN_FOLDERS, MailPlane
from provisioning.render.sites import ROUNDCUBE, WebmailSite

# Without a click; so long is a session of PHP kept too.
SESSION_MINUTES = 60
# A message in transport is a third larger than its attachments, and there are lines around them.
_UPLOAD_SHARE = 1.05
DEBIAN = "/etc/roundcube"


def settings(plane: MailPlane) -> list[RenderedFile]:
    return [
        _program(plane),
        RenderedFile(
            path="bin/webmail-end",
            content=render("bin/webmail-end.j2", state=plane.layout.webmail),
            daemon="php-fpm",
            mode=0o755,
        ),
        *(
            _secret(f"etc/webmail/{name}", render(template, **values))
            for name, template, values in _files(plane)
        ),
        *(
            _secret(f"etc/webmail/{site.name}.php", _squirrelmail(plane, site))
            for site in plane.webmails
            if site.kind == "squirrelmail"
        ),
        RenderedFile(
            path="etc/php/php-fpm.conf",
            content=render(
                "php/php-fpm.conf.j2",
                sites=[site for site in plane.webmails if site.runs_here],
                run=plane.layout.node_run / "php",
                log=plane.layout.node_log,
                state=plane.layout.webmail,
                conf=plane.layout.etc / "webmail",
                webmail_user=WEBMAIL_USER,
                web_server_user=WEB_SERVER_USER,
                session_minutes=SESSION_MINUTES,
                upload_bytes=upload_bytes(plane),
                time_zone=plane.time_zone,
            ),
            daemon="php-fpm",
        ),
    ]


def upload_bytes(plane: MailPlane) -> int:
    return int(plane.message_size_limit_bytes * _UPLOAD_SHARE)


def own_host(plane: MailPlane) -> str:
    """The instance's own address, as it stands in an address of a service."""
    address = plane.layout.own_address
    return f"[{address}]" if ":" in address else address


def _files(plane: MailPlane) -> list[tuple[str, str, dict[str, object]]]:
    """Name, template and values."""
    layout = plane.layout
    conf = layout.etc / "webmail"
    folder = layout.webmail / ROUNDCUBE.name
    config: dict[str, object] = {
        "plane": plane,
        "layout": layout,
        "host": own_host(plane),
        "site": ROUNDCUBE,
        "folder": folder,
        "database": folder / "roundcube.sqlite3",
        "session_minutes": SESSION_MINUTES,
    }
    return [
        ("config.inc.php", "webmail/config.inc.php.j2", config),
        ("defaults.inc.php", "webmail/included.php.j2", {"path": f"{DEBIAN}/defaults.inc.php"}),
        ("mimetypes.php", "webmail/included.php.j2", {"path": f"{DEBIAN}/mimetypes.php"}),
        ("prepend.php", "webmail/prepend.php.j2", {"conf": conf}),
        (
            "plugins/qmailux/qmailux.php",
            "webmail/qmailux.php.j2",
            {"learn_folders": _learn_folders(), "door": f"/login/?webmail={ROUNDCUBE.name}"},
        ),
    ]


def _squirrelmail(plane: MailPlane, site: WebmailSite) -> bytes:
    return render(
        "webmail/squirrelmail.php.j2",
        plane=plane,
        layout=plane.layout,
        host=own_host(plane),
        folder=plane.layout.webmail / site.name,
        copy=plane.layout.webmail_copies / site.name,
        door=f"/login/?webmail={site.name}",
    )


def _learn_folders() -> list[tuple[str, str, str]]:
    """Language, folder of spam, folder of ham."""
    names = {(folder.language, folder.kind): folder.name for folder in LEARN_FOLDERS}
    return [
        (language, names[(language, "spam")], names[(language, "ham")])
        for language in sorted({folder.language for folder in LEARN_FOLDERS})
    ]


def _program(plane: MailPlane) -> RenderedFile:
    content = render(
        "bin/webmail-prepare.j2",
        sites=[site for site in plane.webmails if site.runs_here],
        state=plane.layout.webmail,
        conf=plane.layout.etc / "webmail",
        copies=plane.layout.webmail_copies,
        webmail_user=WEBMAIL_USER,
        web_server_user=WEB_SERVER_USER,
    )
    return RenderedFile(path="bin/webmail-prepare", content=content, daemon="php-fpm", mode=0o755)


def _secret(path: str, content: bytes) -> RenderedFile:
    """For the webmails' user, nobody else."""
    return RenderedFile(path=path, content=content, daemon="php-fpm", mode=0o640, group=WEBMAIL_USER)
