"""Depth files: plain arrays, the pickled dict of NTIRE 2021, and files that mean harm."""

import io
import os
import pickle

import numpy as np
import pytest

from tf_relight.data.vidit.depth import read_depth
from tf_relight.errors import RelightError

DEPTH = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)


def save_object(path, content):
    array = np.empty((), dtype=object)
    array[()] = content
    np.save(path, array, allow_pickle=True)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<u2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("pickled", [False, True])
def test_reads_numbers_of_any_kind(tmp_path, dtype, order, pickled):
    path = tmp_path / "Image000.npy"
    values = np.asarray((DEPTH * 200).astype(dtype), order=order)
    if pickled:
        save_object(path, {"normalized_depth": values, "scale": np.float64(3.5), "name": "Image000"})
    else:
        np.save(path, values)
    depth = read_depth(path)
    assert depth.shape == (3, 4, 1) and depth.dtype == np.float32
    np.testing.assert_array_equal(depth[..., 0], values.astype(np.float32))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_every_pickle_protocol_and_old_numpy_names(tmp_path, protocol):
    path = tmp_path / "Image000.npy"
    array = np.empty((), dtype=object)
    array[()] = {"normalized_depth": DEPTH}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    content = pickle.dumps(array, protocol=protocol)
    if protocol < 4:
        # the text protocols name modules by line; numpy 1 called the module numpy.core
        content = content.replace(b"numpy._core.", b"numpy.core.")
    path.write_bytes(header.getvalue() + content)
    np.testing.assert_array_equal(read_depth(path)[..., 0], DEPTH)


class Harm:
    """Runs a command when it is unpickled in the ordinary way."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("place", ["alone", "in the dict", "as a key", "in the array"])
def test_a_hostile_pickle_executes_nothing(tmp_path, place):
    marker, path = tmp_path / "executed", tmp_path / "Image000.npy"
    harm = Harm(marker)
    contents = {
        "alone": harm,
        "in the dict": {"normalized_depth": harm},
        "as a key": {"normalized_depth": DEPTH, (harm,): 1},
        "in the array": {"normalized_depth": np.array([harm, 1], dtype=object)},
    }
    save_object(path, contents[place])
    with pytest.raises(RelightError, match="names (posix|nt|os).system; only numpy arrays are read"):
        read_depth(path)
    assert not marker.exists()
    np.load(path, allow_pickle=True)  # the file is dangerous indeed
    assert marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [("builtins", "eval"), ("numpy", "fromfile"), ("numpy", "load"), ("numpy.testing", "run_module")],
)
def test_other_names_are_refused_too(tmp_path, module, name):
    path = tmp_path / "Image000.npy"
    save_object(path, {})
    start = path.read_bytes()
    content = b"\x80\x03c" + f"{module}\n{name}\n".encode() + b"X\x01\x00\x00\x001\x85R."
    path.write_bytes(start[: start.index(b"\x80")] + content)
    with pytest.raises(RelightError, match=f"names {module}.{name}"):
        read_depth(path)


@pytest.mark.parametrize("cut", [0, 5, 60, 140, -8])
@pytest.mark.parametrize("pickled", [False, True])
def test_truncated_files(tmp_path, cut, pickled):
    path = tmp_path / "Image000.npy"
    save_object(path, {"normalized_depth": DEPTH}) if pickled else np.save(path, DEPTH)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RelightError, match="Image000.npy.*copy or download it again"):
        read_depth(path)


@pytest.mark.parametrize(
    "content",
    [{"depth": DEPTH}, {"normalized_depth": [1, 2]}, ["x"], {"normalized_depth": np.array(["a", "b"])}],
)
def test_pickles_without_a_depth_map(tmp_path, content):
    save_object(tmp_path / "Image000.npy", content)
    with pytest.raises(RelightError, match="Image000.npy"):
        read_depth(tmp_path / "Image000.npy")


@pytest.mark.parametrize("values", [np.zeros(4), np.zeros((2, 2, 3)), np.array([["a"]]), np.zeros((0, 3))])
def test_arrays_that_are_no_depth_map(tmp_path, values):
    np.save(tmp_path / "Image000.npy", values)
    with pytest.raises(RelightError, match="is no depth map"):
        read_depth(tmp_path / "Image000.npy")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(tmp_path, bad):
    values = DEPTH.copy()
    values[1, 2] = bad
    np.save(tmp_path / "Image000.npy", values)
    with pytest.raises(RelightError, match="Image000.npy has NaN or infinite values"):
        read_depth(tmp_path / "Image000.npy")


def test_missing_file(tmp_path):
    with pytest.raises(RelightError, match="Cannot read .*Image000.npy"):
        read_depth(tmp_path / "Image000.npy")
