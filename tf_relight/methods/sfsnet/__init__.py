"""SfSNet: a face taken apart into normals, albedo and light, and SkipNet, its teacher. Without Keras.

Source: Sengupta, Kanazawa, Castillo, Jacobs, "SfSNet: Learning Shape, Reflectance and Illuminance of Faces
in the Wild", CVPR 2018, with the layers, weights and solver of the authors' release; SkipNet as in the
public trainings again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.values import FrozenModel
from tf_relight.methods.sfsnet.official import weight_map
from tf_relight.methods.sfsnet.recipe import Recipe, stages

__all__ = ["VARIANTS", "Config", "Recipe", "stages", "weight_map"]

_SFSNET = MethodInfo(
    title="SfSNet",
    venue="CVPR",
    year=2018,
    link="https://senguptaumd.github.io/SfSNet/",
    task="decomposition",
    native_size=128,
    size_multiple=2,
    parameters=3_430_433,
    small={"width": 4},
    inputs=(
        Port("image", "srgb"),
        Port("light", "light", 3, field="target_light", in_batches=False, domain="lightness"),
    ),
    outputs=(
        Port("relit", "srgb"),
        Port("normal", "normal"),
        Port("albedo", "albedo"),
        Port("shading", "shading"),
        Port("rebuilt", "srgb"),
        Port("source_light", "light", 3, domain="lightness"),
    ),
    default_weights="sfsnet-humans-64-v3",
    weights_licence="own weights, Apache-2.0, trained on rendered people; official: `relight weights import`",
)

VARIANTS: dict[str, MethodInfo] = {
    "sfsnet": _SFSNET,
    "skipnet": replace(
        _SFSNET,
        title="SkipNet",
        size_multiple=1,
        parameters=9_460_065,
        small={"width": 4},
        defaults={"network": "skipnet", "normals": "signed"},
        default_weights=None,
        weights_licence="none published",
    ),
}


class Config(FrozenModel):
    """The network.

    Attributes:
        network: "sfsnet", or "skipnet", whose normals, albedo and light are labels for photos without.
        width: channels of the first convolutions, 64 in the paper; all others follow.
        affine: whether batch normalisation scales and shifts, as in the PyTorch trainings; Caffe's has
            neither.
        normals: "encoded" networks give (n + 1) / 2, are brought to length 1 and then shaded, as in the
            paper's release; "signed" ones give n and are shaded as they are.
        zero_border: upsample as Caffe's deconvolution does, with zeros outside the picture.
        size: side in pixels that SkipNet sees; other pictures are resized to it and its answers back. SfSNet
            takes any size.
        keep_detail: relight the photo by the ratio of what is drawn under the new light and under its own;
            without, the drawn picture is the result.
    """

    network: Literal["sfsnet", "skipnet"] = "sfsnet"
    width: int = Field(64, ge=2, le=256)
    affine: bool = True
    normals: Literal["encoded", "signed"] = "encoded"
    zero_border: bool = False
    keep_detail: bool = True
    size: int = Field(128, ge=32, le=512, multiple_of=32)
