"""Light: one object that knows every way people describe light.

    Light.from_direction(azimuth=-60, elevation=30)      from the picture's left, raised
    Light.from_preset("rembrandt")                       by a photographer's word
    Light.from_file("rotate_light_00.txt")               9 numbers of DPR, 27 of SfSNet
    Light.from_hdr("studio.hdr")                         an environment map
    Light.from_vidit("NW_4500")                          one of VIDIT's forty lights

Azimuth 0 comes from the camera, 90 from the picture's right, 180 from behind, -90 from its left; elevation
goes up from -90 to 90. All angles are in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_relight.contract.card import Domain
from tf_relight.errors import RelightError, shortened, suggest
from tf_relight.files import write_text
from tf_relight.guarded.reading import is_file
from tf_relight.light import appearance, lightness_light
from tf_relight.light import spherical_harmonics as sh
from tf_relight.light.directions import direction, rotation_about, shortest_arc
from tf_relight.light.files import HDR_SUFFIXES, format_light, read_hdr, read_light
from tf_relight.light.lamps import (
    AMBIENT_SHARE,
    LUMINANCE,
    USUAL_AMBIENT,
    USUAL_SOFTNESS,
    Lamp,
    colour_tint,
    kelvin_tint,
    mixed,
)
from tf_relight.light.presets import PRESETS
from tf_relight.light.probes import project

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from tf_relight.methods.trained import LoadedModel

VIDIT_ELEVATION = 35.0
"""Degrees; VIDIT states no height, its renders show lights well above the ground."""


@dataclass(frozen=True, eq=False)
class Light:
    """A light from all around, as second-order spherical harmonics.

    A light is physical: its numbers are those of linear irradiance. Lights of DPR, nine numbers in a file or
    read from a photo, are told in lightness, which is what DPR's network multiplies; they are kept as they
    are, and `told_in` goes from one to the other.

    Attributes:
        coefficients: (9, 3) float64, red, green and blue, frame "dpr" of `spherical_harmonics`; read-only.
        domain: what they are the harmonics of: "linear" irradiance of a ball, or its "lightness".

    Example:
        >>> warm = Light.from_direction(azimuth=-60, elevation=30, temperature=3500)
        >>> [round(angle) for angle in warm.angles]
        [-60, 30]
        >>> red, green, blue = warm.coefficients[0]
        >>> bool(red > green > blue)
        True
        >>> [round(angle) for angle in warm.mirror().angles]
        [60, 30]
        >>> warm.sphere(64).shape
        (64, 64, 3)
    """

    coefficients: np.ndarray
    domain: Domain = "linear"

    def __post_init__(self) -> None:
        """Check the coefficients and make them read-only.

        Raises:
            RelightError: another shape, or values that are not finite.
        """
        values = np.array(self.coefficients, dtype=np.float64)
        if values.shape != (9, 3):
            raise RelightError(f"A light is nine coefficients for red, green and blue, not {values.shape}.")
        if not np.isfinite(values).all():
            raise RelightError(
                "A light's coefficients must be finite numbers; this one holds NaN or infinity."
            )
        values.setflags(write=False)
        object.__setattr__(self, "coefficients", values)

    # -- ways to make one ------------------------------------------------------------------------------------

    @classmethod
    def from_array(cls, values: ArrayLike, frame: sh.Frame = "dpr", domain: Domain = "linear") -> Light:
        """Return the light of nine coefficients (9,), or of three times nine (9, 3), in a frame and a domain.

        Raises:
            RelightError: another shape, or values that are not finite.
        """
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RelightError("A light must be given as nine numbers, or nine times three.") from error
        if array.shape == (9,):
            array = np.repeat(array[:, None], 3, axis=1)
        if array.shape != (9, 3):
            raise RelightError(f"A light must have the shape (9,) or (9, 3), not {array.shape}.")
        return cls(sh.convert(array, frame, "dpr"), domain)

    @classmethod
    def from_direction(
        cls,
        azimuth: float,
        elevation: float,
        *,
        temperature: float | None = None,
        colour: Sequence[float] | None = None,
        ambient: float = AMBIENT_SHARE,
        intensity: float = 1.0,
        softness: float = USUAL_SOFTNESS,
    ) -> Light:
        """Return a light from one direction over even light.

        Args:
            azimuth: degrees, 0 from the camera, 90 from the picture's right, 180 from behind.
            elevation: degrees above the horizon, -90 to 90.
            temperature: colour of the directed light in kelvin, 1000 to 15000; 6500 is neutral.
            colour: linear RGB of the directed light in place of a temperature; only its hue counts.
            ambient: share of even, neutral light, 0..1; 0 gives the hardest shadows.
            intensity: 1 keeps the exposure of the photo, 0.5 is half as much light.
            softness: 0 is the sun, 1 half of the sky; what lies between is a lamp as wide as that.

        Raises:
            RelightError: a number out of range, or both a colour and a temperature.
        """
        named = {
            "Azimuth": azimuth,
            "Elevation": elevation,
            "Ambient": ambient,
            "Intensity": intensity,
            "Softness": softness,
        }
        for name, value in named.items():
            if not math.isfinite(value):
                raise RelightError(f"{name} {value} is not a finite number.")
        if not -90 <= elevation <= 90:
            raise RelightError(f"Elevation {elevation:g} is outside -90..90 degrees.")
        if not 0 <= ambient <= 1:
            raise RelightError(f"Ambient {ambient:g} is outside 0..1.")
        if not 0 <= softness <= 1:
            raise RelightError(f"Softness {softness:g} is outside 0..1.")
        if intensity <= 0:
            raise RelightError(f"Intensity {intensity:g} is not above 0.")
        if temperature is not None and colour is not None:
            raise RelightError("Give a colour or a temperature, not both.")
        hue = None if colour is None else tuple(colour_tint(colour))
        lamp = Lamp(azimuth, elevation, temperature=temperature, colour=hue, softness=softness)
        return cls(intensity * mixed([lamp], ambient, np.ones(3)))

    @classmethod
    def from_preset(cls, name: str) -> Light:
        """Return a light by a photographer's word; `presets.PRESETS` lists them.

        Raises:
            RelightError: an unknown name.
        """
        key = name.strip().lower().replace("-", "_").replace(" ", "_")
        if key not in PRESETS:
            raise RelightError(
                f"There is no light preset '{shortened(name, 60)}'.{suggest(key, PRESETS)} "
                f"Known: {', '.join(PRESETS)}."
            )
        preset = PRESETS[key]
        return cls(mixed(preset.lamps, preset.ambient, kelvin_tint(preset.ambient_temperature)))

    @classmethod
    def from_file(cls, path: Path | str, frame: sh.Frame | None = None) -> Light:
        """Read a text file of 9 numbers (grey, told in lightness as DPR's) or 27 (red, green, blue; linear).

        Args:
            frame: what the numbers mean. None takes what the file says in a line `# frame: dpr`; without it 9
                numbers are DPR's and 27 are SfSNet's (nine red, nine green, nine blue).

        Raises:
            RelightError: a missing file, another count of numbers, NaN or infinity, an unknown frame.
        """
        values, found = read_light(Path(path), frame)
        return cls.from_array(values, found, "lightness" if values.ndim == 1 else "linear")

    @classmethod
    def from_hdr(cls, path: Path | str, *, turn: float = 0.0, exposure: float | None = None) -> Light:
        """Return the light of an environment map (.hdr, .exr) in any layout that `light.probes` knows.

        The centre of a panorama or an angular map and the front of a cube lie behind the subject, as the
        camera sees it; what is right of the centre lights the picture's right side.

        Args:
            turn: degrees by which the surroundings are turned to the right.
            exposure: factor on the map's radiance. None brings its luminance into DPR's training range, and
                adds the even light without which some surface would be darker than black.

        Raises:
            RelightError: a file that cannot be read, an unknown layout, negative or infinite pixels, a dark
                map, or a missing package for .exr (it names the extra).
        """
        try:
            coefficients = project(read_hdr(Path(path)))
        except ValueError as error:
            raise RelightError(f"{path} {error}.") from error
        total = float(coefficients[0] @ LUMINANCE)
        if total <= 0:
            raise RelightError(f"{path} is black: it gives no light.")
        if exposure is None:
            # A lamp of one colour leaves the other channels without any light.
            coefficients[0] = np.maximum(coefficients[0], 1e-6 * total)
            coefficients = sh.lifted(coefficients)
            light = cls(coefficients * (USUAL_AMBIENT / float(coefficients[0] @ LUMINANCE)))
        else:
            light = cls(coefficients * exposure)
        return light.rotate(azimuth=turn)

    @classmethod
    def from_vidit(cls, code: str) -> Light:
        """Return a light of VIDIT, such as "NW_4500": N from behind, E from the right, S from the camera.

        Raises:
            RelightError: not a VIDIT light.
        """
        from tf_relight.light.vidit import ViditLight

        light = ViditLight.parse(code)
        return cls.from_direction(180.0 - light.angle, VIDIT_ELEVATION, temperature=light.temperature)

    @classmethod
    def from_photo(cls, loaded: LoadedModel, image: np.ndarray) -> Light:
        """Return the light a network finds in a photo (H, W, 3) sRGB 0..1; grey, for DPR sees luminance only.

        Raises:
            RelightError: the method does not estimate light.
        """
        values = np.asarray(loaded.method.estimate_light(loaded.model, image))
        port = loaded.method.info.source_light
        assert port is not None, "a method that estimates light has a port for it"
        return cls.from_array(values[:, 0] if values.shape[1:] == (1,) else values, domain=port.domain)

    @classmethod
    def parse(cls, text: str) -> Light:
        """Return the light that a word on the command line means: a preset, a file or a VIDIT code.

        Raises:
            RelightError: it is none of them.
        """
        path = Path(text)
        if path.suffix.lower() in HDR_SUFFIXES:
            return cls.from_hdr(path)
        if is_file(path) or path.suffix.lower() == ".txt":
            return cls.from_file(path)
        key = text.strip().lower().replace("-", "_")
        if key in PRESETS:
            return cls.from_preset(text)
        head, _, tail = key.upper().partition("_")
        if head.isdigit() or tail.isdigit():
            return cls.from_vidit(text)
        raise RelightError(
            f"'{text}' is no light.{suggest(key, PRESETS)} Give a file, a VIDIT code such as NW_4500, or one "
            f"of {', '.join(PRESETS)}."
        )

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def luminance(self) -> np.ndarray:
        """The grey light (9,) float64, in the light's own domain."""
        return self.coefficients @ LUMINANCE

    def told_in(self, domain: Domain) -> Light:
        """Return the same light told in linear irradiance or in lightness; itself where it is so already.

        The nine numbers are fitted over the whole sphere, so that there and back again is near the light, not
        equal to it. Source: `lightness_light`.
        """
        if domain == self.domain:
            return self
        change = lightness_light.from_linear if domain == "lightness" else lightness_light.to_linear
        return Light(change(self.coefficients), domain)

    def grey(self, domain: Domain) -> np.ndarray:
        """Return the luminance (9,) float64 told in a domain: "lightness" is what DPR takes."""
        if domain == self.domain:
            return self.luminance
        return Light.from_array(self.luminance, domain=self.domain).told_in(domain).coefficients[:, 0]

    @property
    def contrast(self) -> float:
        """Length of the first band over the ambient coefficient; 0 is even light."""
        grey = self.luminance
        return float(np.linalg.norm(grey[1:4]) / abs(grey[0])) if grey[0] else 0.0

    @property
    def angles(self) -> tuple[float, float]:
        """Azimuth -180..180 and elevation in degrees of the main direction; (0, 0) for even light."""
        y, z, x = self.luminance[1:4]
        if self.contrast < 1e-9:
            return 0.0, 0.0
        return math.degrees(math.atan2(x, -y)), math.degrees(math.atan2(z, math.hypot(x, y)))

    # -- changing it -----------------------------------------------------------------------------------------

    def __add__(self, other: Light) -> Light:
        """Both lights together; light adds up in linear irradiance."""
        return Light(self.told_in("linear").coefficients + other.told_in("linear").coefficients)

    def __mul__(self, factor: float | Sequence[float]) -> Light:
        """The light made brighter by a factor, or by one for each of red, green and blue.

        Raises:
            RelightError: a factor below 0 for a light told in lightness, which holds no negative light.
        """
        factors = np.asarray(factor, dtype=np.float64)
        if self.domain == "lightness":
            if (factors < 0).any():
                raise RelightError("A light told in lightness cannot be multiplied by a number below 0.")
            factors = factors**lightness_light.EXPONENT
        return Light(self.coefficients * factors, self.domain)

    __rmul__ = __mul__

    def rotate(self, azimuth: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Light:
        """Return the light turned around the subject, in degrees.

        Args:
            azimuth: about the vertical: light from the camera goes to the picture's right.
            pitch: about the horizontal: light from the camera goes up.
            roll: in the picture's plane: light from above goes to the right.

        They are applied in the order roll, pitch, azimuth.
        """
        angles = np.radians([-pitch, roll, azimuth])
        about_x, about_y, about_z = map(rotation_about, np.eye(3), angles)
        turned = about_z @ about_x @ about_y
        return Light(sh.rotate(self.coefficients, turned), self.domain)

    def mirror(self) -> Light:
        """Return the light of the picture flipped left to right."""
        return Light(sh.image_map("hflip") @ self.coefficients, self.domain)

    def normalised(self) -> Light:
        """Return the light at the usual brightness, which lies in DPR's training range.

        Raises:
            RelightError: the light is dark.
        """
        ambient = self.luminance[0]
        if ambient <= 0:
            raise RelightError("The light is dark: its first coefficient is not above 0.")
        return Light(self.coefficients * (USUAL_AMBIENT / ambient), self.domain)

    def interpolate(self, other: Light, share: float) -> Light:
        """Return the light on the way to another: 0 is this one, 1 the other.

        The main direction goes along the shortest arc, so that a light that walks around the subject stays as
        strong as it is; the rest is blended. Lights of two domains are blended in linear irradiance.
        """
        if self.domain != other.domain:
            return self.told_in("linear").interpolate(other.told_in("linear"), share)
        axis, angle = np.array([0.0, 0.0, 1.0]), 0.0
        if min(self.contrast, other.contrast) >= appearance.EVEN_CONTRAST:
            axis, angle = shortest_arc(direction(*self.angles), direction(*other.angles))
        there = sh.rotate(self.coefficients, rotation_about(axis, share * angle))
        back = sh.rotate(other.coefficients, rotation_about(axis, -(1 - share) * angle))
        return Light((1 - share) * there + share * back, self.domain)

    # -- showing and keeping it ------------------------------------------------------------------------------

    def sphere(self, size: int = 256, *, paper: bool = False) -> np.ndarray:
        """Return a picture of a matt ball under the light.

        Args:
            size: pixels per side.
            paper: exactly as DPR's demo draws it: grey, stretched to the full range of brightness. Otherwise
                a ball that reflects half of the light, sRGB-encoded, so that lights can be compared.

        Returns:
            (size, size, 3) uint8 sRGB, black outside the ball.

        Source: DPR, testNetwork_demo_512.
        """
        return appearance.ball(self, size, paper)

    def _repr_png_(self) -> bytes:
        from tf_relight.photo.picture import png_of

        return png_of(self.sphere(128))

    def __repr__(self) -> str:
        """In words where it comes from."""
        return f"<Light {appearance.describe(self)}>"

    def to_file(self, path: Path | str, frame: sh.Frame = "dpr") -> None:
        """Write a text file: 9 numbers for a grey light in DPR's frame, else 27 with a line naming the frame.

        Nine numbers are told in lightness, as DPR's files are; 27 are linear.

        Raises:
            RelightError: a file that cannot be written.
        """
        grey = bool(np.allclose(self.coefficients, self.coefficients[:, :1], rtol=1e-9, atol=1e-12))
        told = self.told_in("lightness" if grey and frame == "dpr" else "linear")
        write_text(path, format_light(sh.convert(told.coefficients, "dpr", frame), frame))
