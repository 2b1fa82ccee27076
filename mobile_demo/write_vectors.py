"""Writes `vectors/*.json`, the numbers that the package, the page and the Android app have to agree on.

    python -m mobile_demo.write_vectors

Each file says how far the apps may be off, and why. Arrays are {"shape", "type", "base64"}, little-endian.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tf_relight.files import write_text
from tf_relight.light.light import Light
from tf_relight.light.presets import PRESETS
from tf_relight.photo import colour, lightness
from tf_relight.photo.faces import Face
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.reading import read_picture
from tf_relight.photo.transfer import LIGHTNESS_FOOT, SRGB_FOOT, measure_softness, transfer
from tf_relight.relighting.face_places import regions, size_for_network
from tf_relight.relighting.light_range import exposed
from tf_relight.relighting.light_tint import has_colour, light_colour
from tf_relight.relighting.portraits import PortraitRelighter, without_weave
from tf_relight.relighting.request import RelightOptions
from tf_relight.relighting.squares import as_square
from tf_relight.relighting.turning import turn_of, turned

FOLDER = Path(__file__).parent / "vectors"
PORTRAIT = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
TURN = 35.0  # degrees
FACE, SMALL_FACE = Face(97, 47, 100, 130, 1.0), Face(105, 58, 82, 110, 1.0)
"""The face of the example portrait, in its 300 x 300 pixels: as it is, and so small that it is cropped."""
METHOD, SIDE = "lit_unet", 128
"""The network of the apps, and the side of its square pictures."""
PROBED = 64
"""The side at which the portrait of the vectors goes through the network; small, so that the file is."""


def array(values: Any, kind: str = "float32") -> dict[str, Any]:
    """Return an array as JSON."""
    plain = np.ascontiguousarray(values, np.dtype(kind).newbyteorder("<"))
    return {"shape": plain.shape, "type": kind, "base64": base64.b64encode(plain.tobytes()).decode()}


def array_of(told: dict[str, Any]) -> np.ndarray:
    """Return what `array` wrote."""
    flat = np.frombuffer(base64.b64decode(told["base64"]), np.dtype(told["type"]).newbyteorder("<"))
    return flat.reshape(told["shape"])


def lights() -> dict[str, Any]:
    """Lights by angle, softness, preset and temperature: their numbers, and what networks take of them."""
    named = {
        "left": Light.from_direction(-90, 0),
        "hard, upper right": Light.from_direction(52, 33, softness=0.0),
        "soft, above": Light.from_direction(-10, 70, softness=1.0),
        "behind": Light.from_direction(170, 10, softness=0.4),
        "below": Light.from_direction(0, -90),
    } | {name: Light.from_preset(name) for name in PRESETS}
    own = Light.from_direction(20, 30, softness=0.7).grey("lightness")
    dim = Light.from_direction(-60, 10).grey("lightness") * 0.3
    cases = []
    for name, light in named.items():
        kelvin = {"left": 2800.0, "behind": 12000.0}.get(name)
        options = RelightOptions(light=light, temperature=kelvin)
        # A ratio of 1 everywhere: only the colours of the two sides count here.
        tint = light_colour(options, np.full((2, 2), 0.5), np.full((2, 2), 0.5))
        under = [exposed(light, "lightness", values) for values in (own, dim, np.zeros(9))]
        cases.append(
            {
                "name": name,
                "coefficients": light.coefficients.T.tolist(),
                "lightness": light.grey("lightness").tolist(),
                "turned": light.rotate(roll=TURN).coefficients.T.tolist(),
                "angles": light.angles,
                "kelvin": kelvin,
                "has_colour": bool(has_colour(options)),
                "shadow": tint.shadow.tolist(),
                "lit": tint.lit.tolist(),
                "exposed": [
                    {
                        "numbers": each.numbers.tolist(),
                        "own": np.asarray(each.own).tolist(),
                        "gain": each.gain,
                    }
                    for each in under
                ],
                "ball": array(light.sphere(16), "uint8"),
            }
        )
    return {
        "tolerance": 2e-6,
        "why": "the package computes some steps in float32, with 24 bits; the apps compute in float64",
        "ball_tolerance": 1,
        "own": [own.tolist(), dim.tolist(), [0.0] * 9],
        "directions": [
            {"azimuth": -90, "elevation": 0, "softness": 0.2, "name": "left"},
            {"azimuth": 52, "elevation": 33, "softness": 0.0, "name": "hard, upper right"},
            {"azimuth": -10, "elevation": 70, "softness": 1.0, "name": "soft, above"},
            {"azimuth": 170, "elevation": 10, "softness": 0.4, "name": "behind"},
            {"azimuth": 0, "elevation": -90, "softness": 0.2, "name": "below"},
        ],
        "turn": TURN,
        "lights": cases,
    }


def colours() -> dict[str, Any]:
    """sRGB, linear light and Lab, and the colours of lamps."""
    levels = np.array([0, 1, 2, 10, 11, 64, 128, 200, 254, 255], np.float32) / 255
    rgb = np.stack(np.meshgrid(levels[::3], levels[::3], levels[::3]), axis=-1).reshape(-1, 3)
    luminance = np.array([0, 1e-4, 0.008, 0.0089, 0.1, 0.5, 1], np.float32)
    kelvins = [1000.0, 2000.0, 3400.0, 6500.0, 9000.0, 15000.0]
    return {
        "tolerance": 3e-6,
        "why": "float32 in the package, float64 in the apps; Lab is told over 100",
        "srgb": levels.tolist(),
        "linear": colour.srgb_to_linear(levels).tolist(),
        "rgb": rgb.tolist(),
        "lab": (colour.rgb_to_lab(rgb) / 100).tolist(),
        "luminance": luminance.tolist(),
        "lightness": lightness.from_luminance(luminance).tolist(),
        "kelvin": kelvins,
        "planckian": [colour.planckian_rgb(each).tolist() for each in kelvins],
    }


def transfers() -> dict[str, Any]:
    """The change of light brought from small pictures to larger ones, and lightness changed with a colour."""
    photo = resize(read_picture(PORTRAIT).pixels, (60, 44))
    cases = []
    for channels, foot in ((1, LIGHTNESS_FOOT), (3, SRGB_FOOT)):
        full = lightness.lightness(photo)[..., None] if channels == 1 else photo
        small = resize(full, (24, 18)).reshape(24, 18, channels)
        across = np.linspace(0.5, 1.6, 18, dtype=np.float32)[None, :, None]
        relit = np.clip((small + foot) * across - foot, 0, 1)
        cases.append(
            {
                "foot": foot,
                "before": array(small),
                "after": array(relit),
                "full": array(full),
                "softness": measure_softness(small, relit, foot),
                "result": array(transfer(full, small, relit, foot=foot)),
            }
        )
    small = resize(lightness.lightness(photo), (24, 18))
    weave = np.clip(small * np.linspace(0.7, 1.3, 18, dtype=np.float32), 0, 1)
    weave += np.indices(small.shape).sum(axis=0) % 2 * np.float32(0.02)
    pixels = (photo * 255).round().astype(np.uint8)
    before = lightness.lightness(pixels)
    after = np.clip(before * np.linspace(0.4, 1.5, 44, dtype=np.float32), 0, 1)
    reach = np.linspace(0, 1, 60, dtype=np.float32)[:, None] * np.ones((1, 44), np.float32)
    warm = RelightOptions(light=Light.from_direction(60, 20), temperature=2500)
    tint = light_colour(warm, before, after)
    return {
        "tolerance": 2e-5,
        "why": "sums of float32 in another order, and exponentials of OpenCV that are good to 1e-6",
        "byte_tolerance": 1,
        "byte_why": "8-bit pixels may fall to the other side of a rounding",
        "transfers": cases,
        "smoothed": {
            "before": array(small),
            "after": array(weave),
            "result": array(without_weave(small, weave)),
        },
        "changed": {
            "pixels": array(pixels, "uint8"),
            "before": array(before),
            "after": array(after),
            "reach": array(reach),
            "neutral": array(lightness.change_lightness(pixels, before, after, None, reach), "uint8"),
            "azimuth": 60,
            "elevation": 20,
            "kelvin": 2500,
            "full_ratio": tint.full_ratio,
            "warm": array(lightness.change_lightness(pixels, before, after, tint, reach), "uint8"),
        },
    }


def places() -> dict[str, Any]:
    """Which parts of a picture are relit, and at which size a network sees them."""
    cases = []
    for size, faces in (
        ((300, 200), []),
        ((300, 200), [Face(60, 50, 90, 120, 1)]),
        ((240, 300), [Face(100, 50, 90, 120, 1)]),
        ((250, 220), []),
        ((900, 1200), [Face(500, 300, 90, 121, 1)]),
        ((900, 1200), [Face(5, 10, 90, 120, 1), Face(1100, 800, 70, 95, 1)]),
    ):
        found = []
        for rows, columns, weight in regions(size, faces):
            shape = rows.stop - rows.start, columns.stop - columns.start
            height, width = size_for_network(shape, SIDE)
            middle = None if weight is None else [weight[len(weight) // 2].tolist(), weight[:, -1].tolist()]
            found.append(
                {
                    "left": columns.start,
                    "top": rows.start,
                    "width": shape[1],
                    "height": shape[0],
                    "network": [width, height],
                    "weights": middle,
                }
            )
        boxes = [_told(face) for face in faces]
        cases.append({"width": size[1], "height": size[0], "faces": boxes, "places": found})
    squares = []
    for shape in ((7, 4), (3, 8), (1, 6), (5, 5)):
        picture = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        squares.append({"picture": array(picture), "square": array(as_square(picture)[0])})
    square = resize(lightness.lightness(read_picture(PORTRAIT).pixels), (24, 24))
    return {
        "tolerance": 1e-6,
        "why": "float32 in the package",
        "side": SIDE,
        "cases": cases,
        "squares": squares,
        "turns": [[tilt, turn_of(tilt)] for tilt in (0, 7, -9, 12.5, -30, 95, 179, 200, -352)],
        "turned": [
            {"degrees": degrees, "square": array(square), "result": array(turned(square, degrees))}
            for degrees in (0, TURN, -90, 170)
        ],
    }


def _told(face: Face) -> dict[str, float]:
    return {name: getattr(face, name) for name in ("left", "top", "width", "height", "tilt")}


def portraits() -> dict[str, Any]:
    """The whole way of a portrait: what the network is asked and answers, and the picture that comes out."""
    from tf_relight.relighting.photos import load_for

    loaded = load_for(METHOD, None)
    asked: list[dict[str, Any]] = []
    photo = read_picture(PORTRAIT).pixels
    cropped = Picture((resize(photo, (128, 128)) * 255).round().astype(np.uint8))
    close = Picture((resize(photo[10:230, 40:260], (96, 96)) * 255).round().astype(np.uint8))
    cases = []
    for name, picture, face, light, options in (
        ("cropped, neutral", cropped, SMALL_FACE.scaled(128 / 300), Light.from_direction(-60, 20), {}),
        (
            "cropped, warm, weaker",
            cropped,
            SMALL_FACE.scaled(128 / 300),
            Light.from_direction(75, 10, softness=0.5),
            {"temperature": 3000.0, "strength": 0.8},
        ),
        ("close, from behind", close, FACE.moved(-10, -40).scaled(96 / 220), Light.from_preset("rim"), {}),
        (
            "cropped at the border",
            cropped,
            SMALL_FACE.moved(-52, 90).scaled(128 / 300),
            Light.from_direction(30, 60),
            {},
        ),
        (
            "a tilted head",
            cropped,
            replace(SMALL_FACE.scaled(128 / 300), tilt=-35.0),
            Light.from_direction(40, 30),
            {},
        ),
        (
            "a tilted head, close, not square",
            Picture(np.ascontiguousarray(close.stored[:, 8:78])),
            replace(FACE.moved(-10, -40).scaled(96 / 220).moved(0, -8), tilt=25.0),
            Light.from_direction(-50, 10),
            {},
        ),
        (
            "close, background kept",
            close,
            FACE.moved(-10, -40).scaled(96 / 220),
            Light.from_preset("golden_hour"),
            {"keep_background": True},
        ),
    ):
        mask = _ellipse(picture.size, face)
        asked = []
        relighter = _relighter(picture, loaded, face, mask, asked)
        relit = relighter.relight(RelightOptions(light=light, **options))
        cases.append(
            {
                "name": name,
                "pixels": array(picture.stored, "uint8"),
                "face": _told(face),
                "mask": array((mask * 255).round(), "uint8"),
                "coefficients": light.coefficients.T.tolist(),
                "kelvin": options.get("temperature"),
                "strength": options.get("strength", 1.0),
                "keep_background": options.get("keep_background", False),
                "asked": asked,
                "result": array(relit.stored, "uint8"),
            }
        )
    return {
        "side": PROBED,
        "input_tolerance": 2e-5,
        "input_why": "means over areas in another order of float32",
        "light_tolerance": 1e-5,
        "psnr": 48.0,
        "why": "8-bit pixels rounded at the end; most are equal",
        "cases": cases,
    }


def network() -> dict[str, Any]:
    """What the network of the apps answers to one picture, in float32."""
    from tf_relight.relighting.photos import load_for

    loaded = load_for(METHOD, None)
    photo = read_picture(PORTRAIT).pixels[20:220, 120:320]
    image = (resize(lightness.lightness(photo), (SIDE, SIDE)) * 255).round().astype(np.uint8)
    numbers = Light.from_direction(-70, 25).grey("lightness").astype(np.float32)
    before = image[..., None].astype(np.float32) / 255
    answer = loaded.method.predict(loaded.model, image=before, light=numbers[:, None])
    return {
        "method": METHOD,
        "side": SIDE,
        "image": array(image, "uint8"),
        "light": numbers.tolist(),
        "relit": array((answer["relit"][..., 0] * 65535).round(), "uint16"),
        "source_light": answer["source_light"][:, 0].tolist(),
        "psnr": {"fp32": 90.0, "fp16": 66.0, "dynamic_int8": 45.0, "static_int8": 25.0},
        "why": "what rounding leaves of the mean of two passes; float32 is told here in 16 bits",
    }


def _relighter(
    picture: Picture, loaded: Any, face: Face, mask: np.ndarray, asked: list[dict[str, Any]]
) -> PortraitRelighter:
    """Return a relighter with a given mask of the person, that writes down what it asks the network."""
    places = [
        (rows, columns, None if window is None else window * mask[rows, columns])
        for rows, columns, window in regions(picture.size, [face])
    ]
    relighter = _Noting(picture, loaded, size=PROBED, faces=[face], places=places, asked=asked)
    # The mask takes the place of the one that would be found.
    relighter.__dict__["person"] = np.ones(picture.size, np.float32) if places[0][2] is not None else mask
    before = relighter._regions[0].before
    relighter._people[0] = resize(mask, before.shape)
    return relighter


class _Noting(PortraitRelighter):
    def __init__(self, *arguments: Any, asked: list[dict[str, Any]], **named: Any) -> None:
        self._asked = asked
        super().__init__(*arguments, **named)

    def _run(self, region: Any, coefficients: np.ndarray) -> dict[str, np.ndarray]:
        answer = super()._run(region, coefficients)
        self._asked.append(
            {
                "image": array(region.seen) if not self._asked else None,
                "light": np.asarray(coefficients, np.float64).tolist(),
                "relit": array(answer["relit"]),
                "source_light": answer["source_light"][:, 0].tolist(),
            }
        )
        return answer


def _ellipse(size: tuple[int, int], face: Face) -> np.ndarray:
    """Return a soft mask (H, W) around a face, in steps of 1/255."""
    row, column = face.centre
    y, x = np.indices(size, np.float32)
    far = np.hypot((x - column) / face.width, (y - row) / face.height)
    return (np.clip((1.1 - far) / 0.3, 0, 1) * 255).round().astype(np.float32) / 255


MADE: dict[str, Callable[[], dict[str, Any]]] = {
    "lights": lights,
    "colours": colours,
    "transfers": transfers,
    "places": places,
    "portraits": portraits,
    "network": network,
}
"""File name to what makes it."""


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", choices=sorted(MADE), help="write one file only")
    only = parser.parse_args().only
    for name, make in MADE.items():
        if only in (None, name):
            write_text(FOLDER / f"{name}.json", json.dumps(make(), indent=None, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
