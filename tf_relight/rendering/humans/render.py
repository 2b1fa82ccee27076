"""One head, from its number to its G-buffers."""

from __future__ import annotations

from dataclasses import asdict

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.rendering.humans import regions
from tf_relight.rendering.humans.backgrounds import draw_background
from tf_relight.rendering.humans.gbuffers import DIRECTIONS, GBuffers
from tf_relight.rendering.humans.identity import draw_person
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.parts import KINDS
from tf_relight.rendering.humans.person_parts import Figure, build_figure
from tf_relight.rendering.humans.textures import TO_LINEAR, smooth_noise
from tf_relight.rendering.humans.tracing import Tracer
from tf_relight.rendering.humans.view import View, pose

SAMPLES = 2
"""Samples of a pixel along each side; each sees its own share of the directions."""
HIDDEN_FACE = 0.3
"""Share of the face behind hair from which a head is rejected."""
ATTEMPTS = 12
_STRANDS_OFF, _SOLID_OFF = 0.04, 0.008


class HiddenFaceError(RelightError):
    """Hair hid the face in every attempt."""


def render_head(library: Library, seed: int, number: int, size: int) -> GBuffers:
    """Render head `number` of the set `seed` at `size` x `size` pixels.

    A head whose hair hides the face is rejected and drawn again; `info["rejected"]` counts those.

    Raises:
        AssetError: an asset that this head needs is damaged.
        HiddenFaceError: hair hid the face in every attempt.
        RelightError: embreex is missing.
    """
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, number, attempt])
        person = draw_person(library, seed, number, rng)
        figure = build_figure(library, person, rng)
        view = pose(figure, rng)
        tracer = Tracer(figure.parts)
        hidden = _hidden_face(tracer, figure, view, library, rng)
        if hidden > HIDDEN_FACE:
            continue
        known = asdict(person)
        del known["face"]
        info = {
            **known,
            "seed": seed,
            "number": number,
            "rejected": attempt,
            "hidden_face": round(hidden, 3),
            "hair": figure.hair,
            "beard": figure.beard,
            "glasses": figure.glasses,
            "yaw": view.yaw,
            "pitch": view.pitch,
            "frame": view.side / figure.face,
        }
        return _Shot(tracer, view, figure, person.oldness, size, rng).buffers(info)
    raise HiddenFaceError(f"Hair hid the face of head {number} in {ATTEMPTS} attempts.")


def _hidden_face(
    tracer: Tracer, figure: Figure, view: View, library: Library, rng: np.random.Generator
) -> float:
    """Return which share of the face that looks at the camera lies behind hair."""
    skin = figure.parts[0]
    assert skin.normals is not None
    chosen = np.flatnonzero(regions.face(library.neutral))
    places = skin.vertices[chosen]
    toward = places - view.place
    distance = np.linalg.norm(toward, axis=1)
    rays = (toward / distance[:, None]).astype(np.float32)
    facing = (skin.normals[chosen] * rays).sum(axis=1) < -0.15
    hits = tracer.first_hits(view.place, rays[facing], rng)
    kinds = np.array([part.kind for part in tracer.parts])[tracer.part[hits.triangle]]
    before = hits.distance < distance[facing][hits.ray] - 0.02
    return float((before & (kinds == "hair")).sum() / max(int(facing.sum()), 1))


class _Shot:
    """The samples of one picture and their sums per pixel."""

    def __init__(
        self, tracer: Tracer, view: View, figure: Figure, oldness: float, size: int, rng: np.random.Generator
    ) -> None:
        self._tracer, self._size, self._rng = tracer, size, rng
        self._side = size * SAMPLES
        self._face = self._side * figure.face / view.side  # height of the face in samples
        self._oldness = oldness
        self._rays = view.rays(self._side)
        self._hits = tracer.first_hits(view.place, self._rays, rng)
        self._places = view.place + self._hits.distance[:, None] * self._rays[self._hits.ray]
        self._part = tracer.part[self._hits.triangle]
        self._kind = np.array([KINDS.index(part.kind) for part in tracer.parts])[self._part]

    def buffers(self, info: dict[str, object]) -> GBuffers:
        """Return the maps."""
        albedo, gloss = self._surfaces()
        normals, flat = self._normals()
        directions = spread_directions(DIRECTIONS, self._rng)
        visible = self._visible(normals, flat, directions)
        covered = self._mean(np.ones(len(self._kind), np.float32))
        share = np.maximum(covered, 1e-6)[..., None]
        mean_normal = self._mean(normals)
        mean_normal /= np.maximum(np.linalg.norm(mean_normal, axis=-1, keepdims=True), 1e-6)
        shares = {
            name: self._mean((self._kind == number).astype(np.float32)) for number, name in enumerate(KINDS)
        }
        shares["background"] = 1 - covered
        colour = self._mean(albedo) / share
        # Four samples see few of the strands of a pixel; light between strands blends them.
        short = (shares["brow"] + shares["beard"])[..., None]
        colour += short * (cv2.blur(colour, (3, 3)) - colour)
        return GBuffers(
            albedo=_to_srgb(colour),
            normal=np.round(mean_normal * 127).astype(np.int8),
            coverage=_byte(covered),
            skin=_byte(shares["skin"]),
            hair=_byte(shares["hair"] + shares["beard"] + shares["brow"]),
            gloss=_byte(self._mean(gloss)),
            kind=np.argmax(np.stack([shares[name] for name in KINDS]), axis=0).astype(np.uint8),
            depth=(self._mean(self._hits.distance) / share[..., 0]).astype(np.float16),
            background=_byte(draw_background(self._rng, self._size)),
            directions=directions,
            visible=visible,
            info=dict(info),
        )

    def _surfaces(self) -> tuple[np.ndarray, np.ndarray]:
        """Return linear albedo (N, 3) and gloss (N,) of the samples."""
        hits = self._hits
        albedo, gloss = np.zeros((len(hits.ray), 3), np.float32), np.zeros(len(hits.ray), np.float32)
        for number in np.unique(self._part):
            here, part = self._part == number, self._tracer.parts[number]
            place = hits.triangle[here], hits.weights[here]
            albedo[here] = part.paint(self._tracer.uv(*place), self._tracer.rest(*place))
            gloss[here] = part.gloss
        skin = self._kind == KINDS.index("skin")
        oil = 1 + 0.45 * self._noise(self._face / 6, 2)[skin]
        gloss[skin] = np.clip(gloss[skin] * oil, 0.02, 1)
        mottle = 1 + self._rng.uniform(0.005, 0.03) * self._noise(self._face / 12, 5)
        albedo[skin] *= mottle[skin][:, None]
        return np.clip(albedo, 0.002, 1), gloss

    def _normals(self) -> tuple[np.ndarray, np.ndarray]:
        """Return unit normals of the samples with pores and folds of cloth, and those of the triangles."""
        hits = self._hits
        rays = self._rays[hits.ray]
        normals = self._tracer.normal(hits.triangle, hits.weights)
        thin = np.isin(self._kind, [KINDS.index(k) for k in ("brow", "cloth", "teeth", "glasses")])
        normals[thin & ((normals * rays).sum(axis=1) > 0)] *= -1
        # What the camera sees faces it; interpolation may say otherwise at the edge.
        away = (normals * rays).sum(axis=1)
        over = away > -0.02
        normals[over] -= (away[over] + 0.02)[:, None] * rays[over]
        rough = np.isin(self._kind, [KINDS.index("skin"), KINDS.index("cloth")])
        normals[rough, :2] += self._relief()[rough]
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        flat = self._tracer.flat_normal(hits.triangle)
        flat *= np.where((flat * rays).sum(axis=1, keepdims=True) > 0, -1, 1)
        return normals.astype(np.float32), flat

    def _relief(self) -> np.ndarray:
        """Return slopes (N, 2) of pores and wrinkles."""
        rng, shape = self._rng, (self._side, self._side)
        height = rng.uniform(0.04, 0.13) * smooth_noise(rng, shape, max(2.2, self._face / 130), 2)
        height += (
            rng.uniform(0.05, 0.3) * (0.4 + self._oldness) * smooth_noise(rng, shape, self._face / 30, 3)
        )
        down, across = np.gradient(height * rng.uniform(0.3, 1.0))
        return np.stack([-across.ravel(), down.ravel()], axis=-1)[self._hits.ray]

    def _visible(self, normals: np.ndarray, flat: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return the packed bits (S, S, 8); a direction is seen by one sample of each pixel."""
        samples = SAMPLES**2
        strands = np.isin(self._kind, [KINDS.index(k) for k in ("hair", "beard", "brow")])
        starts = (self._places + flat * np.where(strands, _STRANDS_OFF, _SOLID_OFF)[:, None]).astype(
            np.float32
        )
        row, column = self._hits.ray // self._side, self._hits.ray % self._side
        sample = (row % SAMPLES) * SAMPLES + column % SAMPLES
        pixel = (row // SAMPLES) * self._size + column // SAMPLES
        bits = np.zeros((self._size**2, DIRECTIONS), bool)
        for number in range(samples):
            own = np.flatnonzero(sample == number)
            for direction in range(number, DIRECTIONS, samples):
                turned_to = own[normals[own] @ directions[direction] > 0]
                rays = np.broadcast_to(directions[direction], (len(turned_to), 3))
                stopped = self._tracer.blocked(starts[turned_to], rays, self._rng)
                bits[pixel[turned_to[~stopped]], direction] = True
        return np.packbits(bits, axis=-1).reshape(self._size, self._size, DIRECTIONS // 8)

    def _noise(self, scale: float, octaves: int) -> np.ndarray:
        return smooth_noise(self._rng, (self._side, self._side), scale, octaves).ravel()[self._hits.ray]

    def _mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean over each pixel's samples, (S, S) or (S, S, C); a sample without a hit counts 0."""
        whole = np.zeros((self._side**2, *values.shape[1:]), np.float32)
        whole[self._hits.ray] = values
        size = self._size
        return whole.reshape(size, SAMPLES, size, SAMPLES, *values.shape[1:]).mean(axis=(1, 3))


def spread_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return unit vectors (count, 3) float32 spread evenly over the sphere, turned at random."""
    number = np.arange(count) + 0.5
    z, turn = 1 - 2 * number / count, np.pi * (1 + np.sqrt(5)) * number
    ring = np.sqrt(1 - z * z)
    spiral = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=-1)
    rotation, upper = np.linalg.qr(rng.normal(size=(3, 3)))
    return (spiral @ (rotation * np.sign(np.diag(upper)))).astype(np.float32)


def _byte(values: np.ndarray) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


_LEVELS = (TO_LINEAR[1:] + TO_LINEAR[:-1]) / 2


def _to_srgb(linear: np.ndarray) -> np.ndarray:
    """Return the sRGB byte nearest to each linear value."""
    return np.searchsorted(_LEVELS, np.clip(linear, 0, 1)).astype(np.uint8)
