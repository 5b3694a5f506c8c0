"""Every text is there in Polish; English is the source."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = ROOT / "locale" / "pl" / "LC_MESSAGES" / "django.po"


def test_polish_is_complete() -> None:
    done = subprocess.run(
        ["msgfmt", "--statistics", "--check", "-o", "/dev/null", str(CATALOGUE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "untranslated" not in done.stderr
    assert "fuzzy" not in done.stderr


def test_polish_has_one_plain_word_for_the_login_with_a_code() -> None:
    catalogue = CATALOGUE.read_text(encoding="utf-8").replace('"\n"', "").lower()
    assert "logowanie dwuetapowe" in catalogue
    assert not re.search(r"drugi\w* składnik|second factor|zaloguj\"", catalogue)


def test_a_word_that_has_a_plural_does_not_stand_alone_without_a_context() -> None:
    """gettext finds it among the plurals only, and says it in English."""
    entries = [
        entry for entry in CATALOGUE.read_text(encoding="utf-8").split("\n\n") if "msgctxt" not in entry
    ]
    plurals = [entry for entry in entries if "\nmsgid_plural " in entry]
    words = {found[1] for entry in plurals if (found := re.search(r'^msgid "(.+)"$', entry, re.MULTILINE))}
    assert {"account", "message"} <= words
    alone = re.compile(r"""(?:\b(?:_|gettext|gettext_lazy)\(|{% trans )["'](.+?)["'](?:\)| %})""")
    for path in [*ROOT.glob("*/**/*.py"), *(ROOT / "templates").rglob("*.html")]:
        if "tests" not in path.parts and ".venv" not in path.parts:
            assert words.isdisjoint(alone.findall(path.read_text(encoding="utf-8"))), path


def test_every_text_of_the_templates_is_in_the_catalogue() -> None:
    catalogue = CATALOGUE.read_text(encoding="utf-8").replace('"\n"', "")
    for template in (ROOT / "templates").rglob("*.html"):
        for text in re.findall(r"""{% trans ["'](.+?)["'] """, template.read_text(encoding="utf-8")):
            assert f'msgid "{text}"' in catalogue or f'msgid ""\n"{text}"' in catalogue, (
                f"{template.name}: {text}"
            )
