"""Weights files: what goes in comes out, and anything else is refused in one sentence."""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.methods import trained
from tf_relight.weights import fetch
from tf_relight.weights import file as weights
from tf_relight.weights import record as weights_record

DMSHN = methods.get("dmshn")
TINY = DMSHN.config({"width": 2})


@pytest.fixture(scope="module")
def model():
    return DMSHN.build_model(TINY)


@pytest.fixture
def saved(model, tmp_path: Path) -> Path:
    return trained.save_weights(model, tmp_path / "tiny.safetensors", method="dmshn", config=TINY, steps=12)


def _header(path: Path, change: Callable[[dict[str, str]], None]) -> Path:
    """Write a copy of a weights file with a changed header."""
    stored = weights.read_weights(path)
    header = {"format": weights.FORMAT, "method": stored.method, "model": json.dumps(stored.config)}
    change(header)
    copy = path.with_name("changed.safetensors")
    save_file(stored.tensors, copy, metadata=header)
    return copy


def test_round_trip_is_exact_and_builds_the_model_from_the_file_alone(model, saved: Path) -> None:
    loaded = trained.load_model(saved)
    assert loaded.method.name == "dmshn"
    assert loaded.config == TINY
    assert loaded.metadata == {"steps": 12}
    image = np.random.default_rng(0).random((1, 32, 48, 3), dtype=np.float32)
    np.testing.assert_array_equal(np.asarray(loaded.model(image)), np.asarray(model(image)))


def test_tensor_names_do_not_depend_on_how_many_models_were_built(model) -> None:
    other = DMSHN.build_model(TINY)
    names = list(trained.tensor_variables(model))
    assert names == list(trained.tensor_variables(other))
    assert len(names) == len(set(names)) == len(model.weights)
    assert not any(name.startswith("dmshn") for name in names)


def test_two_weights_of_one_name_are_refused() -> None:
    import keras

    layers = [keras.layers.Dense(2, name="same"), keras.layers.Dense(2, name="same")]

    class Twice(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = layers

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    twice = Twice()
    twice(np.zeros((1, 2), np.float32))
    with pytest.raises(RelightError, match="unique names"):
        trained.tensor_variables(twice)


def test_equal_weights_give_equal_bytes(model, saved: Path, tmp_path: Path) -> None:
    more = {"b": 1, "a": {"y": 1, "x": 2}, "recipe": TINY, "note": "it's ü"}
    files = [
        trained.save_weights(model, tmp_path / f"{i}.safetensors", method="dmshn", config=TINY, **more)
        for i in range(3)
    ]
    assert len({path.read_bytes() for path in files}) == 1
    metadata = trained.load_model(files[0]).metadata
    assert metadata == {"a": {"x": 2, "y": 1}, "b": 1, "note": "it's ü", "recipe": TINY.model_dump()}


# Half precision keeps 11 bits of mantissa, bfloat16 keeps 8.
@pytest.mark.parametrize(("dtype", "relative"), [("float16", 2**-11), ("bfloat16", 2**-8)])
def test_half_precision_storage_is_read_into_float32(model, tmp_path: Path, dtype, relative) -> None:
    full = trained.save_weights(model, tmp_path / "full.safetensors", method="dmshn", config=TINY)
    half = trained.save_weights(model, tmp_path / "h.safetensors", method="dmshn", config=TINY, dtype=dtype)
    assert half.stat().st_size < 0.7 * full.stat().st_size
    loaded = trained.load_model(half)
    for ours, theirs in zip(model.weights, loaded.model.weights, strict=True):
        assert str(theirs.dtype) == "float32"
        np.testing.assert_allclose(np.asarray(theirs), np.asarray(ours), rtol=relative, atol=1e-7)


def test_weights_of_another_method_say_which(saved: Path) -> None:
    other = _header(saved, lambda header: header.update(method="dpr2048"))
    with pytest.raises(RelightError, match="holds dpr2048 weights, not dmshn: pass --method dpr2048"):
        trained.load_model(other, method="dmshn")
    with pytest.raises(RelightError, match="'dpr2048', unknown to this version"):
        trained.load_model(other)


def test_weights_of_another_width_say_which(saved: Path) -> None:
    stored = weights.read_weights(saved)
    with pytest.raises(RelightError, match=r"made with model.width=2, but this run asks for 4"):
        trained.check_made_for(stored, "dmshn", DMSHN.config({"width": 4}))
    trained.check_made_for(stored, "dmshn", TINY)
    wider = DMSHN.build_model(DMSHN.config({"width": 4}))
    before = [np.asarray(variable).copy() for variable in wider.weights]
    with pytest.raises(RelightError, match=r"is \(3, 3, 3, 2\) there and \(3, 3, 3, 4\) here"):
        trained.assign_weights(wider, stored.tensors, source=str(saved))
    for old, variable in zip(before, wider.weights, strict=True):
        np.testing.assert_array_equal(old, np.asarray(variable))


def test_missing_and_extra_tensors_are_named(model, saved: Path) -> None:
    tensors = dict(weights.read_weights(saved).tensors)
    first, *_ = tensors
    value = tensors.pop(first)
    with pytest.raises(RelightError, match=f"lacks '{first}'\\."):
        trained.assign_weights(model, tensors)
    with pytest.raises(RelightError, match=r"lacks .* and holds 'a' and 1 more too many"):
        trained.assign_weights(model, tensors | {"a": value, "b": value})


def test_headers_that_do_not_fit_are_refused(saved: Path) -> None:
    def refused(match: str, change: Callable[[dict[str, str]], None]) -> None:
        with pytest.raises(RelightError, match=match):
            trained.load_model(_header(saved, change))

    refused("newer format 'tf_relight weights 9'", lambda h: h.update(format="tf_relight weights 9"))
    refused("another program", lambda h: h.pop("format"))
    refused("header is damaged", lambda h: h.pop("method"))
    refused("header is damaged", lambda h: h.update(model="{"))
    refused("header is damaged", lambda h: h.update(model="3"))
    refused("model.width", lambda h: h.update(model='{"width": -1}'))
    refused("model.colour", lambda h: h.update(model='{"colour": 1}'))
    refused("here .* of another width", lambda h: h.update(model='{"width": 4}'))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", '"abc"'),
        ("size", "NaN"),
        ("size", "-5"),
        ("size", "999999999"),
        ("size", "0"),
        ("size", "64.5"),
        ("size", "true"),
        ("size", "[64]"),
        ("size", "1" * 4000),
        ("size", "sixty"),
        ("steps", "-1"),
        ("steps", '"many"'),
        ("seconds", "Infinity"),
        ("seconds", "-1"),
        ("data", "[]"),
        ("data", '"scenes"'),
        ("train", "3"),
        ("recipe", "3"),
        ("scores", "[1]"),
        ("starts_from", "7"),
        ("follows", '"../../x"'),
        ("licence", "3"),
        ("licence", json.dumps("x" * 9000)),
    ],
)
def test_what_steers_work_in_a_header_is_not_believed(saved: Path, key: str, value: str) -> None:
    with pytest.raises(RelightError, match=f"damaged header: {key} = ") as told:
        weights.read_weights(_header(saved, lambda header: header.update({key: value})))
    assert len(str(told.value)) < 600


def test_what_is_only_shown_may_be_anything(saved: Path) -> None:
    deep = "[" * 2000 + "]" * 2000
    path = _header(saved, lambda header: header.update(note=deep, other="not JSON", size="64"))
    metadata = weights.read_weights(path).metadata
    assert metadata["size"] == 64 and metadata["other"] == "not JSON"
    assert isinstance(metadata["note"], str) and len(metadata["note"]) < 2200


@pytest.mark.parametrize(
    "network", ["[" * 2000 + "]" * 2000, "[]", '"x"', "null", "NaN", "{", '{"width": 1e999}']
)
def test_a_damaged_network_in_a_header(saved: Path, network: str) -> None:
    with pytest.raises(RelightError, match="damaged|model.width"):
        trained.load_model(_header(saved, lambda header: header.update(model=network)))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"short", "not a whole .safetensors file"),
        (b"\xff" * 64, "not a whole .safetensors file"),
        (b"\x89HDF\r\n\x1a\n" + b"0" * 64, "Keras HDF5 file"),
        (b"PK\x03\x04" + b"0" * 64, "zip archive"),
    ],
)
def test_files_that_are_not_weights(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(content)
    with pytest.raises(RelightError, match=match):
        trained.load_model(path)


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.01])
def test_truncated_file(saved: Path, kept: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(RelightError, match="not a whole .safetensors file"):
        trained.load_model(saved)


def test_places_without_weights(tmp_path: Path) -> None:
    with pytest.raises(RelightError, match="not a file"):
        trained.load_model(tmp_path)
    with pytest.raises(RelightError, match="Did you mean 'vgg16-torchvision'"):
        trained.load_model("vgg16-torchvison")
    with pytest.raises(RelightError, match="Cannot read the weights"):
        weights.read_weights(tmp_path / "none.safetensors")


def test_nan_is_neither_written_nor_read(saved: Path, tmp_path: Path) -> None:
    broken = DMSHN.build_model(TINY)
    variable = broken.weights[0]
    variable.assign(np.full(variable.shape, np.nan, np.float32))
    path = tmp_path / "nan.safetensors"
    with pytest.raises(RelightError, match="is not finite as float32"):
        trained.save_weights(broken, path, method="dmshn", config=TINY)
    assert not path.exists()
    variable.assign(np.full(variable.shape, 1e5, np.float32))
    with pytest.raises(RelightError, match="not finite as float16"):
        trained.save_weights(broken, path, method="dmshn", config=TINY, dtype="float16")
    stored = weights.read_weights(saved)
    name = next(iter(stored.tensors))
    bad = stored.tensors | {name: np.full_like(stored.tensors[name], np.nan)}
    header = {"format": weights.FORMAT, "method": "dmshn", "model": TINY.model_dump_json()}
    save_file(bad, path, metadata=header)
    with pytest.raises(RelightError, match=f"NaN or infinity in '{name}'"):
        trained.load_model(path)


def test_full_disk_keeps_the_older_file(model, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def no_space(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(RelightError, match="No space left"):
        trained.save_weights(model, saved, method="dmshn", config=TINY, steps=13)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_only_safetensors_are_written(model, tmp_path: Path) -> None:
    with pytest.raises(RelightError, match="change the ending"):
        trained.save_weights(model, tmp_path / "w.h5", method="dmshn", config=TINY)


def test_record_is_complete() -> None:
    for name, record in weights_record.KNOWN.items():
        assert record.name == name
        if record.imported and not record.sha256:
            continue  # only users' own copies are read
        assert len(record.sha256) == 64 and int(record.sha256, 16) >= 0
        assert record.size > 0 and record.licence and record.paper and record.note
        assert record.method is None or record.method in methods.names()
        if record.shipped:
            assert fetch.find(name).stat().st_size == record.size <= 12_000_000
            assert trained.load_model(name).method.name == record.method
        else:
            assert record.url.startswith("https://")
        if "download.pytorch.org" in record.url:
            # torchvision puts the first eight digits of the hash into the file name.
            assert record.file.removesuffix(".pth").endswith(f"-{record.sha256[:8]}")


@pytest.mark.reference
def test_recorded_lpips_hashes_are_those_of_the_official_files(reference_data: Path) -> None:
    for network in ("alex", "vgg", "squeeze"):
        content = (reference_data / "lpips" / "dev" / f"{network}.pth").read_bytes()
        record = weights_record.record_of(f"lpips-{network}-v0.1")
        assert hashlib.sha256(content).hexdigest() == record.sha256
        assert len(content) == record.size


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(folder))
    return folder


def test_missing_file_says_where_from_and_where_to(cache: Path) -> None:
    record = weights_record.record_of("lpips-alex-v0.1")
    assert weights_record.path_of(record.name) == cache / record.file
    assert not fetch.present(record.name)
    with pytest.raises(RelightError) as caught:
        fetch.find(record.name)
    assert record.url in str(caught.value) and str(cache / record.file) in str(caught.value)
    with pytest.raises(RelightError, match="Did you mean 'lpips-alex-v0.1'"):
        fetch.find("lpips-alex")


def test_damaged_file_is_refused(cache: Path) -> None:
    path = weights_record.path_of("lpips-alex-v0.1")
    path.parent.mkdir()
    path.write_bytes(b"0" * 6009)
    for use in (fetch.find, fetch.fetch):
        with pytest.raises(RelightError, match="damaged or another file"):
            use("lpips-alex-v0.1")


CONTENT = bytes(range(256)) * 20


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[weights_record.WeightsRecord]:
    """Serve CONTENT at /good, too much of it at /long, cut off at /cut; record it as 'test'."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/gone":
                self.send_error(404)
                return
            body = CONTENT * 300 if self.path == "/long" else CONTENT
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:100] if self.path == "/cut" else body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        record = weights_record.WeightsRecord(
            "test",
            None,
            f"http://127.0.0.1:{served.server_port}/good",
            "test.pth",
            hashlib.sha256(CONTENT).hexdigest(),
            len(CONTENT),
            "none",
            "none",
            "none",
        )
        monkeypatch.setitem(weights_record.KNOWN, "test", record)
        yield record
        served.shutdown()


def test_fetch_downloads_once_and_checks(server: weights_record.WeightsRecord, cache: Path) -> None:
    path = fetch.fetch("test", progress=False)
    assert path == cache / "test.pth" and path.read_bytes() == CONTENT
    assert fetch.present("test") and fetch.find("test") == path
    stamp = path.stat().st_mtime_ns
    assert fetch.fetch("test").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("page", "match"),
    [("long", "not the recorded file"), ("cut", "only 100 of 5120 bytes"), ("gone", "Not Found")],
)
def test_wrong_download_leaves_nothing(server, cache: Path, monkeypatch, page: str, match: str) -> None:
    wrong = replace(server, url=server.url.replace("good", page))
    monkeypatch.setitem(weights_record.KNOWN, "test", wrong)
    with pytest.raises(RelightError, match=match):
        fetch.fetch("test", progress=False)
    assert list(cache.iterdir()) == []


def test_offline_is_one_clear_sentence(server, cache: Path, monkeypatch) -> None:
    # Nothing listens on port 9 of this machine; a closed port answers at once.
    offline = replace(server, url="http://127.0.0.1:9/test.pth")
    monkeypatch.setitem(weights_record.KNOWN, "test", offline)
    with pytest.raises(RelightError) as caught:
        fetch.fetch("test", progress=False)
    message = str(caught.value)
    assert offline.url in message and str(cache / "test.pth") in message and "\n" not in message


def test_the_record_needs_no_keras() -> None:
    code = "import sys; from tf_relight import weights; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
