"""What the documents name must exist: functions, files, commands, and the ends of their links."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKIPPED = {"build", "dist", "node_modules", "runs", "shared"}
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part in SKIPPED for part in path.relative_to(ROOT).parts)
]
WALKS = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "life_of_a_photo.md"]
"""Pages whose words in back ticks must exist."""
SOURCES = [
    path for top in ("tf_relight", "export", "benchmarks", "tests") for path in (ROOT / top).rglob("*.py")
]
WRITTEN = {ROOT / "docs" / "reference", ROOT / "docs" / "methods"}
"""Folders that docs/build.py writes; Sphinx checks the links into them."""
HOMES = (ROOT, ROOT / "tf_relight", ROOT / "export", ROOT / "tests" / "toys")
"""Where a path in a page may begin."""
HEADINGS = {"Source", "Differs", "Example"}
"""Words that begin a paragraph of a docstring."""
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def _prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _in_back_ticks(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", _prose(page))


@cache
def _members() -> dict[str, set[str]]:
    """What each module and class defines: functions, classes, values, and the attributes of classes."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        name = path.parent.name if path.stem == "__init__" else path.stem
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.setdefault(name, set()).update(_defined(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_defined(node))
    return found


def _defined(parent: ast.Module | ast.ClassDef) -> set[str]:
    names: set[str] = set()
    for node in parent.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    if isinstance(parent, ast.ClassDef):
        stored = (node for node in ast.walk(parent) if isinstance(node, ast.Attribute))
        names |= {node.attr for node in stored if isinstance(node.ctx, ast.Store)}
    return names


@cache
def _arguments() -> set[str]:
    """The arguments of all functions, which pages name as well, and the fields of batches."""
    from tf_relight.contract.stage import FIELDS

    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES)
    return {node.arg for tree in trees for node in ast.walk(tree) if isinstance(node, ast.arg)} | set(FIELDS)


@cache
def _text() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)


def _is_path(span: str) -> bool:
    return "/" in span or re.search(r"\.(py|md|yaml|toml|txt)$", span) is not None


def _has_name(name: str) -> bool:
    """Whether a plain or dotted name is defined; of a dotted one the last two parts must fit."""
    *before, last = name.split(".")
    members = _members()
    if before and before[-1] == "tf_relight":
        import tf_relight

        return last in tf_relight.__all__
    if before:
        return last in members.get(before[-1], set())
    return name in members or name in _arguments() or any(name in inner for inner in members.values())


def exists(span: str) -> bool:
    """Whether what a page shows in back ticks is there."""
    if span.startswith(("relight ", "--")):
        words = span.split()
        options = [word for word in words if word.startswith("--") and word != "--help"]
        commands = {path.stem.replace("_", "-") for path in (ROOT / "tf_relight/cli/commands").glob("*.py")}
        known = words[0] != "relight" or words[1] in commands
        return known and all(f'"{option}"' in _text() for option in options)
    if span.startswith("python -m "):
        return any(
            (ROOT / f"{span.split()[2].replace('.', '/')}{end}").exists() for end in (".py", "/__main__.py")
        )
    if span.startswith("import "):
        return (ROOT / span.split()[1]).is_dir()
    if span == "make":
        return (ROOT / "Makefile").is_file()
    if re.fullmatch(r"make [\w-]+", span) or " make " in span:
        target = span.split("make ")[1].split()[0]
        several = rf"^(?:[\w-]+ )*{target}(?: [\w-]+)*:"
        return re.search(several, (ROOT / "Makefile").read_text(), re.MULTILINE) is not None
    if span.partition(":")[0] in HEADINGS:
        return f"{span.partition(':')[0]}:" in _text()
    if span in ("relight", ".venv", "<stream>.<field>"):
        return span in _text() or span in (ROOT / "Makefile").read_text()
    if re.fullmatch(r"[A-Z]+_[A-Z_]+", span) and span in _text():
        return True
    if re.fullmatch(r"[\w.]+\(.*\)", span):
        return _has_name(span.partition("(")[0])
    if _is_path(span):
        pattern = re.sub(r"<\w+>", "*", span).rstrip("/")
        if "/" not in span:
            return any(path.name == pattern for path in SOURCES) or (ROOT / pattern).is_file()
        return any(True for home in HOMES for _ in home.glob(pattern))
    return all(_IDENTIFIER.fullmatch(part) for part in span.split(".")) and _has_name(span)


@pytest.mark.parametrize("page", WALKS, ids=lambda page: page.name)
def test_everything_in_back_ticks_exists(page):
    spans = _in_back_ticks(page)
    assert len(spans) > 50
    assert [span for span in spans if not exists(span)] == []


def test_the_map_has_every_room_and_its_floors_in_their_order():
    page = _prose(ROOT / "CONTRIBUTING.md")
    rooms = [
        file.parent.name for top in ("tf_relight", "export") for file in (ROOT / top).glob("*/__init__.py")
    ]
    assert len(rooms) > 20 and [room for room in rooms if f"`{room}/`" not in page] == []
    listed = [set(re.findall(r"`(\w+)`", line)) for line in re.findall(r"^\d+\. (`.+)$", page, re.MULTILINE)]
    tree = ast.parse((ROOT / "tests" / "test_imports.py").read_text(encoding="utf-8"))
    assigned = {
        node.target.id: node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.value
    }
    floors = ast.literal_eval(assigned["FLOORS"])
    assert listed == floors[1 : floors.index({"entry"})]


@pytest.mark.parametrize(
    "span",
    [
        "no_such_function",
        "Light.from_nowhere",
        "nowhere.from_direction",
        "tf_relight/image.py",
        "light/sides.py",
        "relight paint",
        "relight image --nonsense",
        "python -m tf_relight.nothing",
        "make nothing",
        "forget(inputs)",
    ],
)
def test_what_is_gone_is_found_out(span):
    assert not exists(span)


def _anchors(page: Path) -> set[str]:
    """The names that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _dead_links(page: Path) -> list[str]:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        place = page if target == "" else page.parent / target
        if WRITTEN & set(place.resolve().parents):
            continue
        if not place.exists() or (anchor and anchor not in _anchors(place)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    assert _dead_links(page) == []


def test_a_dead_link_is_found_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One head\n[a](#one-head) [b](page.md) [c](gone.md) [d](#two) [e](https://x.org)\n")
    assert _dead_links(page) == ["gone.md", "#two"]
