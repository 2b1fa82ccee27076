"""The two runtimes of a .tflite file behind one interface: LiteRT's Interpreter and its CompiledModel.

Phones use either: CompiledModel is the newer one, with GPU and NPU; the Interpreter is in every older app.
Both run the XNNPACK kernels on a CPU. What they print while they start is held back.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from tf_relight.errors import RelightError, suggest

RuntimeName = Literal["interpreter", "compiled_model"]
RUNTIMES: tuple[RuntimeName, ...] = ("interpreter", "compiled_model")
MOST_REASONS = 4
"""How many of a runtime's reasons an error quotes."""

LOG_LEVEL = re.compile(r"(└ )?(?P<level>INFO|WARNING|ERROR|VERBOSE|[IWEF]\d{4})\b:?\s*(\[[^\]]*\]\s*)?")
"""How a line of LiteRT's log begins: its level, then the place in the source code."""


@dataclass(frozen=True)
class TensorInfo:
    """Shape and type of one input or output."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class SignatureInfo:
    """Inputs and outputs of one signature, by name."""

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


class Runtime(Protocol):
    """A loaded .tflite file."""

    signatures: Mapping[str, SignatureInfo]

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the named outputs of the named inputs.

        Raises:
            RelightError: an unknown signature, or an input that is missing, unknown, or of another shape or
                type than the file's.
        """
        ...


class _Lazy(Mapping[str, SignatureInfo]):
    """Signatures by name, each found out when it is asked for."""

    def __init__(self, names: Sequence[str], find: Callable[[str], SignatureInfo]) -> None:
        self._names, self._find = tuple(names), find

    def __getitem__(self, name: str) -> SignatureInfo:
        if name not in self._names:
            raise KeyError(name)
        return self._find(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class InterpreterRuntime:
    """A .tflite file in LiteRT's Interpreter, on the CPU.

    Only the signatures that run take memory; `Interpreter.allocate_tensors` would prepare all of them.
    """

    def __init__(self, path: Path | str, threads: int = 1) -> None:
        """Load the file and prepare its first signature; raises RelightError when it cannot be used."""
        self.path, self._threads = Path(path), _positive(threads)
        self._runners: dict[str, Any] = {}
        with _loading(self.path):
            self._interpreter = self._made()
            names = list(self._interpreter.get_signature_list())
            if names:
                self._runner(names[0])
        self.signatures: Mapping[str, SignatureInfo] = _Lazy(names, self._info)

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the named outputs; see `Runtime.run`."""
        check_inputs(self, signature, inputs)
        with _loading(self.path):
            return {name: np.array(value) for name, value in self._runner(signature)(**inputs).items()}

    def _made(self) -> Any:
        return import_litert("interpreter").Interpreter(str(self.path), num_threads=self._threads)

    def _runner(self, signature: str) -> Any:
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature]

    def _info(self, signature: str) -> SignatureInfo:
        with _loading(self.path):
            runner = self._runner(signature)
        return SignatureInfo(_infos(runner.get_input_details()), _infos(runner.get_output_details()))

    def operations(self) -> list[dict[str, Any]]:
        """Return the operations of the first signature as they run: index, op_name, inputs, outputs.

        Delegated operations are still listed, before the DELEGATE that runs them.
        """
        with _loading(self.path):
            prepared = self._made()
            prepared.allocate_tensors()
            # The interpreter has no public way to ask what a delegate took.
            return list(prepared._get_ops_details())


class CompiledRuntime:
    """A .tflite file in LiteRT's CompiledModel, on the CPU or the GPU."""

    def __init__(
        self, path: Path | str, threads: int = 1, accelerator: Literal["cpu", "gpu"] = "cpu"
    ) -> None:
        """Load and compile the file; raises RelightError when it cannot be used or the GPU refuses it."""
        module = import_litert("compiled_model")
        options_module, hardware = (
            import_litert("options"),
            import_litert("hardware_accelerator").HardwareAccelerator,
        )
        options = options_module.Options(
            hardware_accelerators=hardware.GPU if accelerator == "gpu" else hardware.CPU,
            cpu_options=options_module.CpuOptions(num_threads=_positive(threads)),
        )
        self.path = Path(path)
        with _loading(self.path):
            self._model = module.CompiledModel.from_file(
                str(path), environment=_environment(), options=options
            )
            self.signatures: Mapping[str, SignatureInfo] = {
                name: SignatureInfo(
                    _infos(self._model.get_input_tensor_details(name)),
                    _infos(self._model.get_output_tensor_details(name)),
                )
                for name in self._model.get_signature_list()
            }
        self._buffers: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def __del__(self) -> None:
        """Free the model without the lines that its drivers print."""
        with contextlib.suppress(Exception), held_stderr():
            self.__dict__.clear()

    @property
    def fully_accelerated(self) -> bool:
        """Whether every operation runs on the chosen accelerator, on a CPU: by XNNPACK."""
        return bool(self._model.is_fully_accelerated())

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the named outputs; see `Runtime.run`."""
        check_inputs(self, signature, inputs)
        info = self.signatures[signature]
        with _loading(self.path):
            given, results = self._buffers_of(signature)
            for name, values in inputs.items():
                given[name].write(np.ascontiguousarray(values))
            self._model.run_by_name(signature, given, results)
            outputs = {}
            for name, tensor in info.outputs.items():
                flat = results[name].read(int(np.prod(tensor.shape)), np.dtype(tensor.dtype).type)
                outputs[name] = np.array(flat).reshape(tensor.shape)
        return outputs

    def _buffers_of(self, signature: str) -> tuple[dict[str, Any], dict[str, Any]]:
        if signature not in self._buffers:
            info, model = self.signatures[signature], self._model
            self._buffers[signature] = (
                {name: model.create_input_buffer_by_name(signature, name) for name in info.inputs},
                {name: model.create_output_buffer_by_name(signature, name) for name in info.outputs},
            )
        return self._buffers[signature]


def open_runtime(path: Path | str, runtime: RuntimeName = "interpreter", threads: int = 1) -> Runtime:
    """Load a .tflite file for the CPU.

    Raises:
        RelightError: the file is missing or damaged, or LiteRT is not installed.
    """
    if not Path(path).is_file():
        raise RelightError(f"There is no file {path}. Check the name.")
    if runtime not in RUNTIMES:
        raise RelightError(f"There is no runtime '{runtime}'.{suggest(runtime, RUNTIMES)}")
    return (
        CompiledRuntime(path, threads) if runtime == "compiled_model" else InterpreterRuntime(path, threads)
    )


def check_inputs(runtime: Runtime, signature: str, inputs: Mapping[str, np.ndarray]) -> None:
    """Raise RelightError unless `inputs` are what the signature takes; the runtimes say it less clearly."""
    if signature not in runtime.signatures:
        known = ", ".join(runtime.signatures) or "none"
        hint = suggest(signature, runtime.signatures)
        raise RelightError(f"The file has no signature '{signature}', only {known}.{hint}")
    wanted = runtime.signatures[signature].inputs
    if set(wanted) != set(inputs):
        raise RelightError(f"{signature} takes {', '.join(wanted)}, not {', '.join(inputs) or 'nothing'}.")
    for name, info in wanted.items():
        values = np.asarray(inputs[name])
        if tuple(values.shape) != info.shape or values.dtype != np.dtype(info.dtype):
            raise RelightError(
                f"Input '{name}' of {signature} must be {info.dtype} {info.shape}, "
                f"not {values.dtype} {tuple(values.shape)}."
            )


@contextlib.contextmanager
def held_stderr() -> Iterator[list[str]]:
    """Keep what native code writes to stderr off the terminal; yields a list that gets its lines."""
    lines: list[str] = []
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            held.seek(0)
            lines += held.read().decode(errors="replace").splitlines()


@contextlib.contextmanager
def _loading(path: Path) -> Iterator[None]:
    """Turn whatever the native code raises into one sentence with the runtime's own reason."""
    lines: list[str] = []
    try:
        with held_stderr() as lines:
            yield
    except RelightError:
        raise
    except Exception as error:
        # pybind raises ValueError, RuntimeError or its own classes, depending on how far it came.
        reasons = list(dict.fromkeys([*_told(lines), *_told(str(error).splitlines(), inside=True)]))
        more = f" and {len(reasons) - MOST_REASONS} more" if len(reasons) > MOST_REASONS else ""
        reason = "; ".join(reasons[:MOST_REASONS]).rstrip(".") + more
        raise RelightError(f"LiteRT cannot use {path}: {reason}. Export it again.") from error


def _told(lines: list[str], inside: bool = False) -> Iterator[str]:
    """Yield the reasons among a log's lines, without its places in the source code."""
    for line in lines:
        level = LOG_LEVEL.match(line)
        if level:
            inside = level["level"] == "ERROR"
        # The kinds of operations that a GPU refuses follow on lines of their own.
        text = line[level.end() :].strip() if level else line.strip("└ ")
        if inside and text and not text.endswith(":"):
            yield text


def import_litert(module: str) -> Any:
    """Return a module of LiteRT; raises RelightError when the package is missing."""
    try:
        return importlib.import_module(f"ai_edge_litert.{module}")
    except ImportError as error:
        raise RelightError(
            "The package ai-edge-litert is missing. Install the extra `export`: "
            "pip install tf_relight[export]"
        ) from error


@functools.cache
def _environment() -> Any:
    """Return what all compiled models of this process share; without it each prints lines when it is freed.

    Its drivers still print two lines to stderr when the process ends; the commands compile in children, whose
    stderr is kept.
    """
    return import_litert("environment").Environment.create()


def _infos(details: Mapping[str, Mapping[str, Any]]) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(tuple(int(side) for side in each["shape"]), np.dtype(each["dtype"]).name)
        for name, each in details.items()
    }


def _positive(threads: int) -> int:
    if threads < 1:
        raise RelightError(f"At least 1 thread is needed, not {threads}.")
    return threads
