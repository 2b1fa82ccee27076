"""Bulk work in this process: results, manifest, going on after a kill, and refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import tf_relight
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.reading import read_picture
from tf_relight.relighting.photos import relight_photos
from tf_relight.relighting.request import RelightOptions
from tf_relight.wide import bulk as bulk_module
from tf_relight.wide.bulk import relight_bulk
from tf_relight.wide.manifest import RUNNING, STALE_SECONDS, Manifest
from tf_relight.wide.places import Place

FROM_LEFT = RelightOptions(light=Light.from_direction(-60, 10))
FACE = data.astronaut()[20:220, 120:320]
ROOT = Path(tf_relight.__file__).parent.parent


def photos(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(np.roll(FACE, index, axis=1)).save(folder / f"{index:03d}.png")
    return folder


def run(source, out, options=FROM_LEFT, **more):
    return relight_bulk(source, out, options, workers=1, progress=False, **more)


def entries(out):
    return {
        line["photo"]: line for line in map(json.loads, Place.of(out).read("manifest.jsonl").splitlines())
    }


def test_results_are_those_of_relight_image_with_the_same_tree_and_a_manifest(tmp_path):
    photos(tmp_path / "in" / "day", 2)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no photo")
    (tmp_path / "in" / "notes.txt").write_text("x")
    report = run(tmp_path / "in", tmp_path / "out")
    assert (report.photos, report.done, report.failed, report.skipped) == (3, 2, 1, 1)
    assert report.exit_code == 2 and "broken.jpg" in report.failures[0]
    relight_photos([tmp_path / "in" / "day"], tmp_path / "same", progress=False, light=FROM_LEFT.light)
    for name in ("000.png", "001.png"):
        np.testing.assert_array_equal(
            read_picture(tmp_path / "out" / "day" / name).stored,
            read_picture(tmp_path / "same" / name).stored,
        )
    found = entries(tmp_path / "out")
    assert {name: each["status"] for name, each in found.items()} == {
        "day/000.png": "done",
        "day/001.png": "done",
        "broken.jpg": "failed",
        "notes.txt": "skipped",
    }


def test_a_second_run_does_nothing_twice_and_tries_the_failed_again(tmp_path):
    photos(tmp_path / "in", 2)
    (tmp_path / "in" / "002.png").write_bytes(b"half a pho")
    assert run(tmp_path / "in", tmp_path / "out").failed == 1
    before = (tmp_path / "out" / "000.png").stat().st_mtime_ns
    photos(tmp_path / "in", 4)
    report = run(tmp_path / "in", tmp_path / "out")
    assert (report.before, report.done, report.failed) == (2, 2, 0)
    assert (tmp_path / "out" / "000.png").stat().st_mtime_ns == before
    assert {each["status"] for each in entries(tmp_path / "out").values()} == {"done"}


def test_buckets_do_as_well_as_folders(tmp_path):
    bucket = f"memory://b{uuid.uuid4().hex}"
    source = Place.of(f"{bucket}/in")
    photos(tmp_path, 1)
    source.write("x/a.png", (tmp_path / "000.png").read_bytes())
    assert run(f"{bucket}/in", f"{bucket}/out").done == 1
    out = Place.of(f"{bucket}/out")
    assert set(out.files()) == {"x/a.png", "manifest.jsonl"}
    run(tmp_path, tmp_path.parent / f"{tmp_path.name}-out")
    local = (tmp_path.parent / f"{tmp_path.name}-out" / "000.png").read_bytes()
    assert out.read("x/a.png") == local


def test_equal_names_and_kinds_that_cannot_be_written_get_names_of_their_own():
    named, others = bulk_module._sorted_out(["A.jpg", "a.JPG", "b.heic", "b.png", "c.nef"])
    assert named == {"A.jpg": "A.jpg", "a.JPG": "a-2.JPG", "b.heic": "b.png", "b.png": "b-2.png"}
    assert others == ["c.nef"]


def test_the_output_of_another_job_is_refused(tmp_path):
    photos(tmp_path / "in", 1)
    run(tmp_path / "in", tmp_path / "out")
    with pytest.raises(RelightError, match=r"holds the results of another job \(it differs in light\)"):
        run(tmp_path / "in", tmp_path / "out", RelightOptions(light=Light.from_direction(60, 10)))
    with pytest.raises(RelightError, match=r"another job \(it differs in options\)"):
        run(tmp_path / "in", tmp_path / "out", RelightOptions(light=FROM_LEFT.light, strength=0.5))


def test_files_of_others_in_the_output_are_left_alone(tmp_path):
    photos(tmp_path / "in", 1)
    photos(tmp_path / "out", 1)
    before = (tmp_path / "out" / "000.png").read_bytes()
    with pytest.raises(RelightError, match="holds files of others, among them 000.png"):
        run(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / "000.png").read_bytes() == before


@pytest.mark.parametrize("source, out", [("in", "in"), ("in", "in/out"), ("in/deeper", "in")])
def test_input_and_output_within_each_other_are_refused(tmp_path, source, out):
    photos(tmp_path / "in" / "deeper", 1)
    with pytest.raises(RelightError, match="lie within each other"):
        run(tmp_path / source, tmp_path / out)


def test_a_folder_without_photos_and_one_that_is_not_there(tmp_path):
    with pytest.raises(RelightError, match="There is no folder"):
        run(tmp_path / "none", tmp_path / "out")
    (tmp_path / "in").mkdir()
    with pytest.raises(RelightError, match="There are no photos in"):
        run(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_runs_do_not_share_an_output(tmp_path):
    photos(tmp_path / "in", 1)
    out = Place.of(tmp_path / "out")
    with Manifest(out).held(), pytest.raises(RelightError, match="Another run works on"):
        run(tmp_path / "in", tmp_path / "out")
    # One on a machine that went away long ago does not count, nor a process that has ended here.
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = os.uname().nodename
    for other in (
        {"host": "elsewhere", "pid": 1, "time": time.time() - 2 * STALE_SECONDS},
        {"host": here, "pid": ended.pid, "time": time.time()},
    ):
        out.write(RUNNING, json.dumps(other).encode())
        run(tmp_path / "in", tmp_path / "out")
    out.write(RUNNING, json.dumps({"host": "elsewhere", "pid": 1, "time": time.time()}).encode())
    with pytest.raises(RelightError, match="process 1 on elsewhere"):
        run(tmp_path / "in", tmp_path / "out")


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    photos(tmp_path / "in", 24)
    words = ["bulk", str(tmp_path / "in"), str(tmp_path / "out"), "--from", "left", "--workers", "1"]
    call = [sys.executable, "-m", "tf_relight", *words]
    process = subprocess.Popen(call, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    out = tmp_path / "out"
    deadline = time.monotonic() + 200
    while len(list(out.glob("*.png"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert 5 <= len(written) < 24
    for path in out.glob("*.png"):
        read_picture(path)
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("*.png"))) == 24
    assert {each["status"] for each in entries(out).values()} == {"done"}
    for name, when in written.items():
        assert (out / name).stat().st_mtime_ns == when, "written twice"


def test_no_cluster_is_one_sentence(tmp_path):
    pytest.importorskip("ray")
    photos(tmp_path / "in", 1)
    with pytest.raises(RelightError, match=r"No Ray cluster answers at 127.0.0.1:1 \(.*\): check"):
        run(tmp_path / "in", tmp_path / "out", ray="127.0.0.1:1")


def test_a_photo_that_ends_its_worker_again_and_again_counts_as_failed(tmp_path):
    from tf_relight.wide.photo_worker import PhotoWorker, Task

    photos(tmp_path / "in", 1)
    task = Task(Place.of(tmp_path / "in"), Place.of(tmp_path / "out"), None, None, None, FROM_LEFT, "auto")
    (entry,) = PhotoWorker(task, lambda photo: 4).relight([("000.png", "000.png")])
    assert entry.status == "failed" and "ended its worker 3 times" in entry.reason


def test_a_shared_number_of_cores_does_not_leak_into_other_tests():
    from tf_relight import litert

    litert._cores.clear()
    assert litert.cores() >= 1
