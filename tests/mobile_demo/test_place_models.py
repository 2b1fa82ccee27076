"""The networks of the apps are those that the manifests describe."""

from __future__ import annotations

import json

import pytest

from export.litert.manifest import FileRecord, Manifest, WeightsOrigin, write_manifest
from mobile_demo import place_models
from mobile_demo.place_models import Wanted, place
from tf_relight.errors import RelightError
from tf_relight.photo.small_networks import NETWORKS
from tf_relight.weights.fetch import sha256_of


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A build folder with one file, and an app that wants it."""
    folder = tmp_path / "build"
    folder.mkdir()
    path = folder / "small.tflite"
    path.write_bytes(b"a network")
    record = FileRecord(
        name=path.name,
        sha256=sha256_of(path),
        size_bytes=9,
        method="lit_unet",
        quantisation="fp16",
        weights=WeightsOrigin(name="w", sha256=None, licence="Apache-2.0"),
        sizes=(64, 128),
        signatures={},
        colour_space="",
        mirrored=False,
        versions={},
    )
    write_manifest(folder, Manifest(files=(record,)))
    monkeypatch.setitem(place_models.FOLDERS, "web", tmp_path / "app")
    monkeypatch.setitem(place_models.WANTED, "web", (Wanted(path.name, "portrait"),))
    return folder


def test_files_and_a_manifest_are_placed_and_old_files_go(build, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "old.tflite").write_bytes(b"")
    place(build, "web")
    told = json.loads((tmp_path / "app" / "manifest.json").read_text())["files"]
    assert [each["role"] for each in told] == ["portrait", "faces_near", "faces_far", "people"]
    assert told[0]["mirrored"] is False and told[0]["sizes"] == [64, 128]
    for entry in told:
        assert sha256_of(tmp_path / "app" / entry["name"]) == entry["sha256"]
    assert {each["name"] for each in told} == {path.name for path in (tmp_path / "app").glob("*.tflite")}
    assert NETWORKS["people"].file in {each["name"] for each in told}


def test_a_file_that_is_another_is_refused(build):
    (build / "small.tflite").write_bytes(b"different")
    with pytest.raises(RelightError, match="is not the file that manifest.json describes"):
        place(build, "web")


def test_a_missing_file_is_named(build, monkeypatch):
    monkeypatch.setitem(place_models.WANTED, "web", (Wanted("other.tflite", "portrait"),))
    with pytest.raises(RelightError, match="describes no file 'other.tflite'"):
        place(build, "web")
