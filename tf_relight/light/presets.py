"""Lights by the words photographers use."""

from __future__ import annotations

from dataclasses import dataclass

from tf_relight.light.lamps import Lamp


@dataclass(frozen=True)
class Preset:
    """Lamps over even light.

    Attributes:
        about: one line for the list of presets.
        lamps: their weights are shares of the directed light.
        ambient: share of the even light, 0..1; with no lamps all light is even.
        ambient_temperature: colour of the even light in kelvin, None = neutral.
    """

    about: str
    lamps: tuple[Lamp, ...]
    ambient: float = 0.25
    ambient_temperature: float | None = None


PRESETS: dict[str, Preset] = {
    "front": Preset("from the camera: flat and even", (Lamp(0, 0),), 0.35),
    "butterfly": Preset("from high in front: a shadow under the nose", (Lamp(0, 50),)),
    "clamshell": Preset("from high in front, with a fill from below", (Lamp(0, 45), Lamp(0, -35, 0.45))),
    "loop": Preset("from the upper left, a little aside: the usual portrait", (Lamp(-35, 35),)),
    "rembrandt": Preset("from the upper left: a triangle of light on the far cheek", (Lamp(-55, 42),), 0.2),
    "split": Preset("from the left: half of the face in shadow", (Lamp(-90, 5),), 0.2),
    "broad": Preset("from the right at eye level, soft", (Lamp(50, 15, softness=0.5),), 0.3),
    "rim": Preset("from behind: bright edges, a dark face", (Lamp(-145, 25), Lamp(145, 25)), 0.3),
    "horror": Preset("from below: upside-down shadows", (Lamp(0, -60),), 0.2),
    "top": Preset("from straight above, as at noon", (Lamp(0, 80),)),
    "window_left": Preset(
        "a large window on the left, daylight", (Lamp(-75, 10, 1.0, 6000, softness=0.45),), 0.25, 7000
    ),
    "window_right": Preset(
        "a large window on the right, daylight", (Lamp(75, 10, 1.0, 6000, softness=0.45),), 0.25, 7000
    ),
    "golden_hour": Preset(
        "low warm sun from the right, bluish sky", (Lamp(65, 12, 1.0, 3400, softness=0.05),), 0.25, 7000
    ),
    "blue_hour": Preset(
        "cool light of the sky after sunset", (Lamp(0, 60, 1.0, 11000, softness=0.8),), 0.6, 11000
    ),
    "candle": Preset("a candle in front, low and very warm", (Lamp(20, -20, 1.0, 1900),), 0.2, 2400),
    "overcast": Preset("a grey sky: soft from above", (Lamp(0, 85, softness=0.9),), 0.5),
    "studio": Preset(
        "a key light left, a weaker one right, one from behind",
        (Lamp(-45, 35), Lamp(50, 10, 0.45), Lamp(160, 40, 0.35)),
    ),
    "ambient": Preset("even light from all around: no direction", ()),
}
"""Name to preset. Left and right are those of the picture."""
