"""Jinja2 for configuration files of the daemons: templates in ``templates/engine/<part>/*.j2``.

Pure: the only I/O is loading the templates of this checkout.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provisioning.render import quoting
from provisioning.render.files import HEADER

Quote = Callable[[str], str]
Filter = Callable[[object], str]

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "engine"


@cache
def _environment() -> Environment:
    # Autoescape is HTML quoting: "&amp;" in main.cf would be wrong. A value is quoted for the syntax of its
    # file by the filter of that name, which refuses what the syntax cannot hold (STYLE 19).
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["postfix"] = _text_of_any(quoting.postfix_value)
    environment.filters["pcre"] = _text_of_any(quoting.pcre_literal)
    environment.filters["dovecot"] = _text_of_any(quoting.dovecot_value)
    environment.filters["sieve"] = _text_of_any(quoting.sieve_string)
    environment.filters["posix"] = _text_of_any(quoting.posix_literal)
    environment.filters["spamassassin"] = _text_of_any(quoting.spamassassin_pattern)
    environment.filters["php"] = _text_of_any(quoting.php_string)
    environment.filters["nginx"] = _text_of_any(quoting.nginx_value)
    environment.globals["header"] = HEADER
    return environment


def _text_of_any(quote: Quote) -> Filter:
    """Let a quoting function take paths and numbers too."""
    return lambda value: quote(str(value))


def render(template: str, **values: object) -> bytes:
    """Render ``templates/engine/<template>``. A name the template knows and we do not give is an error."""
    return _environment().get_template(template).render(**values).encode()
