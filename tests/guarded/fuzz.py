"""Makes damaged and hostile inputs from good ones, and counts what becomes of them.

python -m tests.guarded.fuzz [CASES] [SEED] prints a line for each reader; 10,000 cases by default.
"""

from __future__ import annotations

import collections
import json
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tf_relight.errors import RelightError

LONGEST_MESSAGE = 20_000
NUMBERS = (0, 1, -1, 127, 128, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, -5, 1e308, float("nan"), float("inf"), 999999999, 10**30, "", "abc", "\x1b[2J",
    "a\nb", "\u202e", "x" * 3000, [], {}, [[]], [None], {"a": 1}, [1, "a"], "float32", "dmshn",
    "../../x", "/dev/zero",
)  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return a copy with one to four injuries of bytes."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(made) + 1)
        kind = rng.randrange(8)
        if kind == 0 and made:
            made[place % len(made)] ^= 1 << rng.randrange(8)
        elif kind == 1 and made:
            made[place % len(made)] = rng.choice(
                (0, 1, 9, 10, 32, 34, 44, 58, 91, 93, 123, 125, 127, 128, 255)
            )
        elif kind == 2:
            del made[place : place + rng.choice((1, 2, 8, 40, 400))]
        elif kind == 3:
            made[place:place] = rng.randbytes(rng.choice((1, 2, 8, 40)))
        elif kind == 4:
            made = made[:place]
        elif kind == 5:
            form = rng.choice(("<H", "<I", "<Q", ">I"))
            width = struct.calcsize(form)
            made[place : place + width] = struct.pack(form, rng.choice(NUMBERS) % (1 << 8 * width))
        elif kind == 6:
            part = made[place : place + rng.choice((1, 5, 30))]
            made[place:place] = part * rng.choice((2, 20, 300))
        else:
            other = rng.randrange(len(made) + 1)
            made[place : place + 20] = made[other : other + 20]
    return bytes(made)


def changed(content: Any, rng: random.Random) -> Any:
    """Return a copy of a JSON value with something in it replaced, removed, renamed or nested."""
    if isinstance(content, dict) and content and rng.random() < 0.8:
        made, key = dict(content), rng.choice(list(content))
        kind = rng.randrange(6)
        if kind == 0:
            del made[key]
        elif kind == 1:
            made[str(rng.choice(VALUES))[:50]] = made.pop(key)
        else:
            made[key] = changed(made[key], rng)
        return made
    if isinstance(content, list) and content and rng.random() < 0.8:
        made, place = list(content), rng.randrange(len(content))
        made[place] = changed(made[place], rng)
        return made if rng.random() < 0.8 else made * rng.choice((0, 2, 9))
    if rng.random() < 0.05:
        for _ in range(rng.choice((3, 70, 900))):
            content = [content]
        return content
    return rng.choice(VALUES)


def safetensors_case(rng: random.Random) -> bytes:
    """A weights file of ours with a damaged header, or damaged bytes."""
    header: Any = {
        "__metadata__": {
            "format": "tf_relight weights 1",
            "method": "dmshn",
            "model": json.dumps({"width": 2}),
            "size": "64",
            "steps": "10",
            "scores": json.dumps({"validation_psnr": 20.5}),
            "data": json.dumps({"name": "scenes", "size": 64}),
            "train": json.dumps({"steps": 10}),
            "seconds": "3",
            "licence": json.dumps("CC0"),
        },
        "a/kernel": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "a/bias": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]},
    }
    kind = rng.randrange(3)
    if kind == 0:
        meta = header["__metadata__"]
        name = rng.choice(list(meta))
        if rng.random() < 0.5:
            meta[name] = json.dumps(changed(rng.choice(VALUES), rng))
        else:
            meta[name] = damaged(meta[name].encode(), rng).decode("latin1")
    elif kind == 1:
        header = changed(header, rng)
    text = json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + np.arange(8, dtype="<f4").tobytes()
    return damaged(content, rng) if kind == 2 else content


def npy_case(rng: random.Random) -> bytes:
    """A depth file, plain or pickled, with damage in its header or its bytes."""
    import io
    import pickle

    depth = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    stream = io.BytesIO()
    if rng.random() < 0.4:
        shape = rng.choice(
            ("(3, 4)", "(3, -4)", "(10**9,)", "(9999999, 9999999)", "()", "(True, 4)", "(3, 4.0)")
        )
        kind = rng.choice(
            ("<f4", "|O", "<U9", ">f8", "<M8[s]", "|V1000000000", "<f2", "f4,f4", "?", "(3,)f4")
        )
        text = (
            f"{{'descr': {kind!r}, 'fortran_order': {rng.choice(('True', 'False', '3'))}, 'shape': {shape}}}"
        )
        text = damaged(text.encode(), rng).decode("latin1") if rng.random() < 0.5 else text
        stream.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1"))
        stream.write(depth.tobytes())
        return stream.getvalue()
    if rng.random() < 0.5:
        np.save(stream, depth)
    else:
        array = np.empty((), dtype=object)
        array[()] = {"normalized_depth": depth, "name": "x", "list": [1, 2.5, (None, True)]}
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(pickle.dumps(array, protocol=rng.randrange(2, 6)))
    return damaged(stream.getvalue(), rng)


GOOD_YAML = """\
# a run
method: &base dmshn
model: {width: 4}
recipe: {perceptual: 0, learning_rate: 5e-3}
data: {name: scenes, size: 32, scenes: 4, root: null, mirror: yes}
train: {<<: [{steps: 3}, {batch_size: 2}], log_every: 4, clip_norm: 1.0, precision: auto, devices: ["CPU:0"]}
output: "runs/x"
"""
GOOD_PATH = """\
# a light that moves
0: left
2.5: &there rembrandt
4: {from: right, up: 30}
1:05: {azimuth: 120, elevation: 20, temperature: 3200}
90: *there
"""
ODD_YAML = (
    "0x", "0o", "0b", "1:1:1", "1e999", ".nan", "2024-13-45", "!!int x", "!!bool x", "!!binary x", "*a", "&a",
    "<<",
    "? ", "- ", "|", ">", "%YAML 9", "---", "...", "\t", "\0", "\x07", '"\\ud800"', "'", '"', "{", "[", "~",
    "=", "!",
    "!!python/name:os.system", "9" * 200, "*base", "&base", "null", "on", "@", "`", "\ufeff", "\u2028",
)  # fmt: skip


def config_case(rng: random.Random) -> bytes:
    """A config of a run with odd words put in, or damaged bytes."""
    return yaml_case(GOOD_YAML, rng)


def path_case(rng: random.Random) -> bytes:
    """A light path with odd words put in, or damaged bytes."""
    return yaml_case(GOOD_PATH, rng)


def yaml_case(text: str, rng: random.Random) -> bytes:
    """A YAML text with odd words put in, or damaged bytes."""
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        word, place = rng.choice(ODD_YAML), rng.randrange(len(text))
        end = place + rng.choice((0, 0, 1, 5))
        text = text[:place] + word * rng.choice((1, 1, 1, 2, 50)) + text[end:]
    content = text.encode("utf-8", errors="surrogatepass")
    return damaged(content, rng) if rng.random() < 0.6 else content


def grpc_case(rng: random.Random) -> bytes:
    """A request for a prediction with damage in its fields or its bytes."""
    from tensorflow_serving.apis import predict_pb2

    made = predict_pb2.PredictRequest()
    made.model_spec.name = rng.choice(("tiny", "tiny", "tiny", "", "x" * 500, "\x1b[2J"))
    made.model_spec.signature_name = rng.choice(("relight", "relight_jpeg", "serving_default", "", "\n"))
    if rng.random() < 0.2:
        made.model_spec.version.value = rng.choice((1, 0, -1, 2**62))
    for name in rng.sample(("image", "light", "image_bytes", "nobody"), rng.randrange(4)):
        tensor = made.inputs[name]
        tensor.dtype = rng.choice((0, 1, 1, 1, 2, 3, 7, 7, 8, 10, 14, 19, 20, 21, 22, 101, 107, 9999))
        for _ in range(rng.randrange(6)):
            tensor.tensor_shape.dim.add().size = rng.choice((0, 1, 1, 2, 3, 9, -1, 2**31, 2**62))
        tensor.tensor_shape.unknown_rank = rng.random() < 0.05
        kind = rng.randrange(6)
        if kind == 0:
            tensor.tensor_content = rng.randbytes(rng.choice((0, 3, 36, 108)))
        elif kind == 1:
            tensor.float_val.extend([rng.choice((0.0, 0.5, float("nan"), 1e38))] * rng.choice((1, 9, 27)))
        elif kind == 2:
            tensor.string_val.extend([rng.randbytes(rng.choice((0, 9, 300)))] * rng.choice((1, 2)))
        elif kind == 3:
            tensor.half_val.extend([rng.choice((0, 70000, -1))])
        elif kind == 4:
            tensor.int_val.extend([rng.choice((0, 2**31 - 1))])
    content = made.SerializeToString()
    return damaged(content, rng) if rng.random() < 0.5 else content


def count(
    case: Callable[[random.Random], bytes], read: Callable[[bytes], str], cases: int, seed: int
) -> collections.Counter[str]:
    """Return how often `read` answered what; an exception counts under its own name as "UNCAUGHT ..."."""
    rng, found = random.Random(seed), collections.Counter[str]()
    for number in range(cases):
        content = case(rng)
        start = time.monotonic()
        try:
            answer = read(content)
        except RelightError as error:
            lines = str(error).splitlines()
            short = len(str(error)) < LONGEST_MESSAGE and all(len(line) < 1500 for line in lines)
            answer = "refused" if short else "LONG MESSAGE"
        except Exception as error:
            answer = f"UNCAUGHT {type(error).__name__} in case {number}: {str(error)[:200]}"
        if time.monotonic() - start > 20:
            answer = f"SLOW in case {number}"
        found[answer] += 1
    return found


def file_reader(read: Callable[[Path], Any], folder: Path, name: str) -> Callable[[bytes], str]:
    """Return what writes a case to a file and reads it."""

    def through(content: bytes) -> str:
        (folder / name).write_bytes(content)
        read(folder / name)
        return "read"

    return through


def file_readers(folder: Path) -> dict[str, tuple[Callable[[random.Random], bytes], Callable[[bytes], str]]]:
    """Name to (cases, reader) of what reads files."""
    from tf_relight.config.run import load_config
    from tf_relight.data.vidit.depth import read_depth
    from tf_relight.films.light_path import read_light_path
    from tf_relight.weights.file import read_weights

    return {
        "safetensors": (safetensors_case, file_reader(read_weights, folder, "x.safetensors")),
        "npy": (npy_case, file_reader(read_depth, folder, "Image000.npy")),
        "YAML config": (config_case, file_reader(load_config, folder, "x.yaml")),
        "YAML light path": (path_case, file_reader(read_light_path, folder, "path.yaml")),
    }


def grpc_reader(address: str) -> Callable[[bytes], str]:
    """Return what sends a case to a server; every answer but a status that blames the caller is UNCAUGHT."""
    import grpc

    channel = grpc.insecure_channel(address)
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict", None, None)

    def ask(content: bytes) -> str:
        try:
            call(content, timeout=30)
        except grpc.RpcError as error:
            code = error.code().name
            return (
                code if code in ("INVALID_ARGUMENT", "NOT_FOUND") else f"UNCAUGHT {code}: {error.details()}"
            )
        return "OK"

    return ask


def main(arguments: list[str]) -> int:
    """Print the counts of every reader; 1 if anything was not caught."""
    from tests.export.serving.conftest import running
    from tests.export.serving.tiny_model import write_tiny_model

    cases = int(arguments[0]) if arguments else 10_000
    seed = int(arguments[1]) if len(arguments) > 1 else 1
    bad = 0

    def tell(name: str, case: Any, read: Any) -> None:
        nonlocal bad
        found = count(case, read, cases, seed)
        wrong = {
            answer: number
            for answer, number in found.items()
            if answer.split()[0].isupper() and " " in answer
        }
        bad += len(wrong)
        print(f"{name}: {cases:,} cases, {dict(found)}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for name, (case, read) in file_readers(Path(folder)).items():
            tell(name, case, read)
        with running(write_tiny_model(Path(folder))) as server:
            tell("gRPC", grpc_case, grpc_reader(server.grpc))
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
