"""Folder layouts in which heads are written: DPR's and SfSNet's own names and codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_relight.files import write_text
from tf_relight.light.spherical_harmonics import convert
from tf_relight.rendering.heads.head import ORIGINAL_LIGHT, RELIT_LIGHTS, Head, head_name
from tf_relight.rendering.scenes.layouts import write_png

DPR_NORMALS = "full_normal_faceRegion_faceBoundary_extend.png"  # as DPR's own renderer names them
SFSNET_KINDS = ("face", "albedo", "normal", "mask", "depth")
HEADS_PER_FOLDER = 1000  # of the SfSNet layout


@dataclass(frozen=True)
class HeadLayout:
    """How heads lie in a folder.

    Attributes:
        paths: (folder, split, head number) -> the files of a head.
        write: (folder, split, head) -> writes them; each appears whole or not at all.
    """

    paths: Callable[[Path, str, int], list[Path]]
    write: Callable[[Path, str, Head], None]


# DPR: a folder for each subject, with the photo, five relit pictures and their lights


def _dpr_paths(out: Path, split: str, number: int) -> list[Path]:
    name = head_name(number)
    files = [f"{name}_{k:02d}.png" for k in range(len(RELIT_LIGHTS))]
    files += [f"{name}_light_{k:02d}.txt" for k in range(len(RELIT_LIGHTS))]
    return [out / name / file for file in [f"{name}.png", "ori_sh.txt", DPR_NORMALS, *files]]


def _write_dpr(out: Path, split: str, head: Head) -> None:
    photo, photo_light, normals, *files = _dpr_paths(out, split, head.number)
    write_png(normals, dpr_normal_picture(head.normal))
    pictures = [photo, *files[: len(RELIT_LIGHTS)]]
    lights = [photo_light, *files[len(RELIT_LIGHTS) :]]
    for index, picture, text in zip((ORIGINAL_LIGHT, *RELIT_LIGHTS), pictures, lights, strict=True):
        light = head.light(index)
        write_png(picture, head.image(light))
        _write_text(text, "".join(f"{value:.18e}\n" for value in light))


def dpr_normal_picture(normals: np.ndarray) -> np.ndarray:
    """(H, W, 3) normals in picture axes -> the uint8 RGB picture that DPR's renderer writes.

    Read by OpenCV, as blue, green, red, its channels are x right, y down, z into the picture.
    """
    return _code(np.stack([-normals[..., 2], -normals[..., 1], normals[..., 0]], -1) * 127.5 + 127.5)


# SfSNet: pictures of all heads by kind, lights as 27 numbers


def _sfsnet_paths(out: Path, split: str, number: int) -> list[Path]:
    folder = out / {"train": "train", "validation": "test"}[split] / f"{number // HEADS_PER_FOLDER:04d}"
    kinds = [(kind, "png") for kind in SFSNET_KINDS] + [("light", "txt")]
    return [folder / f"{number:06d}_{kind}_1_{k}.{suffix}" for k in RELIT_LIGHTS for kind, suffix in kinds]


def _write_sfsnet(out: Path, split: str, head: Head) -> None:
    paths = _sfsnet_paths(out, split, head.number)
    mask = head.mask[..., None]
    depth = np.where(mask[..., 0], head.depth, np.nan)
    near, far = (np.nanmin(depth), np.nanmax(depth)) if mask.any() else (0.0, 1.0)
    nearness = np.nan_to_num(1 - (depth - near) / max(far - near, 1e-6))
    maps = {
        "albedo": np.moveaxis(head.maps.albedo, 0, -1) * mask,
        "normal": sfsnet_normal_picture(head.normal) * mask,
        "mask": _code(np.repeat(mask, 3, 2) * 255.0),
        "depth": _code(nearness * 255),
    }
    step = len(SFSNET_KINDS) + 1
    for place, index in enumerate(RELIT_LIGHTS):
        light = head.light(index, coloured=True)
        pictures = {"face": head.image(light) * mask, **maps}
        *files, text = paths[place * step : (place + 1) * step]
        for kind, path in zip(SFSNET_KINDS, files, strict=True):
            write_png(path, np.ascontiguousarray(pictures[kind]))
        numbers = convert(light, "dpr", "sfsnet").T.ravel()  # all of red, then green, then blue
        _write_text(text, "\t".join(f"{value:.6f}" for value in numbers) + "\n")


def sfsnet_normal_picture(normals: np.ndarray) -> np.ndarray:
    """(H, W, 3) normals in picture axes -> uint8 RGB of SfSNet: x down, y right, z toward the camera.

    Zero is stored as 128, as SfSNet's readers expect.
    """
    return _code(np.stack([-normals[..., 1], normals[..., 0], normals[..., 2]], -1) * 128 + 128)


def _code(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _write_text(path: Path, text: str) -> None:
    write_text(path, text)


HEAD_LAYOUTS = {
    "dpr": HeadLayout(_dpr_paths, _write_dpr),
    "sfsnet": HeadLayout(_sfsnet_paths, _write_sfsnet),
}
"""Layout name to how it is written."""
