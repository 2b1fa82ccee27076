"""What was measured of an exported file, and which bounds it misses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean

from export.bounds import Bounds
from export.litert.manifest import FileRecord
from export.litert.older.runtime import VERSION as OLDER
from export.proof.measuring import Difference


@dataclass(frozen=True)
class RuntimeScore:
    """One runtime against Keras, over all pictures and sizes.

    Attributes:
        psnr: dB of the worst picture. mean_psnr: over all. max_error, mean_error: absolute, 0..1.
        light_error: largest absolute error of the estimated light, None for methods without one.
        rounded_error: largest absolute difference from Keras with the 8-bit rounding of the training, None
            for files without it.
        unrounded_psnr: of such files against the same weights without rounding, dB of the worst picture.
    """

    psnr: float
    mean_psnr: float
    max_error: float
    mean_error: float
    light_error: float | None
    rounded_error: float | None = None
    unrounded_psnr: float | None = None

    @classmethod
    def of(cls, differences: Sequence[Difference]) -> RuntimeScore:
        """Return the score of the differences of one runtime."""
        lights = [each.light_error for each in differences if each.light_error is not None]
        rounded = [each.rounded_error for each in differences if each.rounded_error is not None]
        unrounded = [each.unrounded_psnr for each in differences if each.unrounded_psnr is not None]
        return cls(
            min(each.psnr for each in differences),
            fmean(each.psnr for each in differences),
            max(each.max_error for each in differences),
            fmean(each.mean_error for each in differences),
            max(lights) if lights else None,
            max(rounded) if rounded else None,
            min(unrounded) if unrounded else None,
        )


@dataclass(frozen=True)
class TruthScore:
    """Mean scores against true pictures, in 8 bit: of the float network and of the file."""

    pictures: int
    size: int
    keras_psnr: float
    psnr: float
    keras_ssim: float
    ssim: float

    @property
    def loss(self) -> float:
        """DB that the file lost; negative where it came out better."""
        return self.keras_psnr - self.psnr


@dataclass(frozen=True)
class GpuScore:
    """The GPU delegate's answer; `psnr` in dB against Keras where it took the file, `note` says why not."""

    psnr: float | None
    note: str = ""
    skipped: bool = False


@dataclass(frozen=True)
class OlderScore:
    """TensorFlow Lite 2.16.1 at the smallest size: `psnr` in dB against Keras; `note` says why it is None."""

    psnr: float | None
    max_error: float | None = None
    note: str = ""
    skipped: bool = False


@dataclass(frozen=True)
class FileCheck:
    """Everything measured of one file.

    Attributes:
        size_ratio: bytes divided by those of the float32 file, None where there is none.
        operations, delegated: of the signature that XNNPACK takes least of. partitions: the most of any.
        accelerated: CompiledModel says that XNNPACK runs everything.
        failure: why nothing could be measured. misses: one sentence for each bound that is not kept.
    """

    record: FileRecord
    size_ratio: float | None = None
    operations: int = 0
    delegated: int = 0
    partitions: int = 0
    accelerated: bool = True
    forbidden: tuple[str, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    runtimes: Mapping[str, RuntimeScore] = field(default_factory=dict)
    truth: TruthScore | None = None
    gpu: GpuScore | None = None
    older: OlderScore | None = None
    failure: str | None = None
    misses: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether every bound is kept."""
        return not self.complaints

    @property
    def complaints(self) -> tuple[str, ...]:
        """Everything that is wrong with the file, one sentence each."""
        return (self.failure,) if self.failure is not None else self.misses

    @property
    def scores(self) -> dict[str, float]:
        """The numbers for the manifest; empty where nothing could be measured."""
        if not self.runtimes:
            return {}
        found: dict[str, float | None] = {"size_ratio": self.size_ratio}
        for runtime, score in self.runtimes.items():
            found |= {f"{runtime}_{name}": value for name, value in asdict(score).items()}
        found |= {"operations": self.operations, "delegated": self.delegated, "partitions": self.partitions}
        if self.truth is not None:
            found |= {f"truth_{name}": value for name, value in asdict(self.truth).items()}
            found["truth_loss"] = self.truth.loss
        if self.gpu is not None:
            found["gpu_psnr"] = self.gpu.psnr
        if self.older is not None:
            found |= {"older_psnr": self.older.psnr, "older_max_error": self.older.max_error}
        return {name: float(value) for name, value in found.items() if value is not None}


def misses(check: FileCheck, bounds: Bounds) -> Iterator[str]:
    """Yield one sentence for each bound that a measured file does not keep."""
    for name, score in check.runtimes.items():
        worst = max(score.max_error, score.light_error or 0.0)
        if bounds.max_error is not None and not worst <= bounds.max_error:
            yield f"{name}: largest error {worst:.2g}, allowed {bounds.max_error:.2g}"
        if bounds.psnr is not None and not score.psnr >= bounds.psnr:
            yield f"{name}: {score.psnr:.1f} dB, wanted {bounds.psnr:g}"
        unrounded = score.unrounded_psnr
        if bounds.psnr is not None and unrounded is not None and not unrounded >= bounds.psnr:
            yield f"{name}: {unrounded:.1f} dB against the same weights unrounded, wanted {bounds.psnr:g}"
        rounded, allowed = score.rounded_error, bounds.rounded_error
        if rounded is not None and not rounded <= allowed:
            yield f"{name}: differs by {rounded:.2g} from the network's own rounding, allowed {allowed:.2g}"
    yield from check.forbidden
    if check.delegated != check.operations:
        left = ", ".join(f"{count} {kind}" for kind, count in check.left.items())
        yield f"XNNPACK takes {check.delegated} of {check.operations} operations; left: {left}"
    if check.partitions != 1:
        yield f"XNNPACK runs {check.partitions} partitions in place of 1"
    if not check.accelerated:
        yield "CompiledModel leaves operations to the slow built-in kernels"
    ratio = check.size_ratio
    if bounds.size_ratio is not None and ratio is not None and not ratio <= bounds.size_ratio:
        yield f"{ratio:.3f} of the float32 file's size, allowed {bounds.size_ratio:.2f}"
    if check.truth is not None and not check.truth.loss <= bounds.truth_loss:
        yield f"loses {check.truth.loss:.2f} dB against the true pictures, allowed {bounds.truth_loss:g}"
    older = check.older
    if older is not None and not older.skipped:
        if older.psnr is None or older.max_error is None:
            yield older.note
        elif bounds.psnr is not None and not older.psnr >= bounds.psnr:
            yield f"TensorFlow Lite {OLDER}: {older.psnr:.1f} dB, wanted {bounds.psnr:g}"
        elif bounds.max_error is not None and not older.max_error <= bounds.max_error:
            error, allowed = older.max_error, bounds.max_error
            yield f"TensorFlow Lite {OLDER}: largest error {error:.2g}, allowed {allowed:.2g}"
    gpu = check.gpu
    if gpu is not None and not gpu.skipped:
        if gpu.psnr is None:
            yield f"GPU: {gpu.note}"
        elif bounds.gpu_psnr is not None and not gpu.psnr >= bounds.gpu_psnr:
            yield f"GPU: {gpu.psnr:.1f} dB, wanted {bounds.gpu_psnr:g}"
