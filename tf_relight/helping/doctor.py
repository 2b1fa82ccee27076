"""What this machine has for tf_relight, as one report: for the person who is stuck, and for whoever helps."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tf_relight.carried import PACKAGE, is_checkout
from tf_relight.helping.caches import kept_files
from tf_relight.weights.fetch import present
from tf_relight.weights.record import KNOWN, cache_folder

PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "pillow", "scipy")
EVERY_EXTRA = "dev"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def examine(*, test: bool = True) -> dict[str, Any]:
    """Return the report, of values that JSON can hold.

    Args:
        test: also load TensorFlow, look for accelerators, and relight one small picture.
    """
    report: dict[str, Any] = {
        "tf_relight": _version("tf-relight"),
        "installed": "a checkout" if is_checkout() else "a package",
        "place": str(PACKAGE),
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "extras": extras(),
        "cache": _cache(),
        "weights": {name: "here" if present(name) else "not here" for name in KNOWN},
        "can_write": {"this folder": _can_write(Path.cwd()), "cache": _can_write(cache_folder())},
        "free_gigabytes": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
        "variables": {
            name: os.environ[name]
            for name in ("TF_RELIGHT_CACHE", "KERAS_BACKEND", "CUDA_VISIBLE_DEVICES", "TF_CONFIG")
            if name in os.environ
        },
    }
    if test:
        report["test"] = _test()
    report["problems"] = problems(report)
    return report


def extras() -> dict[str, list[str]]:
    """Return for each extra the packages of it that are missing; none where it is complete."""
    try:
        given = importlib.metadata.requires("tf-relight") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in given:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", line)
        name = _NAME.match(line)
        if extra is None or name is None or extra[1] in (EVERY_EXTRA, "docs"):
            continue
        missing = found.setdefault(extra[1], [])
        if name[0].lower().replace("_", "-") != "tf-relight" and _version(name[0]) is None:
            missing.append(name[0])
    return dict(sorted(found.items()))


def problems(report: dict[str, Any]) -> list[str]:
    """Return a sentence for everything that will stand in somebody's way."""
    said = [
        f"The package {name} is missing." for name, version in report["packages"].items() if version is None
    ]
    said += [
        f"{'The current folder' if place != 'cache' else report['cache']['folder']} cannot be written."
        for place, able in report["can_write"].items()
        if not able
    ]
    if report["free_gigabytes"] < 1:
        said.append(f"The disk has {report['free_gigabytes']} GB left.")
    backend = report["variables"].get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        said.append(f"KERAS_BACKEND is {backend}: training and exports need tensorflow.")
    test = report.get("test", {})
    if test.get("failed"):
        said.append(f"The test failed: {test['failed']}")
    return said


def lines(report: dict[str, Any]) -> list[str]:
    """Return the report as a person reads it."""
    cache = report["cache"]
    here = [name for name, state in report["weights"].items() if state == "here"]
    told = [
        f"tf_relight {report['tf_relight']}, {report['installed']} at {report['place']}",
        f"Python {report['python']}, {report['system']}",
        f"{report['processor']['name']}, {report['cores']} cores, bfloat16: "
        f"{'yes' if report['processor']['bfloat16'] else 'no'}",
        "packages: " + ", ".join(f"{name} {version}" for name, version in report["packages"].items()),
    ]
    for name, missing in report["extras"].items():
        state = "here" if not missing else f"not here: pip install 'tf_relight[{name}]'"
        told.append(f"extra {name}: {state}")
    told += [
        f"cache: {cache['folder']}, {cache['files']} files, {cache['megabytes']} MB",
        f"weights here: {', '.join(here)}",
        f"free disk: {report['free_gigabytes']} GB",
    ]
    told += [f"${name}={value}" for name, value in report["variables"].items()]
    test = report.get("test")
    if test is not None:
        told.append(f"accelerators: {', '.join(test['accelerators']) or 'none'}")
        if not test["failed"]:
            told.append(
                f"test: TensorFlow in {test['load_seconds']} s, one picture in {test['relight_seconds']} s"
            )
    return [*told, *report["problems"], *([] if report["problems"] else ["Nothing stands in the way."])]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16"} & set(text.split())
    return {
        "name": model[1] if model else platform.processor() or platform.machine(),
        "flags": sorted(flags),
        "bfloat16": bool(flags & {"avx512_bf16", "amx_bf16", "bf16"}),
    }


def _cache() -> dict[str, Any]:
    files = kept_files()
    total = sum(each.bytes for each in files)
    return {"folder": str(cache_folder()), "files": len(files), "megabytes": round(total / 1e6, 1)}


def _can_write(folder: Path) -> bool:
    """Whether a file can be made in a folder, or in the nearest one above it that is there."""
    place = next(each for each in (folder, *folder.parents) if each.is_dir())
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _test() -> dict[str, Any]:
    """Load TensorFlow and relight one picture of 64 pixels by the scene weights that ship."""
    found: dict[str, Any] = {"accelerators": [], "failed": None}
    started = time.monotonic()
    try:
        import numpy as np

        from tf_relight.relighting.photos import load_for
        from tf_relight.training.devices import accelerators

        found["accelerators"] = accelerators()
        found["load_seconds"] = round(time.monotonic() - started, 1)
        started = time.monotonic()
        loaded = load_for("dmshn", None)
        picture = np.linspace(0, 1, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
        relit = loaded.method.relight(loaded.model, picture)
        if not np.isfinite(relit).all():
            found["failed"] = "the network gave values that are no numbers."
        found["relight_seconds"] = round(time.monotonic() - started, 1)
    except Exception as error:  # whatever is wrong here is what the report is for
        found["failed"] = f"{type(error).__name__}: {error}"
    return found
