"""The machine that the control plane itself runs on."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provisioning.hosts import rowstore
from provisioning.hosts.base import Output, Row
from provisioning.layout import Layout
from provisioning.render.files import RenderedFile
from qmailux_site.errors import CommandFailed, HostError

# More than Postfix waits (dict_load_file_xt: until the time of change lies two seconds back).
SETTLED_SECONDS = 5


class LocalHost:
    """Host contract on this machine. Needs root wherever files belong to others."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def read(self, path: str) -> bytes | None:
        try:
            return self._inside(path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, file: RenderedFile) -> None:
        target = self._inside(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Always the same name: one that a killed writer has left is found without a look through the folder,
        # which may hold fifty thousand. Two never write one file: whoever writes holds a lock.
        temporary = target.with_name(f".{target.name}.new")
        try:
            temporary.unlink(missing_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                os.fchown(stream.fileno(), _uid(file.owner), _gid(file.group))
                os.fchmod(stream.fileno(), file.mode)
                stream.write(file.content)
                stream.flush()
                if file.is_settled:
                    settled = time.time() - SETTLED_SECONDS
                    os.utime(stream.fileno(), (settled, settled))
                os.fsync(stream.fileno())
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise HostError(f"cannot write {target}: {error.strerror}") from error
        _fsync_folder(target.parent)

    def remove(self, path: str) -> None:
        self._inside(path).unlink(missing_ok=True)

    def remove_tree(self, path: str) -> None:
        target = self._inside(path)
        if target.exists():
            shutil.rmtree(target)

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30, check: bool = True
    ) -> Output:
        try:
            done = subprocess.run(
                list(argv),
                input=stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
                cwd=self.layout.node,
                close_fds=False,  # nothing is inheritable but the locks we hold
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(argv, None, _text(error.stderr), retryable=True) from error
        except FileNotFoundError as error:
            raise CommandFailed(argv, 127, f"{argv[0]} is not installed") from error
        if check and done.returncode != 0:
            raise CommandFailed(argv, done.returncode, _text(done.stderr) or _text(done.stdout))
        return Output(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Two files: who waits for the lock holds the door, so nobody overtakes."""
        folder = self.layout.node_run / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.door").open("w") as door, (folder / name).open("w") as held:
            try:
                fcntl.flock(door, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            fcntl.flock(door, fcntl.LOCK_UN)
            # A command that outlives its killed caller keeps the lock: postmap does not lock out a second
            # writer, and updates of two at once are lost.
            os.set_inheritable(held.fileno(), True)
            yield True

    def make_folder(self, path: str, *, owner: str, group: str, mode: int) -> None:
        target = self._inside(path)
        target.mkdir(parents=True, exist_ok=True)
        os.chown(target, _uid(owner), _gid(group))
        target.chmod(mode)

    def create_rows(self, schema: str, version: int) -> None:
        # Dovecot's auth worker reads it as user dovecot; see Layout.auth for the folder.
        rowstore.create(self.layout.accounts_file, schema, version, mode=0o640, gid=_gid("dovecot"))

    def query_rows(self, table: str, keys: Sequence[str]) -> dict[str, Row]:
        return rowstore.query(self.layout.accounts_file, table, keys)

    def list_rows(self, table: str) -> Iterator[Row]:
        return rowstore.listing(self.layout.accounts_file, table)

    def change_rows(self, table: str, upserts: Iterable[Row], deletes: Iterable[str]) -> None:
        rowstore.change(self.layout.accounts_file, table, upserts, deletes)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.layout.node).free

    def _inside(self, path: str) -> Path:
        """The absolute path, which must stay below the node's folder whatever is in the name (PRM-10)."""
        if path.startswith("/") or "\0" in path or ".." in Path(path).parts:
            raise ValueError(f"path leaves the node's folder: {path!r}")
        return self.layout.node / path


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _fsync_folder(folder: Path) -> None:
    """The rename itself must survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
