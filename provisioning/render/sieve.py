"""Sieve: the server's script for all mail, and the panel's script of an account.

At delivery they run in this order: server, panel, the user's own (ManageSieve).
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioning.layout import MAIL_USER
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane


def server_script(plane: MailPlane) -> RenderedFile:
    """Runs for every delivery before all others; must be compiled (sievec) when it changes."""
    return RenderedFile(
        path="etc/dovecot/sieve/server.sieve",
        content=render("sieve/server.sieve.j2", plane=plane),
        daemon="",
        mode=0o640,
        group=MAIL_USER,
    )


def panel_script(*, home: str, forward_to: Iterable[str] = (), keep_copy: bool = True) -> RenderedFile | None:
    """The panel's script of one account; None when there is nothing to do, so that no file is kept for it.

    home: ``layout.home_of_account``. keep_copy: whether the mailbox keeps what is forwarded.
    """
    targets = sorted(set(forward_to))
    if not targets:
        return None
    return RenderedFile(
        path=f"sieve/{home}.sieve",
        content=render("sieve/panel.sieve.j2", targets=targets, keep_copy=keep_copy),
        daemon="",
        mode=0o640,
        group=MAIL_USER,
    )
