"""The panel's own web process beside a running mail plane, on the tests' database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connections
from playwright.sync_api import Page

from accounts.models import Account
from provisioning.probes import socket_fault
from provisioning.stack.programs import CODE, panel_socket
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until


@contextmanager
def web_process(instance: MailInstance) -> Iterator[str]:
    """gunicorn behind the instance's nginx; yields the panel's address in a browser."""
    layout = instance.layout
    call_command("collectstatic", interactive=False, verbosity=0)
    database = connections["default"].settings_dict["NAME"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "qmailux_site.wsgi:application"),
            *("--bind", f"unix:{panel_socket(layout)}", "--workers", "2", "--forwarded-allow-ips", "*"),
        ],
        cwd=CODE,
        env=os.environ | {"DATABASE_URL": f"sqlite:///{database}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(layout.log / "web.log").open("ab"),
    )
    wait_until(lambda: not socket_fault(panel_socket(layout)), seconds=60, what="the web process")
    # nginx' workers run as www-data.
    panel_socket(layout).chmod(0o666)
    layout.run.chmod(0o755)
    yield f"https://127.0.0.1:{layout.port('https')}"
    process.terminate()
    process.wait(timeout=20)


def log_in(page: Page, account: Account, door: str, *, password: str = PASSWORD) -> None:
    page.goto("/login/")
    page.fill("[name=username]", account.address)
    page.fill("[name=password]", password)
    page.check(f"[name=door][value={door}]")
    page.keyboard.press("Enter")
