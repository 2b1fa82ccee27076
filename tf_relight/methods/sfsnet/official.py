"""SfSNet's weights by their names in the authors' Caffe release. Nothing here imports Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tf_relight.methods.sfsnet import Config

UNITS = range(1, 6)


def weight_map(config: Config) -> dict[str, str]:
    """Return {official tensor name: our path}.

    Names are those of the Caffe layers, with PyTorch's words for what a layer holds: "nconv1r.weight",
    "nbn6r.running_mean". SkipNet's weights were never published.
    """
    if config.network != "sfsnet":
        return {}
    mapping: dict[str, str] = {}

    def layer(theirs: str, ours: str) -> None:
        mapping[f"{theirs}.weight"] = f"{ours}/kernel"
        mapping[f"{theirs}.bias"] = f"{ours}/bias"

    def norm(theirs: str, ours: str) -> None:
        if config.affine:
            mapping[f"{theirs}.weight"] = f"{ours}/gamma"
            mapping[f"{theirs}.bias"] = f"{ours}/beta"
        mapping[f"{theirs}.running_mean"] = f"{ours}/moving_mean"
        mapping[f"{theirs}.running_var"] = f"{ours}/moving_variance"

    for i in (1, 2):
        layer(f"conv{i}", f"body/conv{i}/conv")
        norm(f"bn{i}", f"body/conv{i}/norm")
    layer("conv3", "body/conv3/conv")
    for letter, kind, last in (("n", "normal", "Nconv0"), ("a", "albedo", "Aconv0")):
        for i in UNITS:
            for theirs, ours in ((f"{i}", "1"), (f"{i}r", "2")):
                norm(f"{letter}bn{theirs}", f"body/{kind}_stack/unit{i}/norm{ours}")
                layer(f"{letter}conv{theirs}", f"body/{kind}_stack/unit{i}/conv{ours}")
        norm(f"{letter}bn6r", f"body/{kind}_stack/norm")
        for number, ours in ((6, "mix"), (7, "narrow")):
            layer(f"{letter}conv{number}", f"body/{kind}_generator/{ours}/conv")
            norm(f"{letter}bn{number}", f"body/{kind}_generator/{ours}/norm")
        layer(last, f"body/{kind}_generator/last")
    layer("lconv1", "body/light_head/mix/conv")
    norm("lbn1", "body/light_head/mix/norm")
    layer("fc_light", "body/light_head/last")
    return mapping
