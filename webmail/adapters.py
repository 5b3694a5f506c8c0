"""How one logs in to a webmail by its own form: plain values, no Django.

Everything that differs between webmails stands here, so that another one is a row in a table, not code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Adapter:
    """All paths are relative to the webmail's own.

    login_path: a page to ask for first, for its cookies and its token; "" posts at once. token_pattern: finds
    the token in it as its first group; token_field: where it is sent back. extra_fields: sent beside; in
    their texts {language} and {name} are the account's. success_pattern: is searched in the address that the
    answer leads to, or in the page where it leads nowhere. cookie_names: those that the browser gets; none
    named is all of them; the first is its session. landing_path: where the person is sent then.
    """

    post_path: str
    user_field: str
    password_field: str
    success_pattern: str
    login_path: str = ""
    token_pattern: str = ""
    token_field: str = ""
    extra_fields: Mapping[str, str] = field(default_factory=dict)
    cookie_names: tuple[str, ...] = ()
    landing_path: str = ""

    @property
    def session_cookie(self) -> str:
        """The one whose value is the session's id on the server; "" when none is named."""
        return self.cookie_names[0] if self.cookie_names else ""


ROUNDCUBE = Adapter(
    login_path="?_task=login",
    post_path="?_task=login",
    user_field="_user",
    password_field="_pass",  # noqa: S106  # the name of a field
    token_pattern=r'name="_token"[^>]*value="([^"]+)"',  # noqa: S106
    token_field="_token",  # noqa: S106
    extra_fields={
        "_task": "login",
        "_action": "login",
        "_timezone": "_default_",
        "_qmailux_language": "{language}",
        "_qmailux_name": "{name}",
    },
    success_pattern=r"_task=mail",
    cookie_names=("roundcube_sessid", "roundcube_sessauth"),
    landing_path="?_task=mail",
)

SQUIRRELMAIL = Adapter(
    post_path="src/redirect.php",
    user_field="login_username",
    password_field="secretkey",  # noqa: S106
    extra_fields={"just_logged_in": "1", "js_autodetect_results": "1"},
    success_pattern=r"webmail\.php",
    cookie_names=("SQMSESSID", "key"),
    landing_path="src/webmail.php",
)
