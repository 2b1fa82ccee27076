"""What can be wrong with a cluster, said in one sentence, without starting one."""

from __future__ import annotations

import builtins
import sys

import pytest

from tf_relight.errors import RelightError
from tf_relight.wide import ray_cluster
from tf_relight.wide.train import _enough


class Cluster:
    """Stands for the package ray, with the resources of a cluster."""

    def __init__(self, **resources):
        self._resources = resources

    def cluster_resources(self):
        return self._resources


@pytest.fixture
def answers(monkeypatch):
    """Let nodes answer what is given, by their addresses."""

    def answering(**said):
        monkeypatch.setattr(ray_cluster, "_asked", lambda ray, function, *words: iter(said.items()))

    return answering


def test_another_version_of_the_package_on_a_node(answers):
    answers(one=ray_cluster._version(), two="0.0.1")
    with pytest.raises(RelightError, match=r"The node two has tf_relight 0\.0\.1, this machine .*: install"):
        ray_cluster._check_versions(None)


def test_a_node_that_does_not_share_the_disk(answers, tmp_path):
    answers(one=[], two=[str(tmp_path / "assets")])
    with pytest.raises(RelightError, match=r"The node two does not see .*assets: name a folder on a disk"):
        ray_cluster.check_seen(None, [tmp_path / "out", tmp_path / "assets"])
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "resources, workers, gpus, sentence",
    [
        ({"CPU": 2.0}, 3, None, r"3 workers are too many for this cluster \(it has 2 of 3 cores\)"),
        ({"CPU": 8.0, "GPU": 2.0}, 4, None, r"it has 2 of 4 GPUs\): give fewer --workers or, .* --gpus 0"),
        ({"CPU": 8.0}, 2, 1.0, r"it has 0 of 2 GPUs"),
    ],
)
def test_a_cluster_that_is_too_small(resources, workers, gpus, sentence):
    with pytest.raises(RelightError, match=sentence):
        _enough(Cluster(**resources), workers, gpus)


def test_each_worker_gets_a_gpu_where_there_are_any():
    assert _enough(Cluster(CPU=8.0, GPU=2.0), 2, None) == 1
    assert _enough(Cluster(CPU=8.0, GPU=2.0), 4, 0.5) == 0.5
    assert _enough(Cluster(CPU=8.0), 4, None) == 0


def test_a_missing_package_names_the_extra(monkeypatch):
    real = builtins.__import__

    def without_ray(name, *rest, **more):
        if name == "ray":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(RelightError, match=r"needs the extra `cluster`: pip install 'tf_relight\[cluster\]'"):
        ray_cluster.ray_package()
