"""The documentation says what is there: commands, settings, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

REPO = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "personas", "ingest", "training", "orchestration", "benchmarks", "docker", "tests")
PAGES = sorted([*REPO.glob("*.md"), *(page for folder in FOLDERS for page in (REPO / folder).rglob("*.md"))])
#: A variable that settings read; what ends in _FILE is read by the environment reader itself.
READ = re.compile(r"""\benv(?:\.\w+)?\(\s*["']([A-Z][A-Z0-9_]+)["']""")


def named(page: Path) -> str:
    return str(page.relative_to(REPO))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_a_page_names_exists(page):
    commands = set(re.findall(r"manage\.py ([a-z][a-z_]+)", page.read_text()))
    assert commands - set(get_commands()) == set()


def test_every_command_of_the_readme_s_table_exists():
    table = (REPO / "README.md").read_text().split("## Commands")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.replace("\\|", "").splitlines() if line.startswith("| `")]
    commands = {command for row in rows for command in re.findall(r"`([a-z][a-z_]*)", row)}
    assert "ingest" in commands
    assert commands - set(get_commands()) == set()


def test_every_setting_is_documented():
    settings = set(READ.findall((REPO / "faceproject" / "settings.py").read_text()))
    assert "FACEPROJECT_HOME" in settings
    documented = (REPO / "README.md").read_text() + (REPO / "docs" / "operations.md").read_text()
    # `FACE_X_WEIGHTS` (each with `_SHA256`) documents both
    known = {
        name for name in settings if f"`{name}`" in documented or f"`{name.removesuffix('_SHA256')}`" in documented
    }
    assert settings - known == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), flags=re.MULTILINE))
    said = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(), flags=re.MULTILINE)
    assert set(said) - targets == set()


def test_every_metric_is_documented():
    defined = set()
    for path in (REPO / "personas" / "metrics.py", REPO / "orchestration" / "state_metrics.py"):
        for kind, name in re.findall(r"(\w+)\(\s*\"(faceproject_\w+)\"", path.read_text()):
            defined.add(f"{name}_total" if kind == "Counter" else name)
    assert "faceproject_store_errors_total" in defined
    documented = (REPO / "docs" / "operations.md").read_text()
    assert {name for name in defined if f"`{name}`" not in documented} == set()
