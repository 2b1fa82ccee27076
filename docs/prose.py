"""Docstrings as Markdown: paragraphs as text, `Args:` and their like as lists, examples as code."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples):$")
_ITEM = re.compile(r"^([A-Za-z_*][\w*]*(?:, [A-Za-z_*][\w*]*)*): (.*)$", re.DOTALL)
_NEXT = re.compile(r"(?<=\.) (?=[a-z_]\w*: )")
"""Between two items that stand on one line: "size: bytes. side: pixels"."""
_SPECIAL = re.compile(r"([\\*_<>\[\]{}|$~#])")


def markdown(docstring: str) -> list[str]:
    """Return the lines of a docstring as Markdown."""
    lines: list[str] = []
    for heading, text in _sections(inspect.cleandoc(docstring)):
        if heading.startswith("Example"):
            lines += ["**Example**", "", *fenced(text, "pycon"), ""]
        elif heading in ("Returns", "Yields"):
            lines += [f"**{heading}**", "", escaped(_joined(text)), ""]
        elif heading:
            lines += [f"**{heading}**", "", *_items(text), ""]
        else:
            for paragraph in re.split(r"\n\s*\n", text):
                lines += [*_paragraph(paragraph), ""]
    return lines


def fenced(text: str, language: str) -> list[str]:
    """Return a block of code."""
    fence = "````" if "```" in text else "```"
    return [f"{fence}{language}", *text.splitlines(), fence]


def escaped(text: str) -> str:
    """Return a text whose letters mean nothing to Markdown, except what stands between backticks."""
    parts = re.split(r"(`[^`\n]+`)", text)
    plain = "".join(part if number % 2 else _SPECIAL.sub(r"\\\1", part) for number, part in enumerate(parts))
    # A number or a dash at the beginning would make a list.
    return re.sub(r"^([-+] )", r"\\\1", re.sub(r"^(\d+)\. ", r"\1\\. ", plain))


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a docstring with their headings; "" for what stands under none."""
    heading, held = "", []
    for line in text.splitlines():
        found = _SECTION.match(line)
        ends = heading and line and not line[0].isspace()
        if found or ends:
            if "\n".join(held).strip():
                yield heading, textwrap.dedent("\n".join(held)).strip("\n")
            heading, held = (found[1] if found else ""), ([] if found else [line])
        else:
            held.append(line)
    if "\n".join(held).strip():
        yield heading, textwrap.dedent("\n".join(held)).strip("\n")


def _paragraph(text: str) -> list[str]:
    lines = text.splitlines()
    drawn = all(line.startswith("    ") for line in lines) or any(
        re.search(r"\S {3,}\S", line) for line in lines
    )
    return fenced(textwrap.dedent(text), "text") if drawn else [escaped(_joined(text))]


def _items(text: str) -> Iterator[str]:
    """The items of a section; a line that is indented goes on with the item above it."""
    whole: list[str] = []
    for line in text.splitlines():
        if line[:1].isspace() and whole:
            whole[-1] += " " + line.strip()
        elif line.strip():
            whole.append(line.strip())
    for each in (part for item in whole for part in _NEXT.split(item)):
        found = _ITEM.match(each)
        yield f"- `{found[1]}`: {escaped(found[2])}" if found else f"- {escaped(each)}"


def _joined(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())
