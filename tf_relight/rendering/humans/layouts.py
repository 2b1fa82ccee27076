"""The files that a rendered head becomes: its G-buffers, or the pictures of DPR's or SfSNet's folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from tf_relight.files import write_text
from tf_relight.light.spherical_harmonics import basis, convert
from tf_relight.rendering.heads.layouts import (
    DPR_NORMALS,
    HEADS_PER_FOLDER,
    SFSNET_KINDS,
    dpr_normal_picture,
    sfsnet_normal_picture,
)
from tf_relight.rendering.humans import records
from tf_relight.rendering.humans.gbuffers import GBuffers
from tf_relight.rendering.humans.lamps import Lamps, draw_lamps, lobe, told_in_lightness
from tf_relight.rendering.humans.maps import HumanMaps, Surface
from tf_relight.rendering.scenes.layouts import write_png

HELD_OUT = 25
"""Every 25th head number is held out for validation."""
PICTURES = 5
"""Pictures of a head, each under its own lamps, as in both folders."""
_LISTS = {False: "train.lst", True: "val.lst"}  # DPR's names
_LAMPS = 0x1A3F


@dataclass(frozen=True)
class Layout:
    """How rendered heads lie in a folder.

    Attributes:
        paths: (folder, head number) -> the files of a head.
        write: (folder, head number, head) -> writes them; each appears whole or not at all.
        finish: (folder, head numbers) -> writes what tells the heads of the folder.
    """

    paths: Callable[[Path, int], list[Path]]
    write: Callable[[Path, int, GBuffers], None]
    finish: Callable[[Path, range], None] = lambda out, numbers: None


def is_held_out(number: int) -> bool:
    """Whether a head is for validation."""
    return number % HELD_OUT == 0


def held_out(numbers: range) -> range:
    """Return those of consecutive head numbers that are for validation."""
    first = -(-numbers.start // HELD_OUT) * HELD_OUT
    return range(first, numbers.stop, HELD_OUT)


def _gbuffers_paths(out: Path, number: int) -> list[Path]:
    return [out / f"{number:05d}.npz"]


def _write_gbuffers(out: Path, number: int, buffers: GBuffers) -> None:
    buffers.save(_gbuffers_paths(out, number)[0])


def _record_paths(out: Path, number: int) -> list[Path]:
    return [out / f"{number:05d}{records.SUFFIX}"]


def _write_record(out: Path, number: int, buffers: GBuffers) -> None:
    records.write_record(_record_paths(out, number)[0], buffers)


# DPR: a folder for each subject, with a photo, five relit pictures and their lights, told in lightness


def _name(number: int) -> str:
    return f"imgHQ{number:05d}"


def _dpr_paths(out: Path, number: int) -> list[Path]:
    name = _name(number)
    files = [f"{name}_{k:02d}.png" for k in range(PICTURES)] + [
        f"{name}_light_{k:02d}.txt" for k in range(PICTURES)
    ]
    return [out / name / file for file in [DPR_NORMALS, f"{name}.png", "ori_sh.txt", *files]]


def _write_dpr(out: Path, number: int, buffers: GBuffers) -> None:
    normals, photo, photo_light, *files = _dpr_paths(out, number)
    maps, rng = HumanMaps(buffers, colours=True), _generator(buffers)
    whole = (slice(0, maps.size), slice(0, maps.size))
    exponent = float(np.exp(rng.uniform(np.log(8), np.log(60))))
    surface = Surface(float(rng.uniform(0, 0.4)), exponent, float(rng.uniform(0, 0.6)))
    write_png(normals, dpr_normal_picture(maps.truth(whole)["normal"]))
    pairs = [(photo, photo_light), *zip(files[:PICTURES], files[PICTURES:], strict=True)]
    for picture, text in pairs:
        lamps = draw_lamps(rng, maps.directions)
        light, exposure = told_in_lightness(lamps, maps.directions, float(rng.uniform(0.7, 0.9)))
        lightness = maps.lightness(lamps, exposure, whole, surface, 0.3)
        write_png(picture, maps.coloured_at(lightness, whole, maps.size, mirror=False))
        write_text(text, "".join(f"{value:.18e}\n" for value in light))


def _write_dpr_lists(out: Path, numbers: range) -> None:
    """DPR's lists: a line "subject picture picture" for each pair of relit pictures of a subject."""
    for held_out, file in _LISTS.items():
        lines = [
            f"{_name(number)} {_name(number)}_{one:02d}.png {_name(number)}_{other:02d}.png\n"
            for number in numbers
            if is_held_out(number) == held_out and all(path.is_file() for path in _dpr_paths(out, number))
            for one, other in combinations(range(PICTURES), 2)
        ]
        write_text(out / file, "".join(lines))


# SfSNet: pictures of all heads by kind, lights as 27 numbers; face = albedo x shading, without shadows


def _sfsnet_paths(out: Path, number: int) -> list[Path]:
    folder = out / ("test" if is_held_out(number) else "train") / f"{number // HEADS_PER_FOLDER:04d}"
    kinds = [(kind, "png") for kind in SFSNET_KINDS] + [("light", "txt")]
    return [
        folder / f"{number:06d}_{kind}_1_{k + 1}.{suffix}" for k in range(PICTURES) for kind, suffix in kinds
    ]


def _write_sfsnet(out: Path, number: int, buffers: GBuffers) -> None:
    maps, rng = HumanMaps(buffers, colours=True), _generator(buffers)
    whole = (slice(0, maps.size), slice(0, maps.size))
    mask = buffers.coverage > 127
    normal = maps.truth(whole)["normal"]
    away = buffers.depth.astype(np.float32)
    near, far = (away[mask].min(), away[mask].max()) if mask.any() else (0.0, 1.0)
    depth = np.where(mask, 1 - (away - near) / max(far - near, 1e-6), 0)
    kinds = {
        "albedo": buffers.albedo * mask[..., None],
        "normal": sfsnet_normal_picture(normal) * mask[..., None],
        "mask": np.repeat(mask[..., None], 3, axis=2) * np.uint8(255),
        "depth": np.repeat(_code(depth * 255)[..., None], 3, axis=2),
    }
    harmonics = basis(np.stack([normal[..., 0], -normal[..., 2], normal[..., 1]], axis=-1))
    paths, step = _sfsnet_paths(out, number), len(SFSNET_KINDS) + 1
    for place in range(PICTURES):
        light = _coloured_light(draw_lamps(rng, maps.directions), maps.directions, rng)
        face = _code(buffers.albedo * np.clip(harmonics @ light, 0, None)) * mask[..., None]
        *files, text = paths[place * step : (place + 1) * step]
        for kind, path in zip(SFSNET_KINDS, files, strict=True):
            write_png(path, np.ascontiguousarray({"face": face, **kinds}[kind]))
        numbers = convert(light, "dpr", "sfsnet").T.ravel()  # all of red, then green, then blue
        write_text(text, "\t".join(f"{value:.6f}" for value in numbers) + "\n")


def _coloured_light(lamps: Lamps, directions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return nine numbers a channel, (9, 3), told in lightness: SfSNet shades stored values."""
    light, _ = told_in_lightness(lamps, directions, float(rng.uniform(0.7, 0.9)))
    warmth = rng.normal(0, 0.04)
    return light[:, None] * np.array([1 + warmth, 1, 1 - warmth])


# Lamps: a folder for each subject, with its face under one lamp in each picture, for `scoring.lamp_faces`,
# and who it is

LAMPS = ((0, 0), (35, 15), (-35, 15), (50, 0), (-50, 0), (70, 0), (-70, 0), (0, 45), (0, -20), (-20, -40))
"""Azimuth and elevation in degrees; the first comes from the camera."""
_PERSON = ("gender", "age", "tone")
_BULB, _DARK_ROOM, _LEVEL, _FACE_SIDE = 40.0, 0.05, 0.8, 0.85


def _lamps_paths(out: Path, number: int) -> list[Path]:
    names = (f"azimuth_{azimuth:+04d}_elevation_{elevation:+03d}.png" for azimuth, elevation in LAMPS)
    return [out / f"{number:05d}" / name for name in (*names, "person.json")]


def _write_lamps(out: Path, number: int, buffers: GBuffers) -> None:
    maps = HumanMaps(buffers, colours=True)
    row, column, height = maps.face
    side = min(maps.size, round(_FACE_SIDE * height))
    starts = (min(max(0, round(middle - side / 2)), maps.size - side) for middle in (row, column))
    top, left = (slice(start, start + side) for start in starts)
    surface = Surface(0.2, 25.0, 0.3)
    *paths, person = _lamps_paths(out, number)
    for path, (azimuth, elevation) in zip(paths, LAMPS, strict=True):
        light = lobe(maps.directions, np.radians(azimuth), np.radians(elevation), _BULB)
        lamps = Lamps(light.astype(np.float32), _DARK_ROOM, np.zeros(3))
        _, exposure = told_in_lightness(lamps, maps.directions, _LEVEL)
        lightness = maps.lightness(lamps, exposure, (top, left), surface, 0.3)
        write_png(path, maps.coloured_at(lightness, (top, left), side, False))
    write_text(person, json.dumps({key: buffers.info[key] for key in _PERSON}) + "\n")


def _generator(buffers: GBuffers) -> np.random.Generator:
    return np.random.default_rng([int(buffers.info["seed"]), int(buffers.info["number"]), _LAMPS])


def _code(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


LAYOUTS = {
    "gbuffers": Layout(_gbuffers_paths, _write_gbuffers),
    "tfrecord": Layout(_record_paths, _write_record),
    "dpr": Layout(_dpr_paths, _write_dpr, _write_dpr_lists),
    "sfsnet": Layout(_sfsnet_paths, _write_sfsnet),
    "lamps": Layout(_lamps_paths, _write_lamps),
}
"""Name of a layout to how it is written."""
