"""Relit folders: DPR's names, the same bytes from any number of workers, and what is left out is said."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tf_relight.cli.main import main
from tf_relight.data import open_source
from tf_relight.data.options import DataConfig
from tf_relight.data.portraits.ratio_image_write import (
    find_inputs,
    load_portrait,
    read_landmarks,
    render_ratio_images,
)
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.rendering.heads.head import Head
from tf_relight.rendering.heads.layouts import dpr_normal_picture

SIZE = 96
NAMES = ("anna", "ben")


@functools.cache
def pictures(number: int) -> dict[str, np.ndarray]:
    """Photo, normals and mask of an embedded head."""
    head = Head(number, 0, SIZE)
    return {
        "portraits": head.image(head.light(0)),
        "normals": dpr_normal_picture(head.normal),
        "masks": np.repeat(head.mask[..., None] * np.uint8(255), 3, 2),
    }


class Inputs:
    """Folders of embedded heads as somebody's own portraits, with all that belongs to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for number, name in enumerate(NAMES):
            for folder, picture in pictures(number).items():
                self.write(folder, name, picture)

    def write(self, folder: str, name: str, picture: np.ndarray) -> None:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(self.root / folder / f"{name}.png")

    def text(self, folder: str, name: str, text: str) -> None:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / folder / f"{name}.txt").write_text(text)

    def folders(self, *more: str) -> dict[str, Path]:
        return {name: self.root / name for name in ("portraits", "normals", "masks", *more)}

    def render(self, out: Path, **changes):
        return render_ratio_images(out, **(self.folders() | {"per_portrait": 2, "progress": False} | changes))


@pytest.fixture
def inputs(tmp_path) -> Inputs:
    return Inputs(tmp_path / "in")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Inputs, Path]:
    """Two portraits relit once, to look at."""
    root = tmp_path_factory.mktemp("ratio")
    inputs = Inputs(root / "in")
    result = inputs.render(root / "out", per_portrait=3, validation_portraits=1)
    assert (result.relit, result.complete, result.discarded) == (2, 2, ())
    return inputs, root / "out"


def files(out: Path) -> dict[str, str]:
    """Relative name to hash, of everything under a folder."""
    paths = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_names_and_lists_are_those_of_dpr(made):
    _, out = made
    for name in NAMES:
        relit = {f"{name}_{k:02d}.png" for k in range(3)} | {f"{name}_light_{k:02d}.txt" for k in range(3)}
        others = {f"{name}.png", "ori_sh.txt", "full_normal_faceRegion_faceBoundary_extend.png"}
        assert {path.name for path in (out / name).iterdir()} == relit | others
    lists = [(out / name).read_text().split("\n")[:-1] for name in ("train.lst", "val.lst")]
    assert [len(lines) for lines in lists] == [3, 3]
    name = lists[0][0].split()[0]
    assert lists[0][0] == f"{name} {name}_00.png {name}_01.png"
    assert {lines[0].split()[0] for lines in lists} == set(NAMES)


def test_the_folder_trains(made):
    _, out = made
    for split in ("train", "validation"):
        source = open_source(DataConfig(name="portraits", root=out, size=32), split)
        assert len(source) == 3
        sample = source.read(0)
        assert 0.7 <= sample["light"][0] <= 0.9 and not np.array_equal(sample["image"], sample["target"])


def test_the_pictures_are_lit_by_their_light_files(made):
    inputs, out = made
    for given in find_inputs(*inputs.folders().values(), None, None):
        photo, portrait = load_portrait(given)
        folder = out / given.name
        assert np.array_equal(np.asarray(Image.open(folder / f"{given.name}.png")), photo)
        np.testing.assert_array_equal(np.loadtxt(folder / "ori_sh.txt"), portrait.light)
        for k in range(3):
            light = np.loadtxt(folder / f"{given.name}_light_{k:02d}.txt")
            relit = np.asarray(Image.open(folder / f"{given.name}_{k:02d}.png"))
            assert np.array_equal(relit, portrait.relight(light))


def test_workers_write_the_same_bytes(made, tmp_path):
    inputs, out = made
    inputs.render(tmp_path, per_portrait=3, validation_portraits=1, workers=2)
    assert files(tmp_path) == files(out)


def test_only_what_is_missing_is_made(inputs, tmp_path, leave_half):
    out = tmp_path / "out"
    inputs.render(out)
    before = files(out)
    assert inputs.render(out).relit == 0
    (out / "ben" / "ben_light_01.txt").unlink()
    leave_half(out / "ben" / "ben_01.png")
    assert inputs.render(out).relit == 1
    assert files(out) == before


def test_a_new_portrait_leaves_the_others_as_they_are(inputs, tmp_path):
    for folder in ("portraits", "normals", "masks"):
        (inputs.root / folder / "anna.png").rename(inputs.root / f"{folder}_anna.png")
    inputs.render(tmp_path)
    before = files(tmp_path)
    for folder in ("portraits", "normals", "masks"):
        (inputs.root / f"{folder}_anna.png").rename(inputs.root / folder / "anna.png")
    result = inputs.render(tmp_path)
    assert (result.relit, result.complete) == (1, 2)
    after = files(tmp_path)
    assert {name: after[name] for name in before if name.startswith("ben")} == {
        name: digest for name, digest in before.items() if name.startswith("ben")
    }


def test_the_seed_and_the_collection_decide_the_lights(inputs, tmp_path):
    np.savetxt(tmp_path / "one.txt", Light.from_preset("rembrandt").luminance)
    (inputs.root / "lights").mkdir()
    (tmp_path / "one.txt").rename(inputs.root / "lights" / "one.txt")
    changes = [{}, {"seed": 1}, {"lights": inputs.root / "lights"}]
    outs = [tmp_path / f"out{k}" for k in range(3)]
    for out, change in zip(outs, changes, strict=True):
        inputs.render(out, **change)
    lights = [np.loadtxt(out / "ben" / "ben_light_00.txt") for out in outs]
    assert not np.allclose(lights[0], lights[1]) and not np.allclose(lights[0], lights[2])
    drawn = np.loadtxt(outs[2] / "ben" / "ben_light_00.txt")
    wanted = Light.from_preset("rembrandt").luminance
    assert drawn[2] / drawn[0] == pytest.approx(wanted[2] / wanted[0])
    with pytest.raises(RelightError, match="other settings .*seed was 0, now 1"):
        inputs.render(outs[0], seed=1)


def test_known_lights_of_the_photos_need_no_masks(inputs, tmp_path):
    for name, light in zip(NAMES, (np.eye(9)[0], Light.from_preset("split").luminance), strict=True):
        inputs.text("source_lights", name, "\n".join(map(str, light)))
    inputs.render(tmp_path, masks=None, source_lights=inputs.root / "source_lights")
    np.testing.assert_allclose(np.loadtxt(tmp_path / "anna" / "ori_sh.txt"), np.eye(9)[0])
    with pytest.raises(RelightError, match="either masks"):
        inputs.render(tmp_path / "other", source_lights=inputs.root / "source_lights")


def test_a_map_of_the_face_only_is_filled_and_bent(inputs, tmp_path):
    """Black outside a disc, and moved by landmarks: what is written is whole and lies on the face."""
    head = Head(0, 0, SIZE)
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    face = (x - 48) ** 2 + (y - 48) ** 2 < 42**2
    shifted = np.roll(dpr_normal_picture(head.normal) * face[..., None], 3, axis=1)
    inputs.write("normals", "anna", shifted.astype(np.uint8))
    ring = np.array(
        [[48 + r * np.cos(t), 48 + r * np.sin(t)] for r in (14, 28) for t in np.arange(0, 6.2, 0.5)]
    )
    for name, shift in (("anna", 3), ("ben", 0)):
        rows = np.column_stack([ring[:, 0] + shift, ring[:, 1], ring])
        inputs.text("landmarks", name, "\n".join(" ".join(f"{v:.3f}" for v in row) for row in rows))
    inputs.render(tmp_path, landmarks=inputs.root / "landmarks")
    written = Image.open(tmp_path / "anna" / "full_normal_faceRegion_faceBoundary_extend.png")
    normals = np.asarray(written)[..., ::-1] / 127.5 - 1
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=0.01)
    wanted = head.normal * [1, -1, -1]
    middle = (x - 48) ** 2 + (y - 48) ** 2 < 20**2
    angle = np.degrees(np.arccos(np.clip((normals * wanted).sum(-1), -1, 1)))[middle]
    away = np.degrees(np.arccos(np.clip((np.roll(wanted, 3, axis=1) * wanted).sum(-1), -1, 1)))[middle]
    assert np.median(angle) < 0.5 * np.median(away)


def test_what_cannot_be_used_is_left_out_and_named(inputs, tmp_path):
    inputs.write("masks", "ben", np.zeros((SIZE, SIZE, 3), np.uint8))
    result = inputs.render(tmp_path / "out")
    assert (result.relit, result.complete) == (1, 1)
    assert len(result.discarded) == 1 and "ben: The mask holds 0 pixels of skin" in result.discarded[0]
    assert not (tmp_path / "out" / "ben").exists()
    assert {line.split()[0] for line in (tmp_path / "out" / "train.lst").read_text().splitlines()} == {"anna"}
    (inputs.root / "portraits" / "anna.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(RelightError, match="No portrait could be used. The first: anna: "):
        inputs.render(tmp_path / "again")


def test_a_full_disk_stops_the_run(inputs, tmp_path, monkeypatch):
    save = Image.Image.save

    def failing(self, path, **options):
        if "ben_01" in str(path):
            Path(path).write_bytes(b"half a picture")
            raise OSError(28, "No space left on device")
        save(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", failing)
        with pytest.raises(RelightError, match="No space left on device"):
            inputs.render(tmp_path)
    assert not list(tmp_path.rglob("*ben_01*"))
    assert inputs.render(tmp_path).relit == 1


def test_missing_files_are_named_before_anything_is_written(inputs, tmp_path):
    (inputs.root / "normals" / "ben.png").unlink()
    with pytest.raises(RelightError, match=r"has no normal map for ben: wanted is ben.png.*not part of this"):
        inputs.render(tmp_path / "out")
    (inputs.root / "normals" / "ben.jpg").write_bytes(b"lossy")
    with pytest.raises(RelightError, match="no normal map for ben"):
        inputs.render(tmp_path / "out")
    (inputs.root / "normals" / "ben.jpg").rename(inputs.root / "normals" / "ben.png")
    with pytest.raises(RelightError, match="no folder .*nowhere"):
        inputs.render(tmp_path / "out", masks=inputs.root / "nowhere")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "message"), [("anna.jpg", "one name"), ("carl carlson.png", "a space")])
def test_names_that_cannot_be_used(inputs, tmp_path, name, message):
    Image.new("RGB", (8, 8)).save(inputs.root / "portraits" / name)
    with pytest.raises(RelightError, match=message):
        inputs.render(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"per_portrait": 1}, "per_portrait must be"),
        ({"per_portrait": 101}, "at most 100"),
        ({"workers": 0}, "workers must be"),
        ({"seed": -1}, "seed must be"),
        ({"validation_portraits": 2}, "left to train"),
    ],
)
def test_bad_arguments(inputs, tmp_path, arguments, message):
    with pytest.raises(RelightError, match=message):
        inputs.render(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "1 2 3\n4 5 6\n", "1 2 3 4\n5 6 7\n", "a b c d\n", "1 2 3 4 5\n"])
def test_bad_landmark_files(tmp_path, text):
    path = tmp_path / "face.txt"
    path.write_text(text)
    with pytest.raises(RelightError, match="no file of landmarks: .*four numbers"):
        read_landmarks(path)
    with pytest.raises(RelightError, match="a file of landmarks .*nothing.txt: No such file"):
        read_landmarks(tmp_path / "nothing.txt")


def test_the_command(inputs, tmp_path, capsys):
    inputs.write("masks", "ben", np.zeros((SIZE, SIZE, 3), np.uint8))
    folders = [
        part for name in ("portraits", "normals", "masks") for part in (f"--{name}", str(inputs.root / name))
    ]
    arguments = [
        "data",
        "render",
        "ratio-images",
        *folders,
        "--per-portrait",
        "2",
        "-o",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert "Relit 1 portrait into" in printed.out and "relight: error: ben: The mask" in printed.err
    assert main([*arguments, "--seed", "5"]) == 2
    assert "seed was 0, now 5" in capsys.readouterr().err
