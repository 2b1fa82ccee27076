"""Which scenes train and which validate: by folder, or by holding whole scenes out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from tf_relight.data.vidit.layout import folder_meaning
from tf_relight.errors import RelightError

T = TypeVar("T")


def choose_split(
    splits: Mapping[str | None, Mapping[str, T]],
    split: str,
    root: Path,
    held_out: int,
    seed: int,
    group: Callable[[T], str] | None = None,
) -> list[T]:
    """The items of a split, in the order of their names.

    Args:
        splits: items by name, by what their folders say: "train", "validation", "test" or None.
        split: "train" or "validation".
        root: for messages; a root called `...validation` makes items without a split validation items.
        held_out: how many items validate when no folder says so.
        seed: decides which.
        group: items of one group go to the same side; without it every item is its own.

    Raises:
        RelightError: no items for the split, or holding out leaves none for training.
    """
    unnamed = splits.get(None, {})
    validation = dict(splits.get("validation", {}))
    training = dict(splits.get("train", {}))
    if folder_meaning([root.name]).get("split") == "validation" and not training:
        validation = {**unnamed, **validation}
    else:
        training = {**unnamed, **training}
    if not validation and training:
        groups = {name: group(item) if group else name for name, item in training.items()}
        chosen = held_out_groups(groups.values(), held_out, seed)
        validation = {name: item for name, item in training.items() if groups[name] in chosen}
        training = {name: item for name, item in training.items() if groups[name] not in chosen}
        if not training or not validation:
            raise RelightError(
                f"{root} has {len(groups)} scenes and no validation folder; set data.validation_scenes "
                f"(now {held_out}) to the number of scenes to hold out, at least 1 and fewer than all."
            )
    items = validation if split == "validation" else training
    if not items:
        raise RelightError(f"{root} holds no scenes for the {split} split; add a folder called '{split}'.")
    return [items[name] for name in sorted(items)]


def held_out_groups(groups: Iterable[str], held_out: int, seed: int) -> set[str]:
    """Whole groups in the order of a hash, until they hold `held_out` members.

    A hash instead of a shuffle, so that scenes added later move few others to the other side.
    """
    sizes = Counter(groups)
    chosen: set[str] = set()
    for name in sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        if sum(sizes[group] for group in chosen) >= held_out:
            break
        chosen.add(name)
    return chosen
