"""The networks of the apps are those that the manifests describe."""

from __future__ import annotations

import json

import pytest

from export.litert.manifest import FileRecord, Manifest, WeightsOrigin, write_manifest
from mobile_demo.place_models import App, place
from tf_relight.errors import RelightError
from tf_relight.photo.small_networks import NETWORKS
from tf_relight.weights.checksum import sha256_of


@pytest.fixture
def app(tmp_path):
    """An app that relights portraits by one file."""
    return App(tmp_path / "app", ("fp16",))


@pytest.fixture
def build(tmp_path):
    """A build folder with one file for portraits, and one of another method."""
    folder = tmp_path / "build"
    folder.mkdir()
    records = []
    for method in ("lit_unet", "dpr512"):
        path = folder / f"{method}.tflite"
        path.write_bytes(b"a network of " + method.encode())
        records.append(
            FileRecord(
                name=path.name,
                sha256=sha256_of(path),
                size_bytes=path.stat().st_size,
                method=method,
                quantisation="fp16",
                weights=WeightsOrigin(name="w", sha256=None, licence="Apache-2.0"),
                sizes=(64, 128),
                signatures={},
                colour_space="",
                mirrored=False,
                versions={},
            )
        )
    write_manifest(folder, Manifest(files=tuple(records)))
    return folder


def placed(app):
    return json.loads((app.folder / "manifest.json").read_text())["files"]


def test_files_and_a_manifest_are_placed_and_old_files_go(build, app):
    app.folder.mkdir()
    (app.folder / "old.tflite").write_bytes(b"")
    place(build, app)
    told = placed(app)
    assert [each["role"] for each in told] == ["portrait", "faces_near", "faces_far", "people"]
    assert told[0]["name"] == "lit_unet.tflite"
    assert told[0]["mirrored"] is False and told[0]["sizes"] == [64, 128]
    for entry in told:
        assert sha256_of(app.folder / entry["name"]) == entry["sha256"]
    assert {each["name"] for each in told} == {path.name for path in app.folder.glob("*.tflite")}
    assert NETWORKS["people"].file in {each["name"] for each in told}


def test_another_method_takes_the_place(build, app):
    place(build, app)
    place(build, app, portrait="dpr512")
    assert placed(app)[0]["method"] == "dpr512"
    assert not (app.folder / "lit_unet.tflite").exists()


def test_a_file_that_is_another_is_refused(build, app):
    (build / "lit_unet.tflite").write_bytes(b"different")
    with pytest.raises(RelightError, match="is not the file that manifest.json describes"):
        place(build, app)


def test_a_missing_file_is_named_with_the_command_that_writes_it(build, app):
    with pytest.raises(RelightError, match=r"no static_int8 file of 'lit_unet'.*python -m export tflite"):
        place(build, App(app.folder, ("static_int8",)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"portrait": "sfsnet"}, "nine numbers of light, which 'sfsnet' does not take"),
        ({"portrait": "dmshn"}, "which 'dmshn' does not take"),
        ({"scene": "lit_unet"}, "'lit_unet' takes more"),
    ],
)
def test_methods_that_the_apps_cannot_run_are_refused(build, app, given, message):
    with pytest.raises(RelightError, match=message):
        place(build, App(app.folder, ("fp16",), ("fp16",)), **given)
