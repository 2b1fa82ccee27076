"""Builds the `tf.distribute` strategy that the config or TF_CONFIG asks for."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import tensorflow as tf

from tf_relight.errors import RelightError


@dataclass(frozen=True)
class Cluster:
    """What TF_CONFIG says. `chief` writes logs, checkpoints and progress; one process alone is chief."""

    workers: int = 1
    index: int = 0
    chief: bool = True


def read_cluster() -> Cluster:
    """Read TF_CONFIG, as any scheduler sets it; no TF_CONFIG means one process.

    Raises:
        RelightError: TF_CONFIG is not JSON or lacks the parts that TensorFlow needs.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        return Cluster()
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise RelightError(
            f"TF_CONFIG is not JSON ({error.msg} at character {error.pos}). Set it to "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}} or unset it.'
        ) from None
    try:
        cluster, task = config["cluster"], config["task"]
        kind, index = task["type"], int(task["index"])
        counts = {role: len(cluster.get(role, [])) for role in ("chief", "worker")}
        known = index < len(cluster[kind])
    except (KeyError, TypeError, ValueError, AttributeError):
        known, counts, kind, index = False, {}, "", 0
    if not known or kind not in counts:
        raise RelightError(
            "TF_CONFIG must name this process: it needs cluster.worker with one host:port per worker and "
            "task.type 'worker' or 'chief' with an index inside the list."
        )
    chief = kind == "chief" or (not counts["chief"] and index == 0)
    position = index + (counts["chief"] if kind == "worker" else 0)
    return Cluster(workers=sum(counts.values()), index=position, chief=chief)


def make_strategy(kind: str, devices: list[str] | None, cluster: Cluster) -> tf.distribute.Strategy:
    """Return the strategy called `kind`.

    "auto" is "multi_worker" when TF_CONFIG names several processes, "mirrored" on several GPUs or named
    devices, else "default". Make the strategy before any tensor: multi-worker training demands it.

    Args:
        kind: "auto", "default", "one_device", "mirrored" or "multi_worker".
        devices: device names such as "GPU:0" for "one_device" and "mirrored"; None = all there are.

    Raises:
        RelightError: a device does not exist, or "multi_worker" without TF_CONFIG.
    """
    if kind == "auto":
        if cluster.workers > 1:
            kind = "multi_worker"
        elif len(devices or tf.config.list_logical_devices("GPU")) > 1:
            kind = "mirrored"
        else:
            kind = "one_device" if devices else "default"
    if kind == "multi_worker":
        if not os.environ.get("TF_CONFIG", "").strip():
            raise RelightError("train.strategy multi_worker needs the environment variable TF_CONFIG.")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if devices:
        _check_devices(devices)
    if kind == "mirrored":
        return tf.distribute.MirroredStrategy(devices)
    if kind == "one_device":
        return tf.distribute.OneDeviceStrategy((devices or [_first_device()])[0])
    return tf.distribute.get_strategy()


def replicas_per_worker(strategy: tf.distribute.Strategy, cluster: Cluster) -> int:
    """Return how many replicas this process drives."""
    return max(strategy.num_replicas_in_sync // cluster.workers, 1)


def _first_device() -> str:
    return "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"


def _check_devices(devices: list[str]) -> None:
    known = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices()]
    for device in devices:
        if device.removeprefix("/").removeprefix("device:") not in known:
            raise RelightError(f"train.devices: there is no device '{device}'. This machine has {known}.")
