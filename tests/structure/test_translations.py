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


def test_every_text_of_the_templates_is_in_the_catalogue() -> None:
    catalogue = CATALOGUE.read_text(encoding="utf-8").replace('"\n"', "")
    for template in (ROOT / "templates").rglob("*.html"):
        for text in re.findall(r"""{% trans ["'](.+?)["'] """, template.read_text(encoding="utf-8")):
            assert f'msgid "{text}"' in catalogue or f'msgid ""\n"{text}"' in catalogue, (
                f"{template.name}: {text}"
            )
