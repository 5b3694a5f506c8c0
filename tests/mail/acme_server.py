"""An ACME server that is run for a test: Let's Encrypt's pebble, with DNS and port 80 of the test's world."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioning.layout import STANDARD_PORTS
from tests.mail.instance import wait_until
from tests.mail.other_authority import OtherAuthority, new_key, pem, pem_of_key
from tests.mail.world import NAMESERVER, World

NAME = "acme.example"
PORT, MANAGEMENT_PORT = 14000, 15000


@dataclass(frozen=True, slots=True)
class AcmeServer:
    """authorities: of its own certificate and of those that it issues, as the owner of one would have them in
    one file. root: in PEM, of what it issues.
    """

    directory: str
    authorities: Path
    root: str


@contextmanager
def acme_server(world: World, folder: Path) -> Iterator[AcmeServer]:
    world.set_record(NAME, "A", "127.0.0.1")
    other, key = OtherAuthority(), new_key()
    (folder / "key.pem").write_bytes(pem_of_key(key))
    (folder / "chain.pem").write_bytes(pem(other.issue(NAME, key=key), other.middle))
    (folder / "ca.pem").write_bytes(pem(other.root))
    (folder / "config.json").write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"127.0.0.1:{PORT}",
                    "managementListenAddress": f"127.0.0.1:{MANAGEMENT_PORT}",
                    "certificate": str(folder / "chain.pem"),
                    "privateKey": str(folder / "key.pem"),
                    "httpPort": STANDARD_PORTS["http"],
                    "tlsPort": STANDARD_PORTS["https"],
                    "ocspResponderURL": "",
                    "externalAccountBindingRequired": False,
                }
            }
        )
    )
    # It does not think long, refuses no good request, and asks for each name each time.
    ways = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["pebble", "-config", str(folder / "config.json"), "-dnsserver", f"{NAMESERVER}:53"],
            env=os.environ | ways,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _root(folder), what="pebble")
        root = _root(folder)
        with (folder / "ca.pem").open("a") as authorities:
            authorities.write(root)
        yield AcmeServer(f"https://{NAME}:{PORT}/dir", folder / "ca.pem", root)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _root(folder: Path) -> str:
    """Of what it issues: made anew at each start."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    try:
        with urllib.request.urlopen(f"https://{NAME}:{MANAGEMENT_PORT}/roots/0", context=context) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
