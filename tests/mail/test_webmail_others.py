"""Other webmails, added by settings alone: a mail page of another kind, and SquirrelMail."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext

from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from provisioning.tasks import node_sweep
from qmailux_site.errors import ActionRefused
from tests.mail.instance import MailInstance, wait_until
from tests.mail.panel import log_in
from tests.mail.wire import Wire, letter
from webmail.actions import save_webmail, set_webmail_preference, switch_webmail
from webmail.models import Webmail

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])
FILES = Path(__file__).resolve().parents[1] / "files" / "webmail"
# All that is said of the small mail page: nothing of it stands in the code.
SMALL = {
    "name": "small",
    "title": "Mała poczta",
    "kind": "folder",
    "login_path": "login.php",
    "post_path": "login.php",
    "landing_path": "inbox.php",
    "user_field": "who",
    "password_field": "word",
    "extra_fields": {"step": "in"},
    "token_pattern": "name=once value='([0-9a-f]+)'",
    "token_field": "once",
    "success_pattern": r"^inbox\.php$",
    "cookie_names": "smallmail",
    "closed_folders": "settings",
}


@pytest.fixture(scope="module")
def folders(running_plane: MailInstance) -> Iterator[Path]:
    """Unpacked by an operator, outside the instance."""
    layout = running_plane.layout
    with tempfile.TemporaryDirectory(prefix="qxm-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(FILES, folder, dirs_exist_ok=True)
        settings = folder / "small" / "settings"
        settings.mkdir()
        (settings / "server.php").write_text(f"<?php return ['127.0.0.1', {layout.port('imaps')}];")
        yield folder


@pytest.fixture
def wire(plane: MailInstance, jan: Account, console: Actor, folders: Path) -> Wire:
    save_webmail(Webmail(folder=str(folders / "small"), **SMALL), by=console)
    # The real one, unpacked somewhere, takes the place of its few lines.
    given = os.environ.get("SQUIRRELMAIL_FOLDER") or str(folders / "squirrelmail")
    squirrel = Webmail(name="squirrelmail", title="SquirrelMail", kind="squirrelmail", folder=given)
    save_webmail(squirrel, by=console)
    plane.apply()
    wire = Wire(plane.layout)
    wire.deliver(jan.address, text=letter("Zebranie w środę"))
    return wire


@pytest.mark.parametrize(("name", "landing"), [("small", "inbox.php"), ("squirrelmail", "src/webmail.php")])
def test_another_webmail_is_entered_by_the_login_page_and_by_one_click(
    wire: Wire,
    jan: Account,
    visitor: BrowserContext,
    name: str,
    landing: str,
) -> None:
    page = visitor.new_page()
    log_in(page, jan, name)
    page.wait_for_url(f"**/webmail/{name}/{landing}")
    page.get_by_text("Zebranie w środę").wait_for()
    page.goto("/login/")
    assert page.is_checked(f"[name=door][value={name}]")

    visitor.clear_cookies()
    log_in(page, jan, "panel")
    page.wait_for_url("**:*/")
    page.click(f"button[name=webmail][value={name}]")
    page.wait_for_url(f"**/webmail/{name}/{landing}")
    page.get_by_text("Zebranie w środę").wait_for()

    page.goto("/")
    copied = visitor.cookies()
    page.click("details.menu summary")
    page.click("form[action='/logout/'] button")
    page.wait_for_url("**/login/**")
    node_sweep()
    # The browser has forgotten it; whoever has a copy of the cookies finds nothing either.
    visitor.add_cookies([cookie for cookie in copied if cookie["name"] != "sessionid"])  # type: ignore[misc]  # as they came
    page.goto(f"/webmail/{name}/{landing}")
    page.wait_for_url(f"**/login/?webmail={name}")


@pytest.fixture
def distant(plane: MailInstance, jan: Account, console: Actor, folders: Path) -> Iterator[Wire]:
    """The small mail page on a web server of its own: we know its address and nothing else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["php", "-S", f"127.0.0.1:{port}", "-t", str(folders / "small")], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: _is_open(port), what="the other web server")
    settings = {**SMALL, "kind": "address", "closed_folders": ""}
    save_webmail(Webmail(address=f"http://127.0.0.1:{port}/", **settings), by=console)
    plane.apply()
    wire = Wire(plane.layout)
    wire.deliver(jan.address, text=letter("Zebranie w środę"))
    yield wire
    server.terminate()
    server.wait(timeout=5)


def test_a_webmail_at_an_address_is_entered_and_left_like_one_of_this_server(
    distant: Wire, jan: Account, visitor: BrowserContext
) -> None:
    page = visitor.new_page()
    log_in(page, jan, "small")
    page.wait_for_url("**/webmail/small/inbox.php")
    page.get_by_text("Zebranie w środę").wait_for()
    page.goto("/webmail/small/login.php")
    page.wait_for_url("**/login/?webmail=small")

    visitor.clear_cookies()
    log_in(page, jan, "panel")
    page.wait_for_url("**:*/")
    page.click("button[name=webmail][value=small]")
    page.wait_for_url("**/webmail/small/inbox.php")
    page.get_by_text("Zebranie w środę").wait_for()
    seen = set(page.inner_text("#cookies").split())
    assert "smallmail" in seen
    assert not seen & {"sessionid", "csrftoken"}

    # Its sessions are its own: the browser of somebody who has left must not hold one any more.
    page.goto("/")
    page.click("details.menu summary")
    page.click("form[action='/logout/'] button")
    page.wait_for_url("**/login/**")
    assert "smallmail" not in {cookie["name"] for cookie in visitor.cookies()}
    page.goto("/webmail/small/inbox.php")
    page.wait_for_url("**/login/?webmail=small")


def test_a_webmail_gets_the_persons_address_and_no_cookie_of_the_panel(
    wire: Wire,
    jan: Account,
    visitor: BrowserContext,
) -> None:
    page = visitor.new_page()
    log_in(page, jan, "panel")
    page.wait_for_url("**:*/")
    page.click("button[name=webmail][value=small]")
    page.wait_for_url("**/inbox.php")
    cookies = {cookie["name"] for cookie in visitor.cookies()}
    assert {"sessionid", "csrftoken", "smallmail"} <= cookies
    assert page.inner_text("#client") == "127.0.0.1"
    seen = set(page.inner_text("#cookies").split())
    assert "smallmail" in seen
    assert not seen & {"sessionid", "csrftoken"}


def test_what_is_closed_and_what_is_hidden_is_not_served(
    wire: Wire,
    plane: MailInstance,
    visitor: BrowserContext,
) -> None:
    for path in (
        "small/settings/server.php",
        "squirrelmail/config/config.php",
        "squirrelmail/functions/global.php",
    ):
        assert visitor.request.get(f"/webmail/{path}").status == 404
    # Its own login page leads to ours.
    answer = visitor.request.get("/webmail/squirrelmail/src/login.php", max_redirects=0)
    assert answer.status == 303
    assert answer.headers["location"].endswith("/login/?webmail=squirrelmail")


def test_a_webmail_that_is_switched_off_is_neither_offered_nor_served(
    wire: Wire,
    plane: MailInstance,
    jan: Account,
    console: Actor,
    visitor: BrowserContext,
) -> None:
    switch_webmail("small", is_offered=False, by=console)
    plane.apply()
    page = Client().get("/login/", secure=True, headers={"host": "127.0.0.1"}).content.decode()
    assert re.findall(r'name="door" value="(\w+)"', page) == ["roundcube", "squirrelmail", "panel"]
    wait_until(lambda: visitor.request.get("/webmail/small/inbox.php").status == 404, what="nginx")


def test_a_domain_has_its_own_choice_and_brand(
    wire: Wire,
    plane: MailInstance,
    firma: Domain,
    jan: Account,
    console: Actor,
    visitor: BrowserContext,
) -> None:
    logo = b"\x89PNG\r\n\x1a\n" + b"0" * 50
    set_webmail_preference(
        firma,
        offered=["roundcube", "small"],
        default_webmail="small",
        product_name="Poczta <Żółw>",
        logo=logo,
        by=console,
    )
    plane.apply()
    page = visitor.new_page()
    log_in(page, jan, "squirrelmail")
    page.wait_for_selector(".note.error, .fault")
    page.goto(f"/login/?domain={firma.name}")
    doors = page.eval_on_selector_all("[name=door]", "found => found.map(one => one.value)")
    assert doors == ["small", "roundcube", "panel"]
    assert "Poczta <Żółw>" in page.title()
    picture = page.get_attribute("img.logo", "src")
    assert picture is not None
    answer = visitor.request.get(picture)
    assert (answer.body(), answer.headers["content-type"]) == (logo, "image/png")

    log_in(page, jan, "roundcube")
    page.wait_for_selector("#messagelist")
    # Roundcube puts the number of unread messages before it as soon as it has counted them.
    assert re.fullmatch(r"(\(\d+\) )?Poczta <Żółw> :: Odebrane", page.title())


def test_a_squirrelmail_of_older_days_is_refused_with_what_php_says(
    folders: Path, tmp_path: Path, console: Actor
) -> None:
    old = tmp_path / "squirrelmail"
    shutil.copytree(folders / "squirrelmail", old)
    (old / "functions" / "rfc822address.php").write_text("<?php\n$first = $text{0};\n")
    squirrel = Webmail(name="squirrelmail", title="SquirrelMail", kind="squirrelmail", folder=str(old))
    with pytest.raises(ActionRefused) as refused:
        save_webmail(squirrel, by=console)
    assert refused.value.field == "folder"
    assert "in functions/rfc822address.php on line 2" in refused.value.message
    assert not Webmail.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "open"),
        ("name", "Small"),
        ("name", "a/b"),
        ("folder", "/etc/../etc"),
        ("folder", "/nowhere-at-all"),
        ("folder", "/etc; root /"),
        ("post_path", "../panel"),
        ("post_path", "/etc/passwd"),
        ("token_pattern", "("),
        ("token_pattern", "no group"),
        ("success_pattern", ""),
        ("user_field", "a b"),
        ("cookie_names", "a;b"),
        ("closed_folders", "a}b"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_their_field(
    folders: Path, console: Actor, field: str, value: str
) -> None:
    values = {**SMALL, "folder": str(folders / "small"), field: value}
    with pytest.raises(ActionRefused) as refused:
        save_webmail(Webmail(**values), by=console)
    assert refused.value.field == field
    assert not Webmail.objects.exists()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
