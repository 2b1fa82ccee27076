"""PyTorch checkpoints: real layouts written by hand, and files made to harm."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

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
)
from tf_relight.errors import RelightError
from tf_relight.guarded import pickles
from tf_relight.weights import torch_file, torch_pickle


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "weights.pth"


@pytest.fixture(params=["zip", "legacy"])
def write(request, path):
    """Write one pickle and its float32 storages in either format."""

    def write_file(content: bytes, storages: dict[str, np.ndarray] | None = None) -> Path:
        storages = {"0": VALUES} if storages is None else storages
        if request.param == "legacy":
            return write_legacy(path, content, storages)
        return write_zip(path, content, {key: values.tobytes() for key, values in storages.items()})

    return write_file


def test_a_state_dict_of_either_format(write):
    bias = np.array([7.0, 8.0], "<f4")
    tensors = torch_file.read(write(GOOD, {"0": VALUES, "1": bias}))
    assert list(tensors) == ["conv.weight", "conv.bias"]
    assert np.array_equal(tensors["conv.weight"], VALUES.reshape(2, 3))
    assert np.array_equal(tensors["conv.bias"], bias)
    assert not tensors["conv.bias"].flags.writeable


def test_views_strides_and_shared_storage(write):
    content = ordered_dict(
        {
            "transposed": tensor(storage("0", 6), (3, 2), (1, 3)),
            "tail": tensor(storage("0", 6), (2,), (2,), offset=1),
            "scalar": tensor(storage("0", 6), (), (), offset=5),
            "empty": tensor(storage("0", 6), (0, 4), (4, 1)),
        }
    )
    tensors = torch_file.read(write(content))
    assert np.array_equal(tensors["transposed"], VALUES.reshape(2, 3).T)
    assert np.array_equal(tensors["tail"], VALUES[1:4:2])
    assert tensors["scalar"].shape == () and tensors["scalar"] == VALUES[5]
    assert tensors["empty"].shape == (0, 4)


NUMBERS = {
    "Double": ("<f8", [1.5, -2e300]),
    "Half": ("<f2", [1.5, -2.0]),
    "Long": ("<i8", [1 << 40, -1]),
    "Int": ("<i4", [5, -5]),
    "Short": ("<i2", [5, -5]),
    "Char": ("i1", [5, -5]),
    "Byte": ("u1", [5, 250]),
    "Bool": ("?", [True, False]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_number_types(write, kind):
    values = np.array(NUMBERS[kind][1], NUMBERS[kind][0])
    content = ordered_dict({"x": tensor(storage("0", 2, kind), (2,), (1,))})
    found = torch_file.read(write(content, {"0": values}))
    assert found["x"].dtype == values.dtype and np.array_equal(found["x"], values)


def test_bfloat16_becomes_float32(write):
    upper = (np.array([1.5, -3.25], "<f4").view("<u4") >> 16).astype("<u2")
    content = ordered_dict({"x": tensor(storage("0", 2, "BFloat16"), (2,), (1,))})
    found = torch_file.read(write(content, {"0": upper}))
    assert found["x"].dtype == np.float32 and found["x"].tolist() == [1.5, -3.25]


def test_nested_checkpoints_and_metadata(write):
    metadata = dict_of({"_metadata": ordered_dict({"": dict_of({"version": number(1)})})})
    state = ordered_dict({"w": tensor(storage("0", 6))}) + metadata + BUILD
    content = dict_of(
        {"epoch": number(3), "state_dict": state, "list": list_of(tensor(storage("0", 6)), NONE)}
    )
    assert list(torch_file.read(write(content))) == ["state_dict.w", "list.0"]


def test_parameters_and_the_layouts_of_the_first_versions(write):
    plain = tensor(storage("0", 6))
    numbers = tuple_of(storage("0", 6), number(0), tuple_of(number(6)), tuple_of(number(1)))
    old = call(name("torch", "FloatTensor")) + numbers + BUILD
    parameter = name("torch.nn.parameter", "Parameter")
    content = ordered_dict(
        {
            "rebuilt": call(name("torch._utils", "_rebuild_parameter"), plain, FALSE, NONE),
            "new": parameter + tuple_of(old) + b"\x81" + tuple_of(FALSE, FALSE, NONE) + BUILD,
            "state": parameter + b")\x81" + tuple_of(old, NONE, NONE, FALSE, FALSE) + BUILD,
            "first": old,
        }
    )
    tensors = torch_file.read(write(content))
    assert [t.shape for t in tensors.values()] == [(2, 3), (6,), (6,), (6,)]
    assert all(np.array_equal(t.ravel(), VALUES) for t in tensors.values())


@pytest.mark.parametrize("start, words", [(2, None), (4, "view leaves storage")])
def test_views_of_a_legacy_storage(path, start, words):
    view = tuple_of(text("9"), number(start), number(3))
    write_legacy(path, ordered_dict({"x": tensor(storage("0", 6, view=view), (3,), (1,))}), {"0": VALUES})
    if words is None:
        assert np.array_equal(torch_file.read(path)["x"], VALUES[2:5])
    else:
        with pytest.raises(RelightError, match=words):
            torch_file.read(path)


class Command:
    """Unpickled by Python, it would leave a file behind."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_commands_in_a_pickle_are_not_run(path, tmp_path, protocol):
    trap = tmp_path / "trap"
    commands = [
        Command(os.system, f"touch {trap}"),
        Command(eval, f"open({str(trap)!r}, 'w')"),
        Command(io.open, str(trap), "w"),
        Command(np.save, str(trap), VALUES),
    ]
    for command in commands:
        raw = pickle.dumps(command, protocol)
        path.write_bytes(raw)
        with pytest.raises(RelightError):
            torch_file.read(path)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", raw)
        with pytest.raises(RelightError, match="it asks for|uses the instruction"):
            torch_file.read(path)
    assert not list(tmp_path.glob("trap*"))
    # The pickle is a real trap: Python's own unpickler walks into it.
    pickle.loads(pickle.dumps(commands[0], protocol))
    assert trap.exists()


def test_the_message_names_what_the_file_asks_for(write):
    harm = call(name("posix", "system"), text("true"))
    stacked = text("posix") + text("system\x1b[2J\n") + b"\x93"
    for content, shown in ((harm, r"system'"), (stacked, r"system[?]\[2J[?]'")):
        with pytest.raises(RelightError, match=rf"asks for 'posix\.{shown}"):
            torch_file.read(write(ordered_dict({"x": content})))


HOSTILE = {
    "more numbers than the file": tensor(storage("0", 1 << 40)),
    "negative count": tensor(storage("0", -6)),
    "shape beyond the storage": tensor(storage("0", 6), (2, 4), (3, 1)),
    "stride beyond the storage": tensor(storage("0", 6), (2, 3), (1 << 30, 1)),
    "negative stride": tensor(storage("0", 6), (2, 3), (-3, 1)),
    "stride zero unfolds": tensor(storage("0", 6), (1 << 20, 1 << 20), (0, 0)),
    "overlapping strides unfold": tensor(storage("0", 6), (4, 3), (1, 1)),
    "offset beyond the storage": tensor(storage("0", 6), (2,), (1,), offset=5),
    "negative offset": tensor(storage("0", 6), (2,), (1,), offset=-1),
    "shape and strides differ": tensor(storage("0", 6), (2, 3), (1,)),
    "too many dimensions": tensor(storage("0", 6), (1,) * 40, (1,) * 40),
    "size is huge": tensor(storage("0", 6), (1 << 60, 0), (1, 1)),
    "size is text": tensor(storage("0", 6)).replace(number(3), text("3")),
    "storage is text": tensor(text("storage")),
    "key leaves the archive": tensor(storage("../../etc/passwd", 6)),
    "key is empty": tensor(storage("", 6)),
    "key in other digits": tensor(storage("\u0663", 6)),
    "persistent id is text": text("storage") + b"Q",
    "persistent id of a module": tuple_of(text("module"), NONE, NONE, NONE, NONE) + b"Q",
    "storage class is text": tuple_of(text("storage"), text("x"), text("0"), text("cpu"), number(6)) + b"Q",
    "storage called": call(name("torch", "FloatStorage"), number(6)),
    "parameter of text": call(name("torch.nn.parameter", "Parameter"), text("x")),
    "tensor class with arguments": call(name("torch", "FloatTensor"), number(5)),
    "state of a tensor": call(name("torch", "FloatTensor")) + text("state") + BUILD,
    "state of a list": list_of(number(1)) + NONE + BUILD,
    "state of a name": name("torch", "FloatTensor") + NONE + BUILD,
    "name is a tensor": tensor(storage("0", 6)) + text("x") + b"\x93",
    "long persistent id": tuple_of(storage("0", 6)[1:-2], *[NONE] * 9) + b"Q",
    "dict of a text": call(name("collections", "OrderedDict"), text("ab")),
    "key of a dict": b"}(]Nu",
    "key of a dict steers the terminal": dict_of({"\x1b[2J": NONE}),
    "long key of a dict": dict_of({"k" * 1000: NONE}),
    "append to a dict": b"}Na",
    "items of a list": b"](NNu",
    "odd number of items": b"}(Nu",
    "number called": number(1) + b")R",
    "stack is empty": b"R",
    "mark is missing": b"t",
    "memo is empty": b"h\x05",
    "extension code": b"\x82\x01",
    "instance": b"(ios\nsystem\n",
    "object": b"(cos\nsystem\no",
    "named persistent id": b"P0\n",
    "long text promised": b"X\xff\xff\xff\x7f",
    "no tensor": ordered_dict({"x": number(1)}),
    "a list in itself": b"]q\x01(" + tensor(storage("0", 6)) + b"h\x01e",
    "two tensors of one name": dict_of(
        {"a.b": tensor(storage("0", 6)), "a": dict_of({"b": tensor(storage("0", 6))})}
    ),
    "storage described twice": list_of(tensor(storage("0", 6)), tensor(storage("0", 3))),
    "other type second": list_of(tensor(storage("0", 6)), tensor(storage("0", 6, "Int"))),
    "unknown storage": tensor(storage("7", 6)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tables_are_refused(write, case):
    path = write(HOSTILE[case])
    with pytest.raises(RelightError) as caught:
        torch_file.read(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and len(message) < len(str(path)) + 160


def test_a_memory_index_of_four_billion_costs_nothing(write):
    content = tensor(storage("0", 6)) + b"r\xff\xff\xff\xff"
    assert list(torch_file.read(write(content))) == [""]


def test_lists_of_lists_do_not_unfold(write):
    """Twelve lists of 40 times the one before would name 40^12 tensors."""
    content = tensor(storage("0", 6)) + b"q\x00"
    for level in range(12):
        content += b"](" + b"".join([b"h" + bytes([level])] * 40) + b"e" + b"q" + bytes([level + 1])
    with pytest.raises(RelightError, match="entries|nested"):
        torch_file.read(write(content))


def doubled(levels: int) -> bytes:
    """A text in a tuple twice, that tuple in a tuple twice, and so on: 2**levels texts in few bytes."""
    return text("x") + b"q\x00" + b"h\x00h\x00\x86q\x00" * levels


@pytest.mark.parametrize(
    "content",
    [
        doubled(60) + text("x") + b"\x93",
        doubled(60) + b"h\x00\x93",
        doubled(60) + b"Q",
        call(name("collections", "OrderedDict"), doubled(60)),
        dict_of({"x": NONE}) + doubled(60) + NONE + b"s",
    ],
)
def test_tuples_that_share_themselves_do_not_unfold(write, content):
    """Anything that walks through them, even to name them in a message, would never come back."""
    with pytest.raises(RelightError) as caught:
        torch_file.read(write(content))
    assert len(str(caught.value)) < 400


def test_dicts_made_of_one_list_again_and_again(write):
    """Python 2 wrote dicts from pairs; twenty thousand pairs made a million dicts for three bytes each."""
    pairs = list_of(list_of(text("w"), tensor(storage("0", 6))))
    assert list(torch_file.read(write(call(name("collections", "OrderedDict"), pairs)))) == ["w"]
    pairs = list_of(*(tuple_of(number(i), NONE) for i in range(20_000)))
    head = name("collections", "OrderedDict") + b"q\x00" + pairs + b"\x85q\x01"
    with pytest.raises(RelightError, match="too many entries"):
        torch_file.read(write(b"](" + head + b"h\x00h\x01R" * 100 + b"e"))


@pytest.mark.parametrize("limit", ["MAX_INSTRUCTIONS", "MAX_TENSORS"])
def test_limits(write, monkeypatch, limit):
    path = write(GOOD, {"0": VALUES, "1": VALUES[:2]})
    module = pickles if limit == "MAX_INSTRUCTIONS" else torch_pickle
    monkeypatch.setattr(module, limit, 1)
    with pytest.raises(RelightError, match="too long|more than 1 |not a PyTorch file"):
        torch_file.read(path)


def test_compressed_archives_are_refused(path):
    zeros = {"0": bytes(40_000_000)}
    write_zip(path, tensor(storage("0", 10_000_000), (10_000_000,), (1,)), zeros, zipfile.ZIP_DEFLATED)
    with pytest.raises(RelightError, match="compressed|more numbers"):
        torch_file.read(path)
    write_zip(path, GOOD, {"0": VALUES.tobytes(), "1": bytes(8)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(RelightError, match="compressed"):
        torch_file.read(path)


def test_archives_with_wrong_entries(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "x")
    with pytest.raises(RelightError, match=r"no data\.pkl"):
        torch_file.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", PROTO + GOOD + STOP)
        archive.writestr("b/data.pkl", PROTO + GOOD + STOP)
    with pytest.raises(RelightError, match=r"no data\.pkl"):
        torch_file.read(path)
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning):
        archive.writestr("a/data.pkl", PROTO + GOOD + STOP)
        archive.writestr("a/data.pkl", PROTO + GOOD + STOP)
    with pytest.raises(RelightError, match="twice"):
        torch_file.read(path)
    write_zip(path, GOOD, {"0": VALUES.tobytes(), "1": bytes(4)})
    with pytest.raises(RelightError, match="4 bytes instead of 8"):
        torch_file.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", PROTO + GOOD + STOP)
        archive.writestr("a/byteorder", "big")
    with pytest.raises(RelightError, match="little-endian"):
        torch_file.read(path)


def test_legacy_files_with_wrong_storages(path):
    both = {"0": VALUES, "1": VALUES[:2]}
    write_legacy(path, GOOD, {"0": VALUES})
    with pytest.raises(RelightError, match="list of storages"):
        torch_file.read(path)
    write_legacy(path, GOOD, {"0": VALUES, "1": VALUES})
    with pytest.raises(RelightError, match="6 numbers instead of 2"):
        torch_file.read(path)
    raw = write_legacy(path, GOOD, both).read_bytes()
    path.write_bytes(raw[:-8] + raw[-4:])
    with pytest.raises(RelightError, match="too early"):
        torch_file.read(path)
    path.write_bytes(raw.replace(pickle.dumps(1001, 2), pickle.dumps(1002, 2), 1))
    with pytest.raises(RelightError, match="version"):
        torch_file.read(path)


def test_every_truncation_is_refused(write):
    path = write(GOOD, {"0": VALUES, "1": VALUES[:2]})
    raw = path.read_bytes()
    for length in range(len(raw)):
        path.write_bytes(raw[:length])
        with pytest.raises(RelightError):
            torch_file.read(path)


def test_what_is_not_a_checkpoint(tmp_path, path):
    with pytest.raises(RelightError, match="Cannot read"):
        torch_file.read(tmp_path / "missing.pth")
    with pytest.raises(RelightError, match="is a folder"):
        torch_file.read(tmp_path)
    for raw in (b"", b"P", b"<html>404</html>", b"\x89PNG\r\n\x1a\n" + bytes(99), pickle.dumps([1, 2], 2)):
        path.write_bytes(raw)
        with pytest.raises(RelightError, match="not a PyTorch file"):
            torch_file.read(path)
    np.savez(path.with_suffix(".npz"), x=VALUES)
    with pytest.raises(RelightError, match="not a checkpoint"):
        torch_file.read(path.with_suffix(".npz"))


@pytest.mark.reference
@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_official_lpips_layers(reference_data, net):
    folder = reference_data / "lpips" / "dev"
    tensors = torch_file.read(folder / f"{net}.pth")
    expected = np.load(folder / f"lin_v0.1_{net}.npz")
    assert list(tensors) == expected.files
    assert all(np.array_equal(tensors[key], expected[key]) for key in expected.files)


@pytest.mark.reference
def test_official_dpr_checkpoint(reference_data):
    folder = reference_data / "dpr" / "dev" / "weights"
    tensors = torch_file.read(folder / "trained_model_03.t7")
    # The file names its shared modules twice; the converted one holds each once.
    expected = np.load(folder / "dpr512_weights.npz")
    assert len(tensors) == 250 and len(expected.files) == 112
    assert all(np.array_equal(tensors[key], expected[key]) for key in expected.files)
