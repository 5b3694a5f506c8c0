"""A Debian of our own for what changes a machine: debootstrapped, entered by chroot or really booted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.mail.instance import wait_until

CODE = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MIRROR = os.environ.get("QMAILUX_TEST_MIRROR", "http://deb.debian.org/debian")
SUITE = "bookworm"
# What a fresh installation of Debian has and debootstrap's smallest variant has not.
USUAL = "ca-certificates,dbus,debconf,iproute2,logrotate,procps,systemd,systemd-sysv"
CLONE = "/root/QmaiLux"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# pip of the machine gets what pip of this machine got, without asking any index.
ENVIRONMENT = {
    "HOME": "/root",
    "TERM": "dumb",
    "PATH": PATH,
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/wheels",
}

Done = subprocess.CompletedProcess[str]


def make_base(folder: Path) -> None:
    """debootstrap, with this machine's way to the archive. Raises CalledProcessError without one."""
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={USUAL}", SUITE, str(folder), MIRROR],
        check=True,
        capture_output=True,
        text=True,
    )
    sources = [
        f"deb {MIRROR} {SUITE} main",
        f"deb {MIRROR} {SUITE}-updates main",
        f"deb {MIRROR}-security {SUITE}-security main",
    ]
    (folder / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
    settings = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    ours = ("Acquire::http", "Acquire::Check-")
    lines = [line for line in settings.splitlines() if line.startswith(ours)]
    (folder / "etc/apt/apt.conf.d/90-of-the-host").write_text("\n".join(lines) + "\n")
    (folder / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    update = ["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]
    subprocess.run(["chroot", str(folder), *update], check=True, capture_output=True, text=True)


def make_wheels(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]
    # --use-pep517: what comes as source only is built with its own tools; this venv has no package "wheel".
    wheel = ["wheel", "--use-pep517", "-r", str(CODE / "requirements.txt"), "-w", str(folder)]
    subprocess.run([*pip, *wheel], check=True, capture_output=True, text=True)


@dataclass(slots=True)
class Machine:
    """root: the folder of its file system. init: pid of its systemd as seen from here; 0 while it is off."""

    root: Path
    wheels: Path
    cgroup: Path | None = None
    init: int = 0

    def copy_code(self) -> None:
        """A clone in /root, which no other user can enter."""
        target = self.root / CLONE.lstrip("/")
        target.mkdir(parents=True)
        skipped = (".git", ".venv", "var", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis")
        subprocess.run(
            ["cp", "-a", *(str(path) for path in CODE.iterdir() if path.name not in skipped), str(target)],
            check=True,
        )

    def run(
        self, *argv: str, stdin: str = "", network: bool = True, environment: dict[str, str] | None = None
    ) -> Done:
        """A command in the clone, while the machine is off: nothing of Debian runs beside it."""
        return self._run(
            [
                *(() if network else ("unshare", "--net")),
                str(HERE / "enter.sh"),
                str(self.root),
                str(self.wheels),
            ],
            argv,
            stdin,
            environment,
        )

    def inside(self, *argv: str, stdin: str = "", environment: dict[str, str] | None = None) -> Done:
        """A command in the clone, on the running machine."""
        spaces = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd")
        return self._run(["nsenter", "-t", str(self.init), *spaces], argv, stdin, environment)

    def script(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Done:
        """One of provisioning/machine/, while the machine is off."""
        return self.run(f"provisioning/machine/{name}", *arguments, environment=environment)

    def boot(self) -> None:
        """Returns when systemd has started everything that is enabled."""
        self.cgroup = _cgroup2() / f"qmailux-test-{os.getpid()}"
        self.cgroup.mkdir(exist_ok=True)
        with (self.root.parent / f"{self.root.name}.console").open("ab") as console:
            outer = subprocess.Popen(
                [str(HERE / "boot.sh"), str(self.root), str(self.wheels), str(self.cgroup)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        wait_until(lambda: _only_child(outer.pid), what="process 1 of the machine")
        self.init = _only_child(outer.pid)
        wait_until(self._has_started, seconds=120, what="systemctl is-system-running")

    def cut_power(self) -> None:
        """No process gets a chance to put its things in order."""
        os.kill(self.init, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{self.init}/cmdline").exists() or _is_zombie(self.init))
        self.init = 0

    def remove(self) -> None:
        if self.init:
            self.cut_power()
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.root)], check=True)
        if self.cgroup:
            cgroup = self.cgroup
            wait_until(lambda: _is_gone(cgroup), what=f"{cgroup} to become empty")

    def _has_started(self) -> bool:
        return self.inside("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def _run(
        self, before: list[str], argv: tuple[str, ...], stdin: str, environment: dict[str, str] | None
    ) -> Done:
        words = [f"{name}={text}" for name, text in (ENVIRONMENT | (environment or {})).items()]
        in_clone = ["env", "-i", *words, "sh", "-c", f'cd {CLONE} && exec "$@"', "sh"]
        return subprocess.run(
            [*before, *in_clone, *argv], input=stdin, capture_output=True, text=True, timeout=600, check=False
        )


def _cgroup2() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, place, kind, *_rest = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise FileNotFoundError("no cgroup2 is mounted")


def _only_child(pid: int) -> int:
    """0 while there is none, or when it has not become systemd yet."""
    try:
        child = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return child if Path(f"/proc/{child}/comm").read_text().strip() == "systemd" else 0
    except (OSError, IndexError, ValueError):
        return 0


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _is_gone(cgroup: Path) -> bool:
    inner = [path for path in cgroup.rglob("*") if path.is_dir()]
    for folder in [*sorted(inner, reverse=True), cgroup]:
        try:
            folder.rmdir()
        except OSError:
            return not cgroup.exists()
    return True
