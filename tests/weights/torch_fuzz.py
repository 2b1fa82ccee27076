"""Mutated PyTorch checkpoints, the same ones for the same seed, and what must hold for each.

`python -m tests.weights.torch_fuzz SEED CASES` runs a campaign and prints the outcomes.
"""

from __future__ import annotations

import collections
import pickle
import pickletools
import random
import resource
import struct
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.weights.torch_files import (
    BUILD,
    FALSE,
    GOOD,
    NONE,
    PROTO,
    STOP,
    VALUES,
    call,
    dict_of,
    list_of,
    name,
    number,
    ordered_dict,
    storage,
    tensor,
    text,
    tuple_of,
    write_legacy,
    write_zip,
    zip_entry,
)
from tf_relight.errors import RelightError
from tf_relight.weights import torch_file

SECONDS_PER_FILE = 2.0
"""A file of a few hundred bytes takes about a millisecond; the bound leaves room for a busy machine."""
FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.remove",
    "subprocess.",
    "socket.",
    "shutil.",
    "pickle.find_class",
    "compile",
)
# Numbers where sizes, offsets and counts break.
EDGES = (0, 1, 2, 3, 7, 255, 256, 65535, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 48) - 1, (1 << 63) - 1)
DOUBLED = b"h\x00h\x00\x86q\x00" * 40
"""Forty tuples, each twice the one before: 2**40 entries for whoever walks through them."""
HARMFUL = (
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"ctorch\nload\n",
    b"\x93",
    b"R",
    b"i",
    b"o",
    b"\x82\x01",
    b"q\x00",
    b"h\x00",
)
HARMFUL += (
    DOUBLED,
    DOUBLED + b"h\x00\x93",
    DOUBLED + b"h\x00R",
    DOUBLED + b"h\x00b",
    DOUBLED + b"Q",
    DOUBLED + b"e",
)

_watching: list[str] = []
_allowed: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what a reader of strangers' files must not do. Such a hook stays until the process ends."""
    if not _allowed:
        return
    # The archive's reader imports text encodings when a name needs them; that is Python's own code.
    opened = event == "open" and str(arguments[0]) not in _allowed
    strange = opened and not str(arguments[0]).endswith((".py", ".pyc"))
    foreign = event == "exec" and not arguments[0].co_filename.startswith(sys.base_prefix)
    if strange or foreign or event.startswith(FORBIDDEN):
        _watching.append(f"{event}{arguments!r:.200}")


def valid_files(folder: Path) -> list[tuple[bytes, dict[str, np.ndarray], str]]:
    """Return (pickle, storages, format) of checkpoints that together use every layout that is read."""
    bias = np.array([7.0, 8.0], "<f4")
    half = np.array([0x3F80, 0xC050], "<u2")
    plain = tensor(storage("0", 6))
    old = call(name("torch", "FloatTensor"))
    old += tuple_of(storage("0", 6), number(0), tuple_of(number(6)), tuple_of(number(1))) + BUILD
    parameter = call(name("torch._utils", "_rebuild_parameter"), plain, FALSE, NONE)
    nested = dict_of({"epoch": number(3), "model": ordered_dict({"w": plain}), "list": list_of(old, NONE)})
    views = {
        "transposed": tensor(storage("0", 6), (3, 2), (1, 3)),
        "tail": tensor(storage("0", 6), (2,), (2,), offset=1),
        "empty": tensor(storage("0", 6), (0, 4), (4, 1)),
        "parameter": parameter,
    }
    view = tuple_of(text("9"), number(2), number(3))
    contents = [
        (GOOD, {"0": VALUES, "1": bias}),
        (nested, {"0": VALUES}),
        (ordered_dict(views), {"0": VALUES}),
        (ordered_dict({"x": tensor(storage("0", 2, "BFloat16"), (2,), (1,))}), {"0": half}),
        (ordered_dict({"x": tensor(storage("0", 6, view=view), (3,), (1,))}), {"0": VALUES}),
    ]
    return [(content, storages, kind) for content, storages in contents for kind in ("zip", "legacy")]


def write(path: Path, content: bytes, storages: dict[str, np.ndarray], kind: str) -> bytes:
    """Write a checkpoint and return its bytes."""
    if kind == "zip":
        write_zip(path, content, {key: values.tobytes() for key, values in storages.items()})
    else:
        write_legacy(path, content, storages)
    return path.read_bytes()


def mutated_pickle(content: bytes, chance: random.Random) -> bytes:
    """Change whole instructions, so that the result still parses and gets deep into the machine."""
    framed = PROTO + content + STOP
    places = [place for _, _, place in pickletools.genops(framed)]
    steps = [framed[a:b] for a, b in zip(places, [*places[1:], len(framed)], strict=True)][1:-1]
    for _ in range(chance.randint(1, 4)):
        i, j = chance.randrange(len(steps)), chance.randrange(len(steps))
        change = chance.randrange(7)
        if change == 0:
            del steps[i]
        elif change == 1:
            steps.insert(i, steps[j])
        elif change == 2:
            steps[i], steps[j] = steps[j], steps[i]
        elif change == 3:
            steps[i] = number(chance.choice(EDGES) * chance.choice((1, -1)))
        elif change == 4:
            steps.insert(i, chance.choice(HARMFUL))
        elif change == 5:
            low, high = min(i, j), max(i, j)
            steps[i:i] = steps[low:high] * chance.randint(1, 3)
        else:
            steps[i] = bytes([chance.randrange(256)]) + steps[i][1:]
        steps = steps or [NONE]
    return b"".join(steps)


def mutated_bytes(raw: bytes, other: bytes, chance: random.Random) -> bytes:
    """Change bytes anywhere: headers, lengths, the archive's directory, the numbers."""
    data = bytearray(raw)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data) + 1)
        change = chance.randrange(7)
        if change <= 1 and place < len(data):
            data[place] = chance.randrange(256)
        elif change == 2:
            form = chance.choice(("<H", "<I", "<q"))
            value = chance.choice(EDGES) & ((1 << (8 * struct.calcsize(form) - (form == "<q"))) - 1)
            data[place : place + struct.calcsize(form)] = struct.pack(form, value)
        elif change == 3:
            del data[place : place + chance.randint(1, 40)]
        elif change == 4:
            data[place:place] = data[place : place + chance.randint(1, 200)]
        elif change == 5:
            cut = chance.randrange(len(other))
            data[place:place] = other[cut : cut + chance.randint(1, 200)]
        else:
            data = data[:place]
        data = data or bytearray(b"\0")
    return bytes(data)


def one_case(path: Path, files: list[Any], chance: random.Random) -> None:
    """Write one mutated checkpoint to `path`."""
    content, storages, kind = chance.choice(files)
    if chance.random() < 0.6:
        content = mutated_pickle(content, chance)
    raw = write(path, content, storages, kind)
    way = chance.random()
    if way < 0.35:
        path.write_bytes(mutated_bytes(raw, write(path, *chance.choice(files)), chance))
    elif way < 0.5 and kind == "zip":
        _strange_archive(path, content, storages, chance)
    elif way < 0.6 and kind == "legacy":
        order: list[Any] = [chance.choice([*storages, "9", 0, None, [], "../x"]) for _ in storages]
        system = chance.choice([{"little_endian": True}, {"little_endian": False}, [], 3, None])
        parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
        parts += [PROTO + content + STOP, pickle.dumps(order, 2)]
        path.write_bytes(b"".join(parts) + raw[-chance.randint(0, 60) :])


def _strange_archive(
    path: Path, content: bytes, storages: dict[str, np.ndarray], chance: random.Random
) -> None:
    """Write an archive with entries added, left out, renamed, compressed or of wrong size; sums are right."""
    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    compression = chance.choice((stored, stored, deflated, zipfile.ZIP_BZIP2))
    root = chance.choice(("model/", "model/", "", "../", "/"))
    entries = {f"{root}data.pkl": PROTO + content + STOP}
    entries["model/byteorder"] = chance.choice((b"little", b"big"))
    for key, values in storages.items():
        entries[f"model/data/{key}"] = values.tobytes() * chance.choice((1, 1, 1, 0, 2))
    with zipfile.ZipFile(path, "w") as archive:
        for entry, raw in entries.items():
            if chance.random() < 0.9:
                archive.writestr(zip_entry(entry, compression), raw)


def check(path: Path) -> str:
    """Read one file; return "read" or "refused".

    Raises:
        AssertionError: anything but an answer or a RelightError of one sentence; a tensor that can be written
            or is larger than the file; too much time; or a forbidden act.
    """
    started = time.process_time()
    _allowed[:] = [str(path)]
    try:
        tensors = torch_file.read(path)
    except RelightError as error:
        message = str(error)
        assert message.isprintable() and len(message) < len(str(path)) + 200, message
        outcome = "refused"
    else:
        # bfloat16 takes twice its bytes in memory; every tensor names numbers that stand in the file.
        for key, values in tensors.items():
            assert isinstance(key, str) and not values.flags.writeable
            assert values.nbytes <= 2 * path.stat().st_size
            values.copy()
        outcome = "read"
    finally:
        _allowed.clear()
    assert not _watching, _watching
    assert time.process_time() - started < SECONDS_PER_FILE
    return outcome


def campaign(seed: int, cases: int, folder: Path) -> collections.Counter[str]:
    """Check `cases` mutated files; return how many were read and refused. The failing one stays."""
    if _audit not in _installed:
        sys.addaudithook(_audit)
        _installed.append(_audit)
    files, path = valid_files(folder), folder / "weights.pth"
    outcomes: collections.Counter[str] = collections.Counter()
    for number_ in range(cases):
        one_case(path, files, random.Random(f"{seed}-{number_}"))
        try:
            outcomes[check(path)] += 1
        except BaseException:
            print(f"seed {seed}, case {number_}: {path.read_bytes()!r}", file=sys.stderr)
            raise
    return outcomes


_installed: list[Any] = []

if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore", "Duplicate name", UserWarning)
    with tempfile.TemporaryDirectory() as place:
        began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcomes_ = campaign(int(sys.argv[1]), int(sys.argv[2]), Path(place))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(f"{dict(outcomes_)} in {time.process_time() - began:.0f} s, memory grew {grown / 1024:.0f} MB")
