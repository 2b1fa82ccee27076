"""VIDIT-like scenes with exact ground truth: one seed, one scene, eight lamps on a ring.

The seed alone decides what the scene is (solids, camera, lamps, exposure); size, anti-aliasing and the wanted
lights only decide how it is sampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tf_relight.errors import RelightError, suggest
from tf_relight.light.vidit import DIRECTIONS, TEMPERATURES
from tf_relight.photo.colour import LUMINANCE_WEIGHTS
from tf_relight.rendering.scenes.assembly import KINDS
from tf_relight.rendering.scenes.composition import Composition, draw_composition
from tf_relight.rendering.scenes.layers import SceneLayers
from tf_relight.rendering.scenes.raycast import NOTHING
from tf_relight.rendering.scenes.view import View, render_view

PROBE_SIZE = 48  # pixels of the small rendering that judges and exposes a scene
MAX_TRIES = 64
LEAST_LIT = 0.06  # every lamp must light this share of the pixels
LEAST_COVERED = 0.35  # share of pixels that show anything at all
MOST_BLOCKED = 0.35  # share of pixels that things right before the camera may take
EXPOSURE_PERCENTILE = 96
# Decimal logarithm of the linear value at that percentile; fitted to the mean colour of VIDIT.
EXPOSURE_MEAN, EXPOSURE_SPREAD = -0.98, 0.55
EXPOSURE_RANGE = (0.03, 2.5)


class Scene:
    """One random scene, rendered.

    Args:
        seed: any whole number >= 0; the same seed gives the same scene at every size.
        size: width and height of the pictures in pixels.
        antialias: rays per pixel along each axis; light is averaged in linear space.
        kind: one of "yard", "rocks", "street", "room"; None lets the seed choose.
        lights: the directions to render; fewer are faster, and do not change the pictures of the others.

    Example:
        >>> scene = Scene(seed=1, size=64)
        >>> scene.image("N", 6500).shape
        (64, 64, 3)

    Raises:
        RelightError: an argument is out of range.
    """

    def __init__(
        self,
        seed: int,
        size: int = 256,
        antialias: int = 1,
        kind: str | None = None,
        lights: Sequence[str] = DIRECTIONS,
    ):
        _check_arguments(seed, size, antialias, kind, lights)
        self.seed, self.size, self.antialias = seed, size, antialias
        self.composition, self.exposure = compose(seed, kind)
        self.kind = self.composition.kind
        self.view = render_view(self.composition, size * antialias, tuple(lights))
        exposure = np.float32(self.exposure)
        self.layers = SceneLayers(
            direct={
                name: _shrink(self.view.direct(row), size, antialias) * exposure
                for row, name in enumerate(self.view.directions)
            },
            ambient=_shrink(self.view.ambient, size, antialias) * exposure,
            exposure=self.exposure,
            depth=_normalised(self._pick(self.view.depth)),
        )

    def image(self, direction: str, temperature: float) -> np.ndarray:
        """(size, size, 3) uint8 sRGB picture under a lamp of `temperature` kelvin at `direction`."""
        return self.layers.image(direction, temperature)

    def images(self) -> np.ndarray:
        """(L, 5, size, size, 3) uint8: all rendered directions by the five VIDIT temperatures."""
        return np.stack(
            [[self.image(name, kelvin) for kelvin in TEMPERATURES] for name in self.layers.directions]
        )

    def ground_truth(self) -> dict[str, np.ndarray]:
        """What the pictures are made of: one point sample per pixel, (size, size, channels), float32.

        Returns:
            albedo: (3) linear.
            normal_world, normal_camera: (3) shading normals; camera axes x right, y up, z toward the camera.
            normal_geometric: (3) world, without bumps.
            depth: (1) metres along the optical axis, inf where nothing is hit.
            mask: (1) bool, something is hit.
            irradiance: (L, size, size) of each direction rendered, 1 = facing a lamp as far as the ring.
            highlight: (L, size, size) light mirrored by gloss.
            visibility: (L, size, size) bool, the lamp shines on it.
            shadow_free: (3) uint8, see `SceneLayers.shadow_free`; with all eight directions only.

        At antialias 1 the linear light of a lamp is (albedo * irradiance + highlight) * exposure, times the
        lamp's colour, plus the ambient light.
        """
        view, camera = self.view, self.composition.camera
        to_camera = np.stack([camera.right, camera.up, -camera.forward])
        truth = {
            "albedo": self._pick(view.albedo),
            "normal_world": self._pick(view.normals.T),
            "normal_camera": self._pick((to_camera @ view.normals).T),
            "normal_geometric": self._pick(view.geometric_normals.T),
            "depth": self._pick(view.depth[:, None]),
            "mask": self._pick((view.owner != NOTHING)[:, None]),
            "irradiance": np.stack([self._pick(layer) for layer in view.irradiance]),
            "highlight": np.stack([self._pick(layer) for layer in view.highlight]),
            "visibility": np.stack([self._pick(layer) for layer in view.visible]),
        }
        if set(self.layers.directions) == set(DIRECTIONS):
            truth["shadow_free"] = self.layers.shadow_free()
        return truth

    def _pick(self, samples: np.ndarray) -> np.ndarray:
        """The middle sample of each pixel, (N, ...) -> (size, size, ...)."""
        step, middle = self.antialias, self.antialias // 2
        grid = samples.reshape((self.view.size, self.view.size) + samples.shape[1:])
        return np.ascontiguousarray(grid[middle::step, middle::step])


def _shrink(samples: np.ndarray, size: int, antialias: int) -> np.ndarray:
    """Average (N, 3) samples to (size, size, 3) pixels."""
    if antialias == 1:
        return samples.reshape(size, size, 3)
    return samples.reshape(size, antialias, size, antialias, 3).mean((1, 3))


def _normalised(depth: np.ndarray) -> np.ndarray:
    """Depth in metres -> 0 at the nearest and 1 at the farthest hit; inf -> 1."""
    known = np.isfinite(depth)
    if not known.any():
        return np.ones(depth.shape, np.float32)
    near, far = depth[known].min(), depth[known].max()
    return ((np.where(known, depth, far) - near) / max(far - near, 1e-6)).astype(np.float32)


def _check_arguments(seed, size, antialias, kind, lights) -> None:
    for name, value, least in (("seed", seed, 0), ("size", size, 1), ("antialias", antialias, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise RelightError(f"Scene {name} must be a whole number of at least {least}, not {value!r}.")
    if kind is not None and kind not in KINDS:
        raise RelightError(
            f"Scene kind '{kind}' is not known.{suggest(str(kind), KINDS)} Use: {', '.join(KINDS)}."
        )
    unknown = [name for name in lights if name not in DIRECTIONS]
    if unknown or not lights or len(set(lights)) != len(lights):
        raise RelightError(f"Scene lights must be different names out of {', '.join(DIRECTIONS)}.")


def compose(seed: int, kind: str | None = None) -> tuple[Composition, float]:
    """Draw scenes until one is worth a picture under all eight lamps; returns it with its exposure.

    The judgement and the exposure come from a small rendering of fixed size, so that they are the same
    whatever size and lights are wanted.

    Raises:
        RelightError: nothing acceptable after many tries; no seed is known for which this happens.
    """
    for attempt in range(MAX_TRIES):
        rng = np.random.default_rng([seed, attempt])
        composition = draw_composition(rng, kind or str(rng.choice(KINDS)))
        probe = render_view(composition, PROBE_SIZE, DIRECTIONS)
        if is_worth_showing(probe, composition):
            return composition, _exposure(probe, 10 ** rng.normal(EXPOSURE_MEAN, EXPOSURE_SPREAD))
    raise RelightError(f"No acceptable scene found for seed {seed}; use another seed.")


def _exposure(probe: View, wanted: float) -> float:
    """The factor that brings the bright parts, averaged over the lamps, to the wanted linear value."""
    light = np.zeros_like(probe.albedo)
    for row in range(len(DIRECTIONS)):
        light += probe.direct(row)
    luminance = light / len(DIRECTIONS) @ LUMINANCE_WEIGHTS.astype(np.float32)
    bright = np.percentile(luminance, EXPOSURE_PERCENTILE) + 1e-6
    return float(np.clip(wanted, *EXPOSURE_RANGE) / bright)


def is_worth_showing(view: View, composition: Composition) -> bool:
    """The reject rule: every lamp lights something, the picture is not empty, nothing blocks the camera."""
    hit = view.owner != NOTHING
    focus = np.linalg.norm(composition.lamps.mean(0) - composition.camera.eye)
    blocking = (view.owner > 0) & (view.distance < 0.5 * focus)
    return bool(
        view.visible.mean(1).min() > LEAST_LIT
        and hit.mean() > LEAST_COVERED
        and blocking.mean() < MOST_BLOCKED
    )
