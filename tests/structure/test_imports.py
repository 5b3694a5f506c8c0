"""Imports point one way (DESIGN 2)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    "accounts",
    "alarms",
    "antispam",
    "domains",
    "enforcement",
    "audit",
    "maillog",
    "provisioning",
    "qmailux_site",
)
PURE = [
    *sorted((ROOT / "provisioning" / "render").glob("*.py")),
    ROOT / "provisioning" / "layout.py",
    *sorted((ROOT / "maillog").glob("parse*.py")),
    *(
        ROOT / "maillog" / f"{name}.py"
        for name in ("events", "stamps", "subjects", "mechanisms", "draft", "join")
    ),
]
# What other apps may know of provisioning: the outbox, the life it reports, and plain values.
PROVISIONING_FOR_OTHERS = {
    "provisioning.outbox",
    "provisioning.life",
    "provisioning.layout",
    "provisioning.models",
}


def sources(app: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts)


def imported(path: Path) -> set[str]:
    """Modules that the file imports, not counting those for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_renderers_are_pure(path: Path) -> None:
    assert not {
        name for name in imported(path) if name.split(".")[0] in {"django", "accounts", "domains", "audit"}
    }


@pytest.mark.parametrize(
    "app", ["accounts", "alarms", "antispam", "domains", "enforcement", "audit", "maillog"]
)
def test_apps_know_of_provisioning_only_the_outbox(app: str) -> None:
    for path in sources(app):
        if (
            "commands" in path.parts
            or path.stem == "admin"
            or path.stem.endswith("views")
            or "views" in path.parts
        ):
            continue
        modules = {
            name for name in imported(path) if name.startswith("provisioning.") and name.count(".") == 1
        }
        assert modules <= PROVISIONING_FOR_OTHERS, path


@pytest.mark.parametrize(
    "app", ["accounts", "alarms", "antispam", "domains", "enforcement", "audit", "maillog", "provisioning"]
)
def test_nobody_imports_the_edges(app: str) -> None:
    for path in sources(app):
        if path.stem == "urls" or path.stem.endswith("views") or "views" in path.parts:
            continue
        ours = {name for name in imported(path) if name.split(".")[0] in APPS}
        edges = {name for name in ours if ".views" in name or ".management" in name}
        assert not edges, path


def test_actions_do_not_know_doors() -> None:
    for app in ("accounts", "alarms", "antispam", "domains", "enforcement"):
        for path in sources(app):
            if "actions" in path.parts or path.name == "actions.py":
                assert not {
                    name for name in imported(path) if name.startswith(("django.http", "rest_framework"))
                }, path


def test_no_drawer_without_a_name() -> None:
    for app in APPS:
        for path in sources(app):
            assert path.stem not in {"utils", "helpers", "common", "core", "misc"}, path
