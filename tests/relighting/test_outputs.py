"""Folders of photos: the tree is kept, nothing is replaced or left out silently, all is counted."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests import portrait_stand_in
from tf_relight.cli import main as cli
from tf_relight.errors import RelightError
from tf_relight.photo.listing import find_pictures, list_pictures
from tf_relight.relighting.outputs import plan_outputs

PICTURES = ("a.png", "sub/a.jpg", "sub/deep/b.tiff", "sub/deep/b.gif", "other/A.PNG")


@pytest.fixture
def folder(tmp_path):
    """A stranger's folder: pictures in a tree, and much else."""
    place = tmp_path / "in"
    for name in PICTURES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 24, 3), 90, np.uint8)).save(place / name)
    for name in ("raw.NEF", "notes.txt", "sub/more.nef", "sub/README", "._a.png", "sub/.DS_Store"):
        (place / name).write_bytes(b"something else")
    (place / ".hidden").mkdir()
    return place


@pytest.fixture
def stand_in(monkeypatch):
    """No network is loaded."""
    made = portrait_stand_in.loaded()
    loader = SimpleNamespace(load_network=lambda weights, method=None, engine="auto": made)
    monkeypatch.setitem(sys.modules, "tf_relight.relighting.network", loader)
    return made


def command(*words):
    return cli.main(["image", *map(str, words), "--method", "dpr512", "--from", "left"])


def files_in(place):
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def test_one_level_names_what_it_leaves_out(folder):
    found = find_pictures([folder])
    assert [str(place) for place in found.pictures.values()] == ["a.png"]
    assert found.left_out == {"hidden": 2, "subfolders": 2, ".nef": 1, ".txt": 1}
    assert "2 subfolders" in found.note and "1 .nef" in found.note and "--recursive" in found.note


def test_a_tree_is_kept_and_the_output_folder_is_no_part_of_it(folder):
    out = folder / "relit"
    out.mkdir()
    Image.new("RGB", (4, 4)).save(out / "old.png")
    (folder / "sub" / "round").symlink_to(folder, target_is_directory=True)
    plan = plan_outputs([folder], out, recursive=True)
    assert [str(target.relative_to(out)) for _, target in plan.jobs] == [
        "a.png", "other/A.PNG", "sub/a.jpg", "sub/deep/b.png", "sub/deep/b.tiff",
    ]  # fmt: skip
    assert plan.left_out == {
        "hidden": 3, ".nef": 2, ".txt": 1, "the output folder": 1, "no ending": 2,
    }  # fmt: skip
    assert not any((out / name).exists() for name in ("sub", "other"))


def test_equal_names_in_a_tree_get_numbers(tmp_path):
    for name in ("x/s/a.png", "y/s/a.png", "y/s/a.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    plan = plan_outputs([tmp_path / "x", tmp_path / "y"], tmp_path / "out", recursive=True)
    targets = [str(target.relative_to(tmp_path / "out")) for _, target in plan.jobs]
    assert targets == ["s/a.png", "s/a-2.png", "s/a-3.png"]


def test_other_readers_of_folders_warn(folder, caplog):
    assert list_pictures([folder]) == [folder / "a.png"]
    assert "1 .nef" in caplog.text and str(folder) in caplog.text


def test_a_folder_without_pictures_says_what_is_there(tmp_path):
    (tmp_path / "x.nef").write_bytes(b"raw")
    with pytest.raises(RelightError, match="holds no pictures .*1 .nef"):
        find_pictures([tmp_path])


def test_dry_run_does_nothing(folder, capsys, tmp_path):
    out = tmp_path / "out"
    assert command(folder, "-o", out, "--recursive", "--dry-run") == 0
    said = capsys.readouterr()
    assert (
        said.out.count(" -> ") == 5 and f"{folder / 'sub' / 'a.jpg'} -> {out / 'sub' / 'a.jpg'}" in said.out
    )
    assert "5 would be written" in said.err and "2 .nef" in said.err
    assert not out.exists()
    assert command(folder, "-o", out, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["planned"] == [{"photo": str(folder / "a.png"), "file": str(out / "a.png")}]
    assert plan["left_out"]["subfolders"] == 2 and plan["skipped"] == [] and plan["exit_code"] == 0


def test_what_exists_is_never_replaced_unasked(folder, stand_in, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "sub" / "a.jpg").write_bytes(b"precious")
    assert command(folder, "-o", out, "--recursive") == 2
    said = capsys.readouterr().err
    assert "sub/a.jpg exists already" in said and "--overwrite" in said and "--skip-existing" in said
    assert files_in(out) == ["sub/a.jpg"] and stand_in.method.lights == []
    assert command(folder, "-o", out, "--recursive", "--skip-existing") == 0
    said = capsys.readouterr()
    assert "4 written, 1 skipped, as they exist already." in said.err and said.out.count("\n") == 4
    assert (out / "sub" / "a.jpg").read_bytes() == b"precious"
    assert command(folder, "-o", out, "--recursive", "--overwrite", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["written"]) == 5 and report["skipped"] == [] and report["failed"] == []
    assert (out / "sub" / "a.jpg").read_bytes() != b"precious"
    with pytest.raises(SystemExit) as end:
        command(folder, "-o", out, "--overwrite", "--skip-existing")
    assert end.value.code == 2


def test_one_named_output_is_not_replaced_either(folder, stand_in, tmp_path, capsys):
    out = tmp_path / "b.png"
    words = folder / "a.png", "-o", out
    assert command(*words) == 0 and capsys.readouterr().out == f"{out}\n"
    first = out.stat().st_mtime_ns
    assert command(*words) == 2 and "exists already" in capsys.readouterr().err
    assert command(*words, "--skip-existing") == 0 and out.stat().st_mtime_ns == first
    assert command(*words, "--overwrite") == 0 and out.stat().st_mtime_ns > first


def test_the_run_goes_on_and_the_report_counts_everything(folder, stand_in, tmp_path, capsys):
    (folder / "sub" / "broken.png").write_bytes(b"not a picture")
    out = tmp_path / "out"
    assert command(folder, "-o", out, "--recursive", "--json") == 2
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == 2 and len(report["written"]) == 5
    (failed,) = report["failed"]
    assert failed["photo"] == str(folder / "sub" / "broken.png") and "not a picture" in failed["reason"]
    assert report["left_out"] == {"hidden": 3, ".nef": 2, ".txt": 1, "no ending": 1}
    assert files_in(out) == ["a.png", "other/A.PNG", "sub/a.jpg", "sub/deep/b.png", "sub/deep/b.tiff"]
    assert command(folder, "-o", out, "--recursive", "--overwrite") == 2
    said = capsys.readouterr()
    assert said.out.count("\n") == 5
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("relight: 5 written, 1 failed. Left out of the folders: 3 hidden, 2 .nef, 1 .txt")


def test_the_only_photo_of_a_json_run_is_in_the_report(folder, stand_in, tmp_path, capsys):
    (folder / "broken.png").write_bytes(b"not a picture")
    assert command(folder / "broken.png", "-o", tmp_path / "b.png", "--json") == 2
    report = json.loads(capsys.readouterr().out)
    assert report["written"] == [] and len(report["failed"]) == 1


def test_an_output_without_a_name(folder):
    with pytest.raises(SystemExit) as end:
        command(folder, "-o", "")
    assert end.value.code == 2
    with pytest.raises(RelightError, match="no name"):
        plan_outputs([folder], "")
