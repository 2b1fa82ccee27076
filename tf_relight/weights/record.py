"""The record of known weights files: source, sha256 and licence of each.

Nothing here imports Keras, so that `relight weights` answers at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tf_relight.errors import RelightError, suggest

TORCHVISION_URL = "https://download.pytorch.org/models"
# The commit is pinned, because a branch's files may change under their name.
LPIPS_URL = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
    "082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1"
)
DPR_URL = (
    "https://raw.githubusercontent.com/zhhoper/DPR/737efadaf09a2f0f2f8b1e7f8372c6734dfaa5bc/trained_model"
)


@dataclass(frozen=True)
class WeightsRecord:
    """One known weights file.

    Attributes:
        name: what users and code call it.
        method: the method it is for, or None for a feature network of a metric or a loss.
        url: where it is published; empty for a file that ships with the package.
        file: its name in the cache folder, or in tf_relight/pretrained/.
        sha256: of the whole published file, 64 hexadecimal digits; empty where we never had the file, which
            is then read from users' copies only.
        size: its bytes.
        licence: of the weights, not of our code.
        paper: what to cite.
        note: one line for the table.
        imported: what is published is not read as it is; `relight weights import` converts it to `file`.
    """

    name: str
    method: str | None
    url: str
    file: str
    sha256: str
    size: int
    licence: str
    paper: str
    note: str
    imported: bool = False

    @property
    def shipped(self) -> bool:
        """Whether the file is part of the package."""
        return not self.url

    @property
    def by_hand(self) -> str:
        """How to get the file without a connection."""
        if self.imported:
            return f"get {self.url} on another machine and run `relight weights import {self.method} FILE`"
        return f"get {self.url} on another machine and put it at {path_of(self.name)}"


def _torchvision(name: str, file: str, sha256: str, size: int, paper: str, note: str) -> WeightsRecord:
    return WeightsRecord(
        name=name,
        method=None,
        url=f"{TORCHVISION_URL}/{file}",
        file=file,
        sha256=sha256,
        size=size,
        licence="BSD-3-Clause",
        paper=paper,
        note=note,
    )


def _lpips(network: str, sha256: str, size: int) -> WeightsRecord:
    return WeightsRecord(
        name=f"lpips-{network}-v0.1",
        method=None,
        url=f"{LPIPS_URL}/{network}.pth",
        file=f"lpips_v0.1_{network}.pth",
        sha256=sha256,
        size=size,
        licence="BSD-2-Clause",
        paper="Zhang et al., Deep Features as a Perceptual Metric, CVPR 2018",
        note="LPIPS linear layers",
    )


def _dpr(size: int, file: str, sha256: str, bytes_: int) -> WeightsRecord:
    return WeightsRecord(
        name=f"dpr{size}-official",
        method=f"dpr{size}",
        url=f"{DPR_URL}/{file}",
        file=f"dpr{size}-official.safetensors",
        sha256=sha256,
        size=bytes_,
        licence="research only",
        paper="Zhou et al., Deep Single-Image Portrait Relighting, ICCV 2019",
        note=f"portraits, any light, {size} px",
        imported=True,
    )


def _shipped(name: str, method: str, sha256: str, size: int, paper: str, note: str) -> WeightsRecord:
    return WeightsRecord(
        name=name,
        method=method,
        url="",
        file=f"{name}.safetensors",
        sha256=sha256,
        size=size,
        licence="Apache-2.0",
        paper=paper,
        note=note,
    )


# torchvision files are ImageNet classifiers; their hashes continue the eight digits in the published names.
# Shipped weights lie in tf_relight/pretrained/; `relight weights release` prints their size and hash.
KNOWN: dict[str, WeightsRecord] = {
    record.name: record
    for record in (
        _shipped(
            "dmshn-scenes-256-v2",
            "dmshn",
            "d3fd577ae88dae48e2a15ef6baabd6d208b28e46c463ed0bb0d3fee75f5f912e",
            10_874_834,
            "Das et al., MSR-Net, 2021",
            "embedded scenes, N 6500 K to E 4500 K",
        ),
        _shipped(
            "dpr-humans-128-v0",
            "dpr512",
            "f7f94c5976bf63e118fa8e1cc288514c829c4bbf638c5f0edb8d94e45248fe9a",
            1_383_312,
            "Zhou et al., DPR, ICCV 2019",
            "rendered humans, lights told in lightness",
        ),
        _shipped(
            "lit-unet-humans-128-v1",
            "lit_unet",
            "a219c1e3058645431d4c5e0a3ca6f8c044b6476cedbcba113ab2e905c5603fe9",
            2_051_796,
            "this project",
            "rendered humans, lights told in lightness; what people are relit with",
        ),
        _shipped(
            "sfsnet-humans-64-v0",
            "sfsnet",
            "cce02a66b2b279caa0e6d16850f4c641d895a3c613691479092ec02b89c5adf6",
            460_962,
            "Sengupta et al., SfSNet, CVPR 2018",
            "earlier: what the table of docs/decomposition begins from",
        ),
        _shipped(
            "sfsnet-humans-64-v3",
            "sfsnet",
            "1abdd4a81cbeb36aa847e8eda30e45828ccb850928ae9b88ffd14be56c1b5676",
            465_250,
            "Sengupta et al., SfSNet, CVPR 2018",
            "faces to normals, albedo and light; rendered humans at 64 px, a quarter of the paper's width",
        ),
        _shipped(
            "sfsnet-residue-3-humans-64-v2",
            "sfsnet_residue_3",
            "964f8270cddbeccc1793997686302a6241f29930fd5cf0bc6113736e0161055b",
            674_864,
            "Illumination Estimation with Residue Networks, 2019",
            "SfSNet's parts and a residue of the shading; rendered humans at 64 px, a quarter of the width",
        ),
        _dpr(
            512,
            "trained_model_03.t7",
            "950157bf950b899eba7bb1a6439d602e89fef9d180e235d034774d6d8583bc51",
            2_812_830,
        ),
        _dpr(
            1024,
            "trained_model_1024_03.t7",
            "e2a1d88fa0f6bf8a2a284df658eaaf17eba4b818965742f885a9cce93ae1f288",
            2_836_359,
        ),
        WeightsRecord(
            name="sfsnet-official",
            method="sfsnet",
            url="https://github.com/senguptaumd/SfSNet",
            file="sfsnet-official.safetensors",
            sha256="",
            size=0,
            licence="as its authors say",
            paper="Sengupta et al., SfSNet, CVPR 2018",
            note="faces to normals, albedo, light; from a .caffemodel or a PyTorch copy",
            imported=True,
        ),
        _torchvision(
            "alexnet-torchvision",
            "alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            244_408_911,
            "Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014",
            "LPIPS features",
        ),
        _torchvision(
            "vgg16-torchvision",
            "vgg16-397923af.pth",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            553_433_881,
            "Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015",
            "LPIPS and VGG loss features",
        ),
        _torchvision(
            "vgg19-torchvision",
            "vgg19-dcbb9e9d.pth",
            "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
            574_673_361,
            "Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015",
            "DRN's VGG loss features",
        ),
        _torchvision(
            "squeezenet1_1-torchvision",
            "squeezenet1_1-b8a52dc0.pth",
            "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
            4_958_839,
            "Iandola et al., SqueezeNet, 2016",
            "LPIPS features",
        ),
        _lpips("alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", 6_009),
        _lpips("vgg", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", 7_289),
        _lpips("squeeze", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76", 10_811),
    )
}


def record_of(name: str) -> WeightsRecord:
    """Return the record called `name`.

    Raises:
        RelightError: there is none.
    """
    if name not in KNOWN:
        raise RelightError(
            f"There are no known weights '{name}'.{suggest(name, KNOWN)} See `relight weights`."
        )
    return KNOWN[name]


def cache_folder() -> Path:
    """Return the folder of downloaded weights.

    $TF_RELIGHT_CACHE if it is set, else where the system keeps caches: $XDG_CACHE_HOME/tf_relight or
    ~/.cache/tf_relight on Linux, ~/Library/Caches/tf_relight on a Mac, in AppData/Local on Windows.
    """
    chosen = os.environ.get("TF_RELIGHT_CACHE")
    return (
        Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("tf_relight", appauthor=False)
    )


def earlier_cache_folder() -> Path:
    """Return the folder where the first versions kept weights, on every system."""
    return Path.home() / ".cache" / "tf_relight"


def path_of(name: str) -> Path:
    """Return where the file of `name` is, or has to be put; it need not exist."""
    record = record_of(name)
    if record.shipped:
        return Path(__file__).parents[1] / "pretrained" / record.file
    path = cache_folder() / record.file
    earlier = earlier_cache_folder() / record.file
    is_earlier = not os.environ.get("TF_RELIGHT_CACHE") and not path.exists() and earlier.is_file()
    return earlier if is_earlier else path
