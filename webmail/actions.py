"""Which webmails there are, who is offered which, and their brand. All of it is the superadmin's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from audit import record as audit
from domains.models import Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused, HostUnreachable
from webmail.catalogue import ROUNDCUBE, catalogue
from webmail.models import Webmail, WebmailPreference
from webmail.syntax import first_fault

MOST_LOGO_BYTES = 200_000
# By their first bytes. No SVG: it is a page that can hold scripts.
LOGO_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_RESERVED = {"open"}
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_FOLDER = re.compile(r"(/[A-Za-z0-9._-]+)+")
_ADDRESS = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
_PATH = re.compile(r"[A-Za-z0-9._~-]*(/[A-Za-z0-9._~-]+)*/?(\?[A-Za-z0-9._~=&-]*)?")
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,60}")
_COOKIE = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_FOLDER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
PATHS = ("login_path", "post_path", "landing_path")
FIELDS = ("user_field", "password_field", "token_field")
# What SquirrelMail is known by, and what of it nobody gets anything from.
SQUIRRELMAIL_FILES = ("functions/global.php", "src/redirect.php", "config/config_default.php")
SQUIRRELMAIL_CLOSED = "config data attach locale po contrib functions class include"


@transaction.atomic
def save_webmail(webmail: Webmail, *, by: Actor) -> Webmail:
    """Add a webmail, or change one. It is served and offered within seconds.

    Refused: a name that is taken or reserved, a folder that holds nothing of the kind, an adapter that cannot
    work.
    """
    by.must_be_superadmin()
    is_new = webmail.pk is None
    check_webmail(webmail)
    try:
        webmail.full_clean()
    except ValidationError as error:
        field, sentences = next(iter(error.message_dict.items()))
        raise ActionRefused(field, sentences[0]) from error
    webmail.save()
    action = "webmail.added" if is_new else "webmail.changed"
    audit.record(by, action, webmail.name, scope="server", name=webmail.title, kind=webmail.kind)
    outbox.record_settings()
    return webmail


@transaction.atomic
def switch_webmail(name: str, *, is_offered: bool, by: Actor) -> Webmail:
    """Offer it, or no longer: then it is not served either, and who is in it is out."""
    by.must_be_superadmin()
    webmail = _known(name)
    webmail.is_offered = is_offered
    webmail.save()
    audit.record(by, "webmail.switched", name, scope="server", is_offered=is_offered)
    outbox.record_settings()
    return webmail


@transaction.atomic
def delete_webmail(name: str, *, by: Actor) -> None:
    """Its entry goes; its folder and what people keep in it stay."""
    by.must_be_superadmin()
    webmail = _known(name)
    if webmail.kind == Webmail.Kind.ROUNDCUBE:
        raise ActionRefused("", _("Roundcube belongs to the server: it can be switched off, not deleted."))
    webmail.delete()
    audit.record(by, "webmail.deleted", name, scope="server", name=webmail.title)
    outbox.record_settings()


@transaction.atomic
def set_webmail_preference(
    domain: Domain | None,
    *,
    offered: Sequence[str],
    default_webmail: str,
    product_name: str,
    logo: bytes | None = None,
    by: Actor,
) -> WebmailPreference:
    """Of a domain, or of the server (None). What is empty is left to the server.

    logo: a picture; None keeps the one that is there, empty takes it away.
    """
    by.must_be_superadmin()
    known = {webmail.name for webmail in catalogue()}
    for name in [*offered, *([default_webmail] if default_webmail else [])]:
        if name not in known:
            raise ActionRefused("offered", _("There is no webmail %(name)s.") % {"name": name[:40]})
    if offered and default_webmail and default_webmail not in offered:
        raise ActionRefused("default_webmail", _("The default is one of those that are offered."))
    level = WebmailPreference.Level.SERVER if domain is None else WebmailPreference.Level.DOMAIN
    found, _is_new = WebmailPreference.objects.select_for_update().get_or_create(level=level, domain=domain)
    found.offered, found.default_webmail = sorted(set(offered)), default_webmail
    found.product_name = _brand_name(product_name)
    if logo is not None:
        found.logo, found.logo_type = logo, _logo_type(logo)
    found.save()
    audit.record(
        by,
        "webmail.preference_set",
        domain.name if domain else "server",
        scope=domain.name if domain else "server",
        offered=found.offered,
        default_webmail=default_webmail,
        name=found.product_name,
    )
    outbox.record_settings()
    return found


def check_webmail(webmail: Webmail) -> None:
    """Raises ActionRefused with the field that is wrong."""
    if not _NAME.fullmatch(webmail.name) or webmail.name in _RESERVED:
        raise ActionRefused("name", _("Small letters, digits and dashes, at most 20, a letter first."))
    kind = webmail.kind
    if (kind == Webmail.Kind.ROUNDCUBE) != (webmail.name == ROUNDCUBE):
        raise ActionRefused("name", _("This name is Roundcube's own."))
    if kind == Webmail.Kind.ADDRESS:
        _refuse_unless(
            _ADDRESS, webmail.address, "address", _("An address such as https://mail.example.org/")
        )
    if kind in (Webmail.Kind.SQUIRRELMAIL, Webmail.Kind.FOLDER):
        _check_folder(webmail)
        if webmail.is_link:
            raise ActionRefused("method", _("A link leads to an address; here is a folder."))
    if kind in (Webmail.Kind.FOLDER, Webmail.Kind.ADDRESS) and not webmail.is_link:
        _check_adapter(webmail)


def _check_folder(webmail: Webmail) -> None:
    sentence = _("The full path of a folder: letters, digits, dot, dash and underscore.")
    _refuse_unless(_FOLDER, webmail.folder, "folder", sentence)
    folder = Path(webmail.folder)
    if ".." in folder.parts or not folder.is_dir():
        raise ActionRefused("folder", _("There is no such folder on the server."))
    if folder.resolve().is_relative_to(settings.QMAILUX_HOME):
        raise ActionRefused("folder", _("A folder of the server itself is not served."))
    if webmail.kind == Webmail.Kind.SQUIRRELMAIL:
        for name in SQUIRRELMAIL_FILES:
            if not (folder / name).is_file():
                raise ActionRefused(
                    "folder", _("This is no SquirrelMail: it has no %(file)s.") % {"file": name}
                )
        webmail.closed_folders = SQUIRRELMAIL_CLOSED
        _refuse_other_php(folder)
    for name in webmail.closed_folders.split():
        _refuse_unless(_FOLDER_NAME, name, "closed_folders", _("Names of folders, parted by blanks."))


def _refuse_other_php(folder: Path) -> None:
    """An older SquirrelMail would show empty pages."""
    try:
        fault = first_fault(folder)
    except HostUnreachable as error:
        raise ActionRefused(
            "folder", _("PHP does not answer on this server, so nothing was saved.")
        ) from error
    if fault:
        raise ActionRefused("folder", _("PHP of this server cannot run it: %(fault)s") % {"fault": fault})


def _check_adapter(webmail: Webmail) -> None:
    for name in PATHS:
        path = str(getattr(webmail, name))
        if not _PATH.fullmatch(path) or ".." in path or path.startswith("/"):
            raise ActionRefused(name, _("A path inside the webmail, without a slash at its beginning."))
    for name in FIELDS:
        if (value := str(getattr(webmail, name))) or name != "token_field":
            _refuse_unless(_FIELD, value, name, _("The name of a field of its login form."))
    for name in webmail.cookie_names.split():
        _refuse_unless(_COOKIE, name, "cookie_names", _("Names of cookies, parted by blanks."))
    if bool(webmail.token_pattern) != bool(webmail.token_field):
        raise ActionRefused("token_pattern", _("A token needs both: its pattern and its field."))
    if webmail.token_pattern and _pattern("token_pattern", webmail.token_pattern).groups < 1:
        raise ActionRefused("token_pattern", _("The token is the pattern's first group, in parentheses."))
    if not webmail.success_pattern:
        raise ActionRefused("success_pattern", _("By what is a login known that worked?"))
    _pattern("success_pattern", webmail.success_pattern)
    extra = webmail.extra_fields
    if not isinstance(extra, dict) or not all(
        _FIELD.fullmatch(str(name)) and isinstance(text, str) for name, text in extra.items()
    ):
        raise ActionRefused("extra_fields", _("Names and texts of fields."))


def _pattern(field: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ActionRefused(field, _("This pattern cannot be read: %(error)s") % {"error": error}) from error


def _refuse_unless(pattern: re.Pattern[str], text: str, field: str, sentence: str) -> None:
    if not pattern.fullmatch(text):
        raise ActionRefused(field, sentence)


def _known(name: str) -> Webmail:
    found = next((webmail for webmail in catalogue() if webmail.name == name), None)
    if found is None:
        raise ActionRefused("name", _("There is no webmail %(name)s.") % {"name": name[:40]})
    return found


def _brand_name(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > 60 or not text.isprintable():
        raise ActionRefused("product_name", _("At most 60 visible characters."))
    return text


def _logo_type(logo: bytes) -> str:
    if not logo:
        return ""
    if len(logo) > MOST_LOGO_BYTES:
        raise ActionRefused("logo", _("A logo has at most 200 kB."))
    found = next((kind for start, kind in LOGO_TYPES.items() if logo.startswith(start)), "")
    if not found:
        raise ActionRefused("logo", _("A logo is a PNG, JPEG or GIF picture."))
    return found
