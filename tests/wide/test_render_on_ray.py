"""People rendered on a Ray cluster: the bytes of one process, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.rendering.humans.tiny_assets import write_assets
from tests.wide.ray_nodes import cluster, marked, relight
from tf_relight.cli.main import main
from tf_relight.rendering.humans.write import render_humans

pytest.importorskip("ray")
HEADS = 12


def words(folder, *more):
    return [
        "data",
        "render",
        "humans",
        "--assets",
        str(folder / "assets"),
        "--out",
        str(folder / "out"),
        *more,
    ]


def test_no_cluster_and_no_workers_are_one_sentence(tmp_path, capsys):
    write_assets(tmp_path / "assets")
    assert main(words(tmp_path, "--heads", "1", "--size", "32", "--ray", "127.0.0.1:1")) == 2
    assert "No Ray cluster answers at 127.0.0.1:1" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.npz"))
    assert main(words(tmp_path, "--workers", "0")) == 2
    assert "0 workers cannot be" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_worker_loses_no_head(tmp_path):
    write_assets(tmp_path / "assets")
    render_humans(tmp_path / "assets", tmp_path / "alone", heads=HEADS, size=64, layout="dpr", progress=False)
    with cluster(2) as (address, nodes):
        more = ["--heads", HEADS, "--size", "64", "--layout", "dpr", "--ray", address]
        process = relight(*words(tmp_path, *more))
        while not list((tmp_path / "out").glob("*/ori_sh.txt")) and process.poll() is None:
            time.sleep(0.05)
        assert process.poll() is None, process.communicate()
        os.kill(marked(nodes[0].mark, "MapWorker")[0], signal.SIGKILL)
        said, complained = process.communicate(timeout=1500)
        assert process.returncode == 0, complained
    assert f"Rendered {HEADS} heads" in said
    for path in sorted((tmp_path / "alone").rglob("*.*")):
        other = tmp_path / "out" / path.relative_to(tmp_path / "alone")
        assert other.read_bytes() == path.read_bytes(), other
