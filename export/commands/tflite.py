"""`python -m export tflite`."""

from __future__ import annotations

from typing import Any

from tf_relight.terminal import say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "tflite",
        help="write files for phones",
        description="Write DIR/<method>_<quantisation>.tflite and DIR/manifest.json, which describes them.",
        example="relight export tflite --method dmshn --out phone/ --sizes 256,512",
    )
    parser.set_defaults(command=write_tflite)
    parser.add_argument("--method", required=True, help="a name from `relight methods`")
    parser.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the files, made when missing")
    parser.add_argument(
        "--quantisation",
        default="fp32,fp16,dynamic_int8,static_int8",
        metavar="LIST",
        help="number formats, with commas between; default: %(default)s",
    )
    parser.add_argument(
        "--sizes",
        default="256,384,512",
        metavar="LIST",
        help="sides of the square pictures in pixels, with commas between; default: %(default)s",
    )
    parser.add_argument(
        "--calibration",
        metavar="FOLDER",
        help="pictures like those of the app, on which rounding is judged; rendered ones by default",
    )
    parser.add_argument(
        "--leave-mirroring",
        action="store_true",
        help="write one pass of networks that take the mean with the mirrored picture; the app takes it",
    )


def write_tflite(
    *,
    method: str,
    weights: str | None,
    out: str,
    quantisation: str,
    sizes: str,
    calibration: str | None,
    leave_mirroring: bool,
) -> int:
    """Export a method and say what was written.

    Raises:
        RelightError: as in `tflite.export_tflite` and `calibration.from_folder`, or weights that are missing
            or of another method.
    """
    from export.signatures import check_sizes
    from export.tflite.write import export_tflite, quantisations_from
    from tf_relight import methods
    from tf_relight.errors import RelightError
    from tf_relight.relighting.photos import load_for

    # All that is quick to check is checked before TensorFlow is loaded.
    info = methods.get(method).info
    sides = _numbers(sizes)
    check_sizes(method, info, sides)
    if weights is None and info.default_weights is None:
        raise RelightError(
            f"No weights ship with {method}: train it with `relight train`, then give the "
            "weights.safetensors of that run with --weights."
        )
    wanted = quantisations_from([each.strip() for each in quantisation.split(",") if each.strip()])
    from export.int8.calibration import from_folder
    from export.litert.manifest import WeightsOrigin, read_manifest
    from export.saved_model.write import origin_of

    pictures = None if calibration is None else from_folder(info, calibration, max(sides))
    loaded = load_for(method, weights)
    if leave_mirroring:
        from export.network import leave_mirroring as leave

        leave(loaded)
    origin = origin_of(weights, loaded)
    paths = export_tflite(
        loaded,
        out,
        quantisations=wanted,
        sizes=sides,
        calibration=pictures,
        weights=WeightsOrigin(name=origin.name, sha256=origin.sha256, licence=origin.licence),
        progress=True,
    )
    manifest = read_manifest(out)
    for path in paths:
        record = manifest.file(path.name)
        layers = f", rounded: {record.rounded_layers}" if record.rounded_layers else ""
        say(f"{path}: {record.size_bytes / 1e6:.2f} MB, sizes {', '.join(map(str, record.sizes))}{layers}")
    say(f"weights: {origin.name}, {origin.licence}")
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    from tf_relight.errors import RelightError

    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = next((word for word in words if not word.isdecimal()), None)
    if wrong is not None:
        raise RelightError(
            f"--sizes {text}: '{wrong}' is not a number of pixels. Give numbers such as 256,512."
        )
    return tuple(int(word) for word in words)
