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

from tf_relight.contract.card import COEFFICIENTS
from tf_relight.errors import RelightError
from tf_relight.methods.method import light_input
from tf_relight.networks.running import run_network, training_size
from tf_relight.photo.faces import Face, find_faces
from tf_relight.photo.light_tables import from_linear, to_linear
from tf_relight.photo.lightness import (
    LightColour,
    from_luminance,
    keep_unreached,
    lightness,
    luminance_of,
    relit_strip,
)
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import Picture, as_float, is_stored, resize
from tf_relight.photo.reading import read_picture
from tf_relight.photo.strips import by_strips
from tf_relight.photo.transfer import LIGHTNESS_FOOT, Change, fit_change
from tf_relight.relighting.ball import with_sphere
from tf_relight.relighting.face_places import Place, regions, size_for_network
from tf_relight.relighting.light_range import exposed, luminance_of_light, network_light
from tf_relight.relighting.light_tint import has_colour, light_colour
from tf_relight.relighting.official_demo import relight_as_paper
from tf_relight.relighting.request import RelightOptions
from tf_relight.relighting.squares import as_square
from tf_relight.relighting.turning import turn_of, turned

if TYPE_CHECKING:
    from tf_relight.light.light import Light
    from tf_relight.methods.trained import LoadedModel

WEAVE = 1 / 128  # of the side: half the window in which the network's fine patterns are averaged out
_NEAR = 4  # times the network's size, at which the lightness of a photo's pixels is computed
_LOOKED_AT = 512  # pixels along the long side that are looked at to tell how bright the lit side became
EVENNESS = 1e-3  # variance of lightness; windows with more of it hold edges of the photo
NO_LIGHT = np.zeros(COEFFICIENTS, np.float32)


@dataclass(frozen=True, eq=False)
class _Region:
    """One part of the picture that the network relights.

    Attributes:
        rows, columns: where it lies.
        before: (h, w) lightness at the network's size.
        window: (H, W) weight 0..1 of its change, or None for the whole picture.
        turn: degrees by which its head is turned clockwise against how the network sees it.
    """

    rows: slice
    columns: slice
    before: np.ndarray
    window: np.ndarray | None
    turn: float

    @functools.cached_property
    def seen(self) -> np.ndarray:
        """(S, S) lightness as the network sees it."""
        return turned(as_square(np.asarray(self.before, np.float32))[0], -self.turn)

    def back(self, seen: np.ndarray) -> np.ndarray:
        """Return (h, w) of what is known (S, S) as the network sees it."""
        return turned(seen, self.turn)[as_square(self.before)[1]]


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
        softness: Callable[[int, np.ndarray, np.ndarray], float] | None = None,
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
            softness: of the same, how soft after is against before, see `photo.transfer`; None measures it.
        """
        self.picture, self.loaded = picture, loaded
        self.faces = tuple(find_faces(picture.stored) if faces is None else faces)
        self.notes: tuple[str, ...] = ()
        if not self.faces:
            self.notes = ("No face was found; the whole picture was relit, which may look wrong.",)
        self._side, self._settle, self._softness = size or training_size(loaded), settle, softness
        self._people: dict[int, np.ndarray] = {}  # how far each pixel of a part belongs to people
        self._own: dict[int, np.ndarray] = {}  # light of each part
        self._in_own_light: dict[tuple[int, bytes], np.ndarray] = {}  # what is drawn under it
        if places is None:
            places = [self._of_people(*place) for place in regions(picture.size, self.faces)]
        turns = [turn_of(face.tilt) for face in self.faces]
        turns += [0.0] * (len(places) - len(turns))  # the whole of a picture without a face
        self._regions = [self._region(*place, turn) for place, turn in zip(places, turns, strict=True)]

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
        person = self.person if options.keep_background else None
        changes = self._changes(options.light)
        colour = self._colour(options, changes, person)
        pixels = self.picture.stored
        result = np.empty(pixels.shape, pixels.dtype if is_stored(pixels) else np.float32)

        def work(rows: slice) -> None:
            old = to_linear(pixels[rows])
            brightness = luminance_of(old)
            before = from_luminance(brightness)
            after, reach = self._after(changes, before, rows, options.strength, person)
            from_linear(relit_strip(old, brightness, after, colour, reach), result[rows])
            if isinstance(reach, np.ndarray):
                keep_unreached(result[rows], pixels[rows], reach)

        by_strips(pixels.shape, work)
        return with_sphere(self.picture.with_pixels(result), options)

    def _changes(self, light: Light) -> list[Change]:
        """Return for each part how its lightness changes under another light."""
        changes = []
        for index, region in enumerate(self._regions):
            before = region.before
            after = self._drawn(index, before, light)
            if self._settle is not None:
                after = self._settle(index, before, after)
            soft = None if self._softness is None else self._softness(index, before, after)
            changes.append(
                fit_change(before[..., None], after[..., None], foot=LIGHTNESS_FOOT, softness=soft)
            )
        return changes

    def _after(
        self,
        changes: Sequence[Change],
        before: np.ndarray,
        rows: slice,
        strength: float,
        person: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray | float]:
        """Return the new lightness of some rows, and how far the light reaches there, 0..1.

        Args:
            before: (n, W) their lightness. rows: which of the picture; a step leaves rows out.
            person: (H, W) of the whole picture, 0..1 of how far a pixel may change; None is 1 everywhere.
        """
        change, reach = np.zeros_like(before), np.zeros_like(before)
        for region, part_change in zip(self._regions, changes, strict=True):
            inside, seen = _common(region.rows, rows)
            if inside.stop <= inside.start:
                continue
            place = seen, region.columns
            full = before[place]
            height = region.rows.stop - region.rows.start
            relit = part_change.apply(full[..., None], inside, height)[..., 0]
            if region.window is None and len(changes) == 1 and person is None:
                return before + np.float32(strength) * (relit - before), strength
            window = np.float32(1) if region.window is None else region.window[inside]
            change[place] += window * (relit - full)
            reach[place] += window
        # Where faces stand close together, the mean of their changes counts.
        change /= np.maximum(reach, 1e-6)
        np.minimum(reach, 1, out=reach)
        reach *= np.float32(strength)
        if person is not None:
            reach *= person[rows]
        return before + reach * change, reach

    def _colour(
        self, options: RelightOptions, changes: Sequence[Change], person: np.ndarray | None
    ) -> LightColour | None:
        """Return the colour of the light; how bright its lit side is, is looked up in a few rows."""
        if not has_colour(options):
            return None
        step = max(1, max(self.picture.size) // _LOOKED_AT)
        rows = slice(0, self.picture.size[0], step)
        before = lightness(self.picture.stored[rows])
        after, _ = self._after(changes, before, rows, options.strength, person)
        return light_colour(options, before[:, ::step], after[:, ::step])

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
            return person_mask(self.picture.stored, self.faces)
        return np.ones(self.picture.size, np.float32)  # the crops leave the background out already

    def _drawn(self, index: int, before: np.ndarray, light: Light) -> np.ndarray:
        """Return part `index` under a light: what differs between the network's answers to it and to its own.

        The network draws no photo exactly as it is, not even under the photo's own light: it is a little too
        dark, too soft, and has a weave. What both answers have in common is not the light's doing. Of a
        network that does not read light, the answer counts as it is.
        """
        port, source = self.loaded.method.info.light, self.loaded.method.info.source_light
        assert port is not None
        region, foot = self._regions[index], np.float32(LIGHTNESS_FOOT)
        light = light.rotate(roll=-region.turn) if region.turn else light
        if source is None:
            after = self._run(region, network_light(light, port.domain))["relit"]
            ratio = region.back((after + foot) / (region.seen + foot))
            return without_weave(before, ratio * (before + foot) - foot)
        if index not in self._own:
            self._own[index] = luminance_of_light(self._run(region, NO_LIGHT)[source.name])
        numbers, own, gain = exposed(light, port.domain, self._own[index])
        assert own is not None
        key = index, own.tobytes()
        if key not in self._in_own_light:
            self._in_own_light[key] = self._run(region, own)["relit"]
        after = self._run(region, numbers)["relit"]
        ratio = region.back((after + foot) / (self._in_own_light[key] + foot))
        return without_weave(before, self._gain(index, before, gain) * ratio * (before + foot) - foot)

    def _gain(self, index: int, before: np.ndarray, gain: float) -> np.ndarray | np.float32:
        """Return the factor of the exposure, which people get and what is behind them does not."""
        region = self._regions[index]
        if not self.faces or gain == 1 or region.window is not None:  # a window holds people alone
            return np.float32(gain)
        if index not in self._people:
            part = self.picture.stored[region.rows, region.columns]
            faces = [face.moved(-region.rows.start, -region.columns.start) for face in self.faces]
            self._people[index] = person_mask(part, faces, before.shape)
        return 1 + np.float32(gain - 1) * self._people[index]

    def _run(self, region: _Region, coefficients: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the network answers to a part as it sees it: "relit" (S, S), and its own light."""
        method, model = self.loaded.method, self.loaded.model
        port = method.info.light
        assert port is not None
        inputs: dict[str, Any] = {
            method.info.picture.name: region.seen[..., None],
            port.name: light_input(port, coefficients),
        }
        outputs = run_network(lambda: method.predict(model, **inputs))
        return {**outputs, "relit": outputs["relit"][..., 0]}

    def _of_people(self, rows: slice, columns: slice, window: np.ndarray | None) -> Place:
        if window is None:
            return rows, columns, None
        # A patch of other background around a head would look like a halo.
        faces = [face.moved(-rows.start, -columns.start) for face in self.faces]
        return rows, columns, window * person_mask(self.picture.stored[rows, columns], faces)

    def _region(self, rows: slice, columns: slice, window: np.ndarray | None, turn: float) -> _Region:
        part = self.picture.stored[rows, columns]
        size = size_for_network(part.shape[:2], self._side)
        # Of a large photo the lightness of each pixel would take longer than the network does.
        near = min(part.shape[0], _NEAR * size[0]), min(part.shape[1], _NEAR * size[1])
        if near != part.shape[:2]:
            part = resize(np.ascontiguousarray(part), near, "area")
        return _Region(rows, columns, resize(lightness(part), size), window, turn)


def relight_portrait(
    picture: Picture, loaded: LoadedModel, options: RelightOptions, faces: Sequence[Face] | None = None
) -> Picture:
    """Return the picture relit once, with the notes of `PortraitRelighter` among its own."""
    if options.light is None:
        raise RelightError("A portrait needs a light.")
    if options.paper:
        relit = picture.with_pixels(relight_as_paper(picture.pixels, loaded, options.light))
        return with_sphere(relit, options)
    relighter = PortraitRelighter(picture, loaded, size=options.size, faces=faces)
    relit = relighter.relight(options)
    return replace(relit, notes=relit.notes + relighter.notes)


def without_weave(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return what the network drew, `after`, without the fine weave it leaves on even backgrounds and skin.

    The change of light is smoothed along the edges of `before`, both (h, w) lightness 0..1; texture is in
    `before` and stays.

    Source: the guided filter of He et al., "Guided Image Filtering", ECCV 2010.
    """
    side = 2 * max(1, round(WEAVE * max(before.shape))) + 1

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)

    ratio = (after + LIGHTNESS_FOOT) / (before + LIGHTNESS_FOOT)
    mean_before, mean_ratio = mean(before), mean(ratio)
    slope = (mean(before * ratio) - mean_before * mean_ratio) / (
        mean(before * before) - mean_before**2 + EVENNESS
    )
    smooth = mean(slope) * before + mean(mean_ratio - slope * mean_before)
    return np.clip(smooth * (before + LIGHTNESS_FOOT) - LIGHTNESS_FOOT, 0, 1).astype(np.float32)


def _common(part: slice, rows: slice) -> tuple[slice, slice]:
    """Return which rows of a part are among `rows`, and which of `rows` they are."""
    step = rows.step or 1
    first = max(0, -((rows.start - part.start) // step)) if rows.start < part.start else 0
    count = len(range(rows.start, min(rows.stop, part.stop), step))
    start = rows.start + first * step - part.start
    return slice(start, start + (count - first) * step, step), slice(first, count)


def light_of_photo(path: Path | str, loaded: LoadedModel) -> Light:
    """Return the light of another photo, from its largest face.

    Raises:
        RelightError: a file that cannot be read, or a method that does not estimate light.
    """
    from tf_relight.light.light import Light

    picture = read_picture(path)
    faces = find_faces(picture.stored)
    if not faces:
        logging.getLogger(__name__).warning("%s: no face was found to read the light from.", path)
    rows, columns, _ = regions(picture.size, faces[:1])[0]
    crop = np.ascontiguousarray(picture.stored[rows, columns])
    small = as_square(as_float(resize(crop, size_for_network(crop.shape, training_size(loaded)))))[0]
    turn = turn_of(faces[0].tilt) if faces else 0.0
    light = Light.from_photo(loaded, turned(small, -turn)).rotate(roll=turn)
    # How bright the other photo was is not copied: a physical light follows the exposure of the relit photo.
    return light.told_in("linear").normalised()
