"""Builds the `tf.distribute` strategy that the config or TF_CONFIG asks for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tensorflow as tf
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from tf_relight.errors import RelightError, shortened
from tf_relight.guarded.structured import parse_json

_EXAMPLE = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'


def _check_address(text: str) -> str:
    found = re.fullmatch(r"(\[[0-9a-fA-F:.%]+\]|[^\s:/\[\]]+):(\d{1,5})", text)
    if found is None or not 1 <= int(found[2]) <= 65535:
        raise ValueError(f"'{shortened(text, 60)}' is not host:port")
    return text


_Address = Annotated[str, AfterValidator(_check_address)]


class _Task(BaseModel):
    type: Literal["chief", "worker"]
    index: Annotated[int, Field(ge=0, le=100_000)]


class _Said(BaseModel):
    """TF_CONFIG as TensorFlow documents it; a scheduler may add more."""

    cluster: dict[Literal["chief", "worker"], Annotated[list[_Address], Field(max_length=100_000)]]
    task: _Task


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
        config = parse_json(text, source="TF_CONFIG")
    except RelightError as error:
        raise RelightError(f"{str(error).removesuffix('.')}. Set it to {_EXAMPLE} or unset it.") from None
    return _cluster(config)


def _cluster(config: Any) -> Cluster:
    """Return what TF_CONFIG says; TensorFlow itself waits for ever on an address that is wrong."""
    try:
        said = _Said.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise RelightError(
            "TF_CONFIG must name this process: it needs cluster.worker with one host:port per worker and "
            f"task.type 'worker' or 'chief' with an index inside the list; {shortened(place, 60)} is wrong "
            f"({shortened(first['msg'])})."
        ) from None
    kind, index = said.task.type, said.task.index
    counts = {role: len(said.cluster.get(role, [])) for role in ("chief", "worker")}
    if index >= counts[kind]:
        raise RelightError(
            f"TF_CONFIG must name this process: task.index {index} is not inside the list cluster.{kind}, "
            f"which has {counts[kind]}."
        )
    if counts["chief"] > 1:
        raise RelightError("TF_CONFIG names several processes cluster.chief: there is one chief.")
    addresses = [address.lower() for listed in said.cluster.values() for address in listed]
    twice = next((each for each in addresses if addresses.count(each) > 1), None)
    if twice is not None:
        raise RelightError(f"TF_CONFIG gives the address {twice} to two processes: give each its own port.")
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
