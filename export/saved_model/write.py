"""Writing a method as a SavedModel that takes and gives whole picture files: DIR/<method>/<version>/.

TensorFlow Serving and `saved_model_cli` read the folder as it is; running it needs neither Keras nor this
package. `assets.extra/signatures.json` says what the numbers mean, whose the weights are and which limits
hold; `assets.extra/tf_serving_warmup_requests` is what a server plays on itself before its first request.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export.signatures import LARGEST_SIZE, light_layout
from tf_relight import __version__
from tf_relight.errors import RelightError
from tf_relight.files import cannot_write, scratch_folder, unlock
from tf_relight.guarded.structured import read_json
from tf_relight.networks.running import training_size
from tf_relight.relighting.request import SMALLEST_SIZE

if TYPE_CHECKING:
    from export.saved_model.signatures import PictureLimits, Signature
    from tf_relight.methods.trained import LoadedModel

EXTRA = "assets.extra"
RECORD = "signatures.json"
LIGHT_USE = (
    "relight_jpeg and relight_png bring the brightness into the range of the network's training; "
    "relight hands the coefficients over as they are"
)
DIFFERENCES = (
    "Colour profiles are ignored: pixels count as sRGB.",
    "The orientation in EXIF is applied to JPEG only, and not written again.",
    "Faces are not looked for: the whole picture is relit.",
)


@dataclass(frozen=True)
class WeightsOrigin:
    """Which weights are inside.

    Attributes:
        name: of the record, by which it is found again, or of the file.
        sha256: of the file.
        licence: in words.
    """

    name: str
    sha256: str
    licence: str


def export_savedmodel(
    loaded: LoadedModel,
    out: Path | str,
    *,
    origin: WeightsOrigin,
    side: int | None = None,
    version: int = 1,
    limits: PictureLimits | None = None,
    warmup: bool = True,
) -> Path:
    """Write `out`/<method>/<version>/ and return that folder; a failure leaves nothing behind.

    Args:
        side: long side in pixels at which the network works on picture files; None takes that of its
            training.
        limits: largest pictures; None takes `PictureLimits()`.
        warmup: write the requests for a server's start, which needs the extra `serve`.

    Raises:
        RelightError: a side or version out of range, a version that is there already, a folder that cannot
            be written, or a missing package.
    """
    side = training_size(loaded) if side is None else side
    if not SMALLEST_SIZE <= side <= LARGEST_SIZE:
        raise RelightError(f"Size {side} is outside {SMALLEST_SIZE}..{LARGEST_SIZE} pixels.")
    if warmup:
        from export.saved_model.warmup import require_serving_api

        require_serving_api()
    from export.saved_model.signatures import PictureLimits, signatures_for

    limits = limits or PictureLimits()
    with _new_version(Path(out) / loaded.method.name, version) as folder:
        signatures = signatures_for(loaded, side, limits)
        _write_model(loaded, signatures, folder)
        extra = folder / EXTRA
        extra.mkdir()
        record = _record(loaded, signatures, origin, side, limits, folder)
        (extra / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if warmup:
            from export.saved_model.warmup import requests_for, write_warmup

            write_warmup(folder, loaded.method.name, requests_for(signatures, side, limits.max_pixels))
    return Path(out) / loaded.method.name / str(version)


def read_record(folder: Path | str) -> dict[str, Any]:
    """Return what `signatures.json` of an exported version says.

    Raises:
        RelightError: the folder is not one that this package wrote.
    """
    path = Path(folder) / EXTRA / RECORD
    try:
        record = read_json(path, what="the record", advice="export the model again")
    except RelightError as error:
        raise RelightError(
            f"{folder} is not a model that `relight export savedmodel` wrote: {path.name} is missing or "
            "damaged."
        ) from error
    if not isinstance(record, dict) or "signatures" not in record:
        raise RelightError(f"{path} does not describe any signature. Export the model again.")
    return record


def origin_of(weights: Path | str | None, loaded: LoadedModel) -> WeightsOrigin:
    """Return name, sha256 and licence of the weights that `photos.load_for` took for these arguments."""
    from tf_relight.weights.checksum import sha256_of
    from tf_relight.weights.file import resolve
    from tf_relight.weights.record import KNOWN, path_of

    path = resolve(str(weights or loaded.method.info.default_weights))
    digest = sha256_of(path)
    # The hash of an imported file is that of what was published: such a file is known by its place.
    known = [
        each
        for each in KNOWN.values()
        if each.sha256 == digest or (each.imported and path_of(each.name).resolve() == path.resolve())
    ]
    name, recorded = (known[0].name, known[0].licence) if known else (path.name, None)
    licence = loaded.metadata.get("licence") or recorded
    return WeightsOrigin(name, digest, licence or f"not recorded ({loaded.method.info.weights_licence})")


@contextlib.contextmanager
def _new_version(parent: Path, version: int) -> Iterator[Path]:
    """Yield a temporary folder that becomes `parent`/<version> when all went well.

    Its name begins with a dot: a server that watches `parent` takes only folders named by a number.
    """
    if version < 1:
        raise RelightError(f"Version {version} is not a number from 1 on.")
    target = parent / str(version)
    if target.exists():
        used = [int(each.name) for each in parent.iterdir() if each.name.isdecimal()]
        raise RelightError(
            f"{target} is there already. Give --version {max(used) + 1}, which servers will load instead, "
            "or another --out."
        )
    made = _missing_folders(parent)
    temporary: Path | None = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = scratch_folder(str(version), parent)
        yield temporary
        # Scratch folders are private; a server often runs as another user.
        unlock(temporary)
        temporary.rename(target)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for folder in made:
            # Only if nobody else has put something there since.
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError) or _is_disk_error(error):
            raise cannot_write(target, error) from error
        raise


def _missing_folders(path: Path) -> list[Path]:
    """Return the folders of `path` that are not there yet, the innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def _is_disk_error(error: BaseException) -> bool:
    import tensorflow as tf

    return isinstance(error, (tf.errors.PermissionDeniedError, tf.errors.ResourceExhaustedError))


def _write_model(loaded: LoadedModel, signatures: list[Signature], folder: Path) -> None:
    from keras.export import ExportArchive

    archive = ExportArchive()
    for signature in signatures:
        archive.add_endpoint(signature.name, signature.function, input_signature=list(signature.inputs))
    # TensorFlow tells where it wrote assets, of which there are none.
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        # The first endpoint becomes `serving_default`, too.
        archive.write_out(folder, verbose=False)
    finally:
        logger.setLevel(level)


def _record(
    loaded: LoadedModel,
    signatures: list[Signature],
    origin: WeightsOrigin,
    side: int,
    limits: PictureLimits,
    folder: Path,
) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    from export.saved_model.signatures import MEANINGS, SERVING_DEFAULT

    def described(name: str, spec: tf.TensorSpec) -> dict[str, Any]:
        return {"shape": spec.shape.as_list(), "dtype": spec.dtype.name, "meaning": MEANINGS[name]}

    fingerprint = tf.saved_model.experimental.read_fingerprint(str(folder))
    info = loaded.method.info
    record = {
        "method": loaded.method.name,
        "title": info.title,
        "source": info.link,
        "weights": asdict(origin),
        "long_side_of_network": side,
        "limits": asdict(limits),
        "serving_default": SERVING_DEFAULT,
        "signatures": {
            each.name: {
                "inputs": {spec.name: described(spec.name, spec) for spec in each.inputs},
                "outputs": {name: described(name, spec) for name, spec in each.outputs.items()},
            }
            for each in signatures
        },
        "differs_from_relight_image": list(DIFFERENCES if info.takes_light else DIFFERENCES[:2]),
        "fingerprint": {
            "saved_model_checksum": fingerprint.saved_model_checksum,
            "graph_def_program_hash": fingerprint.graph_def_program_hash,
            "signature_def_hash": fingerprint.signature_def_hash,
            "checkpoint_hash": fingerprint.checkpoint_hash,
        },
        "versions": {"tf_relight": __version__, "tensorflow": tf.__version__, "keras": keras.__version__},
    }
    if info.light is not None:
        record["light"] = {"layout": light_layout(info.light), "use": LIGHT_USE}
    return record
