"""A light that changes over time: keys read from a file, and a smooth way between them.

0: left                                   # seconds: a side, a preset, a light file or a VIDIT code
2.5: rembrandt
4: {from: right, up: 30}
1:05: {azimuth: 120, elevation: 20, temperature: 3200}
"""

from __future__ import annotations

import bisect
import functools
import math
import reprlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tf_relight.errors import RelightError, shortened, suggest
from tf_relight.guarded.yaml_text import loading, read_yaml_text
from tf_relight.light.appearance import EVEN_CONTRAST
from tf_relight.light.directions import angles_from
from tf_relight.light.light import Light
from tf_relight.relighting.light_series import named_light

_WORDS = ("from", "up", "azimuth", "elevation", "light", "temperature", "ambient", "soft")
_NEARLY_UPRIGHT = 89.0
"""Degrees of elevation above which a light has no azimuth worth naming."""


@dataclass(frozen=True, eq=False)
class LightPath:
    """Lights at times, and what is between them.

    Every key's light is met exactly at its time. In between azimuth, elevation and the light's shape go from
    value to value on a smooth curve that never runs beyond them: it passes through a key without slowing down
    where the way goes on, and rests where it turns back. Before the first key and after the last the light
    stands still. From side to side the way leads over the front.

    Attributes:
        times: seconds, growing.
        lights: one for each time; where they are told in two domains, all become linear.
    """

    times: tuple[float, ...]
    lights: tuple[Light, ...]

    def __post_init__(self) -> None:
        """Check the keys.

        Raises:
            RelightError: no keys, or times that do not grow.
        """
        if not self.times or len(self.times) != len(self.lights):
            raise RelightError("A light path needs at least one key, each a time with a light.")
        if any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise RelightError("The times of a light path must grow.")
        if len({light.domain for light in self.lights}) > 1:
            object.__setattr__(self, "lights", tuple(light.told_in("linear") for light in self.lights))

    def at(self, time: float) -> Light:
        """Return the light at a time in seconds."""
        index = bisect.bisect_right(self.times, time) - 1
        if index < 0 or time in self.times:
            return self.lights[max(0, index)]
        if index == len(self.times) - 1:
            return self.lights[-1]
        values, slopes = self._curve
        span = self.times[index + 1] - self.times[index]
        here = _hermite((time - self.times[index]) / span, values[index:], span * slopes[index:])
        azimuth, elevation = here[:2]
        return (
            Light(here[2:].reshape(9, 3), self.lights[0].domain)
            .rotate(pitch=elevation)
            .rotate(azimuth=azimuth)
        )

    @functools.cached_property
    def _curve(self) -> tuple[np.ndarray, np.ndarray]:
        """What goes from key to key, (keys, 29), and its slopes per second.

        Azimuth and elevation in degrees, then the coefficients of the light turned to the front.
        """
        azimuths, elevations = _angles(self.lights)
        facing = [
            light.rotate(azimuth=-azimuth).rotate(pitch=-elevation).coefficients.ravel()
            for light, azimuth, elevation in zip(self.lights, azimuths, elevations, strict=True)
        ]
        values = np.column_stack([azimuths, elevations, np.array(facing)])
        return values, _slopes(np.array(self.times), values)


def read_light_path(path: Path | str) -> LightPath:
    """Read the keys of a light path from a YAML file; light files stand beside it or are named in full.

    Raises:
        RelightError: a file that cannot be read or is not YAML, or keys that make no sense; the sentence
            names the line.
    """
    path = Path(path)
    keys: dict[float, tuple[int, Light]] = {}
    for line, time_node, value in _entries(path):
        try:
            time = _seconds(time_node)
            if time in keys:
                raise RelightError(f"the time {time:g} s was already given in line {keys[time][0]}.")
            keys[time] = line, _light(value, path.parent)
        except RelightError as error:
            raise RelightError(f"{path}, line {line}: {error}") from error
    times = sorted(keys)
    return LightPath(tuple(times), tuple(keys[time][1] for time in times))


def _entries(path: Path) -> list[tuple[int, str, Any]]:
    """Return (line, text of the time, content) of each key."""
    text = read_yaml_text(path, what="the light path", advice="name a .yaml file of keys")
    try:
        with loading(text) as loader:
            root = loader.get_single_node()
            if not isinstance(root, yaml.MappingNode) or not root.value:
                raise _PathError(f"{path} should hold lines of 'seconds: light', for example '0: left'.")
            found = []
            for key, value in root.value:
                line = key.start_mark.line + 1
                _refuse_repeats(path, value)
                time = key.value if isinstance(key, yaml.ScalarNode) else "?"
                found.append((line, time, loader.construct_object(value, deep=True)))
            return found
    except _PathError:
        raise
    except RelightError as error:
        line, _, problem = str(error).rpartition(": ")
        place = f"{path}, {line}" if line else str(path)
        raise RelightError(f"{place}: this is not YAML of a light path ({problem}).") from error


class _PathError(RelightError):
    """YAML, but no light path."""


def _refuse_repeats(path: Path, node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        words = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for word, count in Counter(words).items():
            if count > 1:
                line = node.start_mark.line + 1
                raise _PathError(f"{path}, line {line}: '{shortened(word, 60)}' is given twice for one key.")


def _seconds(text: str) -> float:
    """Return the seconds of "2.5", "1:05" or "1:02:03.5"."""
    try:
        parts = [float(part) for part in text.split(":")]
        time = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    except ValueError:
        parts, time = [], math.nan
    if not 1 <= len(parts) <= 3 or not math.isfinite(time) or min(parts) < 0:
        shown = shortened(text, 60)
        raise RelightError(f"'{shown}' is no time. Give seconds (2.5) or minutes and seconds (1:05).")
    return time


def _light(value: Any, folder: Path) -> Light:
    """Return the light of one key."""
    if isinstance(value, str):
        return named_light(value, folder=folder)
    if not isinstance(value, dict) or not value:
        raise RelightError(
            "a light is a word (left, rembrandt, a file), {from: left, up: 30} or {azimuth: 60, "
            "elevation: 20}."
        )
    for word in value:
        if word not in _WORDS:
            hint = suggest(str(word), _WORDS)
            raise RelightError(f"{reprlib.repr(word)} is not known here.{hint} Known: {', '.join(_WORDS)}.")
    numbers = {word: _number(word, value[word]) for word in value if word not in ("from", "light")}
    ways = [word for word in ("from", "light") if word in value]
    ways += ["azimuth and elevation"] if {"azimuth", "elevation"} & set(value) else []
    if len(ways) != 1:
        raise RelightError(f"give the light in one way, not {' and '.join(ways) if ways else 'none'}.")
    if "light" in value:
        if numbers:
            raise RelightError(f"'{next(iter(numbers))}' goes with 'from' or 'azimuth', not with 'light'.")
        return named_light(str(value["light"]), folder=folder)
    known = {"temperature": "temperature", "ambient": "ambient", "soft": "softness"}
    options: dict[str, Any] = {name: numbers[word] for word, name in known.items() if word in numbers}
    if "from" in value:
        return Light.from_direction(*angles_from(str(value["from"]), numbers.get("up")), **options)
    if "up" in numbers:
        raise RelightError("'up' goes with 'from'; with 'azimuth' give 'elevation'.")
    return Light.from_direction(numbers.get("azimuth", 0.0), numbers.get("elevation", 0.0), **options)


def _number(word: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RelightError(f"'{word}' must be a number, not {reprlib.repr(value)}.")
    return float(value)


def _angles(lights: Sequence[Light]) -> tuple[list[float], list[float]]:
    """Return azimuths that go on from one another, and elevations, in degrees.

    Even light has no direction and light from straight above no azimuth: they take those of a neighbour.
    """
    even = [light.contrast < EVEN_CONTRAST for light in lights]
    upright = [abs(light.angles[1]) > _NEARLY_UPRIGHT for light in lights]
    azimuths = _filled(lights, 0, [not (a or b) for a, b in zip(even, upright, strict=True)])
    for index in range(1, len(azimuths)):
        turn = (azimuths[index] - azimuths[index - 1] + 180) % 360 - 180
        if abs(turn) > 180 - 1e-6:  # from side to side: over the front, not behind the person
            turn = -180.0 if math.sin(math.radians(azimuths[index - 1])) > 0 else 180.0
        azimuths[index] = azimuths[index - 1] + turn
    return azimuths, _filled(lights, 1, [not each for each in even])


def _filled(lights: Sequence[Light], which: int, known: Sequence[bool]) -> list[float]:
    """Return one angle of each light, where it is not known that of the nearest key that has one."""
    places = [index for index, is_known in enumerate(known) if is_known]
    if not places:
        return [0.0] * len(lights)
    nearest = [min(places, key=lambda place: abs(place - index)) for index in range(len(lights))]
    return [lights[place].angles[which] for place in nearest]


def _slopes(times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the slopes (keys, n) per second of a smooth curve through values that never overshoots.

    0 at both ends and where values turn back, else the harmonic mean of the slopes on both sides.

    Source: Fritsch and Butland, "A method for constructing local monotone piecewise cubic interpolants", SIAM
    J. Sci. Stat. Comput. 5 (1984).
    """
    slopes = np.zeros_like(values)
    if len(times) < 3:
        return slopes
    spans = np.diff(times)[:, None]
    steps = np.diff(values, axis=0) / spans
    before, after = steps[:-1], steps[1:]
    weight = (spans[:-1] + 2 * spans[1:]) / (3 * (spans[:-1] + spans[1:]))
    goes_on = before * after > 0
    mean = weight * after + (1 - weight) * before
    slopes[1:-1] = np.where(goes_on, before * after / np.where(goes_on, mean, 1.0), 0.0)
    return slopes


def _hermite(u: float, values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Return the values at u, 0..1, between the first two rows; the slopes are per segment."""
    rest = 1 - u
    blend = rest * rest * (1 + 2 * u) * values[0] + u * u * (3 - 2 * u) * values[1]
    return np.asarray(blend + u * rest * rest * slopes[0] - u * u * rest * slopes[1])
