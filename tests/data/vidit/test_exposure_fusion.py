"""Shadow-free pictures: the fusion itself, the folder of fused pictures, reading them, scoring them."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tf_relight.cli.main import main
from tf_relight.data import open_source
from tf_relight.data.check import check
from tf_relight.data.pictures import read_rgb
from tf_relight.data.vidit.exposure_fusion import fuse, fuse_folder, parse_weights
from tf_relight.errors import RelightError
from tf_relight.light.vidit import ALL_LIGHTS
from tf_relight.photo.colour import linear_to_srgb, srgb_to_linear
from tf_relight.rendering.scenes.scene import Scene
from tf_relight.rendering.scenes.write import render_scenes
from tf_relight.scoring.fusion_scores import match
from tf_relight.scoring.metrics import psnr


def quiet(root: Path, **options):
    return fuse_folder(root, progress=False, **options)


@pytest.fixture(scope="module")
def forty() -> np.ndarray:
    return Scene(3, 48).images().reshape(40, 48, 48, 3)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("rendered")
    render_scenes(out, scenes=2, validation_scenes=1, size=32, ground_truth=True, progress=False)
    return out


def ratings_by_hand(picture: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """The three ratings of Mertens et al., multiplied: (H, W)."""
    light = picture.astype(np.float32) / 255
    grey = cv2.cvtColor(light, cv2.COLOR_RGB2GRAY)
    contrast = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    exposure = np.exp(-((light - 0.5) ** 2) / 0.08).prod(-1)
    saturation = np.sqrt(((light - light.mean(-1, keepdims=True)) ** 2).sum(-1))
    ratings = zip((contrast, saturation, exposure), weights, strict=True)
    return np.prod([rating**weight for rating, weight in ratings], axis=0) + 1e-12


@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 1, 0), (0, 0, 2)])
def test_a_picture_too_small_for_a_pyramid_is_the_mean_weighted_by_the_three_ratings(weights):
    # The pyramid of a picture one pixel wide has one level, so the blend is a weighted mean.
    pictures = np.random.default_rng(5).integers(0, 256, (4, 7, 1, 3), dtype=np.uint8)
    ratings = np.stack([ratings_by_hand(picture, weights) for picture in pictures])
    wanted = (pictures * (ratings / ratings.sum(0))[..., None]).sum(0)
    assert np.abs(fuse(pictures, weights) - wanted).max() <= 0.51


def test_the_fused_picture_has_light_where_single_pictures_are_in_shadow(forty):
    fused = fuse(forty)
    assert fused.dtype == np.uint8 and fused.shape == (48, 48, 3)
    darkest = [np.percentile(picture.mean(-1), 10) for picture in (*forty, fused)]
    assert darkest[-1] > max(darkest[:-1])
    assert not np.array_equal(fused, fuse(forty, (1, 1, 0)))
    assert np.abs(fused.astype(int) - fuse(forty[::-1])).max() <= 1  # the order does not matter


def test_one_picture_fuses_to_itself(forty):
    assert np.abs(fuse(forty[:1]).astype(int) - forty[0]).max() <= 1


@pytest.mark.parametrize("text", ["1,1", "1,1,1,1", "", "1,x,1", "1,-1,1", "nan,1,1", "inf,1,1"])
def test_wrong_weights(text):
    with pytest.raises(RelightError, match=r"three numbers .* such as 1,1,1, not"):
        parse_weights(text)


def test_pictures_of_two_sizes_or_none_are_refused(forty):
    for pictures in ([], [forty[0], forty[0, :40]]):
        with pytest.raises(RelightError, match="one size"):
            fuse(pictures)


def test_the_folder(vidit, capsys):
    vidit.flat("train", range(2))
    vidit.flat("validation", range(300, 301))
    assert main(["data", "fuse", str(vidit.root), "--weights", "1,1,0", "--size", "8"]) == 0
    assert "Fused 3 scenes" in capsys.readouterr().out
    folder = vidit.root / "shadow_free"
    written = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    assert written == ["fusion.json", "train/Image000.png", "train/Image001.png", "validation/Image300.png"]
    settings = json.loads((folder / "fusion.json").read_text())
    assert settings["weights"] == {"contrast": 1, "saturation": 1, "exposure": 0} and settings["size"] == 8
    pictures = [
        read_rgb(vidit.root / f"train/Image001_{light.temperature}_{light.direction}.png", 8)
        for light in ALL_LIGHTS
    ]
    assert np.array_equal(read_rgb(folder / "train/Image001.png"), fuse(pictures, (1, 1, 0)))
    assert check(vidit.root).exit_code == 0
    assert "shadow-free train       2 scenes, one fused picture" in check(vidit.root).text()


def test_only_what_no_longer_fits_is_fused_again(vidit):
    vidit.flat("train", range(3))
    assert (quiet(vidit.root).fused, quiet(vidit.root).kept) == (3, 3)
    assert quiet(vidit.root, weights=(1, 1, 0)).fused == 3
    assert quiet(vidit.root, weights=(1, 1, 0), size=8).fused == 3
    folder = vidit.root / "shadow_free" / "train"

    (folder / "Image000.png").unlink()
    whole = (folder / "Image001.png").read_bytes()
    (folder / "Image001.png").write_bytes(whole[:-20])
    again = quiet(vidit.root, weights=(1, 1, 0), size=8)
    assert (again.fused, again.kept) == (2, 1) and (folder / "Image001.png").read_bytes() == whole

    # Another picture of a scene: by its time, and by its length where the times were lost in copying.
    source = vidit.root / "train/Image002_4500_S.png"
    os.utime(source, ns=(2**62, 2**62))
    assert quiet(vidit.root, weights=(1, 1, 0), size=8).fused == 1
    source.write_bytes(source.read_bytes() + b"\0")
    os.utime(source, (0, 0))
    assert quiet(vidit.root, weights=(1, 1, 0), size=8).fused == 1


def test_workers_write_the_same_bytes(vidit):
    vidit.flat("train", range(3))
    path = vidit.root / "shadow_free/train/Image002.png"
    quiet(vidit.root)
    alone = path.read_bytes()
    path.unlink()
    (vidit.root / "shadow_free/train/Image000.png").unlink()
    assert quiet(vidit.root, workers=2).fused == 2
    assert path.read_bytes() == alone


def test_scenes_that_cannot_be_fused_stop_no_other(vidit, truncate, capsys):
    vidit.flat("train", range(4))
    folder = vidit.root / "train"
    (folder / "Image000_2500_NE.png").unlink()
    vidit.write("train/Image001_4500_S.png", vidit.picture(1, size=20))
    truncate(folder / "Image002_6500_W.png")
    assert main(["data", "fuse", str(vidit.root)]) == 2
    printed = capsys.readouterr()
    assert "Fused 1 scene of" in printed.out and "3 failed" in printed.out
    complaints = printed.err.strip().splitlines()
    assert [line for line in complaints if "train/Image" in line] == complaints and len(complaints) == 3
    assert "train/Image000 lacks 1 of 40 pictures (first: NE_2500)" in complaints[0]
    assert "train/Image001: the pictures differ in size" in complaints[1]
    assert "Image001_4500_S.png 20x20" in complaints[1]
    assert "train/Image002:" in complaints[2] and "Image002_6500_W.png is cut short" in complaints[2]
    assert [path.name for path in (vidit.root / "shadow_free/train").iterdir()] == ["Image003.png"]


def test_folders_that_hold_nothing_to_fuse(vidit):
    with pytest.raises(RelightError, match="is no folder"):
        quiet(vidit.root)
    vidit.pairs("train/input", "train/target", range(2))
    with pytest.raises(RelightError, match="no scene with all 40 pictures"):
        quiet(vidit.root)
    vidit.write("train/Image007_2500_N.png", vidit.picture(7))
    with pytest.raises(RelightError, match="Image007 lacks 39 of 40 pictures"):
        quiet(vidit.root)
    assert not (vidit.root / "shadow_free").exists()


def test_two_challenges_ask_for_a_choice(vidit):
    vidit.flat("AIM/track3_train", range(1))
    vidit.flat("NTIRE/track2_train", range(1, 3))
    with pytest.raises(RelightError, match="--track"):
        quiet(vidit.root)
    assert quiet(vidit.root, track="ntire_2").fused == 2


def test_shadow_free_pictures_from_elsewhere_are_read_and_never_overwritten(vidit):
    vidit.flat("train", range(2))
    for scene in range(2):
        vidit.write(f"shadow_free/train/Image{scene:03d}.png", vidit.picture(scene))
    with pytest.raises(RelightError, match=r"Image000.png is not from `relight data fuse`"):
        quiet(vidit.root)
    sample = open_source(vidit.config(shadow_free=True), "train").read(0)
    assert np.array_equal(sample["shadow_free"], vidit.picture(int(sample["image"][0, 0, 1])))


def test_location_folders(vidit):
    for light in ALL_LIGHTS:
        for split, place in (("train", "hall"), ("validation", "yard")):
            name = f"{split}/{place}/{light.temperature}/{light.direction}/image0000.png"
            vidit.write(name, vidit.picture(1 + (place == "yard"), light))
    assert quiet(vidit.root).fused == 2
    assert (vidit.root / "shadow_free/train/hall/image0000.png").is_file()
    source = open_source(vidit.config(pairing="any_to_one", shadow_free=True), "validation")
    assert len(source) == 40 and source.read(5)["shadow_free"][0, 0, 1] == 2


def test_scores_against_the_renderer(rendered, capsys):
    assert main(["data", "fuse", str(rendered), "--compare"]) == 0
    printed = capsys.readouterr().out
    assert "mean of 3 scenes" in printed
    rows = (rendered / "shadow_free/compare.csv").read_text().splitlines()
    assert rows[0] == "scene,picture,psnr,psnr_matched" and len(rows) == 1 + 3 * 3
    with np.load(rendered / "ground_truth/train/Image001.npz") as truth:
        wanted = truth["shadow_free"]
    fused = read_rgb(rendered / "shadow_free/train/Image001.png")
    matched = psnr(match(fused, wanted), wanted)
    assert f"train/Image001,fused,{psnr(fused, wanted):.3f},{matched:.3f}" in rows
    lines = [line for line in printed.splitlines() if line.startswith(("fused", "N_6500"))]
    fused_mean, shadowed = (float(line.split()[-1]) for line in lines)
    assert fused_mean > shadowed + 3


def test_matching_undoes_a_gain_of_each_channel():
    truth = np.random.default_rng(0).integers(60, 160, (8, 8, 3), dtype=np.uint8)
    tinted = linear_to_srgb(srgb_to_linear(truth / 255.0) * np.array([1.5, 1.0, 0.5]))
    assert np.abs(match(np.rint(tinted * 255).astype(np.uint8), truth).astype(int) - truth).max() <= 2


def test_scores_without_ground_truth(vidit, capsys):
    vidit.flat("train", range(1))
    assert main(["data", "fuse", str(vidit.root), "--compare"]) == 2
    assert "--ground-truth" in capsys.readouterr().err
