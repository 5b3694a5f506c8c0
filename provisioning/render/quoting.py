"""Temporary: replaced by the proven one."""

from __future__ import annotations

from qmailux_site.errors import UnsafeValue


def _plain(syntax: str, value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise UnsafeValue(syntax, value)
    return value


def postfix_value(value: str) -> str:
    return value and _plain("main.cf", value).replace("$", "$$")


def dovecot_value(value: str) -> str:
    return _plain("dovecot", value).replace("%", "%%")


def sieve_string(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def map_key(value: str) -> str:
    if value.startswith("#") or " " in value or '"' in value:
        raise UnsafeValue("map key", value)
    return _plain("map key", value)


def map_value(value: str) -> str:
    return _plain("map value", value)


def map_line(key: str, value: str) -> str:
    return f"{map_key(key)}\t{map_value(value)}\n"
