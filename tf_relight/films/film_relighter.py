"""Relighting the frames of a film one after another, so that neither crops nor masks jump."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tf_relight.films.face_tracks import Shot, TrackedFace
from tf_relight.films.film import Frame
from tf_relight.films.light_path import LightPath
from tf_relight.photo.faces import Face
from tf_relight.photo.people import person_mask
from tf_relight.photo.picture import Picture, as_float, to_u8
from tf_relight.photo.transfer import LIGHTNESS_FOOT, measure_softness
from tf_relight.relighting.ball import with_sphere
from tf_relight.relighting.face_places import CROP_SIDE, WHOLE_SIDE, Place
from tf_relight.relighting.portraits import PortraitRelighter
from tf_relight.relighting.request import RelightOptions

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

_FADE = 0.3  # of the crop's side, over which the change dies out
_STILL = 0.03  # change of colour, of 1, well below which a place of the film stands still
_HOLD = 0.85  # share of the last frame's mask where it does
_HOLD_GAIN = 0.7  # share of the last frame's gain of light where neither the face nor the gain changes
_STEADY = 0.15  # change of the gain's logarithm well below which it is flicker
_NETWORK_REACH = 9  # pixels of the network's picture around which changes are averaged
_LOOKED_AT = 256  # pixels of the crop on which the person's border is found
_NEAR = 1 / 64  # of the short side: how far motion counts around it


class FilmRelighter:
    """Relights frames that come in order.

    Differs: `PortraitRelighter` decides for each photo anew which parts to relight; here that is decided once
    per shot, crops are squares inside the picture, faces that come or go are faded, and the person's outline
    is held where nothing moves.
    """

    def __init__(
        self,
        size: tuple[int, int],
        shots: Sequence[Shot],
        loaded: LoadedModel,
        options: RelightOptions,
        path: LightPath | None = None,
    ) -> None:
        """Make ready for frames of one size.

        Args:
            loaded: of a method that takes a light.
            options: its light is used where there is no path.
        """
        self._size, self._shots, self._loaded, self._path = size, list(shots), loaded, path
        self._keep_background = options.keep_background
        self._options = replace(options, keep_background=False)  # the windows leave it out
        self._has_faces = any(shot.tracks for shot in shots)
        self._shot = -1
        self._before: np.ndarray | None = None
        self._person: np.ndarray | None = None
        self._last: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._softness: dict[int, float] = {}

    def relight(self, frame: Frame) -> np.ndarray:
        """Return the relit frame, (H, W, 3) uint8 sRGB; one without people in a film with people as it is."""
        time = float(frame.time)
        index = max(0, bisect.bisect_right([shot.begin for shot in self._shots], time) - 1)
        if index != self._shot:
            self._shot = index
            self._forget()
        options = self._options
        if self._path is not None:
            options = replace(options, light=self._path.at(time))
        picture = Picture(frame.pixels)
        faces = self._shots[index].faces_at(time) if self._shots else []
        if self._has_faces and not faces:
            self._forget()
            return to_u8(with_sphere(picture, options).stored)
        pixels = frame.pixels
        places = self._places(pixels, self._shots[index], faces) if faces else [_whole(self._size)]
        numbers = [each.number for each in faces] or [0]
        rows, columns = _around(places)
        relighter = PortraitRelighter(
            Picture(pixels[rows, columns]),
            self._loaded,
            size=options.size,
            faces=[each.face.moved(-rows.start, -columns.start) for each in faces],
            places=[_moved(place, rows.start, columns.start) for place in places],
            settle=lambda part, before, after: self._settled(numbers[part], before, after),
            softness=lambda part, before, after: self._softness_of(numbers[part], before, after),
        )
        self._before = pixels
        relit = pixels.copy()
        relit[rows, columns] = to_u8(relighter.relight(replace(options, sphere=False)).stored)
        return to_u8(with_sphere(Picture(relit), options).stored)

    def _forget(self) -> None:
        """Begin anew, as at a cut."""
        self._before = self._person = None
        self._last, self._softness = {}, {}

    def _softness_of(self, number: int, before: np.ndarray, after: np.ndarray) -> float:
        """Return how soft the network draws a face: once for a shot, as texture must not come and go."""
        if number not in self._softness:
            self._softness[number] = measure_softness(before[..., None], after[..., None], LIGHTNESS_FOOT)
        return self._softness[number]

    def _settled(self, number: int, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Return a face's new lightness with less flicker: where little changes, its gain is held.

        Crops follow their face, so that its features stay in their place.
        """
        gain = np.log((after + LIGHTNESS_FOOT) / (before + LIGHTNESS_FOOT))
        last = self._last.get(number)
        if last is not None and last[0].shape == before.shape:
            moved = cv2.blur(np.abs(before - last[0]), (_NETWORK_REACH, _NETWORK_REACH))
            changed = cv2.blur(np.abs(gain - last[1]), (_NETWORK_REACH, _NETWORK_REACH))
            hold = _HOLD_GAIN * np.exp(-((moved / _STILL) ** 2) - (changed / _STEADY) ** 2)
            gain += hold * (last[1] - gain)
        self._last[number] = before, gain
        settled = np.exp(gain) * (before + LIGHTNESS_FOOT) - LIGHTNESS_FOOT
        return np.clip(settled, 0, 1).astype(np.float32)

    def _places(self, pixels: np.ndarray, shot: Shot, faces: Sequence[TrackedFace]) -> list[Place]:
        is_close = len(shot.tracks) == 1 and max(self._size) <= WHOLE_SIDE * shot.usual_height()
        if is_close and faces[0].weight == 1 and not self._keep_background:
            return [_whole(self._size)]
        people = [each.face for each in faces]
        places: list[Place] = []
        for each in faces:
            rows, columns, window = _whole(self._size) if is_close else face_crop(self._size, each.face)
            weight = np.float32(each.weight) * (np.ones(self._size, np.float32) if window is None else window)
            if self._keep_background or not is_close:
                weight *= self._people_in(pixels, rows, columns, people)
            places.append((rows, columns, weight))
        return places

    def _people_in(
        self, pixels: np.ndarray, rows: slice, columns: slice, faces: Sequence[Face]
    ) -> np.ndarray:
        """Return how far each pixel of a part belongs to people; where nothing moves, much as before."""
        part = as_float(pixels[rows, columns])
        mask = person_mask(
            part, [face.moved(-rows.start, -columns.start) for face in faces], looked_at=_LOOKED_AT
        )
        if self._person is None:
            self._person = np.full(self._size, np.nan, np.float32)
        old = self._person[rows, columns]
        if self._before is not None:
            moved = np.abs(part - as_float(self._before[rows, columns])).max(axis=2)
            reach = 2 * max(1, round(_NEAR * min(self._size))) + 1
            moved = cv2.blur(moved, (reach, reach))
            hold = np.float32(_HOLD) * np.exp(-((moved / np.float32(_STILL)) ** 2))
            mask = np.where(np.isnan(old), mask, mask + hold * (old - mask))
        self._person[rows, columns] = mask
        return mask


def face_crop(size: tuple[int, int], face: Face) -> Place:
    """Return the square to relight for a face, and the weight of its change, which fades from its middle.

    The square lies inside the picture, so that the network always sees the same shape. The weight depends on
    the face alone, not on where the picture ends: as the face moves, it moves.
    """
    wanted = CROP_SIDE * face.height
    side = max(1, min(round(wanted), *size))
    spans, ramps = [], []
    for centre, extent in zip(face.centre, size, strict=True):
        first = int(np.clip(round(centre - side / 2), 0, extent - side))
        # Along an axis that is seen in full the change may go beyond the picture.
        reach = wanted if side == extent else side
        places = np.arange(first, first + side, dtype=np.float32) + np.float32(0.5)
        ramp = np.clip((reach / 2 - np.abs(places - centre)) / (_FADE * reach), 0, 1)
        spans.append(slice(first, first + side))
        ramps.append((ramp * ramp * (3 - 2 * ramp)).astype(np.float32))
    return spans[0], spans[1], ramps[0][:, None] * ramps[1]


def _around(places: Sequence[Place]) -> tuple[slice, slice]:
    """Return rows and columns that hold all places; what lies outside stays as it is."""
    rows, columns = zip(*((place[0], place[1]) for place in places), strict=True)
    return (
        slice(min(each.start for each in rows), max(each.stop for each in rows)),
        slice(min(each.start for each in columns), max(each.stop for each in columns)),
    )


def _moved(place: Place, down: int, right: int) -> Place:
    """Return a place in a part of the frame whose corner lies there."""
    rows, columns, weight = place
    return (
        slice(rows.start - down, rows.stop - down),
        slice(columns.start - right, columns.stop - right),
        weight,
    )


def _whole(size: tuple[int, int]) -> Place:
    return slice(0, size[0]), slice(0, size[1]), None
