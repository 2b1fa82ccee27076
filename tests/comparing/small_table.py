"""A table of comparisons that is small enough for tests."""

from __future__ import annotations

from pathlib import Path

import yaml

DATA = {"name": "scenes", "size": 32, "scenes": 1, "validation_scenes": 3}
TRAIN = {"steps": 4, "batch_size": 2, "log_every": 2, "validate_every": 4, "picture_every": 4}
SMALL = {"method": "dmshn", "model": {"width": 2}, "recipe": {"loss": "mse"}}


def write_table(path: Path, *rows: dict, **others) -> Path:
    """Write a table's config with these rows and return its path."""
    values = {"data": DATA, "train": {**TRAIN, "checkpoint_every": 2}, "evaluation": {"limit": 3}}
    path.write_text(yaml.safe_dump({**values, "rows": list(rows), **others}))
    return path
