"""What exported files are compared with: the trained network in Keras, on real pictures and on true ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from export.litert.manifest import FileRecord
from export.signatures import IMAGE, LIGHT, RELIT, light_tensor
from tf_relight.carried import EXAMPLES, carried_folder
from tf_relight.contract.card import MethodInfo
from tf_relight.errors import RelightError
from tf_relight.photo.colour import lab_to_rgb, rgb_to_lab
from tf_relight.photo.listing import list_pictures
from tf_relight.photo.picture import resize
from tf_relight.photo.reading import read_picture
from tf_relight.weights.checksum import sha256_of

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

_EXAMPLES = carried_folder(EXAMPLES)
"""The photos that come with tf_relight."""

DIRECTIONS = ((-60.0, 20.0), (45.0, 0.0))
"""Azimuth and elevation in degrees of the lights under which portraits are compared."""

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """One picture, under one light where the method takes one.

    Attributes:
        name: of the picture and the light.
        inputs, expected: by name, as the network takes and gives them.
        rounded, unrounded: what a network that was trained with 8-bit rounding gives with it and without it;
            None for all others.
    """

    name: str
    inputs: Mapping[str, np.ndarray]
    expected: Mapping[str, np.ndarray]
    rounded: Mapping[str, np.ndarray] | None = None
    unrounded: Mapping[str, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class TruthCase:
    """One picture whose true result is known.

    Attributes:
        image: (H, W, 3) float32 sRGB 0..1. target: (H, W, 3) uint8.
        inputs: by name, as the network takes them.
    """

    name: str
    image: np.ndarray
    target: np.ndarray
    inputs: Mapping[str, np.ndarray]


def example_photos(folder: Path | str | None = None) -> list[tuple[str, np.ndarray]]:
    """Return (name, square (S, S, 3) float32 sRGB 0..1) of each photo in a folder, its middle cut out.

    Args:
        folder: None takes tf_relight's examples.

    Raises:
        RelightError: the folder is missing, holds no pictures, or one cannot be read.
    """
    if folder is not None and not Path(folder).is_dir():
        raise RelightError(f"There is no folder {folder}. Name a folder of pictures with --images.")
    photos = []
    for path in list_pictures([_EXAMPLES if folder is None else folder]):
        pixels = read_picture(path).pixels
        side = min(pixels.shape[:2])
        top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
        photos.append((path.name, pixels[top : top + side, left : left + side]))
    return photos


def keras_function(
    loaded: LoadedModel, *, rounded: bool = False
) -> Callable[[Mapping[str, np.ndarray]], Tensors]:
    """Return the trained network, as Keras runs it in float32, from named arrays to named arrays.

    Args:
        rounded: with the 8-bit rounding that it was trained with.
    """
    import tensorflow as tf

    from export.network import relight_function

    # Not compiled: tracing takes longer than the few pictures of one size.
    function, _, _ = relight_function(loaded, None, rounded=rounded)

    def run(inputs: Mapping[str, np.ndarray]) -> Tensors:
        outputs = function(**{name: tf.constant(values) for name, values in inputs.items()})
        return {name: np.asarray(values) for name, values in outputs.items()}

    return run


def weights_path(record: FileRecord, given: str | None = None) -> Path:
    """Return the weights file that an exported file was made from.

    Args:
        given: a file or name in place of the one in the manifest.

    Raises:
        RelightError: it is not here, or it is another one.
    """
    from tf_relight.weights.file import resolve

    name = record.weights.name if given is None else given
    try:
        path = resolve(name)
    except RelightError as error:
        raise RelightError(
            f"{record.name} was made from '{record.weights.name}'. {error} Name its file with --weights."
        ) from error
    if record.weights.sha256 is not None and sha256_of(path) != record.weights.sha256:
        raise RelightError(
            f"{path} is not the weights file that {record.name} was made from: its sha256 differs. "
            "Name the right one with --weights."
        )
    return path


def bench_inputs(info: MethodInfo, size: int) -> Tensors:
    """Return the named inputs of one example photo at `size` pixels a side."""
    return network_inputs(info, bench_photo(size), _lights(info)[0][1])


def bench_photo(size: int) -> np.ndarray:
    """Return one of the repository's photos, (size, size, 3) float32 sRGB 0..1."""
    return resize(example_photos()[0][1], (size, size))


def network_inputs(info: MethodInfo, image: np.ndarray, light: np.ndarray | None = None) -> Tensors:
    """Return the named inputs for one picture.

    Args:
        image: (H, W, 3) float32 sRGB 0..1.
        light: (9,) or (9, C) coefficients, frame dpr, for methods that take one.
    """
    if info.picture.kind == "lightness":
        image = np.clip(rgb_to_lab(image)[..., :1] / np.float32(100.0), 0.0, 1.0)
    inputs = {IMAGE: np.ascontiguousarray(image[None], np.float32)}
    if info.light is not None:
        assert light is not None
        inputs[LIGHT] = light_tensor(info.light, light)
    return inputs


def picture_of(info: MethodInfo, image: np.ndarray, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the relit picture (H, W, 3) float32 sRGB 0..1 that the network's outputs stand for."""
    relit = np.asarray(outputs[RELIT], np.float32)[0]
    if info.picture.kind == "srgb":
        return np.clip(relit, 0.0, 1.0)
    lab = rgb_to_lab(image)
    lab[..., 0] = 100.0 * relit[..., 0]
    return np.clip(lab_to_rgb(lab), 0.0, 1.0)


def followed(path: Path, loaded: LoadedModel) -> LoadedModel:
    """Return the float network that a training with 8-bit rounding followed; others follow themselves.

    Args:
        path: of the weights of `loaded`; those of the other lie beside it.

    Raises:
        RelightError: they do not, or they are others.
    """
    from tf_relight.methods.trained import load_model
    from tf_relight.weights.file import FOLLOWED_WEIGHTS

    sha256 = loaded.metadata.get("follows")
    if sha256 is None:
        return loaded
    beside = path.with_name(FOLLOWED_WEIGHTS)
    if not beside.is_file() or sha256_of(beside) != sha256:
        state = "are others" if beside.is_file() else "are missing"
        raise RelightError(
            f"{path} was trained to stay close to a float network whose weights {state}. Put the "
            f"{FOLLOWED_WEIGHTS} of the same training beside it."
        )
    return load_model(beside)


def cases(
    loaded: LoadedModel,
    sizes: Sequence[int],
    photos: Sequence[tuple[str, np.ndarray]],
    rounding: LoadedModel | None = None,
) -> dict[int, list[Case]]:
    """Return the cases of each size, with what Keras makes of them.

    Args:
        rounding: the network that was trained with 8-bit rounding to do what `loaded` does.
    """
    run, info = keras_function(loaded), loaded.method.info
    trained = (
        () if rounding is None else tuple(keras_function(rounding, rounded=each) for each in (True, False))
    )
    made: dict[int, list[Case]] = {}
    for size in sizes:
        made[size] = []
        for name, photo in photos:
            small = resize(photo, (size, size))
            for label, light in _lights(info):
                inputs = network_inputs(info, small, light)
                made[size].append(
                    Case(f"{name}{label}", inputs, run(inputs), *(each(inputs) for each in trained))
                )
    return made


def truth_cases(loaded: LoadedModel, size: int, count: int) -> Iterator[TruthCase]:
    """Yield embedded validation pictures with their true results: scenes, or heads for portraits.

    The scenes have the lights and the seed of the network's training where it was trained on scenes; their
    numbers lie behind those of the training.

    Raises:
        RelightError: `count` is below 1.
    """
    from tf_relight.config.run import make_data_config
    from tf_relight.data import open_source

    if count < 1:
        raise RelightError(f"--truth {count} asks for no pictures: give a number from 1 on.")
    info = loaded.method.info
    name = "heads" if info.takes_light else "scenes"
    trained = loaded.metadata.get("data")
    values: dict[str, Any] = {}
    if isinstance(trained, dict) and trained.get("name") == name:
        # What says how pictures are kept and how many there are belongs to the training.
        kept = ("pairing", "input_light", "target_light", "seed", "scenes", "antialias")
        values = {key: trained[key] for key in kept if key in trained}
    config = make_data_config({**values, "name": name, "size": size, "validation_scenes": count})
    source = open_source(config, "validation")
    # Spread over all, so that each scene or head comes once, with different lights.
    step = max(1, len(source) // count)
    for number in range(count):
        index = min(number * step + number % step, len(source) - 1)
        sample = source.read(index)
        image = sample["image"].astype(np.float32) / np.float32(255.0)
        light = sample["target_light"] if info.takes_light else None
        inputs = network_inputs(info, image, light)
        yield TruthCase(source.key(index), image, sample["target"], inputs)


def _lights(info: MethodInfo) -> list[tuple[str, np.ndarray | None]]:
    if info.light is None:
        return [("", None)]
    from tf_relight.light.light import Light
    from tf_relight.relighting.light_range import network_light

    return [
        (
            f" at {azimuth:g} {elevation:g}",
            network_light(Light.from_direction(azimuth, elevation), info.light.domain),
        )
        for azimuth, elevation in DIRECTIONS
    ]
