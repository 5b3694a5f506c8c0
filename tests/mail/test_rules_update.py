"""New rules for the spam check: the real sa-update fetches them from a channel of the test's own network."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import ask_for_update
from antispam.models import PartState, UpdateRun
from domains import actions as domain_actions
from provisioning import rules
from provisioning.doctor import examine
from provisioning.parts import look_at_parts
from provisioning.updates import carry_out, run_all, waiting
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter
from tests.mail.world import World

CHANNEL = "rules.test"
MIRROR = ("127.0.0.101", 8099)
GOOD = "body QX_OKAZJA /wyjatkowa okazja/\ndescribe QX_OKAZJA test\nscore QX_OKAZJA 4.2\n"


class Channel:
    """Offers one set of rules under a version, as the DNS and a mirror tell it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        (folder / "MIRRORED.BY").write_text(f"http://{MIRROR[0]}:{MIRROR[1]}/ weight=1\n")
        world.set_record(f"mirrors.{CHANNEL}", "TXT", f'"http://{MIRROR[0]}:{MIRROR[1]}/MIRRORED.BY"')

    def offer(self, version: int, text: str) -> None:
        packed = io.BytesIO()
        stock = Path("/usr/share/spamassassin")
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path in sorted(stock.glob("[0-9]*.cf")):
                archive.add(path, arcname=path.name)
            content = text.encode()
            entry = tarfile.TarInfo("99_test.cf")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        self.write(version, packed.getvalue())

    def write(self, version: int, content: bytes) -> None:
        name = f"{version}.tar.gz"
        (self.folder / name).write_bytes(content)
        for kind in ("sha256", "sha512"):
            digest = hashlib.new(kind, content).hexdigest()
            (self.folder / f"{name}.{kind}").write_text(f"{digest}  {name}\n")
        self.world.set_record(f"1.0.4.{CHANNEL}", "TXT", f'"{version}"')


@pytest.fixture(scope="module")
def channel(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    folder = tmp_path_factory.mktemp("mirror")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(MIRROR, handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield Channel(world, folder)
    server.shutdown()
    server.server_close()


@pytest.fixture
def plane(running_in_world: MailInstance, db: None, monkeypatch: pytest.MonkeyPatch) -> MailInstance:
    monkeypatch.setattr(settings, "QMAILUX_SPAM_RULES_CHANNEL", CHANNEL)
    running_in_world.node()
    return running_in_world


@pytest.fixture
def anna(plane: MailInstance, console: Actor) -> Account:
    domain = domain_actions.add_domain(name="reguly.test", by=console)
    account = actions.add_account(domain=domain, localpart="anna", password=PASSWORD, by=console)
    plane.apply()
    return account


def rules_hit(plane: MailInstance, account: Account, subject: str) -> str:
    wire = Wire(plane.layout)
    wire.deliver(account.address, text=letter(subject, "To jest wyjatkowa okazja"))
    wait_until(lambda: subject in wire.subjects(account.address, PASSWORD), what=subject)
    return next(
        str(message["X-Spam-Status"])
        for message in wire.messages(account.address, PASSWORD)
        if message["Subject"] == subject
    )


def update(plane: MailInstance) -> UpdateRun:
    return run_all(plane.node(), plane.host, plane.layout, UpdateRun.Kind.RULES)


def test_new_rules_count_a_broken_set_never_does_and_the_panel_knows(
    plane: MailInstance, anna: Account, channel: Channel
) -> None:
    assert rules.in_use(plane.host, plane.layout).version == ""
    assert "QX_OKAZJA" not in rules_hit(plane, anna, "przed")
    channel.offer(1001, GOOD)
    run = update(plane)
    assert (run.result, run.error) == ("1001", "")
    assert "QX_OKAZJA" in rules_hit(plane, anna, "po")
    assert update(plane).result == ""

    channel.offer(1002, "body QX_OKAZJA /nieskonczona\nscore QX_OKAZJA pelno\n")
    failed = update(plane)
    assert failed.error
    assert rules.in_use(plane.host, plane.layout).version == "1001"
    assert "QX_OKAZJA" in rules_hit(plane, anna, "nadal")

    look_at_parts(plane.node(), plane.host, plane.layout)
    assert PartState.objects.get(name="rules").facts["version"] == "1001"
    found = [finding for finding in examine(plane.layout) if finding.check == "rules"]
    assert [(finding.level, "last look" in finding.text) for finding in found] == [("warning", True)]
    sets = plane.layout.state / "spamassassin" / "sets"
    assert len(list(sets.iterdir())) == 1


def test_rules_that_spamd_does_not_come_up_with_go_again(
    plane: MailInstance, anna: Account, channel: Channel
) -> None:
    channel.offer(1005, GOOD)
    reload = plane.layout.bin / "spamd-reload"
    before, written = rules.in_use(plane.host, plane.layout).version, reload.read_text()
    reload.write_text("#!/bin/sh\necho spamd does not answer >&2\nexit 1\n")
    try:
        run = update(plane)
    finally:
        reload.write_text(written)
    assert "does not answer" in run.error
    assert rules.in_use(plane.host, plane.layout).version == before


def test_the_button_and_the_sweep_carry_out_an_update_once(
    plane: MailInstance, console: Actor, channel: Channel
) -> None:
    channel.offer(1010, GOOD)
    ask_for_update(UpdateRun.Kind.RULES, by=console)
    for run in waiting():
        carry_out(run, plane.host, plane.layout)
        carry_out(run, plane.host, plane.layout)
    run = UpdateRun.objects.get(kind="rules")
    assert (run.result, run.error, waiting()) == ("1010", "", [])


def test_a_part_that_does_not_run_is_known_within_one_look(plane: MailInstance) -> None:
    look_at_parts(plane.node(), plane.host, plane.layout)
    assert not PartState.objects.exclude(fault="").exists()
    plane.stop_daemon("spamd")
    plane.layout.spam_socket.unlink(missing_ok=True)
    try:
        look_at_parts(plane.node(), plane.host, plane.layout)
        assert list(PartState.objects.exclude(fault="").values_list("name", flat=True)) == ["spamd"]
    finally:
        plane.start_daemon(plane.daemon("spamd"))
