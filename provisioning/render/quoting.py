"""One quoting function per syntax: a value never changes the meaning of the file it stands in (STYLE 19).

Each returns the text to write, or raises UnsafeValue for what the syntax cannot hold. What people cannot see
(control characters, odd blanks, text direction marks) stands in no configuration; only Sieve strings may hold
it, for they carry what people wrote. tests/mail/test_quoting_fuzz.py reads everything back by the daemons'
own parsers.
"""

from __future__ import annotations

import re

from qmailux_site.errors import UnsafeValue

# LMDB takes keys of 511 bytes, one of which is Postfix's.
MAX_MAP_KEY_LENGTH = 510
# One expression, for a full apply asks it four times for each account: visible ASCII without capitals and
# double quotes, no "#" at the front, neither ":" nor a backslash at the end.
_MAP_KEY = re.compile(rf"(?!#)[!#-@\[-~]{{,{MAX_MAP_KEY_LENGTH - 1}}}[!#-9;-@\[\]-~]")
# A key that holds nothing which means something in a list of addresses.
_PLAIN_ADDRESS = re.compile(rf"[!$-'*+\-./0-9=?@^-~]{{1,{MAX_MAP_KEY_LENGTH}}}")

# nginx reads a parameter through a buffer of 4096 bytes (NGX_CONF_BUFFER).
_MAX_NGINX_BYTES = 4000

_PLAIN_IN_DOVECOT = re.compile(r"[A-Za-z0-9._/:@+,*%-]+")
_PLAIN_IN_NGINX = re.compile(r"[A-Za-z0-9._/:@+*-]+")
_SPAMASSASSIN_WORD = re.compile(r"[A-Za-z0-9_]+")
_SPAMASSASSIN_PATTERN = re.compile(r"[a-z0-9.!$%&'*+/=^_`{|}~-]+@[a-z0-9.*-]+")
_LONE_CR = re.compile(r"\r(?!\n)")
_INI_COMMENT = re.compile(r"(?:^|\s)[;#]")


def postfix_value(value: str) -> str:
    """The right side of "name = value" in main.cf. May be empty; "$" is no reference.

    A list in a value is the caller's: blanks and commas stay what they are.
    """
    return _visible("main.cf", value).replace("$", "$$")


def map_key(key: str) -> str:
    """The left side of a line for postmap. Plain ASCII in lower case: Postfix would fold another silently.

    A double quote begins a quoted key, and a line with one that is not closed is skipped with a warning. A
    final backslash takes the blank after it into the key. A final colon makes postmap warn of an alias file,
    and a warning of postmap is a failure to us.
    """
    if not _MAP_KEY.fullmatch(key):
        raise UnsafeValue("key of a Postfix map", key)
    return key


def map_value(value: str) -> str:
    """The right side of a line for postmap; never empty."""
    if not value or value != value.strip() or not value.isprintable():
        raise UnsafeValue("value in a Postfix map", value)
    return value


def is_plain_address(address: str) -> bool:
    """As it stands a key of a map, and a list of one address. Nearly all are: they need be looked at once."""
    return _PLAIN_ADDRESS.fullmatch(address) is not None


def map_line(key: str, value: str) -> str:
    """A line of a map's source text, also for the standard input of postmap -r -i."""
    return f"{map_key(key)}\t{map_value(value)}\n"


def pcre_literal(value: str) -> str:
    """Text that a pattern of a Postfix pcre table, written between slashes, matches as it is."""
    return "".join(
        character if character.isalnum() and character.isascii() else f"\\x{ord(character):02x}"
        for character in _ascii("pcre table", value)
    )


def posix_literal(value: str) -> str:
    """Text that a POSIX expression, basic or extended, matches as it is."""
    return "".join(
        character
        if character.isalnum() or character in "@_-"
        else f"\\{character}"
        if character in "^\\"
        else f"[{character}]"
        for character in _ascii("expression", value)
    )


def dovecot_value(value: str, *, expanded: bool = True) -> str:
    """A whole setting or section name of dovecot.conf, in quotes unless it is plain.

    expanded: Dovecot replaces %-variables in this setting, so that "%" is doubled. In quotes "$name", "#",
    "<file" and a final backslash mean nothing. A section name can hold neither a double quote nor a
    backslash: Dovecot then refuses the file.
    """
    text = _without_invisible("dovecot.conf", value)
    if expanded:
        text = text.replace("%", "%%")
    if _PLAIN_IN_DOVECOT.fullmatch(text):
        return text
    return _in_double_quotes(text)


def sieve_string(value: str) -> str:
    """A Sieve string in its quotes, for a script that requires "variables".

    Line breaks stay as they are; Dovecot reads LF as CRLF, and refuses a CR that stands alone.
    "${" is parted by a variable that is never set ("$${_}{"). encoded-character would not help: Sieve
    replaces variables after it (RFC 5228, 2.4.2.4).
    """
    if "\0" in value or _LONE_CR.search(value) or not _is_utf8(value):
        raise UnsafeValue("Sieve string", value)
    return _in_double_quotes(value).replace("${", "$${_}{")


def ini_value(value: str) -> str:
    """The right side of "name=value" in supervisord.conf; "%" is doubled, for supervisor expands %(name)s.

    A blank before ";" or "#" would begin a comment, and the syntax has no way around it. Settings that
    supervisor splits once more (command, environment) need their own quoting first.
    """
    if _INI_COMMENT.search(value):
        raise UnsafeValue("supervisord.conf", value)
    return _visible("supervisord.conf", value).replace("%", "%%")


def nginx_value(value: str) -> str:
    """One parameter of an nginx directive, in quotes unless it is plain. "$" cannot be escaped: refused."""
    text = _without_invisible("nginx", value)
    if "$" in text:
        raise UnsafeValue("nginx", value)
    quoted = text if _PLAIN_IN_NGINX.fullmatch(text) else _in_double_quotes(text)
    if len(quoted.encode()) > _MAX_NGINX_BYTES:
        raise UnsafeValue("nginx", value)
    return quoted


def php_string(value: str) -> str:
    """A PHP string in single quotes."""
    text = _without_invisible("PHP", value)
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def spamassassin_word(word: str) -> str:
    """One word of a SpamAssassin setting: a language's code, the name of a list."""
    if not _SPAMASSASSIN_WORD.fullmatch(word):
        raise UnsafeValue("word of SpamAssassin", word)
    return word


def spamassassin_pattern(pattern: str) -> str:
    """A sender's address with stars. "#" would begin a comment, a blank a second pattern."""
    if not _SPAMASSASSIN_PATTERN.fullmatch(pattern):
        raise UnsafeValue("pattern of SpamAssassin", pattern)
    return pattern


def _visible(syntax: str, value: str) -> str:
    """One visible line, which a parser that trims blanks leaves alone."""
    if value != value.strip():
        raise UnsafeValue(syntax, value)
    return _without_invisible(syntax, value)


def _without_invisible(syntax: str, value: str) -> str:
    if not value.isprintable():
        raise UnsafeValue(syntax, value)
    return value


def _ascii(syntax: str, value: str) -> str:
    if not value.isascii():
        raise UnsafeValue(syntax, value)
    return _without_invisible(syntax, value)


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _in_double_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
