"""Portrait heads with exact light: one seed and number, one head, any light.

The number and the seed alone decide who is shown; the size only decides how finely. Pictures are stored
albedo times the shading of second-order spherical harmonics, without cast shadows, so that normals, albedo
and light explain them to the last rounding.
"""

from __future__ import annotations

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.rendering.heads import hair as hairs
from tf_relight.rendering.heads import shape as shapes
from tf_relight.rendering.heads.lights import sample_light
from tf_relight.rendering.heads.maps import HeadMaps, pack_normals
from tf_relight.rendering.heads.materials import draw_colours, paint_face
from tf_relight.rendering.heads.surfaces import Fragments, PortraitCamera, Surface, render_surfaces
from tf_relight.rendering.textures import coarse_noise, fine_noise

PARTS = {"face": 1, "ear": 2, "body": 3, "hair": 4}
FORMAT_VERSION = 1  # raised when a number no longer gives the same picture
HEADS_PER_SEED = 1_000_000
LEAST_DETAIL, MOST_DETAIL = 96, 512  # half the points around a head
ORIGINAL_LIGHT = 0  # the light of the picture that counts as the photo
RELIT_LIGHTS = range(1, 6)  # those of the five relit pictures in a rendered folder
_SHAPE, _HAIR, _COLOURS, _CAMERA, _BACKGROUND, _LIGHT = range(6)


class Head:
    """One random head, rendered.

    Args:
        number: which head of the seed, 0..999999.
        seed: of the whole set.
        size: width and height of the maps in pixels.

    Attributes:
        maps: the compact `HeadMaps`; the arrays below are made from them.

    Example:
        >>> head = Head(number=3, seed=0, size=64)
        >>> head.image(head.light(0)).shape
        (64, 64, 3)

    Raises:
        RelightError: an argument is out of range.
    """

    def __init__(self, number: int, seed: int = 0, size: int = 256):
        for name, value, least in (("number", number, 0), ("seed", seed, 0), ("size", size, 1)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
                raise RelightError(f"Head {name} must be a whole number of at least {least}, not {value!r}.")
        if number >= HEADS_PER_SEED:
            raise RelightError(f"One seed gives {HEADS_PER_SEED} heads; use another seed for more.")
        self.number, self.seed, self.size = number, seed, size
        self.maps = _render(number, seed, size)

    @property
    def normal(self) -> np.ndarray:
        """(H, W, 3) float32 unit normals in picture axes: x right, y up, z toward the camera.

        DPR's axes are (x, -z, y) of these. The background is a wall that bends away at the edges.
        """
        return self.maps.normals()

    @property
    def albedo(self) -> np.ndarray:
        """(H, W, 3) float32 stored (sRGB-encoded) albedo 0..1, in steps of 1/255."""
        return np.moveaxis(self.maps.albedo, 0, -1) / np.float32(255)

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool, where the person is; the rest is background."""
        return self.maps.parts > 0

    @property
    def depth(self) -> np.ndarray:
        """(H, W) float32, distance along the optical axis in half heights of the head; background is inf."""
        return self.maps.depth

    def light(self, index: int, coloured: bool = False) -> np.ndarray:
        """The head's light number `index`, as `head_light` draws it."""
        return head_light(self.seed, self.number, index, coloured)

    def shading(self, light: np.ndarray) -> np.ndarray:
        """Shading (H, W) or, of a (9, 3) light, (H, W, 3); see `HeadMaps.shading`."""
        return self.maps.shading(light)

    def image(self, light: np.ndarray, gloss: float = 0.0) -> np.ndarray:
        """(H, W, 3) uint8 picture; see `HeadMaps.image`."""
        return self.maps.image(light, gloss)


def head_name(number: int) -> str:
    """DPR's name of a subject: "imgHQ00007"."""
    return f"imgHQ{number:05d}"


def head_light(seed: int, number: int, index: int, coloured: bool = False) -> np.ndarray:
    """Light `index` of a head, a pure function of the arguments: (9,) or (9, 3) float32, frame "dpr".

    See `sample_light` for the prior.
    """
    return sample_light(np.random.default_rng([seed, number, _LIGHT, index]), coloured)


def _render(number: int, seed: int, size: int) -> HeadMaps:
    def stream(which: int) -> np.random.Generator:
        # Every part draws from a stream of its own, so that a change to one leaves the others as they are.
        return np.random.default_rng([seed, number, which])

    shape = shapes.draw_shape(stream(_SHAPE))
    rng = stream(_CAMERA)
    camera = PortraitCamera(
        distance=rng.uniform(5, 9),
        centre=(rng.normal(0, 0.05), rng.normal(-0.10, 0.05)),
        half_width=rng.uniform(1.08, 1.42),
    )
    detail = int(np.clip(0.5 * size, LEAST_DETAIL, MOST_DETAIL))
    surfaces = _surfaces(shape, stream, detail)
    seen = render_surfaces(surfaces, camera, size)
    normals, albedo = _background(stream(_BACKGROUND), size)
    normals[seen.pixel] = _roughened(seen, shape.turn, size)
    albedo[seen.pixel] = seen.albedo
    parts = np.zeros(size * size, np.uint8)
    parts[seen.pixel] = seen.part
    depth = np.full(size * size, np.inf, np.float32)
    depth[seen.pixel] = seen.depth
    grid = (size, size)
    stored = np.rint(np.clip(albedo, 0.02, 0.97) * 255).astype(np.uint8).reshape(*grid, 3)
    return HeadMaps(
        normal=pack_normals(normals.reshape(*grid, 3)),
        albedo=np.ascontiguousarray(np.moveaxis(stored, -1, 0)),
        parts=parts.reshape(grid),
        depth=depth.reshape(grid),
    )


def _surfaces(shape, stream, detail) -> list[Surface]:
    """All surfaces of the head in picture axes."""
    colours = draw_colours(stream(_COLOURS))
    hair = hairs.draw_hairdo(stream(_HAIR))
    base = shapes.skull(shape, *shapes.face_grid(detail))
    points = shapes.face_points(shape, base)
    fine, coarse = _noise(fine_noise(), base, 1.0), _noise(coarse_noise(), base, 0.35)
    albedo, rough = paint_face(shape, colours, base, fine)
    albedo = albedo * (1 + 0.012 * fine + 0.022 * coarse)[..., None]
    made = [Surface(shapes.place(points, shape.turn), albedo, 0.004 + 0.05 * rough, PARTS["face"])]
    for side in () if hair.length else (-1, 1):  # long hair falls over the ears
        ear = shapes.ear_points(shape, side, detail)
        red = np.broadcast_to(colours.skin * (1 - colours.blush * np.array([0.0, 0.10, 0.09])), ear.shape)
        grain = np.full(ear.shape[:2], 0.004)
        made.append(Surface(shapes.place(ear, shape.turn), red, grain, PARTS["ear"], two_sided=True))
    made.append(_body(shape, colours, detail))
    grids = []
    if hair.style != "bald":
        grids.append((hairs.cap_points(shape, hair, detail), True))
    if hair.length:
        grids.append((hairs.curtain_points(shape, hair, detail), False))
    if hair.style == "tied":
        grids.append((hairs.bun_points(shape, hair, detail), True))
    for grid, closed in grids:
        colour = hairs.hair_albedo(hair, colours, grid, _noise(coarse_noise(), grid, 0.8))
        grain = np.full(grid.shape[:2], 0.25 if hair.style == "afro" else 0.08)
        placed = shapes.place(grid, shape.turn)
        made.append(Surface(placed, colour, grain, PARTS["hair"], closed=closed, two_sided=True))
    return made


def _body(shape, colours, detail) -> Surface:
    points = shapes.body_points(shape, detail)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    # The cloth's edge is lower at the front, and stands off the skin a little.
    edge = colours.neckline + 0.18 * shapes.smooth_step(0.6, -0.4, z / np.maximum(np.abs(x) + 0.3, 0.3))
    cloth = shapes.smooth_step(0.0, -0.03, y - edge)
    points = points * np.stack([1 + 0.03 * cloth, np.ones_like(cloth), 1 + 0.06 * cloth], -1)
    noise = _noise(coarse_noise(), points, 0.5)
    tone = (1 + 0.03 * noise)[..., None]
    albedo = colours.skin * (1 - cloth[..., None]) * tone + colours.cloth * cloth[..., None] * tone
    grain = 0.004 + 0.03 * cloth
    return Surface(shapes.place(points, shape.body_turn), albedo, grain, PARTS["body"])


def _noise(volume, points: np.ndarray, frequency: float) -> np.ndarray:
    """(R, C) values of unit variance."""
    flat = (points.reshape(-1, 3) * frequency).astype(np.float32)
    return volume(flat)[:, 0].reshape(points.shape[:2])


def _roughened(seen: Fragments, turn: np.ndarray, size: int) -> np.ndarray:
    """(M, 3) normals bent by the grain of pores, hair and cloth; hair is drawn out along its fall."""
    stretch = np.where((seen.part == PARTS["hair"])[:, None], (1.6, 0.35, 1.6), (1.0, 1.0, 1.0))
    slope = fine_noise()((seen.points @ turn * stretch).astype(np.float32))[:, 1:] * stretch
    slope = slope @ turn.T * 0.02
    # What is finer than a pixel would only be noise.
    strength = seen.grain * np.clip(size / 256, 0.25, 1)
    bent = seen.normals - strength[:, None] * slope
    return bent / np.linalg.norm(bent, axis=1, keepdims=True)


def _background(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) normals and colours of a blurred wall that bends like the normals DPR extends from a face."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    bend = rng.uniform(0.2, 0.8)
    normals = np.stack([bend * x, bend * y, np.ones_like(x)], -1).reshape(-1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    corners = np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3)
    blotches = coarse_noise()((corners * rng.uniform(0.08, 0.3) + rng.random(3)).astype(np.float32))[:, 0]
    slant = corners @ np.append(rng.normal(0, 0.5, 2), 0)
    share = (0.5 + 0.5 * np.tanh(rng.uniform(0.2, 0.9) * blotches + slant))[:, None]
    colours = np.clip(rng.uniform(0.12, 0.9, (2, 1)) + rng.normal(0, 0.09, (2, 3)), 0.05, 0.95)
    return normals, share * colours[0] + (1 - share) * colours[1]
