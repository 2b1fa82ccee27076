"""Files on TensorFlow Lite 2.16.1, the last on Maven Central, by its own native library for Android.

A JVM runs the library's x86_64 build, whose code stays as it is (`make_library`), on this machine.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from export.litert.older.make_library import make
from export.litert.runtimes import InterpreterRuntime, check_inputs
from tf_relight.errors import RelightError
from tf_relight.weights.checksum import sha256_of

VERSION = "2.16.1"
ARCHIVES = {
    "tensorflow-lite": "34b065817e294e7dd3569504e8b9454938ceae453b6a459da54d5f6e45d3c94e",
    "tensorflow-lite-api": "885b95bc9e47a4aa5cf8e71523aed9b05e397cfef1ea09773f13fea8b649fcee",
}
"""Artifacts of org.tensorflow, and the sha256 of each."""
FETCH = "mvn dependency:get -Dtransitive=false -Dartifact=org.tensorflow:{name}:{version}:aar"
TIMEOUT = 900
"""Seconds for one file; its int8 kernels are slow on x86."""


def why_skipped() -> str | None:
    """Return why this runtime cannot be asked on this machine, or None if it can."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "it runs on x86_64 Linux only"
    for program, package in (("java", "a JDK, 17 or later"), ("javac", "a JDK, 17 or later"), ("gcc", "gcc")):
        if shutil.which(program) is None:
            return f"it needs {package}"
    for name in ARCHIVES:
        if not _archive(name).is_file():
            return f"fetch it by `{FETCH.format(name=name, version=VERSION)}`"
    return None


def run(
    path: Path | str, cases: Sequence[tuple[str, Mapping[str, np.ndarray]]], timeout: float = TIMEOUT
) -> list[dict[str, np.ndarray]]:
    """Run signatures of a file on named inputs; returns the named outputs of each.

    Raises:
        RelightError: the runtime is not here (see `why_skipped`) or refuses the file, with its own words, or
            inputs are not what a signature takes.
    """
    reason = why_skipped()
    if reason is not None:
        raise RelightError(f"TensorFlow Lite {VERSION} cannot be asked: {reason}.")
    shapes = InterpreterRuntime(path)
    with tempfile.TemporaryDirectory(prefix="export-older-") as work:
        for number, (signature, inputs) in enumerate(cases):
            check_inputs(shapes, signature, inputs)
            place = Path(work, str(number))
            place.mkdir()
            (place / "signature").write_bytes(signature.encode())
            for name, values in inputs.items():
                (place / f"{name}.in").write_bytes(np.ascontiguousarray(values).tobytes())
        _ask(Path(path), Path(work), timeout)
        return [
            {
                name: np.frombuffer(Path(work, str(number), f"{name}.out").read_bytes(), info.dtype).reshape(
                    info.shape
                )
                for name, info in shapes.signatures[signature].outputs.items()
            }
            for number, (signature, _) in enumerate(cases)
        ]


def _ask(path: Path, work: Path, timeout: float) -> None:
    made = _made()
    library = Path(made.name)
    command = [
        "java",
        "-Xmx1g",
        f"-Djava.library.path={library}",
        "-cp",
        f"{library / 'api.jar'}:{library / 'runtime.jar'}",
        str(Path(__file__).with_name("RunFile.java")),
        str(path),
        str(work),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=_environment(library)
        )
    except subprocess.TimeoutExpired as error:
        raise RelightError(f"TensorFlow Lite {VERSION} did not finish within {timeout:g} seconds.") from error
    if done.returncode:
        told = [line for line in done.stdout.splitlines() if line.startswith("REFUSED ")]
        last = told or done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
        words = last[0].removeprefix("REFUSED ").removeprefix("Internal error: ").rstrip(".")
        raise RelightError(f"TensorFlow Lite {VERSION} refuses the file: {words}.")


def _environment(library: Path) -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(library)}


@functools.cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """Return a folder with the library and its classes; it goes when this process ends."""
    folder = tempfile.TemporaryDirectory(prefix="export-older-library-")
    for name, wanted in ARCHIVES.items():
        if sha256_of(_archive(name)) != wanted:
            raise RelightError(
                f"{_archive(name)} is not the file whose sha256 is known. Delete it, and fetch it anew."
            )
    place = Path(folder.name)
    with zipfile.ZipFile(_archive("tensorflow-lite")) as archive:
        (place / "runtime.jar").write_bytes(archive.read("classes.jar"))
        android = archive.read("jni/x86_64/libtensorflowlite_jni.so")
    with zipfile.ZipFile(_archive("tensorflow-lite-api")) as archive:
        (place / "api.jar").write_bytes(archive.read("classes.jar"))
    make(android, place)
    return folder


def _archive(name: str) -> Path:
    folder = Path.home() / ".m2" / "repository" / "org" / "tensorflow" / name / VERSION
    return folder / f"{name}-{VERSION}.aar"
