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
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prose import fenced, markdown

ROOT = Path(__file__).resolve().parents[1]
DOCS, BUILD = ROOT / "docs", ROOT / "build" / "docs"
SOURCE, HTML = BUILD / "source", BUILD / "html"
PAGES_OUTSIDE = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "export/README.md": "export.md",
}
"""Pages that lie beside docs/ and are part of the documentation."""
LED_TO = ("drn_ablation/any_to_one.md", "drn_ablation/one_to_one.md")
"""Pages that stand in no list, as another page leads to them."""
CARDS = DOCS / "cards"
"""What people wrote about a method, NAME.md, with its pictures."""
ROOMS = {"tf_relight": "the package", "export": "phones, browsers and servers"}


def main() -> int:
    """Build; returns Sphinx's exit code. What did not change since the last time is not built again."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "source"
        write_source(fresh)
        _bring(fresh, SOURCE)
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(SOURCE), str(HTML)]
    code = subprocess.run(call, check=False).returncode
    if code == 0:
        print(f"{HTML / 'index.html'}: {len(list(HTML.rglob('*.html')))} pages")
    else:
        # A page with a warning would be taken for built.
        shutil.rmtree(HTML, ignore_errors=True)
    return code


def write_source(source: Path) -> None:
    """Write all pages as Sphinx reads them."""
    ignored = shutil.ignore_patterns("*.py", "__pycache__", CARDS.name)
    shutil.copytree(DOCS, source, ignore=ignored)
    shutil.copy(DOCS / "conf.py", source)
    shutil.copytree(CARDS, source / "methods", ignore=shutil.ignore_patterns("*.md"))
    for page, name in PAGES_OUTSIDE.items():
        (source / name).write_text((ROOT / page).read_text(encoding="utf-8"), encoding="utf-8")
    for path in source.rglob("*.md"):
        path.write_text(_with_links_of_here(path, source), encoding="utf-8")
    for name in LED_TO:
        page = source / name
        page.write_text("---\norphan: true\n---\n" + page.read_text(encoding="utf-8"), encoding="utf-8")
    write_reference(source)


def _bring(fresh: Path, kept: Path) -> None:
    """Bring a folder to what another one holds; files that are the same keep their time."""
    wanted = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for path in [path for path in kept.rglob("*") if path.is_file()]:
        if path.relative_to(kept) not in wanted:
            path.unlink()
    for name in sorted(wanted):
        here = kept / name
        if not here.is_file() or here.read_bytes() != (fresh / name).read_bytes():
            here.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fresh / name, here)


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
    lines = [*markdown(model.__doc__ or ""), "| Field | Type | Default |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        told = str(field.annotation).removeprefix("<class '").removesuffix("'>")
        told = re.sub(r"\b(?:\w+\.)+(?=[A-Za-z])", "", told)  # typing.Any, pathlib.Path
        told = re.sub(r"Annotated\[(\w+), [^\[\]]*(?:\[\])?\]", r"\1", told)
        lines.append(f"| `{name}` | `{_cell(told)}` | `{_cell(_default(field))}` |")
    return [*lines, ""]


def _default(field: Any) -> str:
    """What a field is when nobody says it."""
    from pydantic import BaseModel

    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        named = getattr(value, "name", None)
        return f"name={named}" if named else "as its fields say"
    return str(value) if isinstance(value, Path) else repr(value)


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
        title = room.removesuffix(".top")
        lines = [f"# {title}", ""]
        for path in paths:
            lines += _module(path, title)
        yield room, "\n".join(lines)


def _module(path: Path, page: str) -> list[str]:
    """What a module says and offers; that of the page's own package stands under the page's title."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [line for node in tree.body for line in _public(node, "")]
    said = ast.get_docstring(tree)
    if not found and not said:
        return []
    heading = [] if name == page and not found else [f"## {name}", ""]
    return [*heading, *(markdown(said) if said else []), *found]


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
        return [f"### class {name}", "", *_call_of(node), *markdown(said), *inner]
    return [f"### {name}", "", *_signature(node, node.name, inside=bool(prefix)), *markdown(said)]


def _call_of(node: ast.ClassDef) -> list[str]:
    """How a class is made, where its constructor says so."""
    made = next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)
    if not isinstance(made, ast.FunctionDef):
        return []
    return _signature(made, node.name, inside=True)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, *, inside: bool) -> list[str]:
    """The signature, without `self`; a property has only what it gives."""
    kinds = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
    if inside and "staticmethod" not in kinds:
        node.args.args = node.args.args[1:]
    result = "" if node.returns is None or node.name == "__init__" else f" -> {ast.unparse(node.returns)}"
    given = "" if {"property", "cached_property"} & kinds else f"({ast.unparse(node.args)})"
    return ["```{code-block} python", ":class: signature", "", f"{name}{given}{result}", "```", ""]


def method_cards() -> Iterator[tuple[str, str]]:
    """A card for each method: paper, ports, weights, commands, published scores."""
    from tf_relight import methods
    from tf_relight.weights.record import KNOWN

    for name in methods.names():
        method = methods.get(name)
        info = method.info
        ours = info.venue == "ours"
        said = f"our own, {info.year}" if ours else f"{info.venue} {info.year}"
        link = f"[What its light is taken from]({info.link})" if ours else f"[Paper]({info.link})"
        lines = [f"# {name}", "", f"**{info.title}**, {said}. {link}", ""]
        lines += [*markdown(method.module.__doc__ or "")]
        written = CARDS / f"{name}.md"
        if written.is_file():
            lines += ["## What it does", "", written.read_text(encoding="utf-8").strip(), ""]
        lines += ["## At a glance", "", "| Of the method | |", "|---|---|"]
        lines += [f"| Task | {info.task} |", f"| Parameters | {info.parameters:,} |"]
        lines += [f"| Size in the paper | {info.native_size} px |"]
        lines += [f"| Sides are multiples of | {info.size_multiple} |"]
        lines += [f"| Official weights | {_cell(info.weights_licence) or 'none'} |", ""]
        lines += ["## Ports", "", "| Way | Name | Kind | Channels |", "|---|---|---|---|"]
        for word, ports in (("in", info.inputs), ("out", info.outputs)):
            lines += [f"| {word} | `{port.name}` | {port.kind} | {port.channels} |" for port in ports]
        known = [record for record in KNOWN.values() if record.method == name]
        if known:
            lines += ["", "## Weights", "", "| Name | Licence | For |", "|---|---|---|"]
            lines += [f"| `{record.name}` | {record.licence} | {_cell(record.note)} |" for record in known]
        lines += ["", "## Commands", "", *_commands_of(name, info), ""]
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
    from tf_relight import methods
    from tf_relight.config.shipped import shipped_configs

    told = []
    if info.default_weights is not None:
        light = " --from left" if info.takes_light else ""
        verb = "image photo.jpg -o relit.jpg" if info.output("relit") else "decompose photo.jpg -o parts"
        told.append(f"relight {verb} --method {name}{light}")
    told += [f"relight train {config}" for config in shipped_configs() if config.startswith(f"{name}_")]
    # A family's name begins its members' too: sfsnet_residue_3_smoke is no config of sfsnet.
    longer = [each for each in methods.names() if each.startswith(f"{name}_")]
    told = [line for line in told if not any(f" {each}_" in line for each in longer)]
    weights = "" if info.default_weights is not None else f" --weights runs/{name}/weights.safetensors"
    told.append(f"relight export onnx --method {name}{weights} --out onnx/")
    return fenced("\n".join(told), "console")


def methods_index(names: list[str]) -> str:
    """The list of cards."""
    return _index(
        "Methods", names, "What each method takes and gives, its paper, weights and published scores."
    )


def _index(title: str, names: list[str], said: str = "") -> str:
    return "\n".join([f"# {title}", "", said, "", "```{toctree}", ":maxdepth: 1", "", *names, "```", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("`", "")


def _with_links_of_here(path: Path, source: Path) -> str:
    """The text of a copied page, with links to pages outside docs/ leading to their copies."""
    text = path.read_text(encoding="utf-8")
    up = "../" * (len(path.relative_to(source).parts) - 1)
    for page, name in PAGES_OUTSIDE.items():
        text = re.sub(rf"\]\((?:\.\./)*{re.escape(page)}", f"]({up}{name}", text)
    return text.replace("](docs/", f"]({up}")


if __name__ == "__main__":
    raise SystemExit(main())
