"""From a SavedModel to the bytes of a .tflite file, in each number format.

Rounding is judged while it is done: where a file misses its bound on the calibration pictures, the layers
that spoil most are left as they are (`selection`).
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from export.bounds import Bounds
from export.int8 import ranges
from export.int8.equalisation import equalise
from export.int8.rounding import Rounder, input_moments, mean_moments
from export.int8.selection import SCOUTED, Judge, Selected, select
from export.litert import graph_tools, widening
from export.litert.runtimes import held_stderr, import_litert
from export.signatures import signature_name, size_of
from tf_relight.errors import RelightError

if TYPE_CHECKING:
    from export.int8.calibration import Calibration

MARGIN, DYNAMIC_MARGIN, HALF_MARGIN = 4.0, 3.0, 6.0
"""dB above the bound that calibration pictures have to reach, for static and dynamic int8 and for float16.

Other pictures lose up to that much more.
"""
STRENGTH = 0.5
"""Of the equalisation; 0, 0.25, 0.5, 0.75 and 1 were tried on DMSHN, and this lost least."""
LARGE = 20_000
"""Weights; convolutions with more cannot stay float32 in an int8 file: it would grow too large."""
WIDENED = 5_000
"""Weights; larger convolutions of dynamic int8 files have int8 weights even where they compute in float32."""
KEPT_BYTES = 1.2
"""What a weight costs as float16 in place of int8, and what goes with it."""
TAILS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)
"""How many of the last convolutions do without fixed ranges; the first that reaches the target is taken."""
LOOKED_AT = 8
"""Pictures whose windows tell how kernels are rounded; twice as many changed nothing."""
WATCHED_BYTES = 1_500_000_000
"""Largest sum of all tensors of a graph while their ranges are looked for."""

_REFUSED = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_INT8 = frozenset(
    "CONV_2D TRANSPOSE_CONV ADD PAD RESIZE_BILINEAR MAX_POOL_2D CONCATENATION MINIMUM RELU".split()
)
"""Operations of which XNNPACK has int8 kernels, and those that the network's clip is made of."""


@dataclass(frozen=True)
class Rounded:
    """A file and how it was made.

    Attributes:
        layers: which layers are rounded, in words.
        sides: sizes at which it was judged and, for fixed ranges, at which these were found.
        psnr: dB on calibration pictures, against float32.
    """

    content: bytes
    layers: str
    sides: tuple[int, ...]
    psnr: float


def convert(
    saved_model: Path, signatures: Sequence[str], quantisation: Literal["fp32", "dynamic_int8"]
) -> bytes:
    """Convert all `signatures` of a SavedModel into one file whose graphs share their weights.

    Args:
        quantisation: "fp32" or "dynamic_int8"; the others are made from the first.

    Raises:
        RelightError: the graph needs an operation that is not built into LiteRT.
    """
    import tensorflow as tf

    with held_stderr():
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(saved_model), signature_keys=list(signatures)
        )
        # Without this an unknown operation becomes a custom one, and only phones find out.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantisation == "dynamic_int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        try:
            return bytes(converter.convert())
        except Exception as error:
            # The converter raises its own private class; its text names the operations.
            refused = sorted(set(_REFUSED.findall(str(error))))
            if not refused:
                raise
            raise RelightError(
                f"The network uses {', '.join(refused)}, which LiteRT has not built in, so it would not run "
                "on phones. Write the layer in another form."
            ) from error


def float16(plain: bytes, calibration: Calibration, bounds: Bounds) -> Rounded:
    """Store the kernels of a float32 file as float16, without those that spoil most.

    All else stays float32: it is small, and the network's accuracy hangs on it.
    """

    def rounded(content: bytes, kept: Collection[int]) -> bytes:
        return graph_tools.compact(widening.with_half_kernels(content, kept))

    small, scout = _scout(plain, calibration)
    size = _watched_size(plain)
    chosen = select(
        partial(rounded, plain),
        partial(rounded, graph_tools.only(plain, small)),
        [2 * weights for weights in _weights(plain)],
        Judge(plain, size, calibration),
        scout,
        target=_target(bounds, HALF_MARGIN),
        largest=_largest(bounds, plain),
    )
    return Rounded(chosen.content, _but(chosen), (size,), chosen.psnr)


def dynamic_int8(content: bytes, plain: bytes, calibration: Calibration, bounds: Bounds) -> Rounded:
    """Improve a file of int8 kernels.

    Channels are evened out (`equalisation`) and kernels are rounded together (`rounding`). The convolutions
    that spoil most compute in float32, small ones with float16 weights, large ones with their int8 weights.

    Args:
        content: as `convert` makes it for "dynamic_int8". plain: the same for "fp32".
    """

    def rounded(content: bytes, plain: bytes, kept: frozenset[int]) -> bytes:
        made = graph_tools.with_plain_kernels(content, plain, kept - large)
        made = widening.with_widened_kernels(made, kept & large)
        return graph_tools.compact(widening.with_half_kernels(made))

    weights = _weights(plain)
    large = frozenset(place for place, each in enumerate(weights) if each > WIDENED)
    small, scout = _scout(plain, calibration)
    samples = calibration.samples(_smallest(plain))
    even, _ = equalise(plain, small, ranges.extremes(plain, small, samples), STRENGTH)
    content = _rounder(even, calibration).replaced(content)
    size = _watched_size(plain)
    chosen = select(
        partial(rounded, content, even),
        partial(rounded, graph_tools.only(content, small), graph_tools.only(even, small)),
        [0 if place in large else math.ceil(KEPT_BYTES * each) for place, each in enumerate(weights)],
        Judge(plain, size, calibration),
        scout,
        target=_target(bounds, DYNAMIC_MARGIN),
        largest=_largest(bounds, plain),
    )
    count = len(large.intersection(chosen.kept))
    words = (
        f"{_but(chosen)}, {count} of which compute in float32 with int8 weights" if count else _but(chosen)
    )
    return Rounded(chosen.content, words, (size,), chosen.psnr)


def static_int8(plain: bytes, calibration: Calibration, bounds: Bounds) -> Rounded:
    """Round a float32 file to int8 with ranges found on calibration pictures.

    Channels are evened out first (`equalisation`), and each tensor gets the range of least squared error
    (`ranges`). As many convolutions at the end as the bound needs keep dynamic ranges. Networks with
    operations that have no int8 kernels, such as DPR's normalisation, are rounded inside their convolutions
    only, without those that spoil most.

    Args:
        plain: as `convert` makes it for "fp32"; all its graphs get the same ranges.
    """
    size = _watched_size(plain)
    name = signature_name(size)
    widest = ranges.extremes(plain, name, calibration.samples(size))
    even, widest = equalise(plain, name, widest, STRENGTH)
    best = ranges.best_ranges(even, name, calibration.samples(size), widest)
    found = {place: best[tensor] for place, tensor in enumerate(_tensors_of(even, name)) if tensor in best}
    rounder = _rounder(even, calibration)
    graph = _Graph(even, found, rounder)
    judge = Judge(plain, size, calibration)
    if graph.whole:
        return _with_tail(graph, judge, size, _target(bounds))
    small, scout = _scout(plain, calibration)
    chosen = select(
        graph.convolutions_rounded,
        _Graph(graph_tools.only(even, small), found, rounder).convolutions_rounded,
        # Large ones get dynamic ranges, which cost nothing.
        [0 if weights > LARGE else math.ceil(KEPT_BYTES * weights) for weights in _weights(plain)],
        judge,
        scout,
        target=_target(bounds),
        largest=_largest(bounds, plain),
    )
    layers = "convolutions" if not chosen.kept else f"convolutions but {len(chosen.kept)}"
    return Rounded(chosen.content, layers, (size,), chosen.psnr)


def _with_tail(graph: _Graph, judge: Judge, size: int, target: float) -> Rounded:
    best = None
    for tail in (each for each in TAILS if each <= graph.count):
        content = graph.all_rounded(tail)
        psnr = judge.psnr(content)
        if best is None or psnr > best.psnr:
            layers = "all" if tail == 0 else f"all but the last {tail} convolutions"
            best = Rounded(content, layers, (size,), psnr)
        if psnr >= target:
            break
    assert best is not None
    return best


class _Graph:
    """An evened float32 file and the ranges of its tensors, ready to be rounded.

    Attributes:
        whole: whether every operation has an int8 kernel. count: number of convolutions.
    """

    def __init__(self, content: bytes, best: Mapping[int, tuple[float, float]], rounder: Rounder) -> None:
        """Prepare all graphs of a file.

        Args:
            best: ranges by the tensor's place among those that a graph computes, the same for every size.
        """
        _require_quantizer()
        self._content, self._rounder = content, rounder
        model = graph_tools.unpack(content)
        self._operations: list[list[tuple[str, str]]] = []
        self._ranges: dict[str, dict[str, np.ndarray]] = {}
        for subgraph in model.subgraphs:
            names = [graph_tools.name(tensor.name) for tensor in subgraph.tensors]
            self._operations.append(
                [(graph_tools.kind(model, each), names[each.outputs[0]]) for each in subgraph.operators]
            )
            # Graphs of other sizes have the same tensors in the same order: `equalise` has made sure.
            for place, tensor in enumerate(_tensors(subgraph)):
                if place in best:
                    low, high = (np.full((1, 1, 1, 1), side, np.float32) for side in best[place])
                    self._ranges[names[tensor]] = {"min": low, "max": high}
        self._weights = _weights(content)
        self.whole = {kind for kind, _ in self._operations[0]} <= _INT8
        self.count = len(self._convolutions(self._operations[0]))

    def all_rounded(self, tail: int) -> bytes:
        """Return the int8 file; the last `tail` convolutions and what is behind them have no fixed ranges."""
        dynamic: list[str] = []
        plain: list[str] = []
        for operations in self._operations if tail else ():
            places = self._convolutions(operations)
            dynamic += [name for _, name in operations[places[-tail] :]]
            # The last one has few filters: it costs next to nothing and counts most.
            plain.append(dynamic.pop(dynamic.index(operations[places[-1]][1])))
        return graph_tools.compact(self._rounded(("*",), dynamic, plain))

    def convolutions_rounded(self, kept: Collection[int]) -> bytes:
        """Return the file whose convolutions are int8 inside.

        Those of the numbers in `kept` have dynamic ranges if they are large, else float16 kernels.
        """
        plain: list[str] = []
        dynamic: list[str] = []
        for operations in self._operations:
            for place, index in enumerate(self._convolutions(operations)):
                if place in kept:
                    (dynamic if self._weights[place] > LARGE else plain).append(operations[index][1])
        content = self._rounded(("CONV_2D", "CONV_2D_TRANSPOSE"), dynamic, plain)
        return graph_tools.compact(widening.with_half_kernels(content))

    def _rounded(self, kinds: Sequence[str], dynamic: Sequence[str], plain: Sequence[str]) -> bytes:
        """Round operations of some kinds; those named in `dynamic` and `plain` are exceptions."""
        from ai_edge_quantizer import quantizer, recipe_manager
        from ai_edge_quantizer.algorithm_manager import AlgorithmName
        from ai_edge_quantizer.qtyping import TFLOperationName as Name

        off = AlgorithmName.NO_QUANTIZE
        recipe = recipe_manager.RecipeManager()
        for kind in kinds:
            recipe.add_static_config(".*", Name(kind), activation_num_bits=8, weight_num_bits=8)
        # Apps give and get float32. XNNPACK clips float32 only.
        for each in (Name.INPUT, Name.OUTPUT, Name.RELU):
            recipe.add_quantization_config(".*", each, algorithm_key=off)
        for names in (dynamic, plain):
            if names:
                recipe.add_quantization_config(_pattern(names), Name.ALL_SUPPORTED, algorithm_key=off)
        for each in (Name.CONV_2D, Name.CONV_2D_TRANSPOSE) if dynamic else ():
            recipe.add_dynamic_config(_pattern(dynamic), each, num_bits=8)
        with held_stderr(), warnings.catch_warnings():
            # The quantiser's interpreter warns that it keeps all tensors.
            warnings.simplefilter("ignore", UserWarning)
            worker = quantizer.Quantizer(bytearray(self._content))
            worker.load_quantization_recipe(recipe.get_quantization_recipe())
            result = worker.quantize(self._ranges, enable_progress_bar=False, enable_progress_report=False)
        return self._rounder.improved(bytes(result.quantized_model))

    @staticmethod
    def _convolutions(operations: Sequence[tuple[str, str]]) -> list[int]:
        return [i for i, (kind, _) in enumerate(operations) if kind in graph_tools.CONVOLUTIONS]


def _pattern(names: Sequence[str]) -> str:
    # The quantiser searches for patterns in the names of an operation's outputs, each with a semicolon.
    return f"^(?:{'|'.join(re.escape(name) for name in dict.fromkeys(names))});?$"


def _tensors_of(content: bytes, signature: str) -> list[int]:
    model = graph_tools.unpack(content)
    chosen = next(each for each in model.signatureDefs if graph_tools.name(each.signatureKey) == signature)
    return _tensors(model.subgraphs[chosen.subgraphIndex])


def _tensors(subgraph: Any) -> list[int]:
    return [*(int(i) for i in subgraph.inputs), *graph_tools.outputs(subgraph)]


def _weights(content: bytes) -> list[int]:
    """Return how many weights each convolution has."""
    model = graph_tools.unpack(content)
    subgraph = model.subgraphs[0]
    kernels = [subgraph.tensors[int(each.inputs[1])] for each in graph_tools.convolutions(model, subgraph)]
    return [math.prod(int(side) for side in kernel.shape) for kernel in kernels]


def _target(bounds: Bounds, margin: float = MARGIN) -> float:
    return (bounds.psnr or 0.0) + margin


def _largest(bounds: Bounds, plain: bytes) -> float:
    if bounds.size_ratio is None:
        return math.inf
    return (bounds.size_ratio - 0.002) * len(graph_tools.compact(plain))


def _smallest(plain: bytes) -> int:
    names = [graph_tools.name(each.signatureKey) for each in graph_tools.unpack(plain).signatureDefs]
    return min(size_of(name) for name in names)


def _scout(plain: bytes, calibration: Calibration) -> tuple[str, Judge]:
    """Return the signature of the smallest size, and what judges files that hold it."""
    size = _smallest(plain)
    return signature_name(size), Judge(plain, size, calibration, SCOUTED)


def _rounder(plain: bytes, calibration: Calibration) -> Rounder:
    """Look at some pictures at the smallest size and at the one that is judged."""
    sizes = sorted({_smallest(plain), _watched_size(plain)})
    seen = [
        input_moments(plain, signature_name(size), islice(calibration.samples(size), LOOKED_AT))
        for size in sizes
    ]
    return Rounder(plain, mean_moments(seen))


def _but(chosen: Selected) -> str:
    return "all" if not chosen.kept else f"all but {len(chosen.kept)} convolutions"


def _require_quantizer() -> None:
    import importlib.util

    if importlib.util.find_spec("ai_edge_quantizer") is None:
        raise RelightError(
            "The package ai-edge-quantizer is missing. Install the extra `export`: "
            "pip install tf_relight[export]"
        )
    import_litert("interpreter")


def _watched_size(content: bytes) -> int:
    """Return the largest size whose tensors can be watched all at once, or the smallest."""
    model = graph_tools.unpack(content)
    needed = {}
    for signature in model.signatureDefs:
        subgraph = model.subgraphs[signature.subgraphIndex]
        shapes = [subgraph.tensors[each].shape for each in graph_tools.outputs(subgraph)]
        count = sum(math.prod(int(side) for side in shape) for shape in shapes)
        needed[size_of(graph_tools.name(signature.signatureKey))] = 4 * count
    fitting = [size for size, count in needed.items() if count <= WATCHED_BYTES]
    return max(fitting, default=min(needed))
