"""From a photo of people to the same photo under another light.

The network works on the lightness of each face with some margin, at the size it was trained at. The change is
brought to full size along the photo's own edges (`transfer.py`) and applied as light (`lightness.py`).
What a photo needs only once is done once, so that many lights are quick.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.light.spherical_harmonics import shading
from tf_relight.methods.method import light_input
from tf_relight.networks.running import run_network, training_size
from tf_relight.photo.colour import linear_to_srgb, planckian_rgb
from tf_relight.photo.copying import jpeg_with
from tf_relight.photo.faces import Face, find_faces
from tf_relight.photo.lightness import (
    LightColour,
    change_lightness,
    lightness,
    luminance_ratio,
    to_luminance,
)
from tf_relight.photo.metadata import ForCopy, for_copy
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import Picture, resize, to_u8
from tf_relight.photo.reading import read_picture
from tf_relight.photo.transfer import LIGHTNESS_FOOT, transfer
from tf_relight.relighting.request import RelightOptions

if TYPE_CHECKING:
    from tf_relight.light.light import Light
    from tf_relight.methods.trained import LoadedModel

CROP_SIDE = 2.0  # of the face's height; in the network's training pictures it is 1.3
WHOLE_SIDE = 2.6  # a picture with one face that is no longer than so many of its heights is not cropped
_FADE = 0.3  # of the crop's side, over which the change dies out
_WEAVE = 1 / 128  # of the side: half the window in which the network's fine patterns are averaged out
_EVENNESS = 1e-3  # variance of lightness; windows with more of it hold edges of the photo
TRAINED_ON = (0.5, 1.1)  # first coefficients that reach the network as they are
FARTHEST = (0.4, 1.25)  # what those of ever dimmer and ever brighter lights come near
BRIGHTEST = 1.25  # largest shading of a visible surface; 0.74 to 1.29 in the network's training lights
DEMO_FACTOR = 0.7  # by which the official demo multiplies the light of a file
NEUTRAL_KELVIN = 6500.0
SPHERE_SHARE = 0.16  # side of the ball in the corner, of the picture's short side


Place = tuple[slice, slice, np.ndarray | None]
"""Rows, columns and weight (H, W) 0..1 of a part of the picture; None stands for 1 everywhere."""


@dataclass(frozen=True, eq=False)
class _Region:
    """One part of the picture that the network relights.

    Attributes:
        rows, columns: where it lies.
        before: (h, w) lightness at the network's size.
        window: (H, W) weight 0..1 of its change, or None for the whole picture.
    """

    rows: slice
    columns: slice
    before: np.ndarray
    window: np.ndarray | None


class PortraitRelighter:
    """A photo made ready for any number of lights.

    Attributes:
        faces: those that were found, the largest first.
        notes: sentences for the user, about a missing face for example.
    """

    def __init__(
        self,
        picture: Picture,
        loaded: LoadedModel,
        *,
        size: int | None = None,
        faces: Sequence[Face] | None = None,
        places: Sequence[Place] | None = None,
        settle: Callable[[int, np.ndarray, np.ndarray], np.ndarray] | None = None,
        own_light: Callable[[int, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        """Find the faces and prepare what does not depend on the light.

        Args:
            loaded: of a method that takes a light.
            size: long side in pixels at which the network works; None takes the size of its training.
            faces: None looks for them.
            places: the parts to relight, with the weight of their change in full; None takes those of the
                faces (`regions`), in which only people count. For films, whose parts must not jump.
            settle: makes of part i's lightness before and after, (h, w) at the network's size, what is shown.
                For films, too.
            own_light: returns the light (9,) that part i is in already, from its lightness at the network's
                size; None asks the network (`light_of_lightness`). For films, whose light is known already.
        """
        self.picture, self.loaded = picture, loaded
        self.faces = tuple(find_faces(picture.pixels) if faces is None else faces)
        self.notes: tuple[str, ...] = ()
        if not self.faces:
            self.notes = ("No face was found; the whole picture was relit, which may look wrong.",)
        self._side, self._settle = size or training_size(loaded), settle
        self._own_light = own_light or (lambda index, before: light_of_lightness(before, loaded))
        self._in_own_light: dict[int, np.ndarray] = {}
        self._lightness = lightness(picture.pixels)
        if places is None:
            places = [self._of_people(*place) for place in regions(picture.size, self.faces)]
        self._regions = [self._region(*place) for place in places]

    def relight(self, options: RelightOptions) -> Picture:
        """Return the picture under `options.light`; `options.size` is not looked at again.

        Raises:
            RelightError: no light, the network failed, or there is no face to keep the background of.
        """
        if options.light is None:
            raise RelightError("A portrait needs a light.")
        if options.paper:
            return relight_portrait(self.picture, self.loaded, options)
        if options.strength == 0:
            return with_sphere(self.picture, options)
        before = self._lightness
        after, reach = self.relit_lightness(options.light)
        reach = reach * np.float32(options.strength)
        if options.keep_background:
            reach *= self.person
        after = before + reach * (after - before)
        colour = light_colour(options, before, after)
        relit = change_lightness(self.picture.pixels, before, after, colour, reach)
        return with_sphere(self.picture.with_pixels(relit), options)

    def relit_lightness(self, light: Light) -> tuple[np.ndarray, np.ndarray]:
        """Return the lightness of the whole picture under another light, and how far that light reaches.

        Both are (H, W) float32 0..1; the lightness is that of the full change.
        """
        coefficients = network_light(light)
        change = np.zeros_like(self._lightness)
        reach = np.zeros_like(self._lightness)
        for index, region in enumerate(self._regions):
            place = region.rows, region.columns
            after = self._drawn(index, region.before, coefficients)
            if self._settle is not None:
                after = self._settle(index, region.before, after)
            full = self._lightness[place]
            relit = transfer(full[..., None], region.before[..., None], after[..., None], foot=LIGHTNESS_FOOT)
            window = np.ones_like(full) if region.window is None else region.window
            change[place] += window * (relit[..., 0] - full)
            reach[place] += window
        # Where faces stand close together, the mean of their changes counts.
        return self._lightness + change / np.maximum(reach, 1e-6), np.minimum(reach, 1)

    @functools.cached_property
    def person(self) -> np.ndarray:
        """How far each pixel belongs to the people, (H, W) float32 0..1; inside the crops only, if any.

        Raises:
            RelightError: no face was found.
        """
        if not self.faces:
            raise RelightError(
                "No face was found, so the background cannot be told from the person. "
                "Leave out --keep-background."
            )
        if self._regions[0].window is None:
            return person_mask(self.picture.pixels, self.faces)
        return np.ones_like(self._lightness)  # the crops leave the background out already

    def _drawn(self, index: int, before: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Return part `index` under a light: what differs between the network's answers to it and to its own.

        The network draws no photo exactly as it is, not even under the photo's own light: it is a little too
        dark, too soft, and has a weave. What both answers have in common is not the light's doing.
        """
        if index not in self._in_own_light:
            self._in_own_light[index] = self._run(before, in_range(self._own_light(index, before)))
        foot = np.float32(LIGHTNESS_FOOT)
        ratio = (self._run(before, coefficients) + foot) / (self._in_own_light[index] + foot)
        return without_weave(before, ratio * (before + foot) - foot)

    def _run(self, before: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        method, model = self.loaded.method, self.loaded.model
        port = method.info.light
        assert port is not None
        inputs: dict[str, Any] = {
            method.info.picture.name: np.asarray(before, np.float32)[..., None],
            port.name: light_input(port, coefficients),
        }
        return run_network(lambda: method.predict(model, **inputs)["relit"][..., 0])

    def _of_people(self, rows: slice, columns: slice, window: np.ndarray | None) -> Place:
        if window is None:
            return rows, columns, None
        # A patch of other background around a head would look like a halo.
        faces = [face.moved(-rows.start, -columns.start) for face in self.faces]
        return rows, columns, window * person_mask(self.picture.pixels[rows, columns], faces)

    def _region(self, rows: slice, columns: slice, window: np.ndarray | None) -> _Region:
        part = self._lightness[rows, columns]
        return _Region(rows, columns, resize(part, size_for_network(part.shape, self._side)), window)


def relight_portrait(picture: Picture, loaded: LoadedModel, options: RelightOptions) -> Picture:
    """Return the picture relit once, with the notes of `PortraitRelighter` among its own."""
    if options.light is None:
        raise RelightError("A portrait needs a light.")
    if options.paper:
        relit = picture.with_pixels(relight_as_paper(picture.pixels, loaded, options.light))
        return with_sphere(relit, options)
    relighter = PortraitRelighter(picture, loaded, size=options.size)
    relit = relighter.relight(options)
    return replace(relit, notes=relit.notes + relighter.notes)


def regions(size: tuple[int, int], faces: Sequence[Face]) -> list[Place]:
    """Return (rows, columns, weight) of the parts of a picture that are relit one by one.

    The whole picture when it is little more than one face, or has none; else a square around each face. The
    weight, (H, W) of the part, falls to 0 at its borders inside the picture; None stands for 1 everywhere.
    """
    height, width = size
    whole = slice(0, height), slice(0, width)
    if not faces or (len(faces) == 1 and max(size) <= WHOLE_SIDE * faces[0].height):
        return [(*whole, None)]
    found: list[Place] = []
    for face in faces:
        side = CROP_SIDE * face.height
        row, column = face.centre
        rows, down = _span(row, side, height)
        columns, across = _span(column, side, width)
        found.append((rows, columns, down[:, None] * across))
    return found


def _span(centre: float, side: float, end: int) -> tuple[slice, np.ndarray]:
    """Return where a crop lies along one axis, and its weight there."""
    first, last = max(0, round(centre - side / 2)), min(end, round(centre + side / 2))
    last = max(last, first + 1)
    places = np.arange(first, last, dtype=np.float32) + 0.5
    fade = max(1.0, _FADE * side)
    from_start = (places - first) / fade if first > 0 else np.ones_like(places)
    from_end = (last - places) / fade if last < end else np.ones_like(places)
    ramp = np.clip(np.minimum(from_start, from_end), 0, 1)
    return slice(first, last), ramp * ramp * (3 - 2 * ramp)


def size_for_network(size: tuple[int, ...], long_side: int) -> tuple[int, int]:
    """Return (height, width) of the same shape with the given long side; small faces grow, too."""
    scale = long_side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def without_weave(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return what the network drew, `after`, without the fine weave it leaves on even backgrounds and skin.

    The change of light is smoothed along the edges of `before`, both (h, w) lightness 0..1; texture is in
    `before` and stays.

    Source: the guided filter of He et al., "Guided Image Filtering", ECCV 2010.
    """
    side = 2 * max(1, round(_WEAVE * max(before.shape))) + 1

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)

    ratio = (after + LIGHTNESS_FOOT) / (before + LIGHTNESS_FOOT)
    mean_before, mean_ratio = mean(before), mean(ratio)
    slope = (mean(before * ratio) - mean_before * mean_ratio) / (
        mean(before * before) - mean_before**2 + _EVENNESS
    )
    smooth = mean(slope) * before + mean(mean_ratio - slope * mean_before)
    return np.clip(smooth * (before + LIGHTNESS_FOOT) - LIGHTNESS_FOOT, 0, 1).astype(np.float32)


def network_light(light: Light) -> np.ndarray:
    """Return the (9,) float32 luminance coefficients of a light, brought into the network's range.

    Raises:
        RelightError: the light is dark.
    """
    values = np.asarray(light.luminance, np.float64)
    if values[0] <= 1e-6:
        raise RelightError("The light is dark: its first coefficient is not above 0. Give another light.")
    return in_range(values)


def in_range(values: np.ndarray) -> np.ndarray:
    """Return a light (9,) as float32, as bright as those that the network was trained on.

    Lights of files can have any brightness, and a light straight from the camera would bleach the face. The
    result follows the light without a jump: brightness inside the range stays, outside it levels off.
    """
    first = max(float(values[0]), 1e-6)
    (least, most), (lowest, highest) = TRAINED_ON, FARTHEST
    if first > most:
        wanted = highest - (highest - most) * np.exp((most - first) / (highest - most))
    elif first < least:
        wanted = lowest + (least - lowest) * np.exp((first - least) / (least - lowest))
    else:
        wanted = first
    scaled = np.asarray(values, np.float64) * (wanted / first)
    brightest = float(shading(visible_normals(), scaled).max())
    return (scaled * min(1.0, BRIGHTEST / max(brightest, 1e-6))).astype(np.float32)


def light_of_lightness(before: np.ndarray, loaded: LoadedModel) -> np.ndarray:
    """Return the light (9,) that a method reads from lightness (h, w) 0..1."""
    from tf_relight.light.light import Light

    grey = np.clip(linear_to_srgb(to_luminance(before)), 0, 1)
    return Light.from_photo(loaded, np.repeat(grey[..., None], 3, axis=2)).luminance


@functools.cache
def visible_normals() -> np.ndarray:
    """Return unit normals that the camera sees, (n, 3) in DPR's frame."""
    x, z = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    inside = x * x + z * z < 0.99
    return np.stack([x[inside], -np.sqrt(1 - x[inside] ** 2 - z[inside] ** 2), z[inside]], axis=-1)


def light_colour(options: RelightOptions, before: np.ndarray, after: np.ndarray) -> LightColour | None:
    """Return the colour of the light in `options` for a change of lightness (H, W), None when neutral.

    A temperature colours the directed part of the light and leaves what reaches the shadows neutral.
    """
    assert options.light is not None
    received = np.maximum(shading(visible_normals(), options.light.coefficients), 0)
    brightness = received.mean(axis=1)
    shadow, lit = received[brightness.argmin()] + 1e-3, received[brightness.argmax()] + 1e-3
    if options.temperature is not None:
        tint = planckian_rgb(options.temperature) / planckian_rgb(NEUTRAL_KELVIN)
        shadow = np.full(3, shadow.mean())
        lit = shadow + (lit.mean() - shadow.mean()) * tint
    elif np.ptp(shadow) < 1e-3 * shadow.mean() and np.ptp(lit) < 1e-3 * lit.mean():
        return None
    step = max(1, max(before.shape) // 512)
    ratio = luminance_ratio(before[::step, ::step], after[::step, ::step])
    return LightColour(shadow, lit, float(np.percentile(ratio, 95)))


def relight_as_paper(pixels: np.ndarray, loaded: LoadedModel, light: Light) -> np.ndarray:
    """Return (H, W, 3) float32 sRGB 0..1 exactly as the method's official demo makes it.

    Differs from `PortraitRelighter`: whole picture squeezed to a square, 8-bit Lab, no transfer to full size.
    """
    coefficients = np.asarray(light.luminance * DEMO_FACTOR, np.float32)
    image, method = to_u8(pixels), loaded.method
    relit = run_network(lambda: method.relight_paper(loaded.model, image, coefficients))
    return relit.astype(np.float32) / 255


def with_sphere(picture: Picture, options: RelightOptions) -> Picture:
    """Return the picture with a ball under the light in its lower right corner, if the options ask for it."""
    if not options.sphere or options.light is None:
        return picture
    height, width = picture.size
    side = max(1, round(SPHERE_SHARE * min(height, width)))
    ball = coloured(options.light, options.temperature).sphere(side).astype(np.float32) / 255
    across = (np.arange(side, dtype=np.float32) + 0.5) - side / 2
    # A soft edge one pixel wide.
    cover = np.clip(side / 2 - np.hypot(across[:, None], across), 0, 1)[..., None]
    gap = side // 8
    top, left = max(0, height - side - gap), max(0, width - side - gap)
    pixels = picture.pixels.copy()
    place = pixels[top : top + side, left : left + side]
    place += cover * (ball - place)
    alpha = picture.alpha
    if alpha is not None:
        alpha = alpha.copy()
        corner = alpha[top : top + side, left : left + side]
        np.maximum(corner, cover, out=corner)
    return replace(picture, pixels=pixels, alpha=alpha)


def coloured(light: Light, temperature: float | None) -> Light:
    """Return the light in the colour of a temperature in kelvin; None leaves its own."""
    if temperature is None:
        return light
    tint = planckian_rgb(temperature) / planckian_rgb(NEUTRAL_KELVIN)
    return type(light).from_array(light.luminance[:, None] * tint)


def write_as_paper(path: Path, picture: Picture, *, strip: bool = False) -> tuple[str, ...]:
    """Write a JPEG as the official demo does: OpenCV's quality 95 with halved colour resolution.

    What the photo's file says beside its pixels is kept unless `strip`.

    Returns:
        sentences about what the format could not keep.
    """
    encoded = cv2.imencode(".jpg", to_u8(picture.pixels)[..., ::-1])[1].tobytes()
    copy = ForCopy() if strip else for_copy(picture.metadata, picture.size)
    encoded, too_large = jpeg_with(encoded, copy)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
    lost = ["transparency"] if picture.alpha is not None else []
    lost += ["16 bits"] if picture.bits == 16 else []
    notes = [f"{path.name}: {note}" for note in (*copy.notes, *too_large)]
    if lost:
        notes.append(f"{path.name}: the official demo's JPEG has no {' and no '.join(lost)}.")
    return tuple(notes)


def light_of_photo(path: Path | str, loaded: LoadedModel) -> Light:
    """Return the light of another photo, from its largest face.

    Raises:
        RelightError: a file that cannot be read, or a method that does not estimate light.
    """
    from tf_relight.light.light import Light

    picture = read_picture(path)
    faces = find_faces(picture.pixels)
    if not faces:
        logging.getLogger(__name__).warning("%s: no face was found to read the light from.", path)
    rows, columns, _ = regions(picture.size, faces[:1])[0]
    crop = picture.pixels[rows, columns]
    return Light.from_photo(loaded, resize(crop, size_for_network(crop.shape, training_size(loaded))))
