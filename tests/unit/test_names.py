"""Domain names: one stored form, every spelling, and a reason for each refusal."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.names import canonical_domain, describe_character, display_domain
from qmailux_site.errors import ActionRefused


def refusal(text: str) -> str:
    with pytest.raises(ActionRefused) as caught:
        canonical_domain(text)
    assert caught.value.field == "name"
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("żółw.example", "xn--w-uga1v8h.example"),
        ("xn--w-uga1v8h.example", "xn--w-uga1v8h.example"),
        ("XN--W-UGA1V8H.example", "xn--w-uga1v8h.example"),
        ("ŻÓŁW.example", "xn--w-uga1v8h.example"),
        ("z\u0307o\u0301łw.example", "xn--w-uga1v8h.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("example.рф", "example.xn--p1ai"),
        ("ｅｘａｍｐｌｅ。org", "example.org"),
    ],
)
def test_ADR_03_national_letters_are_stored_as_a_labels(text: str, stored: str) -> None:
    assert canonical_domain(text) == stored


@pytest.mark.parametrize("label", ["xn--zzzz-1", "xn--", "xn--a", "xn--abc-", "xn--strasse-"])
def test_ADR_03_invalid_a_label_is_refused(label: str) -> None:
    assert label in refusal(f"{label}.example")


@pytest.mark.parametrize(
    "text", ["example.org.", " example.org", "example.org ", "\texample.org", "EXAMPLE.ORG"]
)
def test_ADR_05_surroundings_of_a_pasted_domain_are_stripped(text: str) -> None:
    assert canonical_domain(text) == "example.org"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("example\u200b.org", "U+200B (ZERO WIDTH SPACE)"),
        ("example\u00a0.org", "U+00A0 (NO-BREAK SPACE)"),
        ("exam\u00adple.org", "U+00AD (SOFT HYPHEN)"),
        ("exam\u200dple.org", "U+200D (ZERO WIDTH JOINER)"),
        ("exam\ufe0fple.org", "U+FE0F (VARIATION SELECTOR-16)"),
        ("example\u0082.org", "U+0082"),
        ("example\0.org", "U+0000"),
        ("'example.org", "“'” (U+0027 APOSTROPHE)"),
        ("http://example.org/", "U+003A COLON"),
        ("@example.org", "U+0040 COMMERCIAL AT"),
        ("_example.org", "U+005F LOW LINE"),
        ("exa mple.com", "U+0020 (SPACE)"),
        ("[192.0.2.10]", "U+005B LEFT SQUARE BRACKET"),
        ("☃.example", "U+2603 SNOWMAN"),
        ("a℀b.example", "U+2100 ACCOUNT OF"),
    ],
)
def test_ADR_05_pasted_domain_with_a_foreign_character_is_refused_by_its_name(text: str, named: str) -> None:
    assert named in refusal(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("example..org", "no two dots in a row"),
        (".example.org", "no dot at its start"),
        ("example.org..", "no two dots in a row"),
        ("-example.org", "begins or ends with a hyphen"),
        ("example-.org", "begins or ends with a hyphen"),
        ("localhost", "at least two parts"),
        ("192.0.2.10", "IP address"),
        ("１９２.0.2.10", "IP address"),
        ("example.123", "not a number"),
        ("", "Enter a domain name"),
        (".", "Enter a domain name"),
    ],
)
def test_ADR_05_what_is_no_domain_is_refused_with_the_reason(text: str, reason: str) -> None:
    assert reason in refusal(text)


@pytest.mark.parametrize("text", ["..", "../../outside", "a/b", "a\\b", "%2e%2e%2fx", "~root", "x\0.example"])
def test_PRM_10_no_domain_leads_out_of_a_folder(text: str) -> None:
    refusal(text)


def test_ADR_07_label_and_name_at_their_limits() -> None:
    longest = ".".join(["d" * 63] * 3 + ["e" * 61])
    assert len(longest) == 253
    assert canonical_domain(longest) == longest
    assert "63 characters" in refusal("b" * 64 + ".example")
    assert "63 characters" in refusal("é" * 60 + ".example")
    assert "253 characters" in refusal(".".join(["d" * 63] * 3 + ["e" * 62]))


def test_a_huge_name_is_refused_quickly() -> None:
    started = time.process_time()
    assert "253 characters" in refusal("ż" * 10_000_000)
    assert time.process_time() - started < 1


# On a loaded machine the tables of characters are slow to make.
@settings(database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.sampled_from("aZ09-.żßЯ。\u0301\u200c\u00ad\u0660क्ｘxn-") | st.characters(), max_size=30))
def test_what_is_accepted_is_plain_and_stays_the_same(text: str) -> None:
    try:
        domain = canonical_domain(text)
    except ActionRefused:
        return
    assert set(domain) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert canonical_domain(domain) == domain
    assert canonical_domain(display_domain(domain)) == domain


def test_people_see_national_letters() -> None:
    assert display_domain("xn--w-uga1v8h.example") == "żółw.example"


def test_a_broken_stored_name_is_shown_as_it_is() -> None:
    assert display_domain("xn--zzzz-1.xn--.example") == "xn--zzzz-1.xn--.example"


def test_invisible_characters_are_described_without_showing_them() -> None:
    assert describe_character("\u202e") == "U+202E (RIGHT-TO-LEFT OVERRIDE)"
