"""The table of datasets. A module of the table is imported only when its dataset is named."""

from __future__ import annotations

import importlib
from collections.abc import Collection
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
    "sfsnet": "tf_relight.data.sfsnet",
    "photos": "tf_relight.data.photos",
    "mixture": "tf_relight.data.mixture",
}
"""Dataset name to the module with its `Options`, the `FIELDS` that it can give, and
`open(options, split, needs) -> Source`."""


def open_source(
    data_config: DataConfig,
    split: Literal["train", "validation"],
    channels: Literal["rgb", "lightness"] = "rgb",
    *,
    needs: Collection[str] = (),
    wishes: Collection[str] = (),
) -> Source:
    """Open the dataset that `data_config.name` names.

    Args:
        channels: "lightness" gives pictures as L of Lab, (H, W, 1), for methods that see nothing else.
        needs: the fields that samples must have. Nothing is read or rendered that nobody needs.
        wishes: fields that are given where the data have them.

    Raises:
        RelightError: unknown name or split, a field that the data do not have, or the dataset's own complaint
            (missing folder, no scenes, ...).
    """
    name = data_config.name
    if name not in DATASETS:
        raise RelightError(
            f"data.name '{name}' is not known.{suggest(name, DATASETS)} Choose one of: {', '.join(DATASETS)}."
        )
    if split not in ("train", "validation"):
        raise RelightError(f"Split '{split}' is not known; use 'train' or 'validation'.")
    source = importlib.import_module(DATASETS[name]).open(data_config, split, {*needs, *wishes})
    lacking = [field for field in needs if field not in source.fields]
    if lacking:
        having = [
            other for other in DATASETS if lacking[0] in importlib.import_module(DATASETS[other]).FIELDS
        ]
        others = f" Data that can: {', '.join(having)}." if having else ""
        # Of a mixture, the part that lacks it is named.
        name = source.part_without(lacking[0]) if name == "mixture" else name
        raise RelightError(
            f"The data '{name}' have no {' and no '.join(lacking)}, which this training needs.{others}"
        )
    if channels == "rgb":
        return source
    from tf_relight.data.lightness import as_luminance

    return as_luminance(source)
