"""A bulk file from the panel's form through broker and worker to logins, and nothing of it left behind."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.conftest import PASSWORD
from tests.mail.instance import wait_until
from tests.stack.instance import Instance
from tests.stack.panel import Panel

pytestmark = pytest.mark.machine
ROWS = 120
SECRET = "Jawne-Tylko-Dla-Ewy-5"


def files_with(home: Path, secret: str) -> list[str]:
    """Everything of the instance: database, broker's files, logs, spool; not the mail itself."""
    readable = (path for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in readable if secret.encode() in path.read_bytes()]


def test_file_given_in_the_panel_becomes_logins_and_leaves_nothing(running: Instance) -> None:
    running.manage("domain", "edit", "firma.test", "--postmaster", "ala@firma.test")
    panel = Panel(running.layout, "ala@firma.test", PASSWORD)
    rows = "".join(f"nowy{number:03},\n" for number in range(ROWS - 1))
    text = f"address,password\newa@firma.test,{SECRET}\n{rows}"

    job, page = panel.post("/domain/firma.test/accounts/add-many/", text=text)
    assert "/bulk/" in job, page
    assert running.wire.imap_login_command("ewa@firma.test", SECRET) == "NO"
    panel.post(f"{job}start/")
    wait_until(lambda: f"{job}passwords.csv" in panel.get(job), seconds=120, what="the result")
    _path, saved = panel.post(f"{job}passwords.csv")
    passwords = {
        row["address"]: row["password"] for row in csv.DictReader(io.StringIO(saved.removeprefix("\ufeff")))
    }
    assert len(passwords) == ROWS
    for address in ("ewa@firma.test", f"nowy{ROWS - 2:03}@firma.test"):
        wait_until(
            lambda address=address: running.wire.imap_login_command(address, passwords[address]) == "OK",  # type: ignore[misc]
            what=f"login of {address}",
        )
    panel.post(f"{job}slips/")
    assert files_with(running.layout.home, SECRET) == []
    assert list((running.layout.run / "bulk").iterdir()) == []
