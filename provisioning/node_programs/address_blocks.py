"""Keeps the packet filter as the accounts file says: who may not connect, to which ports, until when.

Standard library alone: this text is what runs on the machine, at the start of the mail plane too, when
nothing of the control plane is up. One table of our own, in which nothing else stands. A set for each length
of prefix, so that a network inside of another one is no conflict; each entry has a counter and an end.
"""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

SECONDS = 60


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("accounts", type=Path)
    parser.add_argument("table", help="of the packet filter")
    parser.add_argument("ports", nargs="+", metavar="SERVICE=PORT,PORT")
    parser.add_argument("--hits", action="store_true", help="print what each entry has met")
    chosen = parser.parse_args()
    ports = dict(each.split("=") for each in chosen.ports)
    if shutil.which("nft") is None:
        sys.stderr.write("nft is not installed: nobody is blocked by the packet filter\n")
        return 3
    with _alone(chosen.accounts.with_name("blocks.lock")):
        if chosen.hits:
            print(json.dumps({name: packets for name, _end, packets in _found(chosen.table).values()}))
            return 0
        return _settle(chosen.accounts, chosen.table, ports)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _settle(accounts: Path, table: str, ports: dict[str, str]) -> int:
    wanted = _wanted(accounts)
    found = _found(table)
    gone = [key for key, (name, end, _packets) in found.items() if wanted.get(key) != (name, end)]
    new = [key for key in wanted if key not in found or key in gone]
    if not wanted:
        if _exists(table):
            _nft(f"delete table inet {table}\n")
        return 0
    if not gone and not new:
        return 0
    _nft("".join(_commands(table, ports, wanted, gone, new)))
    for key in new:
        _end_sessions(key, ports)
    return 0


Key = tuple[str, str]  # set, network's first address


def _wanted(accounts: Path) -> dict[Key, tuple[str, int]]:
    """Name and end (0: none) of each entry that is not over."""
    if not accounts.exists():
        return {}
    with closing(sqlite3.connect(accounts, timeout=30)) as connection:
        rows = connection.execute("SELECT name, network, service, until FROM block ORDER BY name").fetchall()
    found: dict[Key, tuple[str, int]] = {}
    for name, network, service, until in rows:
        if until and until <= time.time():
            continue
        parsed = ipaddress.ip_network(network)
        found[f"b{parsed.version}_{parsed.prefixlen}_{service}", str(parsed.network_address)] = (name, until)
    return found


def _found(table: str) -> dict[Key, tuple[str, int, int]]:
    """Name, end and packets of each entry that the packet filter has."""
    if not _exists(table):
        return {}
    listed = json.loads(_run(["nft", "-j", "list", "table", "inet", table]))
    found: dict[Key, tuple[str, int, int]] = {}
    for part in listed["nftables"]:
        for each in part.get("set", {}).get("elem", []):
            entry = each["elem"]
            name, _blank, end = entry["comment"].partition(" ")
            key = part["set"]["name"], str(ipaddress.ip_address(entry["val"]))
            found[key] = (name, int(end), entry["counter"]["packets"])
    return found


def _exists(table: str) -> bool:
    tables = json.loads(_run(["nft", "-j", "list", "tables"]))["nftables"]
    return any(part.get("table", {}).get("name") == table for part in tables)


def _commands(
    table: str, ports: dict[str, str], wanted: dict[Key, tuple[str, int]], gone: list[Key], new: list[Key]
) -> Iterator[str]:
    sets = [part.get("set", {}) for part in json.loads(_run(["nft", "-j", "list", "sets"]))["nftables"]]
    there = {each["name"] for each in sets if each.get("table") == table}
    yield f"add table inet {table}\n"
    # Before every rule that lets established connections pass.
    yield f"add chain inet {table} input {{ type filter hook input priority -10; policy accept; }}\n"
    for name in sorted({name for name, _address in wanted} - there):
        yield from _new_set(table, name, ports)
    for name, address in gone:
        yield f"delete element inet {table} {name} {{ {address} }}\n"
    for name, address in new:
        label, end = wanted[name, address]
        timeout = f" timeout {max(1, int(end - time.time()))}s" if end else ""
        yield f'add element inet {table} {name} {{ {address}{timeout} comment "{label} {end}" }}\n'


def _new_set(table: str, name: str, ports: dict[str, str]) -> Iterator[str]:
    version, prefix, service = name[1:].split("_")
    family, kind, whole = ("ip", "ipv4_addr", "0.0.0.0") if version == "4" else ("ip6", "ipv6_addr", "::")  # noqa: S104
    mask = ipaddress.ip_network(f"{whole}/{prefix}").netmask
    source = f"{family} saddr" if int(prefix) == mask.max_prefixlen else f"{family} saddr & {mask}"
    yield f"add set inet {table} {name} {{ type {kind}; flags timeout; counter; }}\n"
    meets = f"tcp dport {{ {ports[service]} }} {source} @{name}"
    yield f"add rule inet {table} input {meets} reject with tcp reset\n"


def _end_sessions(key: Key, ports: dict[str, str]) -> None:
    """Those that send nothing would not notice. A client of IPv4 may be one of IPv6 to a daemon."""
    name, address = key
    version, prefix, service = name[1:].split("_")
    peers = [f"{address}/{prefix}"]
    if version == "4":
        peers.append(f"[::ffff:{address}]/{int(prefix) + 96}")
    here = " or ".join(f"sport = :{port}" for port in ports[service].split(","))
    for peer in peers:
        subprocess.run(
            ["ss", "-K", "state", "connected", f"dst {peer} and ( {here} )"],
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )


def _nft(commands: str) -> None:
    _run(["nft", "-f", "-"], stdin=commands)


def _run(argv: list[str], *, stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
