"""Rendered humans as a dataset: pairs formed under random lamps, with the shadows those lamps cast.

`relight data render humans` makes the folder. A head is kept in memory, 1 MB at 192 px; a pair at 128 px then
takes some milliseconds, so that training never sees the same lamps twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tf_relight.contract.values import Whole
from tf_relight.data.human_pairs import HumanPair, draw_pair, resize
from tf_relight.data.options import DataConfig
from tf_relight.data.source import Split
from tf_relight.data.store import ItemStore
from tf_relight.errors import RelightError
from tf_relight.progress import Bars
from tf_relight.rendering.humans.gbuffers import FORMAT_VERSION
from tf_relight.rendering.humans.layouts import HELD_OUT, is_held_out
from tf_relight.rendering.humans.maps import HumanMaps
from tf_relight.rendering.humans.records import head_files, load_head

VALIDATION_PAIRS = 4
"""Pairs of each held-out head, always the same."""
_TRAIN, _VALIDATION = 1, 2
_WORD = 2**64 - 1


class Options(DataConfig):
    """Options of rendered humans; `root` is the folder of `relight data render humans`.

    Attributes:
        light_pairs: pairs of lights of each training head; all are different.
        ground_truth: samples also have albedo, normal, shading and mask; switched on where they are needed.
        mask: what `mask` covers: the whole "person", or the "face" alone: skin, eyes, brows, teeth and beard,
            without hair, clothes and glasses.
        coloured_light: lights are (9, 3) and tint the pictures; without, they are grey.
    """

    light_pairs: Annotated[Whole, Field(ge=1, le=10**6)] = 1000
    ground_truth: bool = False
    mask: Literal["person", "face"] = "person"
    coloured_light: bool = False


_TRUTH = ("albedo", "normal", "shading", "mask")
_FREE = ("image", "light", "target_light")
"""What costs nothing more, so that every sample has it."""
_DARKEST, _BRIGHTEST = 0.02, 3.0
FIELDS = ("image", "target", "original", "light", "target_light", *_TRUTH)
"""What its samples can hold."""


def open(data_config: Options, split: Split, needs: Collection[str] = ()) -> HumanSource:
    """Open the heads of a split; none is read before it is needed.

    Raises:
        RelightError: no folder or no size given, or no heads in the folder.

    Example:
        An even grey wall that looks at the camera stands in for a person.

        >>> import tempfile
        >>> from tf_relight.rendering.humans.gbuffers import GBuffers
        >>> side = np.full((16, 16), 255, np.uint8)
        >>> grey, wall = np.full((16, 16, 3), 128, np.uint8), np.full((16, 16, 3), [0, 0, 127], np.int8)
        >>> lamps = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
        >>> lamps /= np.linalg.norm(lamps, axis=1, keepdims=True)
        >>> none, bits = 0 * side, np.full((16, 16, 8), 255, np.uint8)
        >>> maps = grey, wall, side, side, none, none, none, side.astype(np.float16), grey
        >>> head = GBuffers(*maps, lamps, bits, {})
        >>> root = Path(tempfile.mkdtemp())
        >>> head.save(root / "00001.npz")
        >>> options = Options(name="humans", root=root, size=16, light_pairs=2)
        >>> source = open(options, "train", needs=["normal"])
        >>> len(source), source.fields
        (2, ('image', 'light', 'target_light', 'normal'))
    """
    if not set(_TRUTH).isdisjoint(needs):
        data_config = data_config.model_copy(update={"ground_truth": True})
    if data_config.size is None:
        raise RelightError("data.size is not set; pairs of humans are formed at a size, so give one.")
    if data_config.root is None:
        raise RelightError("data.root is not set; give the folder that `relight data render humans` made.")
    root = Path(data_config.root)
    found = head_files(root)
    held_out = split == "validation"
    paths = [path for path in found if is_held_out(int(path.stem)) == held_out]
    if not paths:
        raise RelightError(
            f"{root} has no {split} heads (every {HELD_OUT}th is for validation); "
            "render some with `relight data render humans`."
        )
    return HumanSource(data_config, paths, fixed=held_out, needs=needs)


class HumanSource:
    """Pairs of portraits of one head under two sets of lamps.

    Fields: `image` (as a photo has it: tone curve, grain, JPEG), `target` and `original` (the same picture
    under an even sky), uint8 (H,W,3), or (H,W,1) lightness after `luminance()`; `light`, `target_light`,
    float32 (9,) in frame "dpr", told in lightness (see `lightness_light`), or (9,3) with
    `data.coloured_light`. With `data.ground_truth` also `albedo`, uint8 (H,W,3), 0 where nobody is: times the
    light's shading it is the picture but for shadows and highlights; `normal`, float32 (H,W,3), x right, y
    up, z toward the camera; `shading`, float32 (H,W,3), the image over the albedo, with shadows, highlights
    and all; and `mask`, float32 (H,W,1).

    With `needs` the pictures and truths that are not among them are neither formed nor given.

    A training head has `data.light_pairs` pairs. Sample i is a pure function of the seed, the head's number
    and the pair.

    Attributes:
        on_the_fly: always true; `prepare` reads the heads, `read` forms the pictures.
    """

    on_the_fly = True

    def __init__(
        self,
        config: Options,
        paths: list[Path],
        fixed: bool,
        colours: bool = True,
        needs: Collection[str] = (),
    ) -> None:
        self._config, self._paths, self._fixed, self._colours = config, paths, fixed, colours
        self._needs = frozenset(needs)
        self._size = config.size or 0
        self._pairs = VALIDATION_PAIRS if fixed else config.light_pairs
        self._store = ItemStore(self._load)
        fields: tuple[str, ...] = ("image", "target", "original", "light", "target_light")
        if config.ground_truth:
            fields += _TRUTH if colours else ("normal", "mask")
        self.fields: tuple[str, ...] = tuple(
            name for name in fields if not self._needs or name in _FREE or name in self._needs
        )

    def lightness(self) -> HumanSource:
        """Return the source with pictures as lightness, (H,W,1) uint8, 255 = white."""
        return HumanSource(self._config, self._paths, self._fixed, colours=False, needs=self._needs)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._paths) * self._pairs

    def key(self, index: int) -> str:
        """Head and pair, such as "00012_0034"."""
        head, pair = self._place(index)
        return f"{self._paths[head].stem}_{pair:04d}"

    def read(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of one sample.

        Raises:
            RelightError: the head's file is damaged.
        """
        head, pair = self._place(index)
        maps = self._store.get(head)
        rng = self._generator(int(self._paths[head].stem), pair)
        drawn = draw_pair(
            maps, self._size, rng, target="target" in self.fields, overcast="original" in self.fields
        )
        formed = {"image": drawn.image, "target": drawn.target, "original": drawn.overcast}
        sample = {
            name: self._picture(maps, drawn, lightness)
            for name, lightness in formed.items()
            if lightness is not None
        }
        sample |= {"light": drawn.light, "target_light": drawn.target_light}
        if self._config.coloured_light and self._colours:
            sample = _tinted(sample, rng)
        if not set(_TRUTH).isdisjoint(self.fields):
            sample |= self._truth(maps, drawn)
        if "shading" in self.fields:
            albedo = np.maximum(sample["albedo"].astype(np.float32) / 255, _DARKEST)
            shading = np.minimum(sample["image"].astype(np.float32) / 255 / albedo, _BRIGHTEST)
            sample["shading"] = shading * (sample["mask"] > 0)
        return {name: sample[name] for name in self.fields}

    def fingerprint(self) -> str:
        """Changes with whatever changes a picture."""
        names = [path.name for path in self._paths]
        settings = (
            FORMAT_VERSION,
            self._size,
            self._pairs,
            self._config.seed,
            self._fixed,
            self._colours,
            self._config.coloured_light,
            *(("face",) if self._config.mask == "face" else ()),
            names,
        )
        return hashlib.sha256(repr(settings).encode()).hexdigest()

    def prepare(self, *, progress: bool = True) -> None:
        """Read all heads into memory.

        Raises:
            RelightError: a file is damaged; the message names it.
        """
        with Bars(progress) as bar:
            task = bar.add_task("Reading heads", total=len(self._paths))
            for head in range(len(self._paths)):
                if not self._store.keeps(head):
                    self._store.keep(head, self._load(head))
                bar.advance(task)

    def _load(self, head: int) -> HumanMaps:
        return HumanMaps(load_head(self._paths[head]), self._colours)

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return divmod(index, self._pairs)

    def _generator(self, number: int, pair: int) -> np.random.Generator:
        stream = _VALIDATION if self._fixed else _TRAIN
        key = np.array([self._config.seed & _WORD, number * 2**32 + pair], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, stream]))

    def _picture(self, maps: HumanMaps, drawn: HumanPair, lightness: np.ndarray) -> np.ndarray:
        if not self._colours:
            return np.round(lightness[..., None] * 255).astype(np.uint8)
        return maps.coloured_at(lightness, drawn.window, self._size, drawn.mirror)

    def _truth(self, maps: HumanMaps, drawn: HumanPair) -> dict[str, np.ndarray]:
        truth = maps.truth(drawn.window)
        stacked = resize(np.dstack([(truth["normal"] + 1) / 2, truth["mask"]]), self._size)
        normal, mask = stacked[..., :3] * 2 - 1, stacked[..., 3:]
        if drawn.mirror:
            normal, mask = normal[:, ::-1] * np.array([-1, 1, 1]), mask[:, ::-1]
        length = np.linalg.norm(normal, axis=-1, keepdims=True)
        normal = np.where(mask > 0.01, normal / np.maximum(length, 1e-6), 0)
        told = mask
        if self._config.mask == "face":
            told = resize(truth["face"], self._size)[..., None]
            told = told[:, ::-1] if drawn.mirror else told
        found = {"normal": normal.astype(np.float32), "mask": np.ascontiguousarray(told, np.float32)}
        if "albedo" in truth and not {"albedo", "shading"}.isdisjoint(self.fields):
            albedo = resize(truth["albedo"], self._size)
            albedo = albedo[:, ::-1] if drawn.mirror else albedo
            # Outside the person the albedo is 0 and weighs nothing.
            whole = np.clip(albedo / np.maximum(mask, 0.01), 0, 1) * (mask > 0.01)
            found["albedo"] = np.round(whole * 255).astype(np.uint8)
        return found


def _tinted(sample: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return a sample whose two lights have a colour, warm or cold and a little green or magenta."""
    tinted = dict(sample)
    for picture, light in (("image", "light"), ("target", "target_light")):
        warm, green = rng.normal(0, 0.07), rng.normal(0, 0.02)
        tint = np.array([1 + warm, 1 + green, 1 - warm], np.float32)
        if picture in sample:
            tinted[picture] = np.round(np.clip(sample[picture] * tint, 0, 255)).astype(np.uint8)
        tinted[light] = sample[light][:, None] * tint
    return tinted
