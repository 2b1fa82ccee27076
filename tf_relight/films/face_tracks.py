"""Faces in a film: found now and then, linked over time, and smoothed so that nothing jumps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from tf_relight.films.film import Frame, Glance
from tf_relight.photo.faces import Face, find_faces

LOOKS_PER_SECOND = 6.0
_SMOOTH = 0.3  # seconds; standard deviation of the weights over a face's places
_LONGEST_GAP = 1.0  # seconds a face may be missed, as when it is turned away
_FADE = 0.4  # seconds over which a face that comes or goes is relit more and more
_SAME = 0.2  # least overlap of two boxes of one face
_CUT = 0.15  # mean difference of two frames, of 1, that can be a cut
_CUT_RATIO = 4.0  # and how much larger than usual it must be
THUMBNAIL = 32
"""Side in pixels of the copies that tell cuts."""


@dataclass
class _Track:
    """One face over time: times in seconds, and (left, top, width, height, tilt) then."""

    times: list[float] = field(default_factory=list)
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    confidence: float = 0.0

    def add(self, time: float, face: Face) -> None:
        self.times.append(time)
        # From one look to the next a head turns less than half around: degrees go on without a jump.
        last = self.boxes[-1][4] if self.boxes else 0.0
        tilt = face.tilt + 360 * round((last - face.tilt) / 360)
        self.boxes.append((face.left, face.top, face.width, face.height, tilt))
        self.confidence = max(self.confidence, face.confidence)


@dataclass(frozen=True)
class TrackedFace:
    """A face of one frame.

    Attributes:
        face: its smoothed box.
        weight: 0..1, below 1 where it comes or goes.
        number: which track of its shot it belongs to.
    """

    face: Face
    weight: float
    number: int


@dataclass(frozen=True)
class Shot:
    """What lies between two cuts.

    Attributes:
        begin, end: seconds; the end belongs to the next shot.
        tracks: the faces in it.
    """

    begin: float
    end: float
    tracks: tuple[_Track, ...]

    def faces_at(self, time: float) -> list[TrackedFace]:
        """Return the faces at a time."""
        found = [self._at(number, time) for number in range(len(self.tracks))]
        return [each for each in found if each is not None]

    def _at(self, number: int, time: float) -> TrackedFace | None:
        track = self.tracks[number]
        first, last = track.times[0], track.times[-1]
        # A face that was there from the first look of the shot was there before, too.
        comes = 1.0 if first - self.begin <= _FADE else _ramp((time - first + _FADE) / _FADE)
        goes = 1.0 if self.end - last <= _FADE else _ramp((last + _FADE - time) / _FADE)
        if min(comes, goes) <= 0:
            return None
        left, top, width, height, tilt = (float(value) for value in _smooth_box(track, time))
        face = Face(left, top, width, height, track.confidence, tilt=tilt)
        return TrackedFace(face, min(comes, goes), number)

    def usual_height(self) -> float:
        """Return the median height in pixels of the faces, 0 without any."""
        heights = [box[3] for track in self.tracks for box in track.boxes]
        return float(np.median(heights)) if heights else 0.0


class FaceFinder:
    """Looks at the frames of a film in order; `shots` then says where the faces are."""

    def __init__(self, rate: float) -> None:
        """Make ready for a film of `rate` frames per second."""
        self._step = max(1, round(rate / LOOKS_PER_SECOND))
        self._frame = 1 / rate
        self._since = 0
        self._before: np.ndarray | None = None
        self._usual = 0.0
        self._begins: list[float] = []
        self._tracks: list[list[_Track]] = []
        self._end = 0.0

    def look(self, frame: Frame | Glance) -> None:
        """Take in the next frame."""
        time = float(frame.time)
        if self._is_cut(_thumbnail(frame)):
            self._begins.append(time)
            self._tracks.append([])
            self._since = 0
        if self._since % self._step == 0:
            self._link(time, find_faces(frame.pixels))
        self._since += 1
        self._end = time + self._frame

    def shots(self) -> list[Shot]:
        """Return the shots with their faces; boxes that appear only once are mistakes of the detector."""
        ends = [*self._begins[1:], self._end]
        look = self._step * self._frame
        shots = []
        for begin, end, tracks in zip(self._begins, ends, self._tracks, strict=True):
            looks = max(1.0, (end - begin) / look)
            kept = tuple(track for track in tracks if len(track.times) >= min(2, looks))
            shots.append(Shot(begin, end, kept))
        return shots

    def _is_cut(self, thumbnail: np.ndarray) -> bool:
        """Return whether a new shot begins, from a small copy of the frame; the first frame always does."""
        small = thumbnail / np.float32(255)
        before, self._before = self._before, small
        if before is None:
            return True
        change = float(np.abs(small - before).mean())
        is_cut = change > _CUT and change > _CUT_RATIO * self._usual
        if not is_cut:
            self._usual = 0.8 * self._usual + 0.2 * change
        return is_cut

    def _link(self, time: float, faces: Iterable[Face]) -> None:
        """Add each face to the track whose last box it overlaps most, or to a new one."""
        free = [track for track in self._tracks[-1] if time - track.times[-1] <= _LONGEST_GAP]
        for face in faces:
            box = face.left, face.top, face.width, face.height
            best = max(free, key=lambda track: overlap(track.boxes[-1], box), default=None)
            if best is None or overlap(best.boxes[-1], box) < _SAME:
                best = _Track()
                self._tracks[-1].append(best)
            else:
                free.remove(best)
            best.add(time, face)


def _thumbnail(frame: Frame | Glance) -> np.ndarray:
    if isinstance(frame, Glance):
        return frame.thumbnail
    return cv2.resize(frame.pixels, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the intersection over the union of two boxes (left, top, width, height)."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / (a[2] * a[3] + b[2] * b[3] - across * down)


def _smooth_box(track: _Track, time: float) -> np.ndarray:
    """Return the box at a time: a weighted line through the boxes around it, which lags behind no motion."""
    times, boxes = np.array(track.times), np.array(track.boxes)
    time = float(np.clip(time, times[0], times[-1]))
    away = times - time
    nearest = float(np.abs(away).min())
    weight = np.exp(-0.5 * (away / max(_SMOOTH, nearest)) ** 2)
    weight /= weight.sum()
    middle, mean = float(weight @ away), weight @ boxes
    spread = float(weight @ (away - middle) ** 2)
    if spread < 1e-6:
        return mean
    slope = (weight * (away - middle)) @ (boxes - mean) / spread
    line = mean - middle * slope
    line[2:] = np.maximum(line[2:], 1.0)
    return line


def _ramp(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)
