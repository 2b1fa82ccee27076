"""A ball that one drags in a notebook, and whose light is a `Light`; the extra `notebook`."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.picture import data_url, png_of

try:
    import anywidget
    import traitlets
except ImportError as error:
    raise RelightError(
        f"A ball that one drags needs the package {error.name}: pip install 'tf_relight[notebook]'."
    ) from error

_SCRIPT = Path(__file__).with_suffix(".js")
_STILL = (
    "Nothing here draws widgets, so the ball cannot be dragged: run the cell in Jupyter, or set its azimuth "
    "and elevation."
)


class LightBall(anywidget.AnyWidget):
    """A ball under one lamp. Dragging moves the lamp, the arrow keys too; `light` is the `Light`.

    Where nothing draws widgets, as in a page that was saved, the ball is shown as it stood, with a sentence.

    Attributes:
        azimuth, elevation: degrees, as in `Light.from_direction`.
        softness, ambient, temperature: as there.
    """

    _esm = _SCRIPT
    azimuth = traitlets.Float(-45.0).tag(sync=True)
    elevation = traitlets.Float(30.0).tag(sync=True)
    softness = traitlets.Float(0.2)
    ambient = traitlets.Float(0.2)
    temperature = traitlets.Float(None, allow_none=True)
    coefficients: Any = traitlets.List().tag(sync=True)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        names = ["azimuth", "elevation", "softness", "ambient", "temperature"]
        self.observe(self._told, names)
        self._told()

    @property
    def light(self) -> Light:
        """The light that the ball stands under."""
        return Light.from_direction(
            self.azimuth,
            self.elevation,
            softness=self.softness,
            ambient=self.ambient,
            temperature=self.temperature,
        )

    def _told(self, _: Any = None) -> None:
        self.coefficients = _in_the_balls_basis(self.light)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        found = super()._repr_mimebundle_(**options)
        data, more = found if isinstance(found, tuple) else (found or {}, {})
        ball = png_of(self.light.sphere(192))
        page = f'<img alt="{html.escape(repr(self.light))}" src="{data_url(ball)}"><p>{_STILL}</p>'
        told = {"image/png": ball, "text/html": page, "text/plain": f"{self!r}\n{_STILL}"}
        return {**data, **told}, more

    def __repr__(self) -> str:
        """In words where its light comes from."""
        return f"<LightBall under {self.light!r}>"


def _in_the_balls_basis(light: Light) -> list[list[float]]:
    """Return the nine numbers as factors of the script's polynomials, three of each."""
    import numpy as np

    from tf_relight.light.spherical_harmonics import basis

    normals = np.random.default_rng(0).normal(size=(64, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    x, y, z = normals.T
    terms = np.stack([np.ones(64), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=-1)
    factors = np.linalg.lstsq(terms, basis(normals) @ light.coefficients, rcond=None)[0]
    return [[float(value) for value in row] for row in factors]
