"""Addresses at the door."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from accounts.addresses import (
    MAX_TARGETS,
    Address,
    account_localpart,
    alias_localpart,
    parse_address,
    parse_targets,
    target_address,
)
from qmailux_site.errors import ActionRefused


def refusal(parse: Callable[[str], object], text: str) -> str:
    with pytest.raises(ActionRefused) as caught:
        parse(text)
    return caught.value.message


def test_an_address_is_parsed_in_its_stored_form() -> None:
    address = parse_address("  Anna.Nowak@ŻÓŁW.example ")
    assert address == Address("anna.nowak", "xn--w-uga1v8h.example")
    assert str(address) == "anna.nowak@xn--w-uga1v8h.example"


@pytest.mark.parametrize("text", ["", "anna", "anna@", "@example.org", "a@b@example.org", "anna@[192.0.2.1]"])
def test_what_is_no_address_is_refused(text: str) -> None:
    refusal(parse_address, text)


def test_ADR_07_lengths_at_and_over_the_limits() -> None:
    assert parse_address("a" * 64 + "@example.com").localpart == "a" * 64
    assert "64 characters" in refusal(parse_address, "a" * 65 + "@example.com")
    domain = ".".join(["d" * 63] * 2 + ["e" * 61])
    assert len(str(parse_address("c" * 64 + "@" + domain))) == 254
    assert "254 characters" in refusal(parse_address, "c" * 64 + "@" + domain + "e")
    assert "63 characters" in refusal(parse_address, "anna@" + "b" * 64 + ".example")


@pytest.mark.parametrize(
    "name", ["postmaster", "abuse", "root", "all", "everyone", "dovecot", "tmp", "new", "cur", "con", "srs0x"]
)
def test_ADR_15_system_like_names_are_harmless(name: str) -> None:
    assert account_localpart(name) == alias_localpart(name) == name


@pytest.mark.parametrize("parse", [account_localpart, alias_localpart])
@pytest.mark.parametrize(
    "name", ["double-bounce", "Double-Bounce", "srs0", "SRS0=x=y=example.org=anna", "SRS1+x", "srs0-x"]
)
def test_ADR_15_names_of_the_software_are_refused_with_a_reason(
    parse: Callable[[str], object], name: str
) -> None:
    assert "is reserved" in refusal(parse, name)


def test_ADR_15_mailer_daemon_is_an_alias_at_most() -> None:
    assert "only be an alias" in refusal(account_localpart, "MAILER-DAEMON")
    assert alias_localpart("MAILER-DAEMON") == "mailer-daemon"


@pytest.mark.parametrize("name", ["anna", "a.b", "a_b", "a-b", "a+b", "a=b", "9", "x-"])
def test_account_names_of_the_grammar_are_accepted(name: str) -> None:
    assert account_localpart(f" {name.upper()}\n") == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            ".ssh",
            "a.",
            "a..b",
            "-rf",
            "~root",
            "a/b",
            "a\\b",
            "../../outside/x",
            "%2e%2e%2fx",
        ),
        *("a b", "a\0", "a\nb", "o'neil", "#x", "a,b", "żaba", "\u212aelvin", "a" * 65, '"a"', "a@b"),
    ],
)
def test_PRM_10_other_account_names_are_refused(name: str) -> None:
    refusal(account_localpart, name)


@pytest.mark.parametrize("name", ["o'neil", "a/b", "a#b", "x$y", "a&b", "a{b}", "|x", "~x", "*"])
def test_an_alias_may_be_any_dot_string(name: str) -> None:
    assert alias_localpart(name) == name


@pytest.mark.parametrize(
    "name",
    ["#x", "-x", "a%b", "a!b", "a,b", "a\\b", '"a"', "a b", "a\tb", "a..b", "żaba", "a\x7f", "a:b", "<a"],
)
def test_aliases_that_Postfix_would_read_otherwise_are_refused(name: str) -> None:
    refusal(alias_localpart, name)


def test_a_target_may_belong_to_any_server() -> None:
    assert target_address("Bob%Relay!x@Straße.example") == "bob%relay!x@xn--strae-oqa.example"


def test_a_target_that_Postfix_never_sends_to_is_refused() -> None:
    assert "cannot begin with" in refusal(target_address, "-x@example.org")


def test_ALS_07_a_pasted_list_is_split_at_everything() -> None:
    text = "a@x.example,\nb@x.example;\r\nc@x.example\td@x.example ,, ;\n\nA@X.EXAMPLE\n"
    assert parse_targets(text) == ("a@x.example", "b@x.example", "c@x.example", "d@x.example")


def test_ALS_07_names_around_addresses_are_left_out() -> None:
    text = (
        'Anna Nowak <anna@x.example>, "Kowalska, Ewa (e@y.example)" <ewa@x.example>; '
        "jan@x.example Ola <ola@x.example>"
    )
    assert parse_targets(text) == ("anna@x.example", "ewa@x.example", "jan@x.example", "ola@x.example")


def test_ALS_07_the_limit_counts_addresses_once() -> None:
    full = [f"r{number}@example.com" for number in range(MAX_TARGETS)]
    assert len(parse_targets("\n".join([*full, *full]))) == MAX_TARGETS
    assert str(MAX_TARGETS) in refusal(parse_targets, ",".join([*full, "one@example.com"]))


@pytest.mark.parametrize("text", ["", " ,;\n", "<>", "anna", "a@x.example |cat", '"|cat x"@x.example'])
def test_a_list_with_something_else_is_refused(text: str) -> None:
    refusal(parse_targets, text)


@pytest.mark.parametrize("text", ['"' * 500_000, '" <' * 160_000, "a " * 250_000, "x" * 10_000_000])
def test_a_malicious_paste_is_refused_quickly(text: str) -> None:
    started = time.process_time()
    refusal(parse_targets, text)
    assert time.process_time() - started < 2
