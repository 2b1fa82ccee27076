"""`make docs`: the documentation as pages that need no server, in build/docs/html.

The pages of docs/ are copied, the reference is written beside them from docstrings, parser, schemas and
cards, and Sphinx makes HTML of all. A warning, such as a link inside that leads nowhere, is an error.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS, BUILD = ROOT / "docs", ROOT / "build" / "docs"
SOURCE, HTML = BUILD / "source", BUILD / "html"
PAGES_OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "export/README.md": "export.md",
}
"""Pages that lie beside docs/ and are part of the documentation."""
ROOMS = {"tf_relight": "the package", "export": "phones, browsers and servers"}


def main() -> int:
    """Build; returns Sphinx's exit code."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    ignored = shutil.ignore_patterns("build.py", "__pycache__")
    shutil.copytree(DOCS, SOURCE, ignore=ignored)
    for page, name in PAGES_OUTSIDE.items():
        (SOURCE / name).write_text((ROOT / page).read_text(encoding="utf-8"), encoding="utf-8")
    for path in SOURCE.rglob("*.md"):
        path.write_text(_with_links_of_here(path), encoding="utf-8")
    write_reference(SOURCE)
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(SOURCE), str(HTML)]
    code = subprocess.run(call, check=False).returncode
    if code == 0:
        print(f"{HTML / 'index.html'}: {len(list(HTML.rglob('*.html')))} pages")
    return code


def write_reference(source: Path) -> None:
    """Write the pages that follow from the code: commands, configs, Python, and a card for each method."""
    pages = {"reference/commands.md": commands_page(), "reference/configs.md": configs_page()}
    names = []
    for name, page in python_pages():
        pages[f"reference/python/{name}.md"] = page
        names.append(f"python/{name}")
    cards = dict(method_cards())
    pages |= {f"methods/{name}.md": page for name, page in cards.items()}
    pages["methods/index.md"] = methods_index(list(cards))
    pages["reference/index.md"] = _index("Reference", ["commands", "configs", *names])
    for place, text in pages.items():
        path = source / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def commands_page() -> str:
    """The help of every command, from the parser."""
    import argparse

    from tf_relight.cli.main import make_parser

    lines = ["# Commands", ""]

    def add(parser: argparse.ArgumentParser, depth: int) -> None:
        lines.extend(
            [f"{'#' * min(depth, 4)} {parser.prog}", "", "```text", parser.format_help().rstrip(), "```", ""]
        )
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for inner in action.choices.values():
                    add(inner, depth + 1)

    add(make_parser(), 2)
    return "\n".join(lines)


def configs_page() -> str:
    """Every field of a config, from its schema, and the configs that ship."""
    from tf_relight import methods
    from tf_relight.config.run import RunConfig, TrainConfig
    from tf_relight.config.shipped import about, shipped_configs
    from tf_relight.data import DATASETS
    from tf_relight.data.options import options_class

    lines = ["# Configs", "", "A run is one YAML file. `relight configs` lists those that ship:", ""]
    lines += ["| Name | For |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(about(path))} |" for name, path in shipped_configs().items()]
    lines += ["", "## A run", "", *_fields(RunConfig), "## train", "", *_fields(TrainConfig)]
    for name in DATASETS:
        lines += [f"## data.name={name}", "", *_fields(options_class(name))]
    done: set[str] = set()
    for name in methods.names():
        method = methods.get(name)
        if method.module_name in done:
            continue
        done.add(method.module_name)
        family = ", ".join(
            each for each in methods.names() if methods.get(each).module_name == method.module_name
        )
        lines += [
            f"## model and recipe of {family}",
            "",
            *_fields(method.config_class),
            *_fields(method.recipe_class),
        ]
    return "\n".join(lines)


def _fields(model: Any) -> list[str]:
    """A table of the fields of a pydantic model, under what its docstring says."""
    lines = [
        "```text",
        (model.__doc__ or "").strip(),
        "```",
        "",
        "| Field | Type | Default |",
        "|---|---|---|",
    ]
    for name, field in model.model_fields.items():
        told = str(field.annotation).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
        default = "required" if field.is_required() else repr(field.get_default(call_default_factory=True))
        lines.append(f"| `{name}` | `{_cell(told)}` | `{_cell(default)}` |")
    return [*lines, ""]


def python_pages() -> Iterator[tuple[str, str]]:
    """A page for each room: public classes and functions with their docstrings, without importing them."""
    rooms: dict[str, list[Path]] = {}
    for top in ROOMS:
        for path in sorted((ROOT / top).rglob("*.py")):
            inside = path.relative_to(ROOT / top)
            room = inside.parts[0] if len(inside.parts) > 1 else "top"
            if room not in ("commands",):
                rooms.setdefault(f"{top}.{room}", []).append(path)
    for room, paths in rooms.items():
        lines = [f"# {room.removesuffix('.top')}", ""]
        for path in paths:
            lines += _module(path)
        yield room, "\n".join(lines)


def _module(path: Path) -> list[str]:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [line for node in tree.body for line in _public(node, "")]
    said = ast.get_docstring(tree)
    if not found and not said:
        return []
    return [f"## {name}", "", *(_text(said) if said else []), *found]


def _public(node: ast.stmt, prefix: str) -> list[str]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith(
        "_"
    ):
        return []
    said = ast.get_docstring(node)
    if said is None:
        return []
    name = f"{prefix}{node.name}"
    if isinstance(node, ast.ClassDef):
        inner = [line for each in node.body for line in _public(each, f"{name}.")]
        return [f"### class {name}", "", *_text(said), *inner]
    result = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    return [f"### {name}", "", *_text(f"{node.name}({ast.unparse(node.args)}){result}\n\n{said}")]


def _text(said: str) -> list[str]:
    fence = "````" if "```" in said else "```"
    return [f"{fence}text", said, fence, ""]


def method_cards() -> Iterator[tuple[str, str]]:
    """A card for each method: paper, ports, weights, commands, published scores."""
    from tf_relight import methods
    from tf_relight.weights.record import KNOWN

    for name in methods.names():
        method = methods.get(name)
        info = method.info
        idea = (method.module.__doc__ or "").strip()
        lines = [f"# {name}", "", f"**{info.title}**, {info.venue} {info.year}. [Paper]({info.link})", ""]
        lines += [*_text(idea), "| | |", "|---|---|"]
        lines += [f"| Task | {info.task} |", f"| Parameters | {info.parameters:,} |"]
        lines += [f"| Size in the paper | {info.native_size} px |"]
        lines += [f"| Sides are multiples of | {info.size_multiple} |"]
        lines += [f"| Official weights | {_cell(info.weights_licence) or 'none'} |", ""]
        lines += ["## Ports", "", "| | Name | Kind | Channels |", "|---|---|---|---|"]
        for word, ports in (("in", info.inputs), ("out", info.outputs)):
            lines += [f"| {word} | `{port.name}` | {port.kind} | {port.channels} |" for port in ports]
        known = [record for record in KNOWN.values() if record.method == name]
        if known:
            lines += ["", "## Weights", "", "| Name | Licence | |", "|---|---|---|"]
            lines += [f"| `{record.name}` | {record.licence} | {_cell(record.note)} |" for record in known]
        lines += ["", "## Commands", "", "```text", *_commands_of(name, info), "```", ""]
        if info.published:
            lines += [
                "## Published scores",
                "",
                "| Data | Row | PSNR | SSIM | LPIPS | Source |",
                "|---|---|---|---|---|---|",
            ]
            for row in info.published:
                numbers = " | ".join(
                    "" if each is None else f"{each:g}" for each in (row.psnr, row.ssim, row.lpips)
                )
                lines.append(f"| {row.data} | {row.setting} | {numbers} | {row.source} |")
            lines.append("")
        yield name, "\n".join(lines)


def _commands_of(name: str, info: Any) -> list[str]:
    from tf_relight.config.shipped import shipped_configs

    told = []
    if info.default_weights is not None:
        light = " --from left" if info.takes_light else ""
        told.append(f"relight image photo.jpg -o relit.jpg --method {name}{light}")
    told += [f"relight train {config}" for config in shipped_configs() if config.startswith(f"{name}_")]
    return told or [f"relight methods        lists {name}; it has no config of its own"]


def methods_index(names: list[str]) -> str:
    """The list of cards."""
    return _index(
        "Methods", names, "What each method takes and gives, its paper, weights and published scores."
    )


def _index(title: str, names: list[str], said: str = "") -> str:
    return "\n".join([f"# {title}", "", said, "", "```{toctree}", ":maxdepth: 1", "", *names, "```", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("`", "")


def _with_links_of_here(path: Path) -> str:
    """The text of a copied page, with links to pages outside docs/ leading to their copies."""
    text = path.read_text(encoding="utf-8")
    up = "../" * (len(path.relative_to(SOURCE).parts) - 1)
    for page, name in PAGES_OUTSIDE.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(page)}", f"]({up}{name}", text)
    return text.replace("](docs/", f"]({up}")


if __name__ == "__main__":
    raise SystemExit(main())
