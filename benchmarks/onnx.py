"""What each method's .onnx file is off from Keras: written and checked as the two commands do it.

    python -m benchmarks.onnx [METHOD ...] [--size 64]

Every network has the width that its method has by default. Where weights ship they are taken; the others
begin as a training does, from a fixed seed. One row for each method; a graph that ONNX cannot say has its
reason there.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

from export.onnx_file.write import export_onnx
from export.proof.onnx_check import check_onnx
from export.timing import write_row
from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.methods.trained import LoadedModel, load_model, save_weights
from tf_relight.weights.file import resolve


def network(name: str, folder: Path) -> tuple[LoadedModel, Path]:
    """Return a method's network and the file of its weights, a new one in `folder` where none ship."""
    import keras

    method = methods.get(name)
    if method.info.default_weights is not None:
        try:
            path = resolve(method.info.default_weights)
            return load_model(path), path
        except RelightError:
            pass  # official ones that nobody has imported here
    keras.utils.set_random_seed(0)
    config = method.config({})
    model = method.build_model(config)
    path = save_weights(model, folder / f"{name}.safetensors", method=name, config=config)
    return load_model(path), path


def row(name: str, size: int) -> dict[str, Any]:
    """Export and check one method."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        loaded, path = network(name, folder)
        side = math.ceil(size / loaded.method.info.size_multiple) * loaded.method.info.size_multiple
        told: dict[str, Any] = {
            "method": name,
            "parameters": loaded.model.count_params(),
            "weights": "untrained" if path.parent == folder else path.stem,
            "side": side,
        }
        try:
            made = export_onnx(loaded, folder / f"{name}.onnx", size=side, weights=str(path))
            found = check_onnx(made.path)
        except RelightError as error:
            return told | {"refused": str(error)}
        told |= {
            "megabytes": round(found.size / 1e6, 2),
            "pictures": found.pictures,
            "largest_errors": {port: float(f"{error:.2g}") for port, error in found.errors.items()},
            "good": found.good,
        }
    return told | {"seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    """Write a row for each method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("methods", nargs="*", help="all, if none is named")
    parser.add_argument("--size", type=int, default=64, help="pixels, raised to what the method takes")
    given = parser.parse_args()
    for name in given.methods or methods.names():
        write_row("onnx", row(name, given.size))


if __name__ == "__main__":
    main()
