"""How docstrings become pages: paragraphs, lists of arguments, examples, and nothing that Markdown takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_PLACE = Path(__file__).parents[1] / "docs" / "prose.py"
_SPEC = importlib.util.spec_from_file_location("prose", _PLACE)
assert _SPEC is not None and _SPEC.loader is not None
prose = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(prose)

DOCSTRING = """Return a light, (9, 3).

    It is [0, 1] and not_italic, in `a_b` units
    and <b> goes on.

        left      -90
        right      90

    Args:
        first, second: numbers
            of two lines.
        size: pixels. side: of the square.

    Returns:
        the light.

    Raises:
        RelightError: no light.

    Example:
        >>> light(1)
        2
    """


def test_a_docstring_becomes_text_lists_and_code():
    lines = prose.markdown(DOCSTRING)
    assert lines[0] == "Return a light, (9, 3)."
    assert r"It is \[0, 1\] and not\_italic, in `a_b` units and \<b\> goes on." in lines
    table = lines.index("```text")
    assert lines[table : table + 4] == ["```text", "left      -90", "right      90", "```"]
    assert "- `first, second`: numbers of two lines." in lines
    assert ["- `size`: pixels.", "- `side`: of the square."] == [line for line in lines if "`si" in line]
    assert lines[lines.index("**Returns**") + 2] == "the light."
    assert "- `RelightError`: no light." in lines
    example = lines.index("```pycon")
    assert lines[example + 1 : example + 3] == [">>> light(1)", "2"]


def test_what_would_begin_a_list_does_not():
    assert prose.escaped("1. one") == r"1\. one" and prose.escaped("- one") == r"\- one"
    assert prose.fenced("```", "text")[0] == "````text"
