"""`relight serve`: the same as `relight export serve`."""

from __future__ import annotations

from typing import Any

from tf_relight.carried import import_export


def add(commands: Any) -> None:
    """Add the command to the parser."""
    import_export("commands.serve").add(commands, example="relight serve models/")
