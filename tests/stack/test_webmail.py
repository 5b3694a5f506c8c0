"""The end of webmail sessions in a whole instance, workers and all: within seconds, whatever ends them."""

from __future__ import annotations

import time

import pytest

from tests.conftest import PASSWORD
from tests.mail.instance import wait_until
from tests.stack.instance import Instance
from tests.stack.panel import Panel

pytestmark = pytest.mark.machine
SECONDS = 5
INBOX = "/webmail/roundcube/?_task=mail&_mbox=INBOX"


def is_inside(panel: Panel) -> bool:
    return "messagelist" in panel.get(INBOX)


def entered(running: Instance, address: str) -> Panel:
    """Somebody who has clicked from the panel into the webmail."""
    panel = Panel(running.layout, address, PASSWORD)
    path, page = panel.post("/webmail/open/", webmail="roundcube")
    assert path == "/webmail/roundcube/", page
    assert is_inside(panel)
    return panel


def test_log_out_password_and_lock_end_the_session_and_nobody_elses(running: Instance) -> None:
    running.add_account("bela@firma.test")
    other = entered(running, "bela@firma.test")

    ala = entered(running, "ala@firma.test")
    copied = list(ala.cookies)
    ala.post("/logout/")
    assert not is_inside(ala)
    # The browser has forgotten it; whoever has a copy of the cookies must find nothing either.
    for cookie in copied:
        ala.cookies.set_cookie(cookie)
    began = time.monotonic()
    wait_until(lambda: not is_inside(ala), seconds=SECONDS, what="the end after the log-out")
    print(f"log-out: {time.monotonic() - began:.2f} s")

    ala = entered(running, "ala@firma.test")
    running.manage("account", "password", "ala@firma.test", "--password-stdin", stdin="Calkiem-Nowe-9")
    began = time.monotonic()
    wait_until(lambda: not is_inside(ala), seconds=SECONDS, what="the end after the new password")
    print(f"password: {time.monotonic() - began:.2f} s")
    running.manage("account", "password", "ala@firma.test", "--password-stdin", stdin=PASSWORD)
    wait_until(lambda: running.wire.imap_login_command("ala@firma.test", PASSWORD) == "OK")

    ala = entered(running, "ala@firma.test")
    running.manage("account", "lock", "ala@firma.test")
    began = time.monotonic()
    wait_until(lambda: not is_inside(ala), seconds=SECONDS, what="the end after the lock")
    print(f"lock: {time.monotonic() - began:.2f} s")
    running.manage("account", "unlock", "ala@firma.test")
    assert not is_inside(ala)
    assert is_inside(other)
