"""Writing a network as .tflite files: one for each number format, all sizes of a network in each.

Every file holds one signature for each size, named by it (`relight_256`), and one set of weights for all. The
files of a run and their manifest appear together, when all are done.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.bounds import bounds_of
from export.litert.manifest import (
    NAME,
    QUANTISATIONS,
    FileRecord,
    Manifest,
    Quantisation,
    SignatureRecord,
    TensorRecord,
    WeightsOrigin,
    read_manifest,
    write_manifest,
)
from export.signatures import (
    TensorSpec,
    check_sizes,
    colour_space,
    inputs_of,
    light_layout,
    outputs_of,
    signature_name,
)
from tf_relight import __version__
from tf_relight.errors import RelightError, suggest
from tf_relight.files import cannot_write, replace_folder, scratch_folder
from tf_relight.weights.checksum import sha256_of

if TYPE_CHECKING:
    from export.int8.calibration import Calibration
    from tf_relight.methods.trained import LoadedModel

SIZES = (256, 384, 512)


def export_tflite(
    loaded: LoadedModel,
    out: Path | str,
    *,
    quantisations: Sequence[str] = QUANTISATIONS,
    sizes: Sequence[int] = SIZES,
    calibration: Calibration | None = None,
    weights: WeightsOrigin | None = None,
    progress: bool = False,
) -> list[Path]:
    """Write `out`/<method>_<quantisation>.tflite and describe them in `out`/manifest.json.

    Files of other methods in `out` stay, and so do their entries of the manifest. On any failure `out` stays
    as it was.

    Args:
        quantisations: some of `manifest.QUANTISATIONS`.
        sizes: sides in pixels of the square pictures; each becomes a signature.
        calibration: pictures that files with rounded layers are judged on and take their ranges from; None
            renders some.
        weights: what the manifest says of the weights; None for a model made in memory.
        progress: show a progress bar.

    Returns:
        The files, in the order of `quantisations`.

    Raises:
        RelightError: a size or a quantisation that cannot be, an operation that phones do not have, or a
            folder that cannot be written.
    """
    from tf_relight.progress import track

    name, sizes = loaded.method.name, tuple(sizes)
    check_sizes(name, loaded.method.info, sizes)
    wanted = quantisations_from(quantisations)
    weights = weights or WeightsOrigin(name="made in memory", sha256=None, licence="not recorded")
    with _staged(Path(out)) as (folder, finish), tempfile.TemporaryDirectory(prefix="export-") as work:
        before = read_manifest(out, check_files=False).files if (Path(out) / NAME).exists() else ()
        writer = _Writer(loaded, sizes, calibration, weights, Path(work))
        records = []
        for quantisation in track(wanted, lambda each: f"{name} {each}", show=progress):
            content, details = writer.content(quantisation)
            path = folder / f"{name}_{quantisation}.tflite"
            path.write_bytes(content)
            _refuse_custom(path)
            records.append(writer.record(path, quantisation, details))
        finish([record.name for record in records], Manifest(files=before).with_files(tuple(records)))
    return [Path(out) / record.name for record in records]


def quantisations_from(names: Sequence[str]) -> tuple[Quantisation, ...]:
    """Return the names as what they name.

    Raises:
        RelightError: one is unknown or given twice, or there is none.
    """
    if not names:
        raise RelightError(f"No quantisations are given. Give some of {', '.join(QUANTISATIONS)}.")
    found: list[Quantisation] = []
    for name in names:
        known = next((each for each in QUANTISATIONS if each == name), None)
        if known is None:
            raise RelightError(
                f"There is no quantisation '{name}'.{suggest(name, QUANTISATIONS)} "
                f"Known: {', '.join(QUANTISATIONS)}."
            )
        if known in found:
            raise RelightError(f"Quantisation {name} is given twice. Give it once.")
        found.append(known)
    return tuple(found)


def write_saved_model(
    loaded: LoadedModel, sizes: Sequence[int], folder: Path, *, clip: Any = "plain"
) -> None:
    """Write a SavedModel with one signature for each size, batch 1, as the converter takes it.

    Args:
        clip: see `network.relight_function`.
    """
    import tensorflow as tf
    from keras.export import ExportArchive

    from export.network import relight_function

    archive = ExportArchive()
    archive.track(loaded.model)
    for size in sizes:
        function, inputs, _ = relight_function(loaded, size, clip=clip)
        specs = [tf.TensorSpec(spec.shape, spec.dtype, spec.name) for spec in inputs]
        archive.add_endpoint(signature_name(size), _positional(function, inputs), input_signature=specs)
    archive.write_out(folder, verbose=False)


class _Writer:
    """Makes the contents of one network's files."""

    def __init__(
        self,
        loaded: LoadedModel,
        sizes: tuple[int, ...],
        calibration: Calibration | None,
        weights: WeightsOrigin,
        work: Path,
    ) -> None:
        self._loaded, self._sizes, self._work = loaded, sizes, work
        self._calibration, self._weights = calibration, weights

    def content(self, quantisation: Quantisation) -> tuple[bytes, dict[str, Any]]:
        """Return the bytes of a file, and what is particular to its entry in the manifest.

        Rounded files take the form that TensorFlow Lite 2.16.1 runs too.
        """
        from export.litert.older_form import older_form

        content, details = self._newest(quantisation)
        return (older_form(content) if quantisation.endswith("int8") else content), details

    def _newest(self, quantisation: Quantisation) -> tuple[bytes, dict[str, Any]]:
        from export.int8 import quantization_aware, quantize
        from export.litert import graph_tools

        if quantisation == "fp32":
            return graph_tools.compact(self._float32), {}
        bounds = bounds_of(quantisation, self._loaded.method.info)
        if quantisation == "fp16":
            made = quantize.float16(self._float32, self._pictures, bounds)
            return made.content, {"rounded_layers": made.layers}
        if quantisation == "dynamic_int8":
            content = quantize.convert(self._saved_model, self._names, quantisation)
            made = quantize.dynamic_int8(content, self._float32, self._pictures, bounds)
            return made.content, {"rounded_layers": made.layers}
        if quantization_aware.is_trained(self._loaded):
            content = quantization_aware.int8_file(self._loaded, self._sizes, self._work / "trained")
            tail = self._loaded.model.int8.tail
            layers = f"all but the last {tail} convolutions" if tail else "all"
            return graph_tools.compact(content), {"rounded_layers": f"{layers}, as trained"}
        made = quantize.static_int8(self._float32, self._pictures, bounds)
        calibration = self._pictures.record(made.sides)
        return made.content, {"rounded_layers": made.layers, "calibration": calibration}

    def record(self, path: Path, quantisation: Quantisation, details: dict[str, Any]) -> FileRecord:
        """Return the manifest's entry of a written file."""
        info = self._loaded.method.info
        return FileRecord(
            name=path.name,
            sha256=sha256_of(path),
            size_bytes=path.stat().st_size,
            method=self._loaded.method.name,
            quantisation=quantisation,
            weights=self._weights,
            sizes=self._sizes,
            signatures={
                signature_name(size): SignatureRecord(
                    size=size,
                    inputs=_tensors(inputs_of(info, size)),
                    outputs=_tensors(outputs_of(info, size)),
                )
                for size in self._sizes
            },
            colour_space=colour_space(info),
            light_layout=None if info.light is None else light_layout(info.light),
            mirrored=getattr(self._loaded.model, "mirrored", None),
            versions=_versions(),
            **details,
        )

    @property
    def _names(self) -> list[str]:
        return [signature_name(size) for size in self._sizes]

    @functools.cached_property
    def _pictures(self) -> Calibration:
        from export.int8 import calibration

        return self._calibration or calibration.rendered(self._loaded.method.info, max(self._sizes))

    @functools.cached_property
    def _saved_model(self) -> Path:
        folder = self._work / "saved_model"
        write_saved_model(self._loaded, self._sizes, folder)
        return folder

    @functools.cached_property
    def _float32(self) -> bytes:
        from export.int8 import quantize

        return quantize.convert(self._saved_model, self._names, "fp32")


@contextlib.contextmanager
def _staged(out: Path) -> Iterator[tuple[Path, Callable[[list[str], Manifest], None]]]:
    """Yield a folder for new files, and what makes them the content of `out`, with the manifest.

    Where `out` holds nothing but files of ours, the whole folder changes at once. A folder that is somebody
    else's too keeps its place, and its files are replaced one after the other, the manifest last.
    A folder that cannot be written is found out before the work, not after it.
    """
    missing = [parent for parent in (out, *out.parents) if not parent.exists()]
    staging: Path | None = None
    done = False

    def finish(names: list[str], manifest: Manifest) -> None:
        nonlocal done
        assert staging is not None
        write_manifest(staging, manifest)
        if _is_ours(out):
            for record in manifest.files:
                if record.name not in names and (out / record.name).is_file():
                    _take(out / record.name, staging / record.name)
            replace_folder(staging, out)
        else:
            for name in (*names, NAME):
                os.replace(staging / name, out / name)
        done = True

    try:
        out.mkdir(parents=True, exist_ok=True)
        staging = scratch_folder("tflite", out.resolve().parent if _is_ours(out) else out)
        yield staging, finish
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for folder in () if done else missing:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _is_ours(out: Path) -> bool:
    """Whether a folder can be exchanged: plain, nobody's place, and of our files only."""
    here = out.resolve()
    if out.is_symlink() or out.is_mount() or here in (Path.cwd(), *Path.cwd().parents):
        return False
    if not os.access(here.parent, os.W_OK):
        return False
    known = {NAME}
    if (out / NAME).exists():
        known |= {record.name for record in read_manifest(out, check_files=False).files}
    return all(entry.name in known and entry.is_file() for entry in out.iterdir())


def _take(old: Path, new: Path) -> None:
    """Give a file a second name; where the file system has none, a copy."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


def _refuse_custom(path: Path) -> None:
    """Raise RelightError if the file needs operations that LiteRT alone does not have."""
    from export.litert.inspection import graphs

    custom = sorted(
        {kind for graph in graphs(path).values() for kind in graph.operations if kind.startswith("CUSTOM")}
    )
    if custom:
        raise RelightError(f"The network uses {', '.join(custom)}, which no phone has. Change the layer.")


def _positional(function: Callable[..., Any], inputs: Sequence[TensorSpec]) -> Callable[..., Any]:
    """Return `function` for arguments in the order of `inputs`, as a signature calls it."""
    names = [spec.name for spec in inputs]
    return lambda *tensors: function(**dict(zip(names, tensors, strict=True)))


def _tensors(specs: Sequence[TensorSpec]) -> tuple[TensorRecord, ...]:
    return tuple(
        TensorRecord(
            name=spec.name,
            shape=tuple(side for side in spec.shape if side is not None),
            dtype=spec.dtype,
            meaning=spec.meaning,
        )
        for spec in specs
    )


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    tools = ("tensorflow", "keras", "ai-edge-litert", "ai-edge-quantizer")
    return {"tf_relight": __version__, **{tool: version(tool) for tool in tools}}
