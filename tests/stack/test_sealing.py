"""Who can open what the database holds sealed: root, and nobody else."""

from __future__ import annotations

import json
import os
import stat
import subprocess

from tests.stack.instance import CODE, Instance

AS_THE_PANEL = ("setpriv", "--reuid", "qmailux", "--regid", "qmailux", "--init-groups")
OPEN = """
from django.conf import settings
from domains.models import DkimKey
from qmailux_site.sealing import Opener
key = DkimKey.objects.get()
print(Opener(settings.QMAILUX_LAYOUT.sealing_keys).open(key.sealed_key, purpose=key.purpose))
"""


def test_the_panels_user_seals_and_cannot_open(stopped: Instance) -> None:
    layout = stopped.layout
    stopped.manage("domain", "add", "sekret.test")
    # The command gives up root's rights before it seals.
    assert "made q" in stopped.manage("dkim", "rotate", "sekret.test")
    (key,) = layout.sealing_keys.glob("*")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (layout.sealing_keys, key)]
    assert (modes, key.owner()) == ([0o700, 0o600], "root")
    assert _as_the_panel("cat", str(layout.sealing_public)).stdout == layout.sealing_public.read_bytes()
    for argv in (["cat", str(key)], ["ls", str(layout.sealing_keys)]):
        done = _as_the_panel(*argv)
        assert (done.returncode != 0, b"Permission denied" in done.stderr) == (True, True)
    refused = stopped.run("shell", "-c", OPEN)
    assert refused.returncode != 0
    assert "which is not in" in refused.stderr
    assert "PRIVATE KEY" not in refused.stdout
    by_root = stopped.run("shell", "-c", OPEN, environment={"QMAILUX_KEEP_ROOT": "1"})
    assert "BEGIN RSA PRIVATE KEY" in by_root.stdout
    found = b"".join(path.read_bytes() for path in (layout.home / "db").iterdir())
    assert b"PRIVATE KEY" not in found


def test_a_database_restored_without_its_key_is_named_and_the_instance_goes_on(own: Instance) -> None:
    keys = own.layout.sealing_keys
    own.manage("domain", "add", "sekret.test")
    own.manage("dkim", "rotate", "sekret.test")
    own.manage("dkim", "force", "sekret.test")
    (key,) = keys.glob("*")
    private = key.read_bytes()
    key.unlink()
    errors = _errors(own)
    assert [f"is not in {keys}" in text for text in errors] == [True, True]
    assert f"DKIM key of sekret.test ({key.name})" in errors[1]
    own.manage("stack", "prepare")
    done = own.run("apply", "--all")
    assert done.returncode == 9
    assert f"sekret.test: the DKIM key is sealed with the key {key.name}, which is not in" in done.stderr
    assert "make a new key: manage.py dkim rotate sekret.test" in done.stderr
    # As `make up` and `make install` do it.
    script = f'. {CODE}/provisioning/machine/common.sh; whatever_can_be sh -c "exit $1"; echo on'
    codes = [subprocess.run(["sh", "-c", script, "sh", code], check=False).returncode for code in "091"]
    assert codes == [0, 0, 1]
    key.write_bytes(private)
    own.manage("apply", "--all")
    assert (own.layout.dkim / "signing_table").read_text().endswith("sekret.test sekret.test\n")
    assert not [text for text in _errors(own) if "seal" in text]


def _errors(instance: Instance) -> list[str]:
    """Of the secrets, as doctor tells them, and whatever else names a seal."""
    found = json.loads(instance.run("doctor", "--json").stdout)
    return [
        row["text"] for row in found if row["check"] in ("secrets", "changes") and row["level"] == "error"
    ]


def test_prepare_keeps_the_key_that_is_there(stopped: Instance) -> None:
    before = stopped.layout.sealing_public.read_bytes()
    stopped.manage("stack", "prepare")
    assert stopped.layout.sealing_public.read_bytes() == before


def _as_the_panel(*argv: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*AS_THE_PANEL, *argv], capture_output=True, check=False, env={"PATH": os.environ["PATH"]}
    )
