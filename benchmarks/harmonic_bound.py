"""How well an SfSNet could rebuild rendered people: true normals and albedo under the best nine numbers.

Usage: python -m benchmarks.harmonic_bound --heads DIR [--size 64] [--mask face]

DIR is written by `relight data render humans`. For each held-out picture the light is fitted by least
squares, colour by colour, to the pixels of the mask; what is left are shadows and gloss, which second-order
spherical harmonics over a matt surface cannot say. A network goes beyond this bound only by an albedo that is
not the true one, or by a residue.
"""

from __future__ import annotations

import argparse

import numpy as np

from export.timing import write_row
from tf_relight.data import open_source
from tf_relight.data.options import DataConfig
from tf_relight.light.spherical_harmonics import basis
from tf_relight.progress import track


def rebuilt(image: np.ndarray, albedo: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return the pixels (n, 3) that the best nine numbers a colour make of albedo and normals (n, 3)."""
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    seen = basis(normal / np.maximum(length, 1e-6))
    columns = []
    for channel in range(3):
        rows = seen * albedo[:, channel : channel + 1]
        columns.append(rows @ np.linalg.lstsq(rows, image[:, channel], rcond=None)[0])
    return np.clip(np.stack(columns, axis=1), 0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", required=True, metavar="DIR", help="rendered humans")
    parser.add_argument("--size", type=int, default=64, help="pixels, default: %(default)s")
    parser.add_argument("--mask", choices=("person", "face"), default="face", help="default: %(default)s")
    options = parser.parse_args()
    told = {"root": options.heads, "size": options.size, "mask": options.mask, "coloured_light": True}
    config = DataConfig.model_validate({"name": "humans", "ground_truth": True, **told})
    source = open_source(config, "validation")
    decibels = []
    for number in track(range(len(source)), lambda each: f"Picture {each}"):
        sample = source.read(number)
        on = np.asarray(sample["mask"])[..., 0] > 0.5
        image = np.asarray(sample["image"], np.float64)[on] / 255
        found = rebuilt(image, np.asarray(sample["albedo"], np.float64)[on], np.asarray(sample["normal"])[on])
        decibels.append(-10 * np.log10(np.square(found - image).mean()))
    mean = float(np.mean(decibels))
    print(f"{len(decibels)} pictures at {options.size} px, {options.mask}: {mean:.1f} dB")
    row = {"pictures": len(decibels), "size": options.size, "mask": options.mask, "psnr": mean}
    write_row("harmonic_bound", row)


if __name__ == "__main__":
    main()
