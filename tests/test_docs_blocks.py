"""Every block of code in the documentation runs, page by page, in an empty folder."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from tf_relight.cli.main import main

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    path for folder in ("tutorials", "howto", "explanation") for path in (DOCS / folder).glob("*.md")
)
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SLOW = {"own_pairs", "phone", "server", "augmentation", "first_portrait"}
"""Pages that train, export or relight."""


def blocks(page: Path) -> list[tuple[str, str]]:
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def run(page: Path) -> None:
    """Run the blocks of a page in their order; commands in this process, Python in one namespace."""
    names: dict = {"__name__": "__main__"}
    for kind, text in blocks(page):
        with contextlib.redirect_stdout(io.StringIO()):
            if kind == "python":
                exec(compile(text, str(page), "exec"), names)
                continue
            for line in filter(None, text.splitlines()):
                program, *words = shlex.split(line)
                assert program == "relight", line
                assert main(words) == 0, line


def test_pages_hold_code():
    assert len([page for page in PAGES if blocks(page)]) >= 9
    assert {page.stem for page in PAGES} >= SLOW


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem not in SLOW], ids=lambda page: page.stem
)
def test_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(page)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in SLOW], ids=lambda page: page.stem)
def test_a_longer_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(page)
