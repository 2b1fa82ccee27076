"""DPR: relighting portraits under any second-order spherical harmonics light. Data side, without Keras.

Source: Zhou, Hadap, Sunkavalli, Jacobs, "Deep Single-Image Portrait Relighting", ICCV 2019, with the
layers of the authors' release at github.com/zhhoper/DPR.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.values import FrozenModel
from tf_relight.methods.dpr.recipe import Recipe, stages

__all__ = [
    "COEFFICIENTS",
    "LEVELS",
    "LIGHT_CHANNELS",
    "VARIANTS",
    "Config",
    "Recipe",
    "level_widths",
    "stages",
    "weight_map",
]

LIGHT_CHANNELS = 27
"""Channels of the bottleneck that carry the light; the rest carry the face."""
COEFFICIENTS = 9
LEVELS = (3, 2, 1, 0)
"""Levels of the hourglass from the outermost to the innermost."""

_DPR512 = MethodInfo(
    title="DPR 512",
    venue="ICCV",
    year=2019,
    link="https://zhhoper.github.io/dpr.html",
    task="portrait",
    native_size=512,
    size_multiple=16,
    parameters=685_788,
    small={"width": 4},
    inputs=(
        Port("image", "lightness", 1),
        Port("light", "light", 1, field="target_light", domain="lightness"),
    ),
    outputs=(Port("relit", "lightness", 1), Port("source_light", "light", 1, domain="lightness")),
    default_weights="dpr-humans-128-v0",
    weights_licence="own weights, Apache-2.0; official ones are for research only: `relight weights import`",
)

VARIANTS: dict[str, MethodInfo] = {
    "dpr512": _DPR512,
    "dpr1024": replace(
        _DPR512,
        title="DPR 1024",
        native_size=1024,
        size_multiple=32,
        defaults={"size": 1024},
        starts_from=("dpr512",),
        default_weights="dpr1024-official",
        weights_licence="official weights: research only; import them with `relight weights import`",
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        size: 512 runs the hourglass on the picture's own grid, 1024 on half of it, between its first and its
            last layers; the tensors are the same, so weights of one can start the other. Pictures of any size
            go through both.
        width: channels at the hourglass's first level, 16 in the paper; the other widths follow, the face
            feature has 8 times as many. The light always has 27.
    """

    size: Literal[512, 1024] = 512
    width: int = Field(16, ge=2, le=256)


def level_widths(width: int) -> dict[int, tuple[int, int]]:
    """Return {level: (channels outside, channels inside)} of the hourglass; level 0 holds the bottleneck."""
    inside = {3: width, 2: 2 * width, 1: 4 * width, 0: LIGHT_CHANNELS + 8 * width}
    outside = {3: width, 2: width, 1: 2 * width, 0: 4 * width}
    return {level: (outside[level], inside[level]) for level in LEVELS}


def weight_map(config: Config) -> dict[str, str]:
    """Return {tensor name in the official checkpoint: our path}, each tensor once.

    Convolutions are transposed (2, 3, 1, 0). The checkpoint lists the inner levels of the hourglass several
    times and holds tensors its network never uses; `official.py` tells them apart.
    """
    mapping: dict[str, str] = {}

    def convolution(theirs: str, ours: str, bias: bool = False) -> None:
        mapping[f"{theirs}.weight"] = f"{ours}/kernel"
        if bias:
            mapping[f"{theirs}.bias"] = f"{ours}/bias"

    def batch_norm(theirs: str, ours: str) -> None:
        names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean"}
        for their_part, our_part in {**names, "running_var": "moving_variance"}.items():
            mapping[f"{theirs}.{their_part}"] = f"{ours}/{our_part}"

    for theirs, ours in {"pre": "pre", **{str(i): f"tail{i}" for i in (1, 2, 3)}}.items():
        names = (f"{theirs}_conv", f"{theirs}_bn") if theirs == "pre" else (f"conv_{theirs}", f"bn_{theirs}")
        convolution(names[0], f"{ours}/conv", bias=True)
        batch_norm(names[1], f"{ours}/norm")
    convolution("output", "output", bias=True)

    inner = "model_512." if config.size == 1024 else ""
    for level, (outside, inside) in level_widths(config.width).items():
        for part in ("upper", "low1", "low2"):
            theirs, ours = f"{inner}HG{level}.{part}", f"hourglass/level{level}_{part}"
            convolution(f"{theirs}.conv1", f"{ours}/conv1")
            convolution(f"{theirs}.conv2", f"{ours}/conv2")
            if part != "upper" and outside != inside:
                convolution(f"{theirs}.shortcuts", f"{ours}/shortcut")
            if part == "low1":
                batch_norm(f"{theirs}.bn1", f"{ours}/norm1")
                batch_norm(f"{theirs}.bn2", f"{ours}/norm2")
    for theirs, ours in {"predict": "predict", "post": "inject"}.items():
        convolution(f"{inner}light.{theirs}_FC1", f"hourglass/light/{ours}1")
        mapping[f"{inner}light.{theirs}_relu1.weight"] = f"hourglass/light/{ours}_activation/alpha"
        convolution(f"{inner}light.{theirs}_FC2", f"hourglass/light/{ours}2")
    return mapping
