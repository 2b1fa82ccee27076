"""Bulk work on Ray: on this machine alone, and on two nodes of which one is killed in the middle.

Each node starts a dozen processes, so that these tests take minutes on two cores.
"""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from PIL import Image
from skimage import data

from tests.wide.ray_nodes import cluster, relight
from tf_relight.photo.reading import read_picture

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
FACE = data.astronaut()[20:220, 120:320]


def photos(folder, count):
    folder.mkdir()
    for index in range(count):
        Image.fromarray(np.roll(FACE, index, axis=1)).save(folder / f"{index:03d}.png")
    (folder / "broken.png").write_bytes(b"no photo")
    return folder


def bulk(source, out, *words):
    return relight("bulk", source, out, "--from", "left", *words)


def check(out, count, process):
    said, complained = process.communicate(timeout=1500)
    assert process.returncode == 2, complained  # one photo is broken
    assert f"{count} of {count + 1} photos done" in said and "1 failed" in said, said
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) == count + 1 == len({line["photo"] for line in lines})
    assert sum(line["status"] == "done" for line in lines) == count
    written = sorted(out.glob("*.png"))
    assert len(written) == count
    for path in written:
        read_picture(path)


def test_on_this_machine_alone(tmp_path):
    photos(tmp_path / "in", 40)
    check(tmp_path / "out", 40, bulk(tmp_path / "in", tmp_path / "out", "--workers", "2"))


def test_two_nodes_of_which_one_is_killed_in_the_middle(tmp_path):
    photos(tmp_path / "in", 120)
    with cluster(1, 1) as (address, nodes):
        process = bulk(tmp_path / "in", tmp_path / "out", "--ray", address)
        while len(list((tmp_path / "out").glob("*.png"))) < 20 and process.poll() is None:
            time.sleep(0.2)
        assert process.poll() is None, process.communicate()
        nodes[1].kill()
        check(tmp_path / "out", 120, process)
