"""Arrays of strangers: nothing is taken for what it says of itself, nothing is executed, nothing unfolds."""

import io
import resource
import struct
import time
import zipfile

import numpy as np
import pytest

from tf_relight.data.check import check
from tf_relight.data.vidit.depth import read_depth
from tf_relight.errors import RelightError
from tf_relight.guarded.arrays import map_npy, read_npy, read_npz
from tf_relight.rendering.heads.maps import HeadMaps
from tf_relight.rendering.scenes.layers import SceneLayers

HOW = {"what": "the map", "advice": "copy it again"}


def npy(header: str, content: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + content


def header(shape: str = "(2, 2)", kind: str = "'<f4'", fortran: str = "False") -> str:
    return f"{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def pickled(content: bytes) -> bytes:
    return npy(header("()", "'|O'"), content)


DAMAGED = {
    "364 TiB": npy(header("(10000000, 10000000)")),
    "more than a number holds": npy(header("(99999999999, 99999999999, 99999999999)")),
    "a negative side": npy(header("(-1, 4)"), bytes(16)),
    "a side of words": npy(header("('a', 2)"), bytes(16)),
    "a shape that is none": npy(header("4"), bytes(16)),
    "thousands of sides": npy(header("(" + "1, " * 3000 + ")"), bytes(16)),
    "an open bracket": npy("{'descr': '<f4', 'shape': (((((", bytes(16)),
    "an open text": npy("{'descr': '''<f4", bytes(16)),
    "code": npy("{'descr': __import__('os').system('true')}", bytes(16)),
    "a null byte": npy("{'descr': '<f4\0', 'fortran_order': False, 'shape': (2, 2)}", bytes(16)),
    "deep brackets": npy("(" * 5000, bytes(16)),
    "numbers without end": npy(header("(" + "9" * 5000 + ",)"), bytes(16)),
    "an odd type": npy(header(kind="'<q99'"), bytes(16)),
    "a type of types": npy(header(kind="[('a', [('b', '<f4')])]"), bytes(16)),
    "a type of objects inside": npy(header(kind="[('a', '|O')]"), bytes(16)),
    "no content": npy(header()),
    "a header of gigabytes": npy(header(), bytes(16), version=2).replace(
        struct.pack("<I", len(header())), struct.pack("<I", 0xFFFFFFF0)
    ),
    "an unknown version": npy(header(), bytes(16), version=2)[:6] + b"\x09" + npy(header(), bytes(16))[7:],
    "text": b"not an array at all",
    "nothing": b"",
    # 73 bytes: the real unpickler takes 4 GiB to remember something under the number 2**29
    "a memory of gigabytes": pickled(b"\x80\x02Nr\x00\x00\x00\x20."),
    "tuples of tuples": pickled(b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b"."),
    "lists of lists": pickled(b"\x80\x02]q\x00" + b"(h\x00h\x00el" * 3 + b"."),
    "a giant text": pickled(b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"x."),
    "a giant number": pickled(b"\x80\x02\x8b\xff\xff\xff\x7f" + bytes(9) + b"."),
    "digits without end": pickled(b"I" + b"9" * 9000 + b"\n."),
    "an instruction that is none": pickled(b"\x80\x02\xfe."),
    "no end": pickled(b"\x80\x02]"),
    "nothing on the stack": pickled(b"\x80\x02."),
    "a self": pickled(b"\x80\x02]q\x00h\x00a."),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_one_sentence_without_time_or_memory(tmp_path, name):
    path = tmp_path / "Image000.npy"
    path.write_bytes(DAMAGED[name])
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(RelightError, match=r"Image000\.npy") as told:
        read_depth(path)
    assert len(str(told.value)) < 600 and "\n" not in str(told.value)
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_the_rest_of_a_folder_is_checked(tmp_path):
    from PIL import Image

    for number, content in enumerate(DAMAGED.values()):
        Image.new("RGB", (8, 8)).save(tmp_path / f"Image{number:03d}.png")
        (tmp_path / f"Image{number:03d}.npy").write_bytes(content)
    good = len(DAMAGED)
    for number in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / f"Image{good + number:03d}_6500_N.png")
        np.save(tmp_path / f"Image{good + number:03d}.npy", np.zeros((8, 8), np.float32))
    report = check(tmp_path)
    assert report.exit_code == 2
    assert any("unreadable" in line for line in report.lines())


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", "CF")
def test_good_arrays_of_every_version(tmp_path, version, order):
    values = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, values, version=version)
    (tmp_path / "a.npy").write_bytes(stream.getvalue())
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy", **HOW), values)
    np.testing.assert_array_equal(map_npy(tmp_path / "a.npy"), values)


def test_objects_are_read_only_where_they_are_asked_for(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RelightError, match="pickled objects instead of numbers"):
        read_npy(tmp_path / "a.npy", **HOW)
    with pytest.raises(RelightError, match="objects"):
        map_npy(tmp_path / "a.npy")


def archive(path, **entries: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(f"{name}.npy", content)
    return path


def test_archives(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.array(2.5)}
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "good.npz", **arrays)
        found = read_npz(tmp_path / "good.npz", **HOW)
        assert list(found) == list(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)
    assert list(read_npz(tmp_path / "good.npz", ["b"], **HOW)) == ["b"]
    with pytest.raises(RelightError, match="no array 'd'"):
        read_npz(tmp_path / "good.npz", ["d"], **HOW)


@pytest.mark.parametrize(
    "content,words",
    [
        (npy(header("(1000000, 1000000)"), bytes(16)), "larger or smaller"),
        (npy(header(), bytes(15)), "larger or smaller"),
        (npy(header("()", "'|O'"), b"\x80\x02N."), "objects"),
        (b"text", "does not begin"),
    ],
)
def test_archives_that_lie(tmp_path, content, words):
    with pytest.raises(RelightError, match=words):
        read_npz(archive(tmp_path / "a.npz", a=content), **HOW)


def test_a_little_archive_of_much_is_refused(tmp_path):
    path = archive(tmp_path / "a.npz", a=npy(header("(8000, 8000)", "'|u1'"), bytes(64_000_000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(RelightError, match="unfold to more than"):
        read_npz(path, limit=1 << 20, **HOW)


@pytest.mark.parametrize("cut", [0, 3, 100, 400, -30])
def test_what_we_stored_and_somebody_cut(tmp_path, cut):
    path = tmp_path / "x.npz"
    np.savez(
        path, direct_N=np.zeros((9, 9, 3)), ambient=np.zeros((9, 9, 3)), exposure=1.0, depth=np.zeros((9, 9))
    )
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RelightError, match="delete it, and it is rendered again"):
        SceneLayers.load(path, ["N"])
    with pytest.raises(RelightError, match="delete it, and it is rendered again"):
        HeadMaps.load(path, 9)
