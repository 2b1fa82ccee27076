"""The table of datasets. A module of the table is imported only when its dataset is opened."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Literal

from tf_relight.errors import RelightError, suggest

if TYPE_CHECKING:
    from tf_relight.data.options import DataConfig
    from tf_relight.data.source import Source

DATASETS = {
    "vidit": "tf_relight.data.vidit.dataset",
    "folder": "tf_relight.data.folder",
    "portraits": "tf_relight.data.portraits.dataset",
    "scenes": "tf_relight.data.scenes",
    "heads": "tf_relight.data.heads",
    "humans": "tf_relight.data.humans",
    "shards": "tf_relight.data.shards",
}
"""Dataset name to the module with its `open(data_config, split) -> Source`."""


def open_source(
    data_config: DataConfig,
    split: Literal["train", "validation"],
    channels: Literal["rgb", "luminance"] = "rgb",
) -> Source:
    """Open the dataset that `data_config.name` names.

    Args:
        channels: "luminance" gives pictures as L of Lab, (H, W, 1), for methods that see nothing else.

    Raises:
        RelightError: unknown name or split, or the dataset's own complaint (missing folder, no scenes, ...).
    """
    if data_config.name not in DATASETS:
        raise RelightError(
            f"data.name '{data_config.name}' is not known.{suggest(data_config.name, DATASETS)} "
            f"Choose one of: {', '.join(DATASETS)}."
        )
    if split not in ("train", "validation"):
        raise RelightError(f"Split '{split}' is not known; use 'train' or 'validation'.")
    source = importlib.import_module(DATASETS[data_config.name]).open(data_config, split)
    if channels == "rgb":
        return source
    from tf_relight.data.lightness import as_luminance

    return as_luminance(source)
