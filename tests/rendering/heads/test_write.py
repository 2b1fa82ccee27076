"""Rendered folders of heads: the codes of DPR and SfSNet, the same bytes from any number of workers."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tf_relight.cli.main import main
from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import shading
from tf_relight.rendering.heads import write as head_write
from tf_relight.rendering.heads.head import RELIT_LIGHTS, Head
from tf_relight.rendering.heads.write import render_heads

SIZE = 64
SUBJECT = "imgHQ00000"


def render(out: Path, **changes) -> int:
    return render_heads(out, **({"heads": 2, "size": SIZE, "progress": False} | changes))


def files(out: Path) -> dict[str, str]:
    """Relative name to hash, of everything under a folder."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def rgb(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


@pytest.fixture(scope="module")
def dpr(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("heads") / "dpr"
    assert render(out, validation_heads=1) == 3
    return out


@pytest.fixture(scope="module")
def sfsnet(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("heads") / "sfsnet"
    assert render(out, layout="sfsnet", heads=1, validation_heads=1) == 2
    return out


def test_dpr_names_and_lists(dpr):
    relit = {f"{SUBJECT}_{k:02d}.png" for k in range(5)} | {f"{SUBJECT}_light_{k:02d}.txt" for k in range(5)}
    others = {f"{SUBJECT}.png", "ori_sh.txt", "full_normal_faceRegion_faceBoundary_extend.png"}
    assert {path.name for path in (dpr / SUBJECT).iterdir()} == relit | others
    train = [line.split() for line in (dpr / "train.lst").read_text().splitlines()]
    assert len(train) == 2 * 10 and train[0] == [SUBJECT, f"{SUBJECT}_00.png", f"{SUBJECT}_01.png"]
    assert len({tuple(sorted(line)) for line in train}) == 20
    assert all((dpr / subject / name).is_file() for subject, *pair in train for name in pair)
    assert {line.split()[0] for line in (dpr / "val.lst").read_text().splitlines()} == {"imgHQ00002"}


def test_dpr_files_give_the_pictures(dpr):
    """With the normals as DPR's own code reads them: blue, green, red are x right, y down, z inward."""
    coded = cv2.imread(str(dpr / SUBJECT / "full_normal_faceRegion_faceBoundary_extend.png"))
    x, down, inward = np.moveaxis(coded / 255 * 2 - 1, -1, 0)
    normals = np.stack([x, inward, -down], -1)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    albedo = Head(0, 0, SIZE).albedo
    for k in range(5):
        light = np.loadtxt(dpr / SUBJECT / f"{SUBJECT}_light_{k:02d}.txt")
        assert light.shape == (9,)
        wanted = np.clip(albedo * shading(normals, light)[..., None], 0, 1)
        error = np.abs(rgb(dpr / SUBJECT / f"{SUBJECT}_{k:02d}.png") / 255 - wanted)
        # Half a step of 1/127.5 per component of the normal, times a slope of at most about 1.5.
        assert error.max() < 0.012 and error.mean() < 0.002


def test_dpr_pictures_are_those_of_the_head(dpr):
    head = Head(1, 0, SIZE)
    folder = dpr / "imgHQ00001"
    assert np.array_equal(rgb(folder / "imgHQ00001.png"), head.image(np.loadtxt(folder / "ori_sh.txt")))
    for k, index in enumerate(RELIT_LIGHTS):
        np.testing.assert_allclose(np.loadtxt(folder / f"imgHQ00001_light_{k:02d}.txt"), head.light(index))
        assert np.array_equal(rgb(folder / f"imgHQ00001_{k:02d}.png"), head.image(head.light(index)))


def test_sfsnet_files_explain_the_face(sfsnet):
    """From the files alone, read as SfSNet's readers do, the face is albedo times shading."""
    for folder, number in (("train", 0), ("test", 1)):
        root = sfsnet / folder / "0000"
        for k in range(1, 6):
            maps = {
                kind: rgb(root / f"{number:06d}_{kind}_1_{k}.png") for kind in ("face", "albedo", "normal")
            }
            numbers = (root / f"{number:06d}_light_1_{k}.txt").read_text()
            assert numbers.count("\t") == 26 and numbers.endswith("\n") and numbers.count("\n") == 1
            light = np.array(numbers.split(), float).reshape(3, 9).T
            mask = rgb(root / f"{number:06d}_mask_1_{k}.png")[..., 0] == 255
            normals = (maps["normal"].astype(float) - 128) / 128
            normals = normals[mask] / np.linalg.norm(normals[mask], axis=1, keepdims=True)
            received = shading(normals, light, frame="sfsnet")
            wanted = np.clip(maps["albedo"][mask] / 255 * received, 0, 1)
            error = np.abs(maps["face"][mask] / 255 - wanted)
            assert error.max() <= 0.006
            assert not maps["face"][~mask].any() and not maps["albedo"][~mask].any()


def test_sfsnet_depth_is_brighter_when_nearer(sfsnet):
    with Image.open(sfsnet / "train/0000/000000_depth_1_1.png") as picture:
        depth = np.asarray(picture)
    head = Head(0, 0, SIZE)
    nearest = np.unravel_index(head.depth.argmin(), head.depth.shape)
    assert depth.shape == (SIZE, SIZE) and depth[nearest] == 255 and not depth[~head.mask].any()


def test_workers_write_the_same_bytes(dpr, tmp_path):
    render(tmp_path, validation_heads=1, workers=2)
    assert files(tmp_path) == files(dpr)


def test_only_missing_heads_are_rendered(tmp_path, leave_half):
    render(tmp_path, size=16)
    before = files(tmp_path)
    assert render(tmp_path, size=16) == 0
    (tmp_path / SUBJECT / f"{SUBJECT}_light_03.txt").unlink()
    leave_half(tmp_path / SUBJECT / f"{SUBJECT}_03.png")
    assert render(tmp_path, size=16) == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize("change", [{"size": 24}, {"seed": 1}, {"heads": 3}, {"layout": "sfsnet"}])
def test_other_settings_in_the_same_folder_are_refused(tmp_path, change):
    settings = {"layout": "dpr", "size": 16, "seed": 0, "first": 0, "heads": 2, "validation_heads": 0}
    stored = settings | {"version": head_write.FORMAT_VERSION}
    (tmp_path / head_write.SETTINGS_FILE).write_text(json.dumps(stored))
    name, value = next(iter(change.items()))
    with pytest.raises(RelightError, match=f"heads with other settings .*{name} was .*now {value!r}"):
        render(tmp_path, **({"size": 16} | change))


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    save, saved = Image.Image.save, []

    def failing(self, path, **options):
        if len(saved) == 3:
            Path(path).write_bytes(b"half a picture")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        save(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", failing)
        with pytest.raises(RelightError, match="No space left on device"):
            render(tmp_path, size=16)
    assert len([name for name in files(tmp_path) if name.endswith(".png")]) == 3
    assert render(tmp_path, size=16) == 2
    render(tmp_path / "again", size=16)
    whole = {name: digest for name, digest in files(tmp_path).items() if not name.startswith("again/")}
    assert files(tmp_path / "again") == whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": 0}, "heads must be"),
        ({"size": 0}, "size must be"),
        ({"workers": 0}, "workers must be"),
        ({"seed": -1}, "seed must be"),
        ({"heads": 10**6 + 1}, "another seed"),
        ({"layout": "drp"}, "Did you mean 'dpr'"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(RelightError, match=message):
        render(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path, capsys):
    arguments = ["data", "render", "heads", "-o", str(tmp_path), "--heads", "1", "--size", "16"]
    assert main(arguments) == 0
    assert "Rendered 1 head into" in capsys.readouterr().out
    assert main([*arguments, "--seed", "5"]) == 2
    assert "seed was 0, now 5" in capsys.readouterr().err
