"""What each quoting function writes; tests/mail/test_quoting_fuzz.py lets the daemons read it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.render import postfix, quoting
from provisioning.render.quoting import (
    MAX_MAP_KEY_LENGTH,
    dovecot_value,
    ini_value,
    map_key,
    map_line,
    map_value,
    nginx_value,
    postfix_value,
    sieve_string,
)
from provisioning.render.sieve import panel_script
from qmailux_site.errors import UnsafeValue

ONE_LINE = [postfix_value, map_value, dovecot_value, ini_value, nginx_value]
INVISIBLE = ["\n", "\r", "\t", "\0", "\x7f", "\x85", "\u00a0", "\u200b", "\u202e", "\u2028", "\ud800"]


@pytest.mark.parametrize(
    ("quote", "value", "written"),
    [
        (postfix_value, "", ""),
        (postfix_value, "a $b ${c}", "a $$b $${c}"),
        (postfix_value, "# 50% \\", "# 50% \\"),
        (map_key, "anna.nowak+x@firma.test", "anna.nowak+x@firma.test"),
        (map_key, "@firma.test", "@firma.test"),
        (map_key, "*", "*"),
        (map_key, "a\\b#c", "a\\b#c"),
        (map_value, '550 5.2.1 "locked" #1 $x', '550 5.2.1 "locked" #1 $x'),
        (dovecot_value, "/srv/mail-1", "/srv/mail-1"),
        (dovecot_value, "", '""'),
        (dovecot_value, "50%", "50%%"),
        (dovecot_value, "Sent Items", '"Sent Items"'),
        (dovecot_value, "$mail_plugins", '"$mail_plugins"'),
        (dovecot_value, "</etc/shadow", '"</etc/shadow"'),
        (dovecot_value, 'a"b\\', '"a\\"b\\\\"'),
        (dovecot_value, "a # b", '"a # b"'),
        (sieve_string, "", '""'),
        (sieve_string, 'a"b\\c\r\nd\te', '"a\\"b\\\\c\r\nd\te"'),
        (sieve_string, "${name} $${x} $ {", '"$${_}{name} $$${_}{x} $ {"'),
        (sieve_string, "${hex:41}", '"$${_}{hex:41}"'),
        (ini_value, "%(ENV_HOME)s 50%", "%%(ENV_HOME)s 50%%"),
        (ini_value, "a;b#c", "a;b#c"),
        (nginx_value, "/srv/www", "/srv/www"),
        (nginx_value, "", '""'),
        (nginx_value, "a;}{ #", '"a;}{ #"'),
        (nginx_value, 'a"b\\', '"a\\"b\\\\"'),
    ],
)
def test_a_value_is_written_so(quote: Callable[[str], str], value: str, written: str) -> None:
    assert quote(value) == written


def test_percent_stays_single_where_dovecot_expands_nothing() -> None:
    assert dovecot_value("50% off", expanded=False) == '"50% off"'


@pytest.mark.parametrize("quote", [*ONE_LINE, map_key])
@pytest.mark.parametrize("invisible", INVISIBLE)
def test_invisible_characters_are_refused(quote: Callable[[str], str], invisible: str) -> None:
    with pytest.raises(UnsafeValue):
        quote(f"a{invisible}b")


@pytest.mark.parametrize("quote", [postfix_value, map_value, ini_value])
@pytest.mark.parametrize("value", [" a", "a ", " "])
def test_blanks_that_a_parser_would_trim_are_refused(quote: Callable[[str], str], value: str) -> None:
    with pytest.raises(UnsafeValue):
        quote(value)


@pytest.mark.parametrize(
    "key",
    ["", "#a", "a b", '"a', 'a"b', "Anna@firma.test", "żółw", "a\\", "a:", "k" * (MAX_MAP_KEY_LENGTH + 1)],
)
def test_keys_that_postmap_would_read_otherwise_are_refused(key: str) -> None:
    with pytest.raises(UnsafeValue):
        map_key(key)


def test_a_map_value_is_never_empty() -> None:
    with pytest.raises(UnsafeValue):
        map_value("")


def test_a_map_line_has_checked_sides() -> None:
    assert map_line("a@firma.test", "b@x.example,c@x.example") == "a@firma.test\tb@x.example,c@x.example\n"
    with pytest.raises(UnsafeValue):
        map_line("a", "1\nb\t2")


@pytest.mark.parametrize("value", ["a\0b", "a\rb", "a\r", "\ud800"])
def test_what_sieve_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(UnsafeValue):
        sieve_string(value)


@pytest.mark.parametrize("value", ["a ;b", "a #b", ";a", "#a"])
def test_an_inline_comment_is_refused(value: str) -> None:
    with pytest.raises(UnsafeValue):
        ini_value(value)


@pytest.mark.parametrize("value", ["$host", "a${b}", "x" * 4097, '"' * 2000])
def test_what_nginx_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(UnsafeValue):
        nginx_value(value)


def test_the_error_names_syntax_and_value() -> None:
    with pytest.raises(UnsafeValue) as caught:
        postfix_value("a\nb")
    assert (caught.value.syntax, caught.value.value) == ("main.cf", "a\nb")


def test_a_script_with_references_has_variables_on() -> None:
    plain = panel_script(home="ab/abc", forward_to=["a@x.example"])
    odd = panel_script(home="ab/abc", forward_to=["a${b}@x.example"], keep_copy=False)
    assert plain is not None
    assert odd is not None
    assert b'"variables"' not in plain.content
    assert b'require ["envelope", "variables"];\n' in odd.content
    assert b'redirect "a$${_}{b}@x.example";' in odd.content


def test_every_quoting_function_is_in_the_fuzz() -> None:
    functions = {name for name in vars(quoting) if name.endswith(("_value", "_key", "_string"))}
    assert functions == {
        "dovecot_value",
        "ini_value",
        "map_key",
        "map_value",
        "nginx_value",
        "php_string",
        "postfix_value",
        "sieve_string",
    }


@given(st.text(st.characters(codec="utf-8"), max_size=8) | st.text("ab0.@#:,;+\\\"' <>()[]{}A~é", max_size=8))
def test_a_plain_address_is_its_own_entry(address: str) -> None:
    """What is looked at once passes the two longer looks unchanged."""
    if quoting.is_plain_address(address):
        assert postfix.mailbox_entry(address, "ab/abcd", 5) == (address, "ab/abcd:5")
        assert postfix.sender_entry(address, (address,)) == (address, address)


@pytest.mark.parametrize("localpart", ["anna.nowak", "o'neil", "a+b=c", "x_y-z", "{a|b}~", "!#$%&"])
def test_an_accounts_own_values_are_those_of_mailbox_and_sender(localpart: str) -> None:
    address = f"{localpart}@firma.test"
    mailbox, sender = postfix.mailbox_entry(address, "ab/abcd", 5), postfix.sender_entry(address, (address,))
    assert {mailbox[0], sender[0]} == {address}
    assert postfix.own_values(address, "ab/abcd", 5) == (mailbox[1], sender[1])
