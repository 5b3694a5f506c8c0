# managed by QmaiLux: changes made here are overwritten
"""Keeps the packet filter as the accounts file says: who may not connect, to which ports, until when.

Standard library alone: this text is what runs on the machine, at the start of the mail plane too, when
nothing of the control plane is up. One table of our own, in which nothing else stands. A set for each length
of prefix, so that a network inside of another one is no conflict; each entry has a counter and an end. Where
the filter cannot be used, the parts themselves refuse (blocks_in_parts).
"""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from provisioning.node_programs import blocks_in_parts

SECONDS = 60
# Where those are told who refuse in its place.
PARTS = ("folder", "maps", "postfix", "postfix_reload", "dovecot", "nginx")


class FilterUnusable(Exception):
    """Not installed, not in this kernel, or not ours to change."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("accounts", type=Path)
    parser.add_argument("table", help="of the packet filter")
    parser.add_argument("ports", nargs="+", metavar="SERVICE=PORT,PORT")
    for name in PARTS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True)
    parser.add_argument("--report", action="store_true", help="print what holds and what each entry has met")
    chosen = parser.parse_args()
    ports = dict(each.split("=") for each in chosen.ports)
    parts = blocks_in_parts.Parts(
        accounts=chosen.accounts, ports=ports, **{name: getattr(chosen, name) for name in PARTS}
    )
    with _alone(chosen.accounts.with_name("blocks.lock")):
        fault = _settle(chosen.accounts, chosen.table, parts)
        if chosen.report:
            met = {} if fault else _found(chosen.table)
            hits = {name: packets for name, _end, packets in met.values()}
            print(json.dumps({"fault": fault, "hits": hits}))
    return 0


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


Key = tuple[str, str]  # set, network's first address


def _settle(accounts: Path, table: str, parts: blocks_in_parts.Parts) -> str:
    """Found out by trying, each time anew. Returns why the packet filter does not do it."""
    wanted = _wanted(accounts)
    in_parts = parts.folder / "in-parts"
    try:
        _settle_filter(wanted, table, parts.ports)
    except FilterUnusable as refusal:
        in_parts.touch()
        blocks_in_parts.refuse(parts, [_entry(key, end) for key, (_name, end) in wanted.items()])
        return str(refusal)
    if in_parts.exists():
        blocks_in_parts.refuse(parts, [])
        in_parts.unlink()
    return ""


def _settle_filter(wanted: dict[Key, tuple[str, int]], table: str, ports: Mapping[str, str]) -> None:
    found = _found(table)
    gone = [key for key, (name, end, _packets) in found.items() if wanted.get(key) != (name, end)]
    new = [key for key in wanted if key not in found or key in gone]
    if not wanted:
        if _exists(table):
            _nft(f"delete table inet {table}\n")
        else:
            _try(table, ports)
    elif gone or new:
        _nft("".join(_commands(table, ports, wanted, gone, new)))
        for key in new:
            _end_sessions(key, ports)


def _try(table: str, ports: Mapping[str, str]) -> None:
    """The kernel says whether it would take a block, and takes none."""
    networks = ("192.0.2.1/32", "2001:db8::1/128")
    trial = {_key(ipaddress.ip_network(each), "all"): ("trial", 0) for each in networks}
    _run(["nft", "-c", "-f", "-"], stdin="".join(_commands(table, ports, trial, [], list(trial))))


def _key(network: ipaddress.IPv4Network | ipaddress.IPv6Network, service: str) -> Key:
    return f"b{network.version}_{network.prefixlen}_{service}", str(network.network_address)


def _entry(key: Key, until: int) -> blocks_in_parts.Entry:
    name, address = key
    _version, prefix, service = name[1:].split("_")
    return blocks_in_parts.Entry(ipaddress.ip_network(f"{address}/{prefix}"), service, until)


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
        found[_key(ipaddress.ip_network(network), service)] = (name, until)
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
    table: str,
    ports: Mapping[str, str],
    wanted: dict[Key, tuple[str, int]],
    gone: list[Key],
    new: list[Key],
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


def _new_set(table: str, name: str, ports: Mapping[str, str]) -> Iterator[str]:
    version, prefix, service = name[1:].split("_")
    family, kind, whole = ("ip", "ipv4_addr", "0.0.0.0") if version == "4" else ("ip6", "ipv6_addr", "::")  # noqa: S104
    mask = ipaddress.ip_network(f"{whole}/{prefix}").netmask
    source = f"{family} saddr" if int(prefix) == mask.max_prefixlen else f"{family} saddr & {mask}"
    yield f"add set inet {table} {name} {{ type {kind}; flags timeout; counter; }}\n"
    meets = f"tcp dport {{ {ports[service]} }} {source} @{name}"
    yield f"add rule inet {table} input {meets} reject with tcp reset\n"


def _end_sessions(key: Key, ports: Mapping[str, str]) -> None:
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
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        raise FilterUnusable(f"{argv[0]} is not installed") from None
    if done.returncode != 0:
        raise FilterUnusable(f"nft: {' '.join(done.stderr.split())[:200]}")
    return done.stdout
