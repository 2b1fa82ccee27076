"""Does a GPU delegate take the whole file? Asked of LiteRT's own GPU delegate on a software Vulkan driver.

The driver is SwiftShader, which comes with Chromium; it computes in float32 on the CPU, so it tells which
operations are taken and whether they are computed right. It says nothing about the speed of a phone or about
the half precision of its GPU. The delegate may end its process after a refusal, so it runs in a child.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.litert.runtimes import CompiledRuntime, held_stderr
from export.proof.isolated import in_child
from tf_relight.errors import RelightError

DRIVER_VARIABLE = "TF_RELIGHT_VULKAN_DRIVER"
"""Names the driver's .json file where it is not in a usual place; empty switches the gate off."""

DRIVER_FILE = "vk_swiftshader_icd.json"
LOADER = "libvulkan.so.1"
DRIVER_FOLDERS = (
    "/usr/lib/chromium",
    "/usr/lib/chromium-browser",
    "/usr/lib64/chromium-browser",
    "/snap/chromium/current/usr/lib/chromium-browser",
    "/opt/google/chrome",
    "/usr/share/vulkan/icd.d",
    "/Applications/Google Chrome.app/Contents/Frameworks",
)
TIMEOUT = 900.0
"""Seconds for one file; a network of 40 GFLOP takes about half a minute per run."""


@dataclass(frozen=True)
class GpuAnswer:
    """What the delegate said of one file.

    Attributes:
        accepted: it took every operation.
        reason: its own words where it did not.
        outputs: by name, where it did.
    """

    accepted: bool
    reason: str = ""
    outputs: Mapping[str, np.ndarray] | None = None


def find_driver() -> Path | None:
    """Return the .json file of the software Vulkan driver, or None where there is none.

    Raises:
        RelightError: the environment variable names a file that does not exist.
    """
    given = os.environ.get(DRIVER_VARIABLE)
    if given is not None:
        if given and not Path(given).is_file():
            raise RelightError(f"{DRIVER_VARIABLE}={given} is not a file: name the driver's {DRIVER_FILE}.")
        return Path(given) if given else None
    for folder in map(Path, DRIVER_FOLDERS):
        if (folder / DRIVER_FILE).is_file():
            return folder / DRIVER_FILE
    return None


def why_skipped() -> str | None:
    """Return why the gate cannot be asked on this machine, or None if it can."""
    if find_driver() is not None:
        return None
    return f"no software Vulkan driver: install Chromium, or name {DRIVER_FILE} in {DRIVER_VARIABLE}"


def ask_gpu(
    path: Path | str, signature: str, inputs: Mapping[str, np.ndarray], timeout: float = TIMEOUT
) -> GpuAnswer:
    """Compile a .tflite file for the GPU alone and run one signature; refusals are answers, not errors.

    Raises:
        RelightError: there is no driver (see `why_skipped`).
    """
    driver = find_driver()
    if driver is None:
        raise RelightError(f"The GPU cannot be asked: {why_skipped()}.")
    with tempfile.TemporaryDirectory(prefix="export-gpu-") as runtime_folder:
        # Both names: older Vulkan loaders know only the first.
        environment = {
            "VK_ICD_FILENAMES": str(driver),
            "VK_DRIVER_FILES": str(driver),
            "XDG_RUNTIME_DIR": runtime_folder,
        }
        try:
            outputs = in_child(
                _run_on_gpu,
                str(path),
                signature,
                dict(inputs),
                str(driver.parent),
                environment=environment,
                timeout=timeout,
            )
        except RelightError as error:
            words = str(error).removeprefix(f"LiteRT cannot use {path}: ")
            return GpuAnswer(False, words.removesuffix(" Export it again.").rstrip("."))
    return GpuAnswer(True, outputs=outputs)


@functools.cache
def controls() -> tuple[GpuAnswer, GpuAnswer]:
    """Return the answers on two tiny networks: one that must be accepted, and one that must be refused.

    The second enlarges by Keras' nearest `UpSampling2D`, whose graph has tensors of five dimensions; other
    tools call it compatible. Needs TensorFlow to make them.
    """
    answers = []
    with tempfile.TemporaryDirectory(prefix="export-gpu-control-") as folder:
        for name, nearest in (("accepted", False), ("refused", True)):
            path = Path(folder) / f"{name}.tflite"
            path.write_bytes(control_network(nearest))
            image = np.full((1, 16, 16, 3), 0.5, np.float32)
            answers.append(ask_gpu(path, "relight", {"image": image}, timeout=120))
    return answers[0], answers[1]


def gate_works() -> str | None:
    """Return why the gate's answers mean nothing on this machine, or None if both controls came out right."""
    accepted, refused = controls()
    if not accepted.accepted:
        return f"it refuses even one convolution ({accepted.reason})"
    if refused.accepted:
        return "it accepts the network that it must refuse"
    return None


def control_network(nearest: bool) -> bytes:
    """Return a .tflite file: one convolution, and with `nearest` an enlargement that GPUs refuse."""
    import keras
    import tensorflow as tf

    kernel = tf.constant(np.linspace(-1, 1, 81, dtype=np.float32).reshape(3, 3, 3, 3))

    def network(image: tf.Tensor) -> dict[str, tf.Tensor]:
        y = tf.nn.conv2d(image, kernel, 1, "SAME")
        if nearest:
            y = keras.layers.UpSampling2D(2, interpolation="nearest")(y)
        return {"relit": tf.nn.relu(y)}

    module = tf.Module()
    signature = [tf.TensorSpec((1, 16, 16, 3), tf.float32, name="image")]
    module.relight = tf.function(network, input_signature=signature)
    with tempfile.TemporaryDirectory(prefix="export-gpu-control-") as folder:
        tf.saved_model.save(module, folder, signatures={"relight": module.relight})
        with held_stderr():
            return bytes(tf.lite.TFLiteConverter.from_saved_model(folder, ["relight"]).convert())


def _run_on_gpu(
    path: str, signature: str, inputs: Mapping[str, np.ndarray], driver_folder: str
) -> dict[str, np.ndarray]:
    _load_vulkan(Path(driver_folder))
    runtime = CompiledRuntime(path, accelerator="gpu")
    if not runtime.fully_accelerated:
        raise RelightError("The GPU delegate left operations to the CPU.")
    return runtime.run(signature, inputs)


def _load_vulkan(folder: Path) -> None:
    """Load the Vulkan loader that lies beside the driver, for systems that have none of their own."""
    for place in (LOADER, str(folder / LOADER)):
        with contextlib.suppress(OSError):
            # Libraries loaded later find one of the same name that is there already.
            ctypes.CDLL(place, mode=ctypes.RTLD_GLOBAL)
            return
