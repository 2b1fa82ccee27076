"""Where on the body something is: beard, scalp, face, told by places on the neutral body in decimetres."""

from __future__ import annotations

import numpy as np

CHIN, MOUTH, EYES, HAIRLINE = 6.16, 6.635, 7.29, 8.02
"""Heights on the neutral body."""
_HAIR_BORDER = (
    (-1.2, 6.9),
    (-0.45, 6.95),
    (-0.1, 7.0),
    (0.05, 7.45),
    (0.3, 7.45),
    (0.45, 7.2),
    (0.62, 7.3),
    (0.75, 7.62),
    (0.95, 7.9),
    (1.35, 8.02),
)
"""The border of the hair from the nape to the forehead: depth z and height y."""


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return 0 below `low`, 1 above `high` (or the other way about) and a smooth step between."""
    x = np.clip((value - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def scalp(place: np.ndarray, recession: float = 0.0) -> np.ndarray:
    """Return how surely hair grows at places (N, 3) of the neutral body, (N,) 0..1.

    Args:
        recession: decimetres that the hairline above the forehead has gone back.
    """
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    depths, heights = zip(*_HAIR_BORDER, strict=True)
    temples = recession * step(x, 0.15, 0.45) * 0.8 + recession * 0.35
    border = np.interp(z + temples * step(y, 7.6, 7.9), depths, heights)
    ear = step(x, 0.7, 0.76) * step(y, 7.62, 7.55) * step(z, -0.15, -0.05)
    return step(y - border, -0.03, 0.06) * (1 - ear)


def beard(place: np.ndarray, kind: str) -> np.ndarray:
    """Return how surely a beard grows at places (N, 3) of the neutral body, (N,) 0..1.

    Args:
        kind: "full", "goatee" (chin and moustache), "moustache" or "chin".
    """
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    lip = step(y, 6.92, 6.8) * step(y, 6.66, 6.72) * step(x, 0.42, 0.3) * step(z, 1.2, 1.35)
    chin = step(y, 6.56, 6.46) * step(z, 0.85, 1.05) * step(x, 0.34, 0.24)
    jaw = step(y, 6.78, 6.55) * step(z, 0.3, 0.5)
    whiskers = step(x, 0.5, 0.62) * step(y, 7.3, 6.95) * step(z, 0.3, 0.45)
    corners = step(x, 0.2, 0.28) * step(x, 0.42, 0.34) * step(y, 6.85, 6.75) * step(z, 0.95, 1.1)
    found = {
        "full": np.maximum.reduce([lip, jaw, whiskers]),
        "goatee": np.maximum.reduce([lip, chin, corners]),
        "moustache": lip,
        "chin": chin,
    }[kind]
    neck = step(y, 5.9, 6.12)
    mouth = step(np.hypot(place[:, 0] / 0.31, (y - MOUTH) / 0.11), 0.92, 1.12)
    ear = step(x, 0.72, 0.76) * step(y, 6.85, 6.95)
    return found * neck * np.where(z > 1.0, mouth, 1.0) * (1 - ear)


def lips(place: np.ndarray) -> np.ndarray:
    """Return how surely places (N, 3) of the neutral body are lips, (N,) 0..1."""
    y = (place[:, 1] - MOUTH) / np.where(place[:, 1] > MOUTH, 0.075, 0.085)
    return step(np.hypot(place[:, 0] / 0.25, y), 1.1, 0.85) * step(place[:, 2], 1.25, 1.35)


def face(place: np.ndarray) -> np.ndarray:
    """Whether places (N, 3) lie on the front of the face, from the chin to above the brows, (N,) bool."""
    x, y, z = np.abs(place[:, 0]), place[:, 1], place[:, 2]
    return (x < 0.5) & (y > CHIN + 0.05) & (y < 7.6) & (z > 0.9)


CHIN_VERTEX = 747
"""Vertex of the body at the tip of the chin."""
EYE_VERTICES = slice(13606, 13622)
"""Vertices of the body's helpers at the centres of both eyes."""


class HeadFrame:
    """Turns places on a person's head into those of the neutral head, by its chin and eyes."""

    def __init__(self, body: np.ndarray, neutral: np.ndarray) -> None:
        """Compare the landmarks of a body (V, 3) with those of the neutral one."""
        self._eyes, self._neutral_eyes = (b[EYE_VERTICES].mean(axis=0) for b in (body, neutral))
        own, wanted = (
            e[1] - b[CHIN_VERTEX, 1] for e, b in ((self._eyes, body), (self._neutral_eyes, neutral))
        )
        self.scale = float(wanted / own)

    def to_neutral(self, places: np.ndarray) -> np.ndarray:
        """Return places (N, 3) as on the neutral head."""
        return ((places - self._eyes) * self.scale + self._neutral_eyes).astype(np.float32)

    def from_neutral(self, places: np.ndarray) -> np.ndarray:
        """Return places (N, 3) of the neutral head as on the person's."""
        return ((places - self._neutral_eyes) / self.scale + self._eyes).astype(np.float32)
