"""The Siamese auto-encoder: relighting learnt from photos alone, without a label. Data side, without Keras.

One network takes a face apart into content and light, and puts it together under any light. A mirrored
photo is lit by the mirrored light: that, with a discriminator, is all the teaching there is. US patents
11,615,512 and 11,915,398 cover the method; whether that concerns you is for you to judge.

Source: Liu, Neumann et al., "Relighting Images in the Wild with a Self-Supervised Siamese Auto-Encoder",
WACV 2021, from its slides and abstract; layers and weights of the losses are our own, see `recipe.py`.
"""

from __future__ import annotations

from pydantic import Field

from tf_relight.contract.card import MethodInfo, Port
from tf_relight.contract.values import FrozenModel
from tf_relight.methods.siamese.recipe import Recipe, stages

__all__ = ["VARIANTS", "Config", "Recipe", "stages", "weight_map"]

VARIANTS: dict[str, MethodInfo] = {
    "siamese": MethodInfo(
        title="Siamese auto-encoder",
        venue="WACV",
        year=2021,
        link="https://arxiv.org/abs/2012.06444",
        task="any-to-any",
        native_size=256,
        size_multiple=16,
        parameters=4_431_367,
        small={"width": 4},
        inputs=(
            Port("image", "srgb"),
            Port("light", "light", 3, field="target_light", in_batches=False, domain="lightness"),
        ),
        outputs=(Port("relit", "srgb"), Port("source_light", "light", 3, domain="lightness")),
        weights_licence="none published; covered by US patents 11,615,512 and 11,915,398",
    )
}


class Config(FrozenModel):
    """The network.

    Attributes:
        width: channels at the picture's own size; twice as many at each halving, up to 16 times.
        halvings: of the picture, down to the content: 4 for 256 pixels, 6 for 1024; both give 16 x 16.
        content: channels of the content.
        skips: how many of the inner levels reach the decoder directly; the outermost would carry the light
            of the photo past the embedding.
        fixed_ambient: the first number of the light is not read but always 1.
        keep_detail: relight the photo by the ratio of what is drawn under the new light and under its own;
            without, the drawn picture is the result.
    """

    width: int = Field(16, ge=2, le=128)
    halvings: int = Field(4, ge=2, le=6)
    content: int = Field(512, ge=4, le=2048)
    skips: int = Field(2, ge=0, le=6)
    fixed_ambient: bool = False
    keep_detail: bool = True


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: ours}: none were published."""
    return {}
