"""`relight export onnx`."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "onnx",
        help="write a file for ONNX Runtime",
        description="Write DIR/<method>.onnx: float32, named inputs and outputs, any batch. Its metadata "
        "says method, weights, licence and what the numbers mean. `relight export check DIR` compares it "
        "with Keras.",
        example="relight export onnx --method lit_unet --out onnx/",
    )
    parser.set_defaults(command=write_onnx)
    parser.add_argument("--method", required=True, help="a name from `relight methods`")
    parser.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the file, made when missing")
    parser.add_argument(
        "--size",
        metavar="N",
        help="side of the square pictures in pixels, or 'any'; default: that of the training",
    )


def write_onnx(*, method: str, weights: str | None, out: str, size: str | None) -> int:
    """Export a method and say what was written.

    Raises:
        RelightError: as in `onnx_file.write.export_onnx`, or weights that are missing or of another method.
    """
    from pathlib import Path

    from tf_relight.errors import RelightError

    if size is not None and size != "any" and not size.isdecimal():
        raise RelightError(f"--size {size} is neither a number of pixels nor 'any'.")
    from export.saved_model.write import origin_of
    from tf_relight.networks.running import training_size
    from tf_relight.relighting.photos import load_for

    loaded = load_for(method, weights)

    from export.onnx_file.write import export_onnx

    origin = origin_of(weights, loaded)
    side = training_size(loaded) if size is None else None if size == "any" else int(size)
    made = export_onnx(
        loaded,
        Path(out) / f"{method}.onnx",
        size=side,
        weights=origin.name,
        sha256=origin.sha256,
        licence=origin.licence,
    )
    say(f"{made.path}: {made.path.stat().st_size / 1e6:.2f} MB, {side or 'any'} px, any batch")
    for word, specs in (("takes", made.inputs), ("gives", made.outputs)):
        for spec in specs:
            shape = ", ".join("any" if side is None else str(side) for side in spec.shape)
            say(f"{word} {spec.name} ({shape}): {spec.meaning}")
    say(f"weights: {origin.name}, {origin.licence}")
    return 0
