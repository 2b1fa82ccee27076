"""Folders that lie beside the package in a checkout and inside it once it is installed.

`export/`, `configs/` and `examples/` are folders of the checkout. On the package index their names belong to
nobody in particular, so a wheel carries them inside `tf_relight/` (see `setup.py`).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from tf_relight.errors import RelightError

PACKAGE = Path(__file__).resolve().parent
CONFIGS, EXAMPLES, EXPORT = "configs", "examples", "export"


def carried_folder(name: str) -> Path:
    """Return where the folder `configs`, `examples` or `export` lies.

    Raises:
        RelightError: it is neither in the package nor beside it.
    """
    for parent in (PACKAGE, PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise RelightError(f"The folder {name}/ of tf_relight is missing: install tf_relight again.")


def is_checkout() -> bool:
    """Whether the package runs from a checkout of the project."""
    return carried_folder(CONFIGS).parent != PACKAGE


def import_export(module: str) -> ModuleType:
    """Import a module of `export/`, such as "commands", under the name it has here.

    Raises:
        RelightError: another package called `export` stands in the way of the checkout's.
    """
    if carried_folder(EXPORT).parent == PACKAGE:
        return importlib.import_module(f"tf_relight.{EXPORT}.{module}")
    root = str(PACKAGE.parent)
    if root not in sys.path:
        sys.path.append(root)
    found = importlib.import_module(EXPORT)
    if found.__file__ is None or Path(found.__file__).resolve().parent != PACKAGE.parent / EXPORT:
        raise RelightError(
            f"Another package called '{EXPORT}' ({found.__file__}) hides {root}/{EXPORT}: "
            f"run `python -m {EXPORT}` in {root}."
        )
    return importlib.import_module(f"{EXPORT}.{module}")
