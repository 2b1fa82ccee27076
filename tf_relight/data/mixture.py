"""Several datasets as one, each with its share of the samples."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, SerializeAsAny
from pydantic import model_validator as check_model

from tf_relight.contract.values import Real
from tf_relight.data import open_source
from tf_relight.data.cache import cached
from tf_relight.data.options import DataConfig
from tf_relight.data.source import FormedSource, Source, Split
from tf_relight.errors import RelightError


class Options(DataConfig):
    """Options of a mixture.

    Attributes:
        parts: the datasets, each with options of its own; size, crop and cache are those of the mixture.
        weights: their shares of the samples, in any unit; none means as many samples as each part has.
    """

    parts: Annotated[tuple[SerializeAsAny[DataConfig], ...], Field(min_length=1)] = ()
    weights: tuple[Annotated[Real, Field(gt=0)], ...] | None = None

    @check_model(mode="after")
    def _weights_fit(self) -> Options:
        if not self.parts:
            raise ValueError("parts is empty: name at least one dataset, for example parts: [{name: heads}]")
        if self.weights is not None and len(self.weights) != len(self.parts):
            raise ValueError(f"weights has {len(self.weights)} numbers for {len(self.parts)} parts")
        if any(part.name == "mixture" for part in self.parts):
            raise ValueError("a mixture cannot hold a mixture: list all parts in one")
        return self


FIELDS: tuple[str, ...] = ("part",)
"""What its samples can hold beside the fields that all parts have."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> MixtureSource:
    """Open all parts; samples have the fields that all of them have, and `part`, its number.

    Raises:
        RelightError: a needed field that one part does not have, or a part's own complaint.

    Example:
        >>> heads = {"name": "heads", "scenes": 1, "light_pairs": 4}
        >>> mixed = Options(name="mixture", size=16, parts=[heads, {**heads, "seed": 1}], weights=[3, 1])
        >>> source = open(mixed, "train")
        >>> [int(source.read(index)["part"]) for index in range(len(source))]
        [0, 0, 0, 0, 0, 0, 1, 1]
    """
    wanted = set(needs) - {"part"}
    sources = []
    for part in data_config.parts:
        own = part.model_copy(update={"size": data_config.size, "crop": None, "cache": data_config.cache})
        # What one part lacks, the mixture lacks: whoever needs it is told so.
        sources.append(open_source(own, split, wishes=wanted))
    shares = data_config.weights or tuple(float(len(source)) for source in sources)
    names = [part.name for part in data_config.parts]
    return MixtureSource(sources, names, shares, data_config.cache)


class MixtureSource:
    """Samples of several sources, numbered part after part; the batches' order mixes them.

    An epoch has as many samples as all parts together; a part with a larger share repeats its samples, one
    with a smaller share shows only its first ones.

    Attributes:
        on_the_fly: always true; `prepare` does the slow work of every part.
    """

    on_the_fly = True

    def __init__(
        self, sources: list[Source], names: list[str], shares: tuple[float, ...], cache: Path | None
    ) -> None:
        self._sources, self._names, self._cache = list(sources), names, cache
        common = set(sources[0].fields).intersection(*(source.fields for source in sources))
        self.fields = (*(field for field in sources[0].fields if field in common), "part")
        total = sum(len(source) for source in sources)
        counts = [max(1, round(total * share / sum(shares))) for share in shares]
        self._ends = np.cumsum(counts)

    def part_without(self, field: str) -> str:
        """Return the name of the first part that lacks a field; "mixture" if none does."""
        without = (
            name for name, part in zip(self._names, self._sources, strict=True) if field not in part.fields
        )
        return next(without, "mixture")

    def __len__(self) -> int:
        """Number of samples of an epoch."""
        return int(self._ends[-1])

    def _place(self, index: int) -> tuple[int, int]:
        part = int(np.searchsorted(self._ends, index, side="right"))
        first = int(self._ends[part - 1]) if part else 0
        return part, (index - first) % len(self._sources[part])

    def key(self, index: int) -> str:
        """The part's number and the sample's own name."""
        part, inner = self._place(index)
        return f"{part}_{self._sources[part].key(inner)}"

    def read(self, index: int) -> dict[str, np.ndarray]:
        """Read one sample: the common fields and `part`."""
        part, inner = self._place(index)
        sample = self._sources[part].read(inner)
        kept = {name: sample[name] for name in self.fields if name != "part"}
        return {**kept, "part": np.asarray(part, np.int32)}

    def prepare(self, *, progress: bool = True) -> None:
        """Do the slow work of every part, and compare the forms of their samples.

        Raises:
            RelightError: a field has other numbers in one part than in another.
        """
        for number, source in enumerate(self._sources):
            if isinstance(source, FormedSource) and source.on_the_fly:
                source.prepare(progress=progress)
            else:
                place = self._cache / f"part-{number}" if self._cache else None
                self._sources[number] = cached(source, place, progress=progress)
        first = self._sources[0].read(0)
        for number, source in enumerate(self._sources[1:], 1):
            other = source.read(0)
            for name in self.fields[:-1]:
                if first[name].dtype != other[name].dtype:
                    raise RelightError(
                        f"The field '{name}' is {first[name].dtype} in part 0 ({self._names[0]}) of the "
                        f"mixture and {other[name].dtype} in part {number} ({self._names[number]}): they do "
                        "not mean the same."
                    )
