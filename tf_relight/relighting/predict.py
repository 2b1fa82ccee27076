"""What a network sees in photos, written to files: normals, albedo, shading, light.

Such files are also labels for training: `layout="sfsnet"` writes what the dataset `sfsnet` reads.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.errors import RelightError, suggest
from tf_relight.files import write_text
from tf_relight.light.files import format_light
from tf_relight.light.spherical_harmonics import convert
from tf_relight.networks.running import run_network, training_size, working_size
from tf_relight.photo.listing import find_pictures
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture
from tf_relight.progress import track
from tf_relight.relighting.outputs import Report
from tf_relight.relighting.photos import load_for
from tf_relight.relighting.request import SMALLEST_SIZE
from tf_relight.rendering.heads.layouts import sfsnet_normal_picture

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

Layout = Literal["plain", "sfsnet"]
LIGHT = "light"
"""What users call the light that a network reads, whatever its port is called."""


def predict_photos(
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    outputs: Sequence[str] = (),
    layout: Layout = "plain",
    size: int | None = None,
    recursive: bool = False,
    progress: bool = True,
) -> Report:
    """Write what the networks of a method give for photos.

    "plain" writes NAME_OUTPUT.png for each photo and output, in the network's size, and lights as text:
    nine numbers in DPR's frame, or 27 in SfSNet's for coloured ones. "sfsnet" writes squares as
    pseudo-labels, 0_0_face.png and so on, in the photos' order.

    Args:
        paths: files and folders.
        out: a folder, made when missing.
        method, weights: as in `relight_photos`.
        outputs: names of the card's outputs, and "light" for the light that is read; "sfsnet" has its own.
        size: long side in pixels at which the network works; None takes that of its training.

    Returns:
        the report. A photo that fails is listed there, and the run goes on.

    Raises:
        RelightError: an output that the method does not give, a layout that needs more than it gives, a
            file that would be replaced, a network whose input light nobody can tell, a size below
            `SMALLEST_SIZE`, no photos, or a folder that cannot be made.
    """
    if size is not None and size < SMALLEST_SIZE:
        raise RelightError(f"--size {size} is too small for a network. Give at least {SMALLEST_SIZE}.")
    if method is not None:
        _checked(method, outputs, layout)
    found = find_pictures([Path(path) for path in paths], recursive=recursive, without=Path(out).resolve())
    loaded = load_for(method, weights)
    wanted = _checked(loaded.method.name, outputs, layout)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RelightError(f"Cannot make the folder {folder}: {error.strerror}. Choose another.") from error
    if layout == "plain":
        _check_targets(folder, found.pictures, wanted)
    elif folder.is_dir() and any(folder.glob("0_*")):
        raise RelightError(f"{folder} holds labels already. Choose another folder, so that none is replaced.")
    report = Report(left_out=found.left_out)
    started = time.monotonic()
    listed = list(found.pictures.items())
    side = size or training_size(loaded)
    labelled = 0  # broken photos leave no gap
    for source, place in track(listed, lambda item: f"Looking at {item[0].name}", show=progress):
        try:
            picture = read_picture(source)
            report.notes += picture.notes
            if layout == "sfsnet":
                made = _write_sfsnet(folder, labelled, _square(picture.pixels, side), loaded)
                labelled += 1
            else:
                made = _write_plain(folder / place.parent / place.stem, picture.pixels, side, wanted, loaded)
            report.written += made
            report.sources += [source] * len(made)
        except RelightError as error:
            sentence = str(error)
            report.failures.append(sentence if str(source) in sentence else f"{source}: {sentence}")
            report.failed.append(source)
    report.seconds = time.monotonic() - started
    return report


def see(loaded: LoadedModel, image: np.ndarray) -> dict[str, np.ndarray]:
    """Return all outputs of a loaded network for a picture in its own light.

    Args:
        image: (H, W, 3) float32 sRGB 0..1, at the size the network shall work at.

    Raises:
        RelightError: the network failed, or it takes a light and reads none.
    """
    method, model, info = loaded.method, loaded.model, loaded.method.info
    inputs: dict[str, Any] = {info.picture.name: method.picture_input(image)}
    if info.light is not None:
        inputs[info.light.name] = method.estimate_light(model, image)
    found: dict[str, np.ndarray] = {}

    def run() -> np.ndarray:
        found.update(method.predict(model, **inputs))
        return np.concatenate([value.ravel() for value in found.values()])

    run_network(run)
    return found


def _checked(method: str, outputs: Sequence[str], layout: Layout) -> dict[str, Port]:
    """Return the wanted outputs by the name that users give them."""
    from tf_relight import methods

    info = methods.get(method).info
    _check_light(method, info)
    known = {port.name: port for port in info.outputs if port.kind != "features"}
    if info.source_light is not None:
        known[LIGHT] = info.source_light
    if layout == "sfsnet":
        light = info.source_light
        lacking = [name for name in ("normal", "albedo", "shading") if name not in known]
        lacking += [] if light is not None and light.channels == 3 else ["light in colour"]
        if lacking:
            raise RelightError(
                f"Method '{method}' cannot write SfSNet's layout: it gives no {' and no '.join(lacking)}."
            )
        if outputs:
            raise RelightError("SfSNet's layout has its own outputs: leave out --outputs.")
        return known
    if not outputs:
        raise RelightError(f"Name at least one output with --outputs: {', '.join(known)}.")
    for name in outputs:
        if any(port.name == name for port in info.outputs if port.kind == "features"):
            raise RelightError(f"'{name}' of method '{method}' is features, which no picture can show.")
        if name not in known:
            hint = suggest(name, known)
            raise RelightError(f"Method '{method}' gives no '{name}'.{hint} It gives {', '.join(known)}.")
    return {name: known[name] for name in outputs}


def _check_targets(folder: Path, pictures: Mapping[Path, Path], wanted: Mapping[str, Port]) -> None:
    """Refuse to begin where a file would be replaced, be it there already or one of this run."""
    by: dict[Path, Path] = {}
    for source, place in pictures.items():
        for word, port in wanted.items():
            ending = "txt" if port.kind == "light" else "png"
            target = folder / place.parent / f"{place.stem}_{word}.{ending}"
            if target in by:
                raise RelightError(f"{by[target]} and {source} would both become {target}. Rename one.")
            if target.exists():
                raise RelightError(f"{target} exists already. Choose another folder, or move it away.")
            by[target] = source


def _check_light(method: str, info: MethodInfo) -> None:
    port, read = info.light, info.source_light
    if port is not None and (read is None or read.channels != port.channels):
        raise RelightError(f"Method '{method}' takes a light that it does not read from photos.")


def _write_plain(
    name: Path, pixels: np.ndarray, side: int, wanted: Mapping[str, Port], loaded: LoadedModel
) -> list[Path]:
    found = see(loaded, resize(pixels, working_size(pixels.shape[:2], side)))
    name.parent.mkdir(parents=True, exist_ok=True)
    return [
        _write(name.with_name(f"{name.name}_{word}"), port, found[port.name]) for word, port in wanted.items()
    ]


def _write(name: Path, port: Port, value: np.ndarray) -> Path:
    if port.kind == "light":
        path = name.with_name(f"{name.name}.txt")
        write_text(path, _light_text(value))
        return path
    path = name.with_name(f"{name.name}.png")
    write_picture(path, Picture(_shown(port, value)))
    return path


def _shown(port: Port, value: np.ndarray) -> np.ndarray:
    """Return an output as uint8 (H, W, 3)."""
    if port.kind == "normal":
        length = np.linalg.norm(value, axis=-1, keepdims=True)
        return sfsnet_normal_picture(value / np.maximum(length, 1e-6))
    pixels = np.rint(np.clip(value, 0, 1) * 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels[..., :3]


def _light_text(light: np.ndarray) -> str:
    """A light (9, C) of frame "dpr" as the light files of DPR, or of SfSNet in colour."""
    if light.shape[1] == 1:
        return format_light(np.repeat(light, 3, axis=1), "dpr")
    return format_light(convert(light, "dpr", "sfsnet"), "sfsnet")


def _square(pixels: np.ndarray, side: int) -> np.ndarray:
    short = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - short) // 2, (pixels.shape[1] - short) // 2
    return resize(np.ascontiguousarray(pixels[top : top + short, left : left + short]), (side, side))


def _write_sfsnet(folder: Path, number: int, image: np.ndarray, loaded: LoadedModel) -> list[Path]:
    """Write one face as pseudo-labels; the light comes last, so that a face without it is not whole."""
    info, found = loaded.method.info, see(loaded, image)
    light = info.source_light
    assert light is not None
    ports = {port.name: port for port in info.outputs}
    albedo = np.clip(found["albedo"], 0, 1)
    shading = found["shading"]
    pictures = {
        "face": np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8),
        "albedo": _shown(ports["albedo"], albedo),
        "normal": _shown(ports["normal"], found["normal"]),
        "shading": np.rint(np.clip(shading * (200 / 255), 0, 1) * 255).astype(np.uint8),
        "recon": np.rint(np.clip(albedo * shading, 0, 1) * 255).astype(np.uint8),
    }
    made = []
    for kind, pixels in pictures.items():
        path = folder / f"0_{number}_{kind}.png"
        write_picture(path, Picture(np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels))
        made.append(path)
    path = folder / f"0_{number}_light.txt"
    write_text(path, _light_text(found[light.name]))
    return [*made, path]
