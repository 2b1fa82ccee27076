"""Seven ways to explain with a residue what nine harmonics cannot: shadows, highlights, light that bounces.

All stand on SfSNet. A head looks at its features and draws a picture of the light that is left over: it
corrects the shading (1), replaces the spherical harmonics (2), or is added to the shading (3 to 7).

Source: the report and release "Illumination Estimation with Residue Networks" (2019), newest version of each
method. Where the release does something else than it says, `Config.as_released` and `recipe.py` tell.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.values import FrozenModel
from tf_relight.methods.sfsnet_residue.recipe import Recipe, stages
from tf_relight.methods.sfsnet_residue.start import begin_from

__all__ = ["NAMES", "VARIANTS", "Config", "Recipe", "begin_from", "stages", "weight_map"]

NAMES = {
    1: "Shading Correcting",
    2: "Latent Shading Generation",
    3: "Shading Residue",
    4: "Shading-Albedo Residue",
    5: "Residue with Albedo GAN",
    6: "Residue with Albedo GAN, trained apart",
    7: "Residue with Albedo GAN, labels by sample",
}
"""The report's names of the seven."""
_LIGHT = Port("source_light", "light", 3, domain="lightness")
_CARD = MethodInfo(
    title="",
    venue="report",
    year=2019,
    link="https://github.com/bhushan23/Illumination-Estimation-With-Residue-Networks",
    task="decomposition",
    native_size=128,
    size_multiple=2,
    parameters=0,
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
        Port("residue", "features", 3),
        _LIGHT,
    ),
    starts_from=("sfsnet",),
    weights_licence="none published",
)
_PARAMETERS = {
    1: 3_528_551,
    2: 5_010_023,
    3: 5_007_588,
    4: 3_526_116,
    5: 3_526_116,
    6: 5_007_588,
    7: 5_007_588,
}
_SHIPPED = {3: "sfsnet-residue-3-humans-64-v2"}
"""Weights of our own; of the others the table in docs/decomposition says what they are worth."""
_OWN = "own weights, Apache-2.0, trained on rendered people; none published"


def _card(number: int) -> MethodInfo:
    # Latent shading has no spherical harmonics to read a light from.
    outputs = _CARD.outputs if number != 2 else tuple(port for port in _CARD.outputs if port is not _LIGHT)
    return replace(
        _CARD,
        title=f"SfSNet residue {number}: {NAMES[number]}",
        defaults={"number": number, "second_stack": number in (2, 3, 6, 7)},
        parameters=_PARAMETERS[number],
        outputs=outputs,
        default_weights=_SHIPPED.get(number),
        weights_licence=_OWN if number in _SHIPPED else _CARD.weights_licence,
    )


VARIANTS: dict[str, MethodInfo] = {f"sfsnet_residue_{number}": _card(number) for number in NAMES}


class Config(FrozenModel):
    """The network.

    Attributes:
        number: which of the seven.
        width, affine, normals, zero_border: of SfSNet's body, as in the method `sfsnet`.
        second_stack: features of albedo of their own for the albedo and the residue, beside those that
            SfSNet reads the light from.
        as_released: of number 4, rebuild from the shading with the residue and the albedo without: the
            release does so, where its report also takes the residue from the albedo.
        keep_detail: relight the photo by the ratio of what is drawn under the new light and under its own;
            without, the drawn picture is the result.
    """

    number: Literal[1, 2, 3, 4, 5, 6, 7] = 3
    width: int = Field(64, ge=2, le=256)
    affine: bool = True
    normals: Literal["encoded", "signed"] = "encoded"
    zero_border: bool = False
    second_stack: bool = False
    as_released: bool = False
    keep_detail: bool = True


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none were published."""
    return {}
