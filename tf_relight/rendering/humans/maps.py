"""A rendered head in memory, and its picture under any lamps, cast shadows included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from tf_relight.light.lightness_light import EXPONENT
from tf_relight.rendering.humans.gbuffers import GBuffers
from tf_relight.rendering.humans.lamps import Lamps
from tf_relight.rendering.humans.parts import KINDS
from tf_relight.rendering.humans.textures import TO_LINEAR

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_TO_DPR = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float32)
"""From x right, y up, z toward the camera to frame "dpr", as v @ _TO_DPR."""
_EYES_TO_CHIN = 1 / 1.65
_CAMERA = np.array([0, -1, 0], np.float32)
_FACE = ("skin", "eye", "brow", "teeth", "beard")
_BRIGHT = 0.15
"""Directions with less of the brightest one's light add no highlight of their own."""
_WET_EXPONENT, _WET_SHEEN = 400.0, 3.0
"""Of the highlight on eyes: a catchlight, small and bright, whatever the skin is like."""


@dataclass(frozen=True, eq=False)
class Surface:
    """How a head's surfaces answer a lamp.

    Attributes:
        sheen: strength of the highlight. exponent: of the highlight's lobe on skin and hair.
        roughness: of the matt part, radians; 0 is Lambert's. A rough face stays bright to its edges under a
            flash, as photographed faces do.
    """

    sheen: float
    exponent: float
    roughness: float = 0.0


class HumanMaps:
    """The maps of a head that pictures are formed from.

    Attributes:
        size: side in pixels. directions: (64, 3) in frame "dpr".
        face: (row, column, height) in pixels: its middle, and its height from the chin to the hairline.
        overcast: (S, S) uint8, lightness under an even sky.
    """

    def __init__(self, buffers: GBuffers, colours: bool) -> None:
        """Work out what does not depend on the light.

        Args:
            colours: also keep colours; without, pictures are lightness.
        """
        self.size = buffers.size
        self.directions = np.ascontiguousarray(buffers.directions @ _TO_DPR)
        self._visible = buffers.visible
        self._normal = (buffers.normal.astype(np.float32) @ _TO_DPR).astype(np.int8)
        linear = TO_LINEAR[buffers.albedo]
        self._albedo = (linear @ LUMINANCE).astype(np.float16)
        self._coverage, self._skin, self._gloss = buffers.coverage, buffers.skin, buffers.gloss
        self._face = np.isin(buffers.kind, [KINDS.index(name) for name in _FACE])
        self._wet = buffers.kind == KINDS.index("eye")
        self._background = _lightness_byte(TO_LINEAR[buffers.background] @ LUMINANCE)
        self._colours = (buffers.albedo, buffers.background) if colours else None
        self._sky = self._sky_moments()
        self.face = _face_place(buffers)
        even = Lamps(np.zeros(len(self.directions), np.float32), 1.0, np.zeros(3))
        whole = slice(0, self.size)
        self.overcast = np.round(255 * self.lightness(even, 0.85, (whole, whole), None, 0.0)).astype(np.uint8)

    def lightness(
        self,
        lamps: Lamps,
        exposure: float,
        window: tuple[slice, slice],
        surface: Surface | None,
        bounce: float,
        exponent: float = EXPONENT,
    ) -> np.ndarray:
        """Return the lightness (h, w) float32 0..1 of a part of the picture.

        Args:
            exposure: multiplies lightness. window: rows and columns. surface: None is matt.
            bounce: share of light that comes back from nearby skin where the sky is hidden.
            exponent: from linear light to lightness; another one is another tone curve.
        """
        light, shine = self._irradiance(lamps, window, surface)
        skin = self._skin[window].astype(np.float32) / 255
        if bounce > 0:
            reach = max(3, int(self.face[2] / 5)) | 1
            nearby = cv2.blur(light * skin, (reach, reach))
            hidden = np.clip(1 - self._sky[window][..., 0].astype(np.float32), 0, 1)
            light = light + np.float32(bounce) * hidden * nearby
        linear = self._albedo[window].astype(np.float32) * light
        if surface is not None:
            linear += np.float32(surface.sheen) * (self._gloss[window].astype(np.float32) / 255) * shine
        lit = np.float32(exposure) * np.maximum(linear, 1e-4) ** np.float32(exponent)
        covered = self._coverage[window].astype(np.float32) / 255
        behind = self._background[window].astype(np.float32) / 255
        return roll_off(lit) * covered + behind * (1 - covered)

    def coloured_at(
        self, lightness: np.ndarray, window: tuple[slice, slice], size: int, mirror: bool
    ) -> np.ndarray:
        """Return a picture (size, size, 3) uint8 sRGB of that lightness (size, size), in the head's colours.

        Args:
            window: the part of the head that is shown. mirror: whether `lightness` is mirrored.
        """
        assert self._colours is not None, "made without colours"
        covered = self._coverage[window][..., None].astype(np.float32) / 255
        own = TO_LINEAR[self._colours[0][window]] * covered + TO_LINEAR[self._colours[1][window]] * (
            1 - covered
        )
        way = cv2.INTER_AREA if min(own.shape[:2]) > size else cv2.INTER_LINEAR
        own = cv2.resize(own, (size, size), interpolation=way)
        if mirror:
            own = own[:, ::-1]
        wanted = np.maximum(lightness, 0) ** np.float32(1 / EXPONENT)
        linear = own * (wanted / np.maximum(own @ LUMINANCE, 1e-4))[..., None]
        low, high = 12.92 * linear, 1.055 * np.maximum(linear, 1e-6) ** np.float32(1 / 2.4) - 0.055
        return np.round(np.clip(np.where(linear <= 0.0031308, low, high), 0, 1) * 255).astype(np.uint8)

    def truth(self, window: tuple[slice, slice]) -> dict[str, Any]:
        """Return what is true of a part of the picture under any light.

        Returns:
            "normal" (h, w, 3) in frame "image"; "mask" (h, w) of the person; "face" (h, w), its part that is
            skin, eyes, brows, teeth or beard; and with colours "albedo" (h, w, 3) sRGB 0..1 times the mask.
        """
        normal = self._normal[window].astype(np.float32) @ _TO_DPR.T / 127
        mask = self._coverage[window].astype(np.float32) / 255
        face = mask * self._face[window]
        if self._colours is None:
            return {"normal": normal, "mask": mask, "face": face}
        albedo = self._colours[0][window].astype(np.float32) * (mask[..., None] / 255)
        return {"normal": normal, "mask": mask, "face": face, "albedo": albedo}

    def _sky_moments(self) -> np.ndarray:
        """Return irradiance (S, S, 4) float16 of an even sky, and of skies that brighten along x, y and z."""
        facing = self._facing(self._normal.reshape(-1, 3), slice(None))
        facing *= np.unpackbits(self._visible.reshape(-1, self._visible.shape[2]), axis=-1)
        moments = np.concatenate([np.ones((len(self.directions), 1), np.float32), self.directions], axis=1)
        sky = facing @ (moments * np.float32(4 / len(self.directions)))
        return sky.reshape(self.size, self.size, 4).astype(np.float16)

    def _facing(self, normal: np.ndarray, chosen: slice | np.ndarray) -> np.ndarray:
        """Return max(0, n . d), (N, D) float32."""
        return np.maximum(normal.astype(np.float32) @ (self.directions[chosen].T / np.float32(127)), 0)

    def _irradiance(
        self, lamps: Lamps, window: tuple[slice, slice], surface: Surface | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return linear irradiance (h, w) and the highlight's (h, w), blurred a little as by skin."""
        normal, sky = self._normal[window], self._sky[window].astype(np.float32)
        shape, chosen = normal.shape[:2], np.flatnonzero(lamps.lamps)
        around = np.array([1.0, *lamps.tilt], np.float32) * np.float32(lamps.ambient)
        light, shine = sky @ around, np.zeros(shape, np.float32)
        if len(chosen):
            packed, flat = self._visible[window].reshape(-1, self._visible.shape[2]), normal.reshape(-1, 3)
            bits = (packed[:, chosen >> 3] >> (7 - chosen & 7).astype(np.uint8)) & np.uint8(1)
            lit = self._facing(flat, chosen) * bits
            if surface is not None and surface.roughness > 0:
                facing = _roughly(lit, flat, self.directions[chosen], surface.roughness)
            else:
                facing = lit
            light = light + (facing @ lamps.lamps[chosen]).reshape(shape)
            if surface is not None:
                bright = lamps.lamps[chosen] > _BRIGHT * lamps.lamps.max()
                lamp = lamps.lamps[chosen[bright]] * (lamps.lamps.sum() / lamps.lamps[chosen[bright]].sum())
                half = self.directions[chosen[bright]] + _CAMERA
                half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-6)
                lobe = np.maximum(flat.astype(np.float32) @ (half.T / np.float32(127)), 1e-3)
                wet = self._wet[window].ravel()
                power = np.where(wet, np.float32(_WET_EXPONENT), np.float32(surface.exponent))[:, None]
                np.log2(lobe, out=lobe)
                lobe *= power
                np.exp2(lobe, out=lobe)
                lobe *= lit[:, bright] > 0
                shine = (lobe @ lamp * np.where(wet, np.float32(_WET_SHEEN), 1)).reshape(shape)
        mask = (self._coverage[window] > 0).astype(np.float32)
        stacked = cv2.blur(np.dstack([light * mask, shine * mask, mask]), (3, 3))
        share = np.maximum(stacked[..., 2], 1e-3)
        return stacked[..., 0] / share, stacked[..., 1] / share


def _roughly(lit: np.ndarray, normal: np.ndarray, toward: np.ndarray, roughness: float) -> np.ndarray:
    """Return what a rough matt surface sends to the camera instead of max(0, n . d), (N, D) float32.

    Args:
        lit: (N, D), max(0, n . d), or 0 in shadow. normal: (N, 3) int8 of `toward` (D, 3), unit vectors.

    Source: Fujii, "A tiny improvement of Oren-Nayar reflectance model", the qualitative model; scaled to 1
    where lamp and camera face the surface.
    """
    variance = roughness * roughness
    plain, more = 1 - 0.5 * variance / (variance + 0.33), 0.45 * variance / (variance + 0.09)
    seen = np.maximum(normal @ (_CAMERA / np.float32(127)), np.float32(0.05))[:, None]
    along = toward @ _CAMERA - lit * seen
    steep = np.maximum(lit, seen)
    np.divide(along, steep, out=along, where=along > 0)
    along *= np.float32(more / plain)
    along += 1
    along *= lit
    return np.maximum(along, 0, out=along)


def roll_off(lightness: np.ndarray, knee: float = 0.88) -> np.ndarray:
    """Return lightness that approaches 1 like film instead of being cut there."""
    room = np.float32(1 - knee)
    over = np.maximum(lightness - np.float32(knee), 0)
    return np.where(over > 0, knee + room * np.tanh(over / room), lightness).astype(np.float32)


def _lightness_byte(linear: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(linear, 0, 1) ** EXPONENT).astype(np.uint8)


def _face_place(buffers: GBuffers) -> tuple[float, float, float]:
    """Return row, column and height of the face, by its eyes, or by its skin where they are hidden."""
    height = buffers.size / float(buffers.info["frame"])
    rows, columns = np.nonzero(buffers.kind == KINDS.index("eye"))
    if len(rows) >= 4:
        return float(rows.mean()) + height * (_EYES_TO_CHIN / 2 - 0.08), float(columns.mean()), height
    rows, columns = np.nonzero(buffers.skin > 128)
    if not len(rows):
        return buffers.size / 2, buffers.size / 2, height
    return float(rows.min()) + 0.5 * height, float(np.median(columns)), height
