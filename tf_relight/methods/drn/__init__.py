"""DRN: relighting from any light by reconversion, shadow prior and re-rendering. Data side, without Keras.

Source: Wang, Siu, Liu, Li, Lun, "Deep Relighting Networks for Image Light Source Manipulation", ECCV 2020
workshops (AIM 2020).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from tf_relight.contract.card import MethodInfo, PublishedScore
from tf_relight.contract.values import FrozenModel
from tf_relight.methods.drn.recipe import Recipe, stages

__all__ = ["MODES", "VARIANTS", "Config", "Mode", "Recipe", "stages", "weight_map"]

Mode = Literal["plain", "polyphase4", "released"]
MODES: tuple[Mode, ...] = ("plain", "polyphase4", "released")
"""How a picture goes through the network; see `networks.predict`."""

_VALIDATION = "VIDIT validation, 45 scenes"
_TABLE = "DRN, table 1"
_NO_WEIGHTS = "official weights of the whole DRN are on a file host without a licence"

_DRN = MethodInfo(
    title="DRN",
    venue="ECCV workshops",
    year=2020,
    link="https://arxiv.org/abs/2008.08298",
    task="any-to-one",
    native_size=512,
    size_multiple=16,
    parameters=117_389_481,
    small={"width": 4, "levels": 2, "blocks": 1},
    weights_licence=_NO_WEIGHTS,
    published=(PublishedScore(_VALIDATION, "DRN", 17.59, 0.596, 0.440, _TABLE),),
)

VARIANTS: dict[str, MethodInfo] = {
    "drn": _DRN,
    "bpae": replace(
        _DRN,
        title="BPAE (back-projection auto-encoder)",
        parameters=58_508_547,
        defaults={"network": "bpae"},
        weights_licence="no official weights exist",
        published=(PublishedScore(_VALIDATION, "BPAE", 17.22, 0.573, 0.439, _TABLE),),
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        network: "drn", or "bpae" for the shadow prior network alone, the paper's ablation.
        width: channels at full resolution; doubled by each of the `levels` down-sampling blocks.
        levels: how often the picture is halved.
        blocks: residual blocks at the bottleneck.
    """

    network: Literal["drn", "bpae"] = "drn"
    width: int = Field(32, ge=2, le=128, multiple_of=2)
    levels: int = Field(4, ge=1, le=6)
    blocks: int = Field(9, ge=0, le=32)


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none, the official file holds no licence to convert it under."""
    return {}
