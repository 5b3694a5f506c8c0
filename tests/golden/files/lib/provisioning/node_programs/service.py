# managed by QmaiLux: changes made here are overwritten
"""What the small services of the mail plane share: their arguments, their user, their socket, and Postfix's
questions to those that it asks.
"""

from __future__ import annotations

import argparse
import asyncio
import grp
import os
import pwd
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

PASSES = "DUNNO"
LONGEST_LINE = 64 * 1024
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def add_arguments(parser: argparse.ArgumentParser, *files: str, required: bool = True) -> None:
    """files: what the service names besides its socket and its pid file."""
    for name in (*files, "socket", "pid"):
        parser.add_argument(f"--{name}", type=Path, required=required)
    parser.add_argument("--user")
    parser.add_argument("--group", help="which may read the accounts file")


def begin(options: argparse.Namespace, *, keeps_own_group: bool = False) -> None:
    """Write the pid file and become the user, in the group alone or in it beside the user's own."""
    options.pid.write_text(f"{os.getpid()}\n")
    if options.user:
        person, group = pwd.getpwnam(options.user), grp.getgrnam(options.group).gr_gid
        os.setgroups([group] if keeps_own_group else [])
        os.setgid(person.pw_gid if keeps_own_group else group)
        os.setuid(person.pw_uid)
    os.umask(0o027)


def serve(handler: Handler, socket: Path, *, longest_line: int = LONGEST_LINE) -> None:
    """Until SIGTERM."""
    asyncio.run(_serve(handler, socket, longest_line))


async def _serve(handler: Handler, socket: Path, longest_line: int) -> None:
    socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(handler, path=str(socket), limit=longest_line)
    socket.chmod(0o666)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        await stopped.wait()


def answering_postfix(answer: Callable[[dict[str, str]], str], *, fault: str) -> Handler:
    """A policy service (Postfix's SMTPD_POLICY_README). What goes wrong stops no mail: it is printed behind
    the words of fault, and the mail passes.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection of one smtpd: lines "name=value", an empty one ends a question."""
        asked: dict[str, str] = {}
        try:
            while line := (await reader.readline()).decode("utf-8", "replace"):
                if line.strip():
                    name, _equals, value = line.rstrip("\n").partition("=")
                    asked[name] = value
                    continue
                try:
                    action = answer(asked)
                except (sqlite3.Error, OSError, ValueError) as error:
                    print(f"{fault}: {error}", file=sys.stderr, flush=True)
                    action = PASSES
                asked = {}
                writer.write(f"action={action}\n\n".encode())
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # smtpd went away
        finally:
            writer.close()

    return handle
