"""manage.py webmail: what it lists, adds, refuses and asks."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account
from provisioning.secrets import public_webmail_keys
from tests.mail.instance import MailInstance
from tests.mail.test_webmail_tokens import lets_in, token_of
from webmail.models import Webmail

pytestmark = pytest.mark.django_db(transaction=True)
SMALL = Path(__file__).resolve().parents[1] / "files" / "webmail" / "small"
ADAPTER = (
    *("--login-path", "login.php", "--post-path", "login.php", "--landing-path", "inbox.php"),
    *("--user-field", "who", "--password-field", "word", "--field", "step=in"),
    *("--token-pattern", "once value='([0-9a-f]+)'", "--token-field", "once"),
    *("--success-pattern", r"^inbox\.php$", "--cookie-names", "smallmail"),
)


@pytest.fixture
def small() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qxm-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(SMALL, folder, dirs_exist_ok=True)
        yield folder


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    out = io.StringIO()
    call_command("webmail", *arguments, stdout=out)
    return out.getvalue()


def test_a_webmail_is_added_listed_switched_and_deleted(
    plane: MailInstance, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ("add", "small", "--title", "Mała", "--kind", "folder", "--folder", str(small))
    with pytest.raises(CommandError, match="login form"):
        run(*add, monkeypatch=monkeypatch)
    assert "/webmail/small/" in run(*add, *ADAPTER, monkeypatch=monkeypatch)
    assert Webmail.objects.get().adapter.extra_fields == {"step": "in"}

    run("disable", "small", monkeypatch=monkeypatch)
    listed = json.loads(run("list", "--json", monkeypatch=monkeypatch))
    assert [(row["name"], row["offered"]) for row in listed] == [("roundcube", True), ("small", False)]
    run("enable", "small", monkeypatch=monkeypatch)

    with pytest.raises(CommandError, match="--yes"):
        run("delete", "small", monkeypatch=monkeypatch)
    run("delete", "small", "--yes", monkeypatch=monkeypatch)
    with pytest.raises(CommandError, match="switched off"):
        run("delete", "roundcube", "--yes", monkeypatch=monkeypatch)
    assert small.exists()


def test_the_key_is_not_renewed_twice_within_the_life_of_its_tokens(
    plane: MailInstance, jan: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.applier().apply_all(confirm_deletions=True)
    run("rotate-key", "--now", monkeypatch=monkeypatch)
    keys = public_webmail_keys(plane.layout)
    with pytest.raises(CommandError, match="hour"):
        run("rotate-key", monkeypatch=monkeypatch)
    assert public_webmail_keys(plane.layout) == keys
    assert lets_in(plane, jan.address, token_of(plane, jan))
