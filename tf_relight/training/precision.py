"""`train.precision: auto`: bfloat16 where the hardware computes in it, else float32.

A processor without bfloat16 instructions emulates them, which takes two to three times as long as float32.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Literal

import tensorflow as tf

from tf_relight.config.run import RunConfig, load_config
from tf_relight.errors import RelightError

Precision = Literal["float32", "mixed_bfloat16"]
CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What Linux calls bfloat16 instructions of x86 and of ARM."""
AMPERE = (8, 0)
"""Compute capability of the first NVIDIA GPUs with bfloat16."""
CPU_INFO = Path("/proc/cpuinfo")


def resolve_precision(
    config: RunConfig, strategy: tf.distribute.Strategy, *, resume: bool
) -> tuple[Precision, str]:
    """Return the precision of a run, and the reason in a few words.

    Several workers compute in bfloat16 only if all of them can. A resumed run keeps what its config.yaml
    records, wherever it goes on, so that it ends with the weights it would have had.
    """
    asked = config.train.precision
    if asked != "auto":
        return asked, "as the config says"
    if resume:
        recorded = _recorded(config)
        if recorded is not None:
            return recorded, "as the run began"
    if config.train.quantise is not None:
        return "float32", "8-bit rounding needs it"
    able, reason = hardware_bfloat16()
    votes = strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0 if able else 0.0)), axis=None)
    if float(votes) < strategy.num_replicas_in_sync:
        return "float32", reason if not able else "another worker has no bfloat16"
    return "mixed_bfloat16", reason


def hardware_bfloat16() -> tuple[bool, str]:
    """Return whether what TensorFlow computes on has bfloat16, and a few words about it."""
    if tf.config.list_logical_devices("TPU"):
        return True, "a TPU computes in it"
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and tf.config.list_logical_devices("GPU"):
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        able = all(tuple(each.get("compute_capability", (0, 0))) >= AMPERE for each in details)
        name = details[0].get("device_name", "the GPU")
        return able, f"{name} {'computes in it' if able else 'has no bfloat16'}"
    able = bool(cpu_flags() & CPU_FLAGS)
    return able, f"the processor {'computes in it' if able else 'has no bfloat16 instructions'}"


def cpu_flags() -> set[str]:
    """Return what instructions the processor has, in Linux' words; empty where that cannot be asked."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    word = "Features" if platform.machine() in ("aarch64", "arm64") else "flags"
    found = next((line for line in lines if line.startswith(word)), "")
    return set(found.partition(":")[2].split())


def _recorded(config: RunConfig) -> Precision | None:
    """Return the precision in the run's config.yaml, None where there is none yet."""
    path = config.output / "config.yaml"
    if not path.exists():
        return None
    try:
        recorded = load_config(path).train.precision
    except RelightError as error:
        raise RelightError(f"A resumed run goes on in the precision it began with, but {error}") from error
    return None if recorded == "auto" else recorded
