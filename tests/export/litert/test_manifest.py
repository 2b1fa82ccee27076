"""manifest.json: what it holds, and that nothing odd gets past it."""

from __future__ import annotations

import json

import pytest

from export.litert import manifest
from export.litert.manifest import FileRecord, Manifest, WeightsOrigin, read_manifest, write_manifest
from tf_relight.errors import RelightError


def record(name: str = "a_fp32.tflite", content: bytes = b"x", **changes) -> FileRecord:
    import hashlib

    values = {
        "name": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "method": "dmshn",
        "quantisation": "fp32",
        "weights": WeightsOrigin(name="w", licence="CC0"),
        "sizes": (32,),
        "signatures": {},
        "colour_space": "sRGB",
        "versions": {"keras": "3"},
    }
    return FileRecord.model_validate(values | changes)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a_fp32.tflite").write_bytes(b"x")
    write_manifest(tmp_path, Manifest(files=(record(),)))
    return tmp_path


def test_what_is_written_is_read(folder):
    found = read_manifest(folder)
    assert found == Manifest(files=(record(),))
    assert found.file("a_fp32.tflite").weights.licence == "CC0"
    with pytest.raises(RelightError, match="no file 'b', only a_fp32.tflite"):
        found.file("b")


def test_newer_files_take_the_place_of_older_ones():
    old, other = record(), record("b_fp32.tflite")
    new = record(content=b"yy")
    assert Manifest(files=(old, other)).with_files((new,)).files == (other, new)


def test_scores_survive(folder):
    scored = record(scores={"psnr": 51.25})
    write_manifest(folder, Manifest(files=(scored,)))
    assert read_manifest(folder).files[0].scores == {"psnr": 51.25}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format="other"), "format"),
        (lambda d: d["files"][0].update(quantisation="int3"), "files.0.quantisation"),
        (lambda d: d["files"][0].pop("sha256"), "files.0.sha256"),
        (lambda d: d["files"][0].update(size_bytes=-1), "files.0.size_bytes"),
        (lambda d: d["files"][0].update(surprise=1), "files.0.surprise"),
        (lambda d: d["files"][0].update(name="../a_fp32.tflite"), "not a file of its folder"),
        (lambda d: d["files"][0].update(name="gone.tflite"), "is missing"),
        (lambda d: d["files"][0].update(sha256="0" * 64), "is not the file"),
        (lambda d: d["files"][0].update(size_bytes=7), "is not the file"),
    ],
)
def test_oddities_are_named(folder, change, said):
    path = folder / manifest.NAME
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(RelightError, match=said):
        read_manifest(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", "\x00"])
def test_damaged_files_are_refused(folder, content):
    (folder / manifest.NAME).write_text(content)
    with pytest.raises(RelightError, match="damaged"):
        read_manifest(folder)


def test_a_folder_without_one(tmp_path):
    with pytest.raises(RelightError, match=r"holds no manifest.json"):
        read_manifest(tmp_path)


def test_the_files_need_not_be_looked_at(folder):
    (folder / "a_fp32.tflite").unlink()
    assert read_manifest(folder, check_files=False).files
    with pytest.raises(RelightError, match="is missing"):
        read_manifest(folder)
