"""Rendered heads: right normals and shadows, the same bytes again, and what goes wrong."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from PIL import Image

from tests.rendering.humans.tiny_assets import write_assets
from tf_relight.cli.main import main
from tf_relight.config.run import make_data_config
from tf_relight.data import open_source
from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import basis
from tf_relight.rendering.heads.layouts import SFSNET_KINDS
from tf_relight.rendering.humans import hair, render
from tf_relight.rendering.humans.assets import AssetFolder
from tf_relight.rendering.humans.gbuffers import GBuffers, read_info
from tf_relight.rendering.humans.identity import TONES
from tf_relight.rendering.humans.layouts import LAMPS
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.parts import KINDS
from tf_relight.rendering.humans.render import render_head, spread_directions
from tf_relight.rendering.humans.sheet import draw_sheet
from tf_relight.rendering.humans.write import render_humans
from tf_relight.scoring.lamp_faces import find_subjects

pytest.importorskip("embreex")
SIZE = 48


@pytest.fixture(scope="module")
def head(tiny_assets) -> GBuffers:
    return render_head(Library(AssetFolder(tiny_assets)), 0, 1, SIZE)


def test_maps_have_their_shapes_and_ranges(head):
    assert head.albedo.shape == (SIZE, SIZE, 3) and head.visible.shape == (SIZE, SIZE, 8)
    assert head.info["number"] == 1 and head.info["gender"] in ("female", "male")
    covered = head.coverage == 255
    assert 0.1 < covered.mean() < 0.95
    lengths = np.linalg.norm(head.normal[covered].astype(float) / 127, axis=-1)
    assert np.abs(lengths - 1).max() < 0.02
    assert (head.kind == KINDS.index("skin")).mean() > 0.05
    assert (head.skin.astype(int) + head.hair <= 256).all()


def test_normals_face_the_camera_and_turn_away_at_the_sides(head):
    rows, columns = np.nonzero(head.skin == 255)
    normals = head.normal[rows, columns].astype(float) / 127
    assert (normals[:, 2] > -0.3).all() and normals[:, 2].mean() > 0.5
    left, right = columns < np.quantile(columns, 0.25), columns > np.quantile(columns, 0.75)
    assert normals[left, 0].mean() < -0.1 and normals[right, 0].mean() > 0.1


def test_light_reaches_what_faces_it_and_not_what_lies_behind(head):
    bits = np.unpackbits(head.visible, axis=-1).astype(bool)
    skin = head.skin == 255
    facing = head.normal[skin].astype(float) / 127 @ head.directions.T
    visible = bits[skin]
    assert visible[facing > 0.6].mean() > 0.8
    assert visible[facing < -0.35].mean() < 0.02
    assert not bits[head.coverage == 0].any()


def test_directions_are_spread_evenly():
    directions = spread_directions(64, np.random.default_rng(0))
    assert np.linalg.norm(directions, axis=1) == pytest.approx(np.ones(64), abs=1e-6)
    assert np.abs(directions.mean(axis=0)).max() < 0.02
    assert directions.T @ directions / 64 == pytest.approx(np.eye(3) / 3, abs=0.02)


def test_a_head_is_the_same_every_time_and_differs_from_others(tiny_assets, head):
    library = Library(AssetFolder(tiny_assets))
    render_head(library, 0, 7, SIZE)  # what was rendered before must not matter
    again = render_head(library, 0, 1, SIZE)
    for name in ("albedo", "normal", "visible", "background", "kind"):
        assert np.array_equal(getattr(again, name), getattr(head, name)), name
    assert again.info == head.info
    assert not np.array_equal(render_head(library, 1, 1, SIZE).albedo, head.albedo)


def test_hair_before_the_face_is_rejected_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(hair, "_cut", lambda rest, rng: lambda places: np.ones(len(places), np.float32))
    assets = write_assets(tmp_path / "assets", curtain=True)
    result = render_humans(assets, tmp_path / "out", heads=8, size=24, progress=False)
    assert result.rejected > 4 and result.heads + len(result.failures) == 8
    assert all("Hair hid the face" in message for message in result.failures.values())
    found = [read_info(path) for path in (tmp_path / "out").glob("[0-9]*.npz")]
    assert found and all(info["hair"] != "long01" for info in found)
    assert all(info["hidden_face"] <= render.HIDDEN_FACE for info in found)
    assert sum(info["rejected"] for info in found) > 0


def test_runs_continue_where_they_were_killed_with_the_same_bytes(tiny_assets, tmp_path):
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert render_humans(tiny_assets, once, heads=4, size=24, workers=2, progress=False).heads == 4
    assert render_humans(tiny_assets, twice, heads=2, size=24, progress=False).heads == 2
    (twice / ".00002-half.npz").write_bytes(b"what a killed run leaves")
    result = render_humans(tiny_assets, twice, heads=4, size=24, progress=False)
    assert result.heads == 2
    names = [f"{number:05d}.npz" for number in range(4)]
    assert sorted(path.name for path in once.glob("[0-9]*.npz")) == names
    assert [(once / n).read_bytes() for n in names] == [(twice / n).read_bytes() for n in names]
    assert render_humans(tiny_assets, twice, heads=4, size=24, progress=False).heads == 0


def test_a_folder_of_another_size_is_refused(tiny_assets, tmp_path):
    render_humans(tiny_assets, tmp_path, heads=1, size=24, progress=False)
    with pytest.raises(RelightError, match="size was 24, now 32"):
        render_humans(tiny_assets, tmp_path, heads=1, size=32, progress=False)


def test_a_broken_asset_costs_the_heads_that_need_it_and_no_others(tmp_path):
    root = write_assets(tmp_path / "assets", manifest=False)
    (root / "LICENSE.txt").write_text("CC0 1.0 Universal", encoding="utf-8")
    (root / "hair/long01/long01.mhclo").write_text("verts 0\n1 2 3 x y z\n", encoding="utf-8")
    result = render_humans(root, tmp_path / "out", heads=8, size=24, progress=False)
    assert result.heads > 0 and result.failures
    assert result.heads + len(result.failures) == 8
    assert all("long01.mhclo is not a usable .mhclo file" in message for message in result.failures.values())


def test_a_style_without_its_texture_is_named_and_left_out(tmp_path):
    root = write_assets(tmp_path / "assets")
    (root / "hair/long01/long01_diffuse.png").unlink()
    result = render_humans(root, tmp_path / "out", heads=3, size=24, progress=False)
    assert result.left_out["hair/long01/long01_diffuse.png"] == "it is missing"
    assert "no usable texture" in result.left_out["hair/long01"]
    infos = [read_info(path) for path in (tmp_path / "out").glob("[0-9]*.npz")]
    assert len(infos) == 3 and {info["hair"] for info in infos} <= {"bald", "cropped", "curls"}


def test_without_embreex_one_sentence_names_the_extra(tiny_assets, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("embreex"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(RelightError, match=r"pip install 'tf_relight\[humans\]'"):
        render_head(Library(AssetFolder(tiny_assets)), 0, 0, 24)


def test_held_out_faces_under_known_lamps_come_with_who_they_are(tiny_assets, tmp_path):
    """Networks can be scored on people that they were not trained on, by tone of the skin."""
    result = render_humans(
        tiny_assets, tmp_path, heads=26, first=25, size=48, layout="lamps", only_held_out=True, progress=False
    )
    subjects = find_subjects(tmp_path)
    assert result.heads == 2 and [each.name for each in subjects] == ["00025", "00050"]
    assert all(set(each.pictures) == {(float(a), float(e)) for a, e in LAMPS} for each in subjects)
    assert all(each.tone is not None and TONES[0] <= each.tone <= TONES[1] for each in subjects)
    with pytest.raises(RelightError, match="none of these"):
        render_humans(tiny_assets, tmp_path, heads=24, first=1, size=48, layout="lamps", only_held_out=True)


def test_the_folders_of_dpr_read_as_a_dataset_whose_lights_fit(tiny_assets, tmp_path):
    render_humans(tiny_assets, tmp_path, heads=3, size=48, layout="dpr", progress=False)
    config = {"name": "portraits", "root": str(tmp_path), "size": 48}
    train = open_source(make_data_config(config), "train", "lightness")
    assert (
        len(train) == 2 * 10 and len(open_source(make_data_config(config), "validation", "lightness")) == 10
    )
    sample = train.read(3)
    assert sample["image"].shape == (48, 48, 1) and 0.3 < sample["light"][0] < 1
    assert not np.array_equal(sample["light"], sample["target_light"])
    before = (tmp_path / "imgHQ00001/imgHQ00001_02.png").stat().st_mtime_ns
    assert render_humans(tiny_assets, tmp_path, heads=3, size=48, layout="dpr", progress=False).heads == 0
    assert (tmp_path / "imgHQ00001/imgHQ00001_02.png").stat().st_mtime_ns == before


def test_a_face_of_sfsnet_is_its_albedo_times_its_shading(tiny_assets, tmp_path):
    render_humans(tiny_assets, tmp_path, heads=2, size=48, layout="sfsnet", progress=False)
    assert (tmp_path / "test/0000/000000_face_1_1.png").is_file()
    read = {kind: _picture(tmp_path / f"train/0000/000001_{kind}_1_2.png") for kind in SFSNET_KINDS}
    light = np.loadtxt(tmp_path / "train/0000/000001_light_1_2.txt").reshape(3, 9).T
    mask = read["mask"][..., 0] == 255
    normal = (read["normal"][mask].astype(float) - 128) / 127.5
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    shading = np.clip(basis(normal, frame="sfsnet") @ light, 0, None)
    face = np.clip(read["albedo"][mask] * shading, 0, 255)
    assert np.abs(face - read["face"][mask]).mean() < 2.5
    assert (read["face"][~mask] == 0).all() and read["depth"][mask].max() == 255


def _picture(path):
    return np.asarray(Image.open(path))


def test_a_damaged_file_is_named(tmp_path, head):
    path = tmp_path / "00001.npz"
    head.save(path)
    assert read_info(path)["number"] == 1
    assert np.array_equal(GBuffers.load(path).visible, head.visible)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(RelightError, match="00001.npz is damaged.*delete it and render again"):
        GBuffers.load(path)


def test_the_command_renders_a_set_and_its_sheet(tiny_assets, tmp_path, capsys):
    out, sheet = tmp_path / "humans", tmp_path / "sheet.png"
    arguments = ["--assets", str(tiny_assets), "-o", str(out), "--heads", "4", "--size", "32"]
    assert main(["data", "render", "humans", *arguments, "--sheet", str(sheet)]) == 0
    printed = capsys.readouterr().out
    assert "Rendered 4 heads" in printed and "female" in printed
    assert sheet.stat().st_size > 2000
    assert sum(draw_sheet(out, sheet).counts.values()) == 4
    with pytest.raises(RelightError, match="has no rendered heads"):
        draw_sheet(tmp_path / "empty", sheet)
