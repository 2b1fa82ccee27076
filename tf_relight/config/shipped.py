"""The configs that come with tf_relight, by name."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from tf_relight.carried import CONFIGS, carried_folder
from tf_relight.errors import RelightError, suggest

SUFFIX = ".yaml"


def shipped_configs(root: Path | None = None) -> dict[str, Path]:
    """Return {name: file} of the configs that come with tf_relight, tables of several methods included.

    Args:
        root: their folder; None takes the one that is carried.

    Raises:
        RelightError: two of them have the same name.
    """
    found: dict[str, Path] = {}
    root = carried_folder(CONFIGS) if root is None else root
    for path in sorted(root.rglob(f"*{SUFFIX}")):
        if path.stem in found:
            raise RelightError(
                f"Two configs are called '{path.stem}': {found[path.stem]} and {path}. Rename one of them."
            )
        found[path.stem] = path
    return found


def shipped_config(name: str) -> Path:
    """Return the file of a shipped config.

    Raises:
        RelightError: there is none of that name.
    """
    known = shipped_configs()
    if name not in known:
        raise RelightError(
            f"No config called '{name}' comes with tf_relight.{suggest(name, known)} See `relight configs`."
        )
    return known[name]


def find_config(name_or_file: Path | str) -> Path:
    """Return the file that a word on the command line means: a file, or a shipped config by its name.

    A name is a word without folder and ending, such as "dmshn_smoke".

    Raises:
        RelightError: the name is that of a file as well as of a shipped config, or of neither.
    """
    text = str(name_or_file)
    path = Path(text)
    is_name = path.name == text and path.suffix == ""
    if not is_name:
        known = shipped_configs()
        if not path.exists() and path.suffix == SUFFIX and path.stem in known:
            raise RelightError(
                f"There is no file {path}. A config of that name comes with tf_relight: "
                f"give its name alone, {path.stem}."
            )
        return path
    files = [each for each in (path, path.with_suffix(SUFFIX)) if each.is_file()]
    if text in shipped_configs() and files:
        raise RelightError(
            f"'{text}' is a config that comes with tf_relight, and {files[0]} lies in this folder, too: "
            f"write ./{files[0]} for the file, or run in another folder for the other."
        )
    if path.is_file():
        return path
    return shipped_config(text)


def about(path: Path) -> str:
    """Return what the first line of a config's comment says, with the rest of a sentence that goes on."""
    with path.open(encoding="utf-8") as lines:
        said = [line.lstrip("# ").strip() for line in itertools.takewhile(lambda each: each[0] == "#", lines)]
    if not said:
        return ""
    text = " ".join(said)
    end = re.compile(r"[.?](?=\s|$)").search(text, len(said[0]) - 1)
    return text[: end.end()] if end else said[0]
