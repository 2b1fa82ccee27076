"""Does relighting as augmentation pay? Recognising rendered people under lamps that training never saw.

    relight data render humans --assets ASSETS --out heads --heads 500 --size 128 --seed 2
    python -m benchmarks.relight_augmentation --heads heads

Every person is one class. Training has three pictures of each, under lamps near the camera; the test has
nine, under lamps far to the side, from above and from below. Pictures are grey and the background is even, so
that neither skin tone nor what is behind tells who it is. Only held-out heads count, whom the training of the
shipped relighting weights did not see. One small network is trained three times: as it is, with Keras' random
brightness and contrast, and with pictures that `RandomRelight` made; network, steps and shifts are the same.
All of it for several seeds, each with other first weights, shifts and lights, and a row of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from export.timing import write_row
from tf_relight.errors import RelightError
from tf_relight.photo.picture import resize
from tf_relight.rendering.humans.gbuffers import GBuffers
from tf_relight.rendering.humans.lamps import Lamps, lobe, told_in_lightness
from tf_relight.rendering.humans.layouts import is_held_out
from tf_relight.rendering.humans.maps import HumanMaps, Surface

TRAINED = ((0, 0), (20, 15), (-20, 15))
"""Azimuth and elevation in degrees of the lamps of the training."""
UNSEEN = ((50, 0), (-50, 0), (70, 0), (-70, 0), (0, 60), (55, 45), (-55, 45), (0, -45), (30, -40))
ARMS = ("as it is", "brightness and contrast", "RandomRelight")
GREY = np.array([0.299, 0.587, 0.114], np.float32)
_BULB, _ROOM, _LEVEL, _FACE = 40.0, 0.05, 0.8, 0.85
_SHIFT = 4


def pictures(path: Path, size: int, lamps: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Return a face under lamps, (lamps, size, size, 3) float32 0..1, grey, before an even background."""
    buffers = GBuffers.load(path)
    maps = HumanMaps(buffers, colours=True)
    row, column, height = maps.face
    side = min(maps.size, round(_FACE * height))
    top, left = (
        slice(start, start + side)
        for start in (min(max(0, round(middle - side / 2)), maps.size - side) for middle in (row, column))
    )
    made = []
    for azimuth, elevation in lamps:
        light = lobe(maps.directions, np.radians(azimuth), np.radians(elevation), _BULB)
        lit = Lamps(light.astype(np.float32), _ROOM, np.zeros(3))
        _, exposure = told_in_lightness(lit, maps.directions, _LEVEL)
        lightness = maps.lightness(lit, exposure, (top, left), Surface(0.2, 25.0, 0.3), 0.3)
        shown = maps.coloured_at(lightness, (top, left), side, False).astype(np.float32) / 255
        covered = buffers.coverage[top, left][..., None].astype(np.float32) / 255
        grey = covered * (shown @ GREY)[..., None] + (1 - covered) * 0.5
        made.append(resize(np.repeat(grey, 3, axis=-1).astype(np.float32), (size, size)))
    return np.stack(made)


def network(people: int, size: int, arm: str, seed: int) -> Any:
    """Return a small network; each picture is brought to mean 0 and deviation 1 first."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    inputs = keras.Input((size, size, 3))
    x = layers.RandomTranslation(_SHIFT / size, _SHIFT / size, fill_mode="nearest", seed=seed)(inputs)
    if arm == "brightness and contrast":
        x = layers.RandomBrightness(0.4, value_range=(0, 1), seed=seed)(x)
        x = layers.RandomContrast(0.6, value_range=(0, 1), seed=seed + 1)(x)
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-4)(x)
    for width in (24, 48, 96):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Dropout(0.3, seed=seed)(layers.Flatten()(layers.AveragePooling2D(2)(x)))
    model = keras.Model(inputs, layers.Dense(people)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    return model


def relit(faces: np.ndarray, lights: int, seed: int) -> np.ndarray:
    """Return faces relit `lights` times each, (lights, N, H, W, 3)."""
    from tf_relight.pipelines.random_relight import RandomRelight

    layer = RandomRelight(rate=1.0, value_range=(0, 1), size=faces.shape[1], seed=seed)
    return np.stack(
        [
            np.concatenate([np.asarray(layer(faces[at : at + 40])) for at in range(0, len(faces), 40)])
            for _ in range(lights)
        ]
    )


def accuracy(
    arm: str, seed: int, train: np.ndarray, test: np.ndarray, steps: int, lights: int
) -> tuple[float, float]:
    """Train one network; return its share of right answers under the trained lamps and the unseen ones."""
    people, _, size = train.shape[:3]
    faces, names = train.reshape(-1, size, size, 3), np.repeat(np.arange(people), train.shape[1])
    chosen = [faces]
    if arm == "RandomRelight":
        chosen += list(relit(faces, lights, seed))
    random = np.random.default_rng(seed)
    model = network(people, size, arm, seed)
    for _ in range(steps):
        rows = random.integers(len(faces), size=32)
        # Half of the pictures stay as they are, as with the layer's usual rate.
        kinds = np.where(random.random(32) < 0.5, 0, random.integers(len(chosen), size=32))
        batch = np.stack([chosen[kind][row] for kind, row in zip(kinds, rows, strict=True)])
        model.train_on_batch(batch, names[rows])
    unseen = model.predict(test.reshape(-1, size, size, 3), batch_size=64, verbose=0).argmax(-1)
    seen = model.predict(faces, batch_size=64, verbose=0).argmax(-1)
    return float((seen == names).mean()), float(
        (unseen == np.repeat(np.arange(people), test.shape[1])).mean()
    )


def main() -> None:
    """Run the experiment and append a row for each seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", type=Path, required=True, help="folder of G-buffers")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--steps", type=int, default=300, help="of 32 pictures")
    parser.add_argument("--lights", type=int, default=6, help="for each picture of the training")
    given = parser.parse_args()
    paths = [path for path in sorted(given.heads.glob("*.npz")) if is_held_out(int(path.stem))]
    if len(paths) < 10:
        raise RelightError(
            f"{given.heads} holds {len(paths)} held-out heads, at least 10 are needed: render more."
        )
    train = np.stack([pictures(path, given.size, TRAINED) for path in paths])
    test = np.stack([pictures(path, given.size, UNSEEN) for path in paths])
    for seed in given.seeds:
        runs = {arm: accuracy(arm, seed, train, test, given.steps, given.lights) for arm in ARMS}
        row = {
            "people": len(paths),
            "size": given.size,
            "steps": given.steps,
            "lights": given.lights,
            "seed": seed,
            "unseen_percent": {arm: round(100 * unseen, 1) for arm, (_, unseen) in runs.items()},
            "trained_percent": {arm: round(100 * seen, 1) for arm, (seen, _) in runs.items()},
        }
        write_row("relight_augmentation", row)


if __name__ == "__main__":
    main()
