"""Start, end and describe an instance."""

from __future__ import annotations

import fcntl
import http.client
import os
import subprocess
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from provisioning.daemons import daemons
from provisioning.layout import Layout
from provisioning.render.plane import MailPlane
from provisioning.stack import requirements
from provisioning.stack.failures import ExitCode, StackError
from provisioning.stack.foreground import stay
from provisioning.stack.preparation import prepare
from provisioning.stack.processes import Process, end_processes, name_of, processes_of, wait_for_end
from provisioning.stack.programs import environment_of, has_own_redis, panel_socket, programs, redis_socket
from provisioning.stack.readiness import Question, questions
from provisioning.stack.supervision import GONE_WRONG, RUNNING, ProgramState, Supervisor, control_folder

Say = Callable[[str], None]
READY_SECONDS = 90.0
END_SECONDS = 90.0
PREPARE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Status:
    """is_running: whether the instance is up at all; then programs says how each of them does."""

    is_running: bool
    programs: tuple[ProgramState, ...]
    addresses: Mapping[str, str]

    @property
    def is_well(self) -> bool:
        return self.is_running and all(program.state == RUNNING for program in self.programs)


def up(layout: Layout, *, detach: bool, say: Say = print) -> bool:
    """Start everything and wait until all of it is ready; False when it was running before.

    detach: leave it running, else stay until a signal comes, stream the logs, then end it. Raises StackError,
    with everything ended again.
    """
    prepare(layout)
    environment = environment_of(layout)
    with _alone(layout):
        if Supervisor(layout).is_running():
            say(f"already running in {layout.home} (to take up changed code: make down, then make up)")
            _say_addresses(layout, say)
            return False
        _require_all(layout, environment, say)
        process = _start(layout, environment)
    say(f"ready: {layout.home}")
    _say_addresses(layout, say)
    if not detach:
        stay(layout, process, end=lambda: down(layout, say=say), say=say)
    return True


def down(layout: Layout, *, say: Say = print) -> bool:
    """End everything, last started first, and wait until no process is left; False when nothing ran."""
    requirements.require_root()
    if not layout.home.exists():
        return False
    with _alone(layout):
        return _end(layout, say)


def status(layout: Layout) -> Status:
    requirements.require_root()
    order = {program.name: place for place, program in enumerate(programs(layout, environment_of(layout)))}
    states = sorted(Supervisor(layout).states(), key=lambda state: order.get(state.name, len(order)))
    return Status(bool(states), tuple(states), addresses(layout))


def stop_programs(layout: Layout, *names: str) -> None:
    """End single programs of a running instance, such as "web"; they stay down until started again."""
    Supervisor(layout).stop(*names)


def start_programs(layout: Layout, *names: str) -> None:
    """Start single programs again and wait until they are ready. Raises StackError."""
    Supervisor(layout).start(*names)
    asked = questions(layout, environment_of(layout))
    _wait_until_ready(layout, {name: asked[name] for name in names})


def addresses(layout: Layout) -> dict[str, str]:
    """Where people and mail programs find the instance."""
    name = layout.hostname if layout.bind == "*" else layout.own_address
    host = f"[{name}]" if ":" in name else name
    port = layout.port("https")
    panel = f"https://{host}/" if port == 443 else f"https://{host}:{port}/"
    ports = ("smtp", "submission", "smtps", "imap", "imaps", "pop3", "pop3s", "sieve")
    return {"panel": panel} | {service: f"{host}:{layout.port(service)}" for service in ports}


def _say_addresses(layout: Layout, say: Say) -> None:
    found = addresses(layout)
    for title, services in (
        ("panel", ("panel",)),
        ("SMTP", ("smtp",)),
        ("submission", ("submission", "smtps")),
        ("IMAP", ("imap", "imaps")),
        ("POP3", ("pop3", "pop3s")),
        ("ManageSieve", ("sieve",)),
    ):
        texts = [found[name] + (" (TLS)" if name in ("smtps", "imaps", "pop3s") else "") for name in services]
        say(f"  {title:12}{'  '.join(texts)}")


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One who starts or ends the instance at a time; the lock dies with its holder."""
    control_folder(layout).mkdir(parents=True, exist_ok=True)
    with (control_folder(layout) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _require_all(layout: Layout, environment: Mapping[str, str], say: Say) -> None:
    requirements.require_space(layout)
    requirements.require_programs(own_redis=has_own_redis(environment))
    # Characters that some daemon's file cannot hold are refused before any of them starts.
    MailPlane(layout=layout, vmail_uid=0, vmail_gid=0)
    if not (layout.etc / "postfix" / "main.cf").exists():
        raise StackError(ExitCode.FAILED, "nothing is rendered yet: manage.py apply --all (make up does it)")
    if left := processes_of(layout):
        say(f"ending {len(left)} processes that an instance in {layout.home} left behind")
        end_processes(left)
    requirements.require_free_ports(layout)
    _remove_stale_files(layout)


def _remove_stale_files(layout: Layout) -> None:
    """Of a run that was cut off: a socket that exists must mean that somebody has just made it."""
    for daemon in daemons(layout):
        for path in (daemon.pid_file, *daemon.ready_sockets):
            path.unlink(missing_ok=True)
    supervisor = Supervisor(layout)
    for path in (redis_socket(layout), panel_socket(layout), supervisor.socket, supervisor.pid_file):
        path.unlink(missing_ok=True)


def _start(layout: Layout, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """All programs are ready when this returns; after a failure all are ended again."""
    for daemon in daemons(layout):
        for argv in daemon.prepare:
            _run(argv)
    supervisor = Supervisor(layout)
    wanted = programs(layout, environment)
    supervisor.write_conf(wanted)
    process = supervisor.spawn(environment)
    try:
        _wait_for_supervisor(supervisor, process)
        asked = questions(layout, environment)
        names = [program.name for program in wanted]
        for started, awaited in _in_order(names):
            supervisor.start(*started)
            _wait_until_ready(layout, {name: asked[name] for name in awaited})
    except BaseException:
        _end(layout, lambda _line: None)
        process.wait(timeout=END_SECONDS)
        raise
    return process


def _in_order(names: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """What is started, and what must be ready before the next are: a worker that finds no broker waits for
    seconds before it looks again, and a milter that finds no scanner for half a minute.
    """
    if "redis" in names:
        yield ["redis"], ["redis"]
    yield [name for name in names if name not in ("redis", "clamav-milter")], ["clamd"]
    yield ["clamav-milter"], names


def _run(argv: tuple[str, ...]) -> None:
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=PREPARE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        text = done.stderr.decode("utf-8", "replace").strip()
        raise StackError(ExitCode.FAILED, f"{' '.join(argv)} ended with {done.returncode}: {text}")


def _wait_for_supervisor(supervisor: Supervisor, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_SECONDS
    while not supervisor.is_running():
        if process.poll() is not None or time.monotonic() > end:
            tail = _tail(supervisor.layout, "supervisord.out")
            raise StackError(ExitCode.NOT_READY, f"supervisord did not start: {tail}")
        time.sleep(0.02)


def _wait_until_ready(layout: Layout, asked: Mapping[str, Question]) -> None:
    """Side by side, so that the slowest decides. Raises StackError with the first that does not come up."""
    end = time.monotonic() + READY_SECONDS
    over = Event()
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        waits = [
            pool.submit(_wait_for, layout, name, question, end, over) for name, question in asked.items()
        ]
        try:
            for wait in as_completed(waits):
                wait.result()
        finally:
            over.set()


def _wait_for(layout: Layout, name: str, question: Question, end: float, over: Event) -> None:
    supervisor = Supervisor(layout)
    while not over.is_set():
        state = supervisor.state(name)
        if state.state in GONE_WRONG:
            raise StackError(
                ExitCode.NOT_READY, f"{name} does not start ({state.reason}): {_tail(layout, f'{name}.log')}"
            )
        # Its own process must have come up, not only something that answers in its place.
        fault = question() if state.state == RUNNING else f"it is {state.state.lower()}"
        if not fault:
            return
        if time.monotonic() > end:
            raise StackError(ExitCode.NOT_READY, f"{name} was not ready in {READY_SECONDS:.0f} s: {fault}")
        time.sleep(0.05)


def _tail(layout: Layout, name: str) -> str:
    """The last words of a log; its end is enough to see why."""
    try:
        text = (layout.log / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"no {layout.log / name}"
    return " | ".join(text.strip().splitlines()[-3:]) or f"{layout.log / name} is empty"


def _end(layout: Layout, say: Say) -> bool:
    """supervisord ends its programs in order; who outlives it (a session that Dovecot lets go on) is
    ended.
    """
    known = processes_of(layout)
    supervisor = Supervisor(layout)
    pid = supervisor.pid()
    if pid:
        try:
            known |= _stop_programs_in_order(layout, supervisor)
            supervisor.shut_down()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            say(f"supervisord does not listen ({error}): ending its processes")
        known |= _watch_the_end(layout, pid)
    late = end_processes([process for process in known if process.is_alive])
    if late:
        say(f"had to kill {', '.join(sorted({name_of(process.pid) for process in late}))}")
    _remove_stale_files(layout)
    return bool(known)


def _stop_programs_in_order(layout: Layout, supervisor: Supervisor) -> set[Process]:
    """The control plane at once, then daemon by daemon, Redis last; returns all processes that were seen."""
    daemon_names = [daemon.name for daemon in reversed(daemons(layout))]
    others = [program.name for program in supervisor.states() if program.name not in (*daemon_names, "redis")]
    seen: set[Process] = set()
    end = time.monotonic() + END_SECONDS
    for names in (others, *([name] for name in daemon_names), ["redis"]):
        supervisor.begin_to_stop(*names)
        while time.monotonic() < end and any(supervisor.state(name).is_active for name in names):
            seen |= processes_of(layout)
            time.sleep(0.05)
    return seen


def _watch_the_end(layout: Layout, pid: int) -> set[Process]:
    """Wait for supervisord; returns all processes that were seen meanwhile."""
    seen: set[Process] = set()
    end = time.monotonic() + END_SECONDS
    while time.monotonic() < end:
        seen |= processes_of(layout)
        main = [process for process in seen if process.pid == pid]
        if not main or wait_for_end(main, seconds=0.1) or _is_our_zombie(pid):
            break
    return seen


def _is_our_zombie(pid: int) -> bool:
    """supervisord as our own child (foreground) stays a zombie until somebody reaps it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
