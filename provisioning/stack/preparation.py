"""What must exist before the database is made: folders of the control plane, the secret key, a
certificate.
"""

from __future__ import annotations

import os
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path

from provisioning.authority import ensure_certificate
from provisioning.layout import PANEL_USER, WEB_SERVER_USER, Layout
from provisioning.secrets import ensure_sealing_key
from provisioning.stack.failures import ExitCode, StackError
from provisioning.stack.requirements import require_root, require_usable_home
from provisioning.stack.supervision import control_folder


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path
    owner: str
    group: str
    mode: int


def prepare(layout: Layout) -> None:
    """Make what is absent and set owners and modes right; what exists is kept. Raises StackError."""
    require_root()
    require_usable_home(layout)
    for folder in folders(layout):
        _make(folder)
    _ensure_secret_key(layout)
    ensure_sealing_key(layout)
    ensure_certificate(layout)


def folders(layout: Layout) -> list[Folder]:
    """The control plane's folders; those of the mail plane are made by apply."""
    return [
        Folder(layout.home, "root", "root", 0o755),
        # Others may pass through to a file that they may read, but not look around.
        Folder(layout.secrets, "root", PANEL_USER, 0o710),
        Folder(layout.panel_secrets, PANEL_USER, PANEL_USER, 0o700),
        Folder(layout.home / "db", PANEL_USER, PANEL_USER, 0o750),
        # nginx reaches panel.sock; the other sockets in it have modes of their own.
        Folder(layout.run, PANEL_USER, WEB_SERVER_USER, 0o750),
        Folder(layout.log, "root", PANEL_USER, 0o750),
        Folder(control_folder(layout), "root", "root", 0o700),
        Folder(layout.home / "celery", PANEL_USER, PANEL_USER, 0o750),
        Folder(layout.home / "static", PANEL_USER, PANEL_USER, 0o755),
        Folder(layout.node, "root", "root", 0o755),
    ]


def _make(folder: Folder) -> None:
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        owner = pwd.getpwnam(folder.owner)
        group = pwd.getpwnam(folder.group)
    except OSError as error:
        raise StackError(
            ExitCode.HOME_UNUSABLE, f"cannot make the folder {folder.path}: {error.strerror}"
        ) from error
    except KeyError as error:
        raise StackError(
            ExitCode.PROGRAM_MISSING, f"a system user is missing ({error.args[0]}): `make up` makes it"
        ) from error
    os.chown(folder.path, owner.pw_uid, group.pw_gid)
    folder.path.chmod(folder.mode)


def _ensure_secret_key(layout: Layout) -> None:
    path = layout.secrets / "django_key"
    if not path.exists() or not path.read_bytes().strip():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(64) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    os.chown(path, 0, pwd.getpwnam(PANEL_USER).pw_gid)
    path.chmod(0o640)
