"""How near fused pictures come to the shadow-free truth of rendered scenes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tf_relight.data.pictures import read_rgb, resized
from tf_relight.data.vidit.exposure_fusion import FusionJob
from tf_relight.data.vidit.layout import SHADOW_FREE
from tf_relight.errors import RelightError
from tf_relight.guarded.arrays import read_npz
from tf_relight.guarded.reading import NoSuchFile
from tf_relight.light.vidit import ALL_LIGHTS
from tf_relight.photo.colour import linear_to_srgb, srgb_to_linear
from tf_relight.progress import track
from tf_relight.scoring.metrics import psnr, quantise
from tf_relight.scoring.score_table import write_csv

SCORES_FILE = "compare.csv"
SIDES = ("fused", "mean of the forty", "N_6500 as it is")


@dataclass(frozen=True)
class FusionScore:
    """PSNR in dB of one picture against the shadow-free truth of its scene.

    Attributes:
        scene: such as "train/Image012".
        side: one of `SIDES`.
        psnr: as it is.
        psnr_matched: after `match`, because fusion may choose any brightness and colour of light.
    """

    scene: str
    side: str
    psnr: float
    psnr_matched: float


def match(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Give a picture the brightness and white of another: one gain per channel, by least squares.

    Args:
        picture, truth: uint8 (H, W, 3) sRGB; the gain is of linear light.

    Returns:
        uint8 (H, W, 3) sRGB.
    """
    ours, theirs = (srgb_to_linear(side / 255.0) for side in (picture, truth))
    gain = (ours * theirs).sum((0, 1)) / np.maximum(np.square(ours).sum((0, 1)), 1e-12)
    return quantise(linear_to_srgb(np.clip(ours * gain, 0.0, 1.0)))


def compare_fused(root: Path | str, jobs: Sequence[FusionJob], progress: bool = True) -> list[FusionScore]:
    """Score fused pictures against `<root>/ground_truth`, and beside them two that cost nothing.

    The others are the mean of the forty pictures in linear light, and the picture under N_6500 with its
    shadows. The truth is `SceneLayers.shadow_free` at 6500 K. All scores go to
    `<root>/shadow_free/compare.csv`.

    Args:
        jobs: fused scenes, from `fuse_folder`.

    Raises:
        RelightError: a scene has no ground truth, or a file cannot be read or written.
    """
    root = Path(root)
    scores: list[FusionScore] = []
    for job in track(jobs, "Comparing", show=progress):
        fused = read_rgb(job.out)
        truth = resized(_read_truth(root, job.label), fused.shape[0])
        pictures = [read_rgb(path, fused.shape[0]) for path in job.pictures]
        names = [light.name for light in ALL_LIGHTS]
        sides = (fused, _linear_mean(pictures), pictures[names.index("N_6500")])
        for side, picture in zip(SIDES, sides, strict=True):
            scores.append(
                FusionScore(job.label, side, psnr(picture, truth), psnr(match(picture, truth), truth))
            )
    cells = [
        {
            "scene": score.scene,
            "picture": score.side,
            "psnr": f"{score.psnr:.3f}",
            "psnr_matched": f"{score.psnr_matched:.3f}",
        }
        for score in scores
    ]
    write_csv(root / SHADOW_FREE / SCORES_FILE, list(cells[0]), cells)
    return scores


def fusion_table(scores: Sequence[FusionScore]) -> list[list[str]]:
    """Return a table of the means over scenes: a head, then a row for each of `SIDES`."""
    rows = [["picture", "PSNR", "PSNR, gains matched"]]
    for side in SIDES:
        own = [score for score in scores if score.side == side]
        means = (statistics.fmean(s.psnr for s in own), statistics.fmean(s.psnr_matched for s in own))
        rows.append([side, *(f"{mean:.2f}" for mean in means)])
    return rows


def _read_truth(root: Path, label: str) -> np.ndarray:
    path = root / "ground_truth" / f"{label}.npz"
    try:
        stored = read_npz(path, [SHADOW_FREE], what="the ground truth", advice="render the scenes again")
        return stored[SHADOW_FREE]
    except NoSuchFile as error:
        raise RelightError(
            f"{path} is not there; only scenes of `relight data render scenes --ground-truth` can be "
            "compared."
        ) from error
    except RelightError as error:
        raise RelightError(f"{path} holds no shadow-free picture; render the scenes again.") from error


def _linear_mean(pictures: Sequence[np.ndarray]) -> np.ndarray:
    light = np.zeros(pictures[0].shape, np.float64)
    for picture in pictures:
        light += srgb_to_linear(picture / 255.0)
    return quantise(linear_to_srgb(light / len(pictures)))
