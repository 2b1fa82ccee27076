"""The official DPR checkpoints: which of their tensors the network uses, and what it must answer with them.

Nothing here imports Keras. `tf_relight.methods.official` uses it for `relight weights import`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.methods.dpr import Config, level_widths, weight_map

if TYPE_CHECKING:
    from tf_relight.methods.dpr.networks import DPR

INNER = "model_512."
"""Under this name a 1024 checkpoint holds the 512 network that it grew from."""
REPEATED = "inner levels of the hourglass, listed again under the outer ones"
COUNTERS = "counters of training batches"
UNUSED_SHORTCUTS = "shortcuts between equal numbers of channels, which the network never uses"
BYPASSED = "first and last layers of the inner 512 network, which the 1024 network goes round"

_BYPASSED = re.compile(r"(pre_conv|pre_bn|conv_\d|bn_\d|output)\.")
_NESTED = re.compile(r"HG(\d)((?:\.middle)+)\.(.+)")


def used_tensors(
    found: Mapping[str, np.ndarray], config: Config
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return the tensors of a checkpoint that the network uses, and how many others there are by reason.

    Raises:
        RelightError: the checkpoint of the other size, or not DPR's; a tensor listed twice has two values.
    """
    is_1024 = any(name.startswith(INNER) for name in found)
    if is_1024 != (config.size == 1024) and "pre_conv.weight" in found:
        other = 1024 if is_1024 else 512
        raise RelightError(
            f"it is a checkpoint of DPR {other}, not {config.size}, so import it with "
            f"`relight weights import dpr{other} FILE`"
        )
    wanted = weight_map(config)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise RelightError(
            f"it is not a checkpoint of DPR {config.size}: it lacks '{missing[0]}', {len(missing)} of "
            f"{len(wanted)} tensors"
        )
    dropped: dict[str, int] = {}
    for name in found:
        if name not in wanted:
            reason = _reason(name, found, config)
            dropped[reason] = dropped.get(reason, 0) + 1
    return {name: found[name] for name in wanted}, dropped


def _reason(name: str, found: Mapping[str, np.ndarray], config: Config) -> str:
    """Say why the network does without a tensor."""
    own = innermost_name(name)
    if own != name:
        if own not in found or not np.array_equal(found[name], found[own]):
            raise RelightError(f"its '{name}' and '{own}' should be the same tensor, but differ")
        return REPEATED
    inside = name.removeprefix(INNER)
    if name.endswith(".num_batches_tracked"):
        return COUNTERS
    if inside != name and _BYPASSED.match(inside):
        return BYPASSED
    shortcut = re.fullmatch(r"HG(\d)\.(upper|low1|low2)\.shortcuts\.weight", inside)
    if shortcut is not None and int(shortcut[1]) in range(4):
        outside, within = level_widths(config.width)[int(shortcut[1])]
        if shortcut[2] == "upper" or outside == within:
            return UNUSED_SHORTCUTS
    raise RelightError(f"it holds '{name}', which DPR {config.size} has not")


def innermost_name(name: str) -> str:
    """Return the name of the same tensor under its own level: HG2.middle.low1.x is HG1.low1.x.

    Below level 0 comes the lighting net, so HG1.middle.middle.x is light.x.
    """
    prefix = INNER if name.startswith(INNER) else ""
    nested = _NESTED.fullmatch(name.removeprefix(INNER))
    if nested is None:
        return name
    level = int(nested[1]) - nested[2].count(".middle")
    return f"{prefix}light.{nested[3]}" if level == -1 else f"{prefix}HG{level}.{nested[3]}"


# -- Parity --------------------------------------------------------------------------------------------------

TOLERANCE = {"output": 2e-5, "light": 2e-5, "features": 1e-4}
"""Twenty times what float32 sums in another order cost the official network itself."""


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split())


# Two lights of the official demo, after its factor 0.7.
_LIGHTS = {
    0: _numbers(
        "0.7588878 -0.3249873 0.0198649 0.4735705 -0.2515847 0.0335370 -0.1596038 -0.0568819 0.2016757"
    ),
    3: _numbers(
        "0.7588878 -0.3249873 0.1875769 -0.4352913 0.2121189 -0.1393743 -0.0431406 -0.2223690 0.1344357"
    ),
}

# Measured with the official network in PyTorch 2.13, by size, light and skip count: the output's mean and
# standard deviation, then the first five values of its first row.
_OUTPUTS = {
    (512, 0, 0): (0.381401448, 0.155010443, 0.067053601, 0.090564460, 0.119984157, 0.134244815, 0.154971555),
    (512, 0, 4): (0.399000164, 0.044726192, 0.286124319, 0.290705621, 0.311011642, 0.318516701, 0.309670061),
    (512, 3, 0): (0.420210397, 0.268541865, 0.167543337, 0.282598406, 0.347652644, 0.363228917, 0.421752602),
    (512, 3, 4): (0.422098421, 0.179955740, 0.539817393, 0.615421295, 0.619031489, 0.593420446, 0.592190981),
    (1024, 0, 0): (0.333398171, 0.127480761, 0.257684410, 0.255551726, 0.236727461, 0.266787201, 0.329175204),
    (1024, 0, 4): (0.484046430, 0.129799969, 0.432458550, 0.421479136, 0.421479136, 0.418921024, 0.416979671),
    (1024, 3, 0): (0.517893040, 0.154484920, 0.367333263, 0.421057373, 0.389255106, 0.460722774, 0.553514123),
    (1024, 3, 4): (0.783613324, 0.075173226, 0.649370670, 0.677089810, 0.677089810, 0.700063109, 0.709625661),
}
_SOURCE_LIGHTS = {
    512: _numbers(
        "0.9022065 0.8036327 0.5039412 0.9566845 0.3332958 0.0197585 -0.3507769 0.2001338 -0.2028963"
    ),
    1024: _numbers(
        "0.6149553 1.4974898 0.2427749 -1.113793 -0.2162211 0.2567590 -0.3073356 -0.0819965 0.5920548"
    ),
}
# Mean and standard deviation of the face feature.
_FEATURES = {1024: (0.02740753, 0.12758137)}


def probe() -> np.ndarray:
    """Return the lightness (1, 64, 64, 1) 0..1 that the stored answers are for."""
    i, j = np.mgrid[:64, :64]
    return ((7 * i + 13 * j) % 256 / 255.0).astype(np.float32)[None, ..., None]


def parity(model: DPR) -> dict[str, float]:
    """Return the largest difference from the official network's answers, by the keys of `TOLERANCE`."""
    worst: dict[str, float] = {}

    def compare(key: str, ours: Any, theirs: tuple[float, ...]) -> None:
        difference = float(np.abs(np.asarray(ours, np.float64) - np.array(theirs)).max())
        worst[key] = max(worst.get(key, 0.0), difference)

    before, matching = model.skip_count, model.match_features
    for (size, light, skip_count), answers in _OUTPUTS.items():
        if size != model.size:
            continue
        model.set_switches(skip_count=skip_count)
        given = np.array([_LIGHTS[light]], np.float32)
        found = {name: np.asarray(value) for name, value in model.forward(probe(), given).items()}
        output = found["output"].astype(np.float64)
        compare("output", [output.mean(), output.std(), *output[0, 0, :5, 0]], answers)
        compare("light", found["light"][0], _SOURCE_LIGHTS[size])
        if size in _FEATURES:
            features = found["features"].astype(np.float64)
            compare("features", [features.mean(), features.std()], _FEATURES[size])
    model.set_switches(skip_count=before, match_features=matching)
    return worst
