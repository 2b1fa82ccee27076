"""A face taken apart: normals, albedo, shading, what is left over, and the light, as pictures and files.

The network sees each face upright and as small as those of its training; albedo and shading come back to full
size along the photo's own edges (`photo.transfer`), normals smoothly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from tf_relight.contract.usual import DECOMPOSITION_METHOD
from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.light.directions import rotation_about
from tf_relight.light.files import format_light
from tf_relight.light.light import Light
from tf_relight.light.spherical_harmonics import basis, convert, rotate
from tf_relight.networks.running import run_network, training_size
from tf_relight.photo.faces import find_faces
from tf_relight.photo.lettering import INK, PAPER, font, write_sheet
from tf_relight.photo.listing import find_pictures
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import Picture, as_float, resize
from tf_relight.photo.reading import read_picture
from tf_relight.photo.transfer import transfer
from tf_relight.photo.writing import write_picture
from tf_relight.progress import track
from tf_relight.relighting.face_places import regions, same_shape
from tf_relight.relighting.outputs import Report
from tf_relight.relighting.photos import load_for
from tf_relight.relighting.request import SMALLEST_SIZE
from tf_relight.relighting.squares import as_square
from tf_relight.relighting.turning import turn_of, turned

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel
    from tf_relight.photo.faces import Face

NEEDED = ("normal", "albedo", "shading")
SHOWN_SHADING = 200 / 255
"""By what shading is multiplied to be shown, so that lit places do not burn. As SfSNet's release does."""
_TILE, _GAP, _BALL = 256, 8, 256


@dataclass(frozen=True, eq=False)
class Decomposed:
    """One face taken apart; pictures float32 (H, W, 3) at the photo's own size.

    Attributes:
        photo: the part of the photo, sRGB 0..1. normal: unit vectors, x right, y up, z toward the camera.
        albedo: 0..1. shading: as albedo is multiplied with, may pass 1. residue: signed, or None.
        rebuilt: albedo times shading. mask: (H, W) 0..1, how far a pixel belongs to people.
        light: (9, 3) in frame "dpr". domain: what it is told in.
    """

    photo: np.ndarray
    normal: np.ndarray
    albedo: np.ndarray
    shading: np.ndarray
    residue: np.ndarray | None
    rebuilt: np.ndarray
    mask: np.ndarray
    light: np.ndarray
    domain: Any

    @property
    def ball(self) -> np.ndarray:
        """A white ball under the light, (S, S, 3) uint8."""
        return Light.from_array(self.light, domain=self.domain).sphere(_BALL)

    def pictures(self) -> dict[str, np.ndarray]:
        """Return what is shown of it by name, uint8 (H, W, 3); black where nobody is."""
        inside = self.mask[..., None]
        shown = {
            "photo": self.photo,
            "normal": (self.normal + 1) / 2 * inside,
            "albedo": self.albedo * inside,
            "shading": self.shading * SHOWN_SHADING * inside,
        }
        if self.residue is not None:
            shown["residue"] = 0.5 + 0.5 * self.residue * inside
        shown["rebuilt"] = self.rebuilt * inside
        return {name: np.rint(np.clip(each, 0, 1) * 255).astype(np.uint8) for name, each in shown.items()}


def decompose_photos(
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    size: int | None = None,
    recursive: bool = False,
    progress: bool = True,
) -> Report:
    """Take the faces of photos apart and write a folder for each.

    OUT/NAME holds normal.png, albedo.png, shading.png, residue.png where there is one, mask.png, light.txt
    (27 numbers in SfSNet's order), light.png (a ball under it) and sheet.png. Further faces of a photo get
    NAME_face2 and so on, the largest first. A photo without a face is taken apart whole.

    Args:
        paths: files and folders. out: a folder, made when missing.
        method, weights: as in `relight_photos`; without both, the usual ones.
        size: long side in pixels at which the network works; None takes that of its training.

    Returns:
        the report. A photo that fails is listed there, and the run goes on.

    Raises:
        RelightError: a method that gives no normals, albedo and shading, no photos, a size below
            `SMALLEST_SIZE`, or a folder that cannot be made or holds results already.
    """
    if size is not None and size < SMALLEST_SIZE:
        raise RelightError(f"--size {size} is too small for a network. Give at least {SMALLEST_SIZE}.")
    if method is None and weights is None:
        method = DECOMPOSITION_METHOD
    if method is not None:
        _check(method)
    found = find_pictures([Path(path) for path in paths], recursive=recursive, without=Path(out).resolve())
    loaded = load_for(method, weights)
    _check(loaded.method.name)
    folder = Path(out)
    for place in found.pictures.values():
        if (folder / place.parent / place.stem).exists():
            taken = folder / place.parent / place.stem
            raise RelightError(f"{taken} exists already. Choose another folder, or move it away.")
    report = Report(left_out=found.left_out)
    started = time.monotonic()
    listed = list(found.pictures.items())
    for source, place in track(listed, lambda item: f"Taking apart {item[0].name}", show=progress):
        try:
            picture = read_picture(source)
            report.notes += picture.notes
            faces = find_faces(picture.stored)
            if not faces:
                report.notes.append(f"{source.name}: no face was found; the whole picture was taken apart.")
            for number, part in enumerate(decompose(picture, loaded, size=size, faces=faces), start=1):
                ending = "" if number == 1 else f"_face{number}"
                made = _write(folder / place.parent / f"{place.stem}{ending}", part)
                report.written += made
                report.sources += [source] * len(made)
        except RelightError as error:
            sentence = str(error)
            report.failures.append(sentence if str(source) in sentence else f"{source}: {sentence}")
            report.failed.append(source)
        except OSError as error:
            raise RelightError(f"Cannot write to {folder}: {error.strerror}. Choose another.") from error
    report.seconds = time.monotonic() - started
    return report


def decompose(
    picture: Picture,
    loaded: LoadedModel,
    *,
    size: int | None = None,
    faces: Sequence[Face] | None = None,
) -> list[Decomposed]:
    """Return each face of a photo taken apart, the largest first; without a face the whole picture.

    Args:
        loaded: of a method that gives normals, albedo and shading.
        size: long side in pixels at which the network works; None takes that of its training.
        faces: None looks for them.

    Raises:
        RelightError: the network failed.
    """
    faces = find_faces(picture.stored) if faces is None else faces
    side = size or training_size(loaded)
    made = []
    for number, (rows, columns, _) in enumerate(regions(picture.size, faces)):
        photo = as_float(np.ascontiguousarray(picture.stored[rows, columns]))
        inside = [face.moved(-rows.start, -columns.start) for face in faces]
        mask = person_mask(photo, inside) if faces else np.ones(photo.shape[:2], np.float32)
        made.append(_apart(photo, mask, loaded, side, turn_of(faces[number].tilt) if faces else 0.0))
    return made


def fit_light(normal: np.ndarray, shading: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the light (9, 3), frame "dpr", whose shading comes nearest to a given one.

    Args:
        normal: (H, W, 3), x right, y up, z toward the camera. shading: (H, W, 3). mask: (H, W) bool.
    """
    facing = np.stack([normal[..., 0], -normal[..., 2], normal[..., 1]], axis=-1)[mask]
    harmonics = basis(facing)
    # A little of a ridge: a face shows half of the sphere only.
    square = harmonics.T @ harmonics + 1e-3 * len(harmonics) * np.eye(harmonics.shape[1])
    return np.linalg.solve(square, harmonics.T @ shading[mask].astype(np.float64)).astype(np.float32)


def _check(method: str) -> None:
    from tf_relight import methods

    info = methods.get(method).info
    lacking = [name for name in NEEDED if info.output(name) is None]
    if lacking:
        able = [
            name
            for name in methods.names()
            if all(methods.get(name).info.output(wanted) for wanted in NEEDED)
        ]
        raise RelightError(
            f"Method '{method}' does not take faces apart: it gives no {' and no '.join(lacking)}. "
            f"Methods that do: {', '.join(able)}."
        )


def _apart(photo: np.ndarray, mask: np.ndarray, loaded: LoadedModel, side: int, turn: float) -> Decomposed:
    small = resize(photo, same_shape(photo.shape, side))
    found = _answers(small, loaded, turn)
    albedo = np.clip(found["albedo"], 0, 1)
    shading = np.clip(found["shading"], 0, None)
    whole = photo.shape[:2]
    # Shading passes 1, which a picture cannot: the transfer sees it at half of its strength.
    full_shading = 2 * transfer(photo, small, np.clip(shading / 2, 0, 1).astype(np.float32))
    full_albedo = transfer(photo, small, albedo.astype(np.float32))
    normal = resize((found["normal"] + 1) / 2, whole) * 2 - 1
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    residue = found.get("residue")
    port = loaded.method.info.source_light
    if port is not None:
        light = np.asarray(found[port.name], np.float32)
        light = np.repeat(light, 3, axis=1) if light.shape[1] == 1 else light
    else:
        inside = resize(mask, small.shape[:2]) > 0.5
        light = fit_light(found["normal"], shading, inside if inside.any() else np.ones_like(inside))
    return Decomposed(
        photo=photo,
        normal=normal.astype(np.float32),
        albedo=full_albedo,
        shading=full_shading.astype(np.float32),
        residue=None if residue is None else resize((residue + 1) / 2, whole) * 2 - 1,
        rebuilt=np.clip(full_albedo * full_shading, 0, 1),
        mask=mask,
        light=light,
        domain="lightness" if port is None else port.domain,
    )


def _answers(small: np.ndarray, loaded: LoadedModel, turn: float) -> dict[str, np.ndarray]:
    """Return what the network says of a picture whose head is turned clockwise by degrees."""
    if turn:
        square, place = as_square(small)
        upright = _answers(turned(square, -turn), loaded, 0.0)
        return {name: _turned_back(each, loaded, name, turn, place) for name, each in upright.items()}
    method, info = loaded.method, loaded.method.info
    inputs: dict[str, Any] = {info.picture.name: method.picture_input(small)}
    if info.light is not None:
        inputs[info.light.name] = np.zeros((9, info.light.channels), np.float32)
    found: dict[str, np.ndarray] = {}

    def run() -> np.ndarray:
        found.update(method.predict(loaded.model, **inputs))
        return np.concatenate([value.ravel() for value in found.values()])

    run_network(run)
    return found


def _turned_back(
    value: np.ndarray, loaded: LoadedModel, name: str, turn: float, place: tuple[slice, slice]
) -> np.ndarray:
    """Return an answer about an upright square as one about the picture that lies in it, turned clockwise."""
    port = loaded.method.info.output(name)
    if port is not None and port.kind == "light":
        about_view = rotation_about(np.array([0.0, 1.0, 0.0]), math.radians(turn))
        return rotate(value, about_view).astype(np.float32)
    value = turned(value, turn)[place]
    if name != "normal":
        return value
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    x, y, z = np.moveaxis(value, -1, 0)
    return np.stack([x * cosine + y * sine, y * cosine - x * sine, z], axis=-1)


def _write(folder: Path, part: Decomposed) -> list[Path]:
    """Write one face; light.txt comes last, so that a folder without it is not whole."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = part.pictures()
    made = []
    for name, pixels in shown.items():
        if name not in ("photo", "rebuilt"):
            path = folder / f"{name}.png"
            write_picture(path, Picture(pixels))
            made.append(path)
    mask = np.repeat(np.rint(part.mask * 255).astype(np.uint8)[..., None], 3, axis=-1)
    for name, pixels in (("mask", mask), ("light", part.ball)):
        path = folder / f"{name}.png"
        write_picture(path, Picture(pixels))
        made.append(path)
    made.append(write_sheet(sheet(part), folder / "sheet.png"))
    path = folder / "light.txt"
    write_text(path, format_light(convert(part.light, "dpr", "sfsnet"), "sfsnet"))
    return [*made, path]


def sheet(part: Decomposed) -> Image.Image:
    """Return all pictures of one face side by side, with their names, and the light as a ball."""
    tiles = {**part.pictures(), "light": part.ball}
    height = max(1, round(_TILE * part.photo.shape[0] / part.photo.shape[1]))
    header = 28
    width = len(tiles) * (_TILE + _GAP) + _GAP
    page = Image.new("RGB", (width, header + max(height, _TILE) + _GAP), PAPER)
    draw = ImageDraw.Draw(page)
    for column, (name, pixels) in enumerate(tiles.items()):
        left = _GAP + column * (_TILE + _GAP)
        size = (_TILE, _TILE) if name == "light" else (_TILE, height)
        page.paste(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), (left, header))
        draw.text((left + _TILE / 2, header - 8), name, INK, font(16), anchor="ms")
    return page
