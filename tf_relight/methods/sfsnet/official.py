"""SfSNet's weights of three releases, turned into the conventions of this network. Nothing imports Keras.

The authors' Caffe model and its PyTorch port take and give blue first, give normals as (n + 1) / 2, x down
and y right, and upsample with zeros outside the picture. The PyTorch training again takes red first and gives
signed normals. All of it is folded into the first and last layers, so that the network here is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.weights import caffe_file, torch_file

if TYPE_CHECKING:
    from tf_relight.methods.sfsnet import Config

UNITS = range(1, 6)
TOLERANCE: dict[str, float] = {}
"""Nobody's answers of official weights are stored, so nothing is compared on import."""
CAFFE_SCALE = 255 / 256
"""The authors divide pictures by 256."""
_COUNTERS = "counters of training batches"
_FIXED = "fixed bilinear kernels"
_NORM = ("weight", "bias", "running_mean", "running_var")


def parity(model: Any) -> dict[str, float]:
    """Return nothing: see `TOLERANCE`."""
    return {}


def read(path: Path | str) -> dict[str, np.ndarray]:
    """Return the tensors of a .caffemodel, .caffemodel.h5 or PyTorch checkpoint, by its own names.

    Raises:
        RelightError: what the readers raise.
    """
    return caffe_file.read(path) if caffe_file.is_caffe(path) else torch_file.read(path)


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


def config_of(found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the Config of the network that a file's tensors are of.

    Raises:
        RelightError: it is no SfSNet of a known release.
    """
    release = _release(found)
    again = release == "trained again"
    first = found["conv1.0" if release == "caffe" else "conv1.conv.0.weight" if again else "conv1.weight"]
    return {
        "width": int(first.shape[0]),
        "affine": release != "caffe",
        "normals": "signed" if again else "encoded",
        "zero_border": not again,
    }


def used_tensors(
    found: Mapping[str, np.ndarray], config: Config
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Return the tensors under the names of `weight_map`, in our conventions, and how many others by reason.

    Raises:
        RelightError: no SfSNet of a known release, or a tensor that is missing or of another shape.
    """
    release = _release(found)
    named = {"caffe": _from_caffe, "port": _from_port, "trained again": _from_training}[release](found)
    wanted = weight_map(config)
    missing = [name for name in wanted if name not in named]
    if missing:
        raise RelightError(
            f"it is not a whole SfSNet: it lacks '{missing[0]}', {len(missing)} of {len(wanted)} tensors"
        )
    used = {name: np.asarray(named[name], np.float32) for name in wanted}
    if release == "trained again":
        _fold_training(used)
    else:
        _fold_blue_first(used)
    rest = [name for name in named if name not in wanted]
    dropped: dict[str, int] = {}
    for name in rest:
        reason = _COUNTERS if name.endswith("num_batches_tracked") else _FIXED
        if reason == _FIXED and "up6" not in name:
            raise RelightError(f"it holds '{name}', which SfSNet has not")
        dropped[reason] = dropped.get(reason, 0) + 1
    return used, dropped


def _release(found: Mapping[str, np.ndarray]) -> str:
    if "conv1.0" in found and "nbn1.2" in found:
        return "caffe"
    if "n_res1.bn.weight" in found:
        return "port"
    if any(name.endswith("nres1.res.0.weight") for name in found):
        return "trained again"
    raise RelightError(
        "it is no SfSNet: neither the authors' Caffe model, nor its PyTorch port, nor the PyTorch training"
    )


def _from_caffe(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    named: dict[str, np.ndarray] = {}
    for name, values in found.items():
        layer, _, number = name.rpartition(".")
        if "bn" in layer:
            # Sums of means and of variances, and by what they are to be divided.
            factor = float(np.ravel(found[f"{layer}.2"])[0])
            scale = 0.0 if factor == 0 else 1.0 / factor
            if number in ("0", "1"):
                kind = "running_mean" if number == "0" else "running_var"
                named[f"{layer}.{kind}"] = np.ravel(values) * scale
        elif "up6" in layer:
            named[f"{layer}.weight"] = values
        else:
            flat = np.ravel(values) if number == "1" else values
            named[f"{layer}.{'weight' if number == '0' else 'bias'}"] = flat
    return named


def _from_port(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Units are called n_res3.bnr there, nbn3r in Caffe."""
    named = {}
    for name, values in found.items():
        head, _, rest = name.partition(".")
        letter, _, number = head.partition("_res")
        if letter in ("n", "a") and number:
            layer, _, kind = rest.partition(".")
            base, again = layer.removesuffix("r"), "r" if layer.endswith("r") else ""
            named[f"{letter}{base}{number}{again}.{kind}"] = values
        else:
            named[name] = values
    return named


def _from_training(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    renamed = {"conv3": "conv3", "lout": "fc_light"}
    for i in (1, 2):
        renamed |= {f"conv{i}.conv.0": f"conv{i}", f"conv{i}.conv.1": f"bn{i}"}
    renamed |= {"lconv.conv.0": "lconv1", "lconv.conv.1": "lbn1", "conv3.conv.0": "conv3"}
    for letter, last in (("n", "Nconv0"), ("a", "Aconv0")):
        for i in UNITS:
            unit = f"{letter}res{i}.res"
            renamed |= {f"{unit}.0": f"{letter}bn{i}", f"{unit}.2": f"{letter}conv{i}"}
            renamed |= {f"{unit}.3": f"{letter}bn{i}r", f"{unit}.5": f"{letter}conv{i}r"}
        renamed |= {f"{letter}reso.0": f"{letter}bn6r", f"{letter}out": last}
        for ours, theirs in ((6, 1), (7, 2)):
            renamed[f"{letter}conv{theirs}.conv.0"] = f"{letter}conv{ours}"
            renamed[f"{letter}conv{theirs}.conv.1"] = f"{letter}bn{ours}"
    named = {}
    for name, values in found.items():
        layer, _, kind = name.rpartition(".")
        # Some of these trainings keep the network inside modules of their own.
        known = next((old for old in renamed if layer == old or layer.endswith(f".{old}")), None)
        named[f"{renamed[known]}.{kind}" if known is not None else name] = values
    return named


def _fold_blue_first(used: dict[str, np.ndarray]) -> None:
    """Caffe's conventions into ours: blue first, divided by 256, normals encoded, x down, y right."""
    used["conv1.weight"] = used["conv1.weight"][:, ::-1] * CAFFE_SCALE
    for part in ("weight", "bias"):
        used[f"Aconv0.{part}"] = used[f"Aconv0.{part}"][::-1].copy()
        toward, right, down = used[f"Nconv0.{part}"]
        up = (1.0 if part == "bias" else 0.0) - down  # (n + 1) / 2 of the opposite direction is 1 - code
        used[f"Nconv0.{part}"] = np.stack([right, up, toward])


def _fold_training(used: dict[str, np.ndarray]) -> None:
    """The PyTorch training's conventions into ours: normals x down, y right; another order of features."""
    for part in ("weight", "bias"):
        down, right, toward = used[f"Nconv0.{part}"]
        used[f"Nconv0.{part}"] = np.stack([right, -down, toward])
    weight = used["lconv1.weight"]
    third = weight.shape[1] // 3
    used["lconv1.weight"] = np.concatenate([weight[:, third:], weight[:, :third]], axis=1)
