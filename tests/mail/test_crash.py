"""The applier killed at twenty random moments: nothing lost, no map damaged (FLT-03)."""

from __future__ import annotations

import crypt
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.authority import ensure_certificate
from provisioning.layout import Layout

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 20


@pytest.fixture
def home() -> Iterator[Path]:
    """Short, as unix sockets want it."""
    path = Path(f"/tmp/qxc{os.getpid()}")
    for folder in ("db", "run", "secrets", "log", "node"):
        (path / folder).mkdir(parents=True)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {
        **{
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("QMAILUX_", "DATABASE_URL"))
        },
        "QMAILUX_HOME": str(home),
        "QMAILUX_SECRET_KEY": "only-for-tests",
        "QMAILUX_KEEP_ROOT": "1",
        "QMAILUX_PORT_OFFSET": "9000",
    }


def manage(environment: dict[str, str], *arguments: str, code: int | None = 0) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert code is None or done.returncode == code, done.stderr + done.stdout
    return done.stdout


def write_accounts(path: Path, name: str, count: int) -> None:
    """Ready hashes, so that the import takes no time."""
    stored = crypt.crypt("Stare-Haslo-9", "$6$abcdefgh")
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["address", "password_hash"])
        writer.writerows((f"u{number}@{name}", stored) for number in range(count))


def test_FLT_03_killed_at_random_moments_loses_nothing(
    home: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    ensure_certificate(Layout(home, "127.0.0.1", 9000, "mail.localhost.localdomain"))
    manage(environment, "migrate", "-v", "0")
    manage(environment, "setup")
    manage(environment, "apply", "--all")
    chance = random.Random(20261125)
    for number in range(ROUNDS):
        name = f"f{number}.test"
        manage(environment, "domain", "add", name)
        write_accounts(tmp_path / "a.csv", name, 1500)
        manage(environment, "account", "import", str(tmp_path / "a.csv"))
        if number % 5 == 4:
            manage(environment, "domain", "delete", f"f{number - 2}.test", "--yes")
        applier = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "apply"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.4, 2.5))  # the random moment itself
        applier.kill()
        applier.wait()
    manage(environment, "apply")
    assert json.loads(manage(environment, "apply", "--check", "--json")) == {"local": {}}
    assert manage(environment, "apply").strip() == "local: nothing to write"
    leftovers = [path for path in (home / "node").rglob(".*.*") if path.is_file()]
    assert leftovers == []
