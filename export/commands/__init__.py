"""The commands of `python -m export`, one module each: `add` describes its arguments, one function runs it.

Nothing heavy is imported at the top of these modules, so that `--help` stays quick.
"""

from __future__ import annotations

from export.commands import bench, check, onnx, profile, savedmodel, serve, tflite

COMMANDS = (
    tflite,
    savedmodel,
    onnx,
    check,
    bench,
    profile,
    serve,
)
"""In the order of `python -m export --help`."""
