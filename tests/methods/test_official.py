"""Importing official checkpoints: what fits is converted and usable by name, all else is one sentence."""

from __future__ import annotations

import functools
import http.server
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.weights.torch_files import write_checkpoint
from tf_relight import methods
from tf_relight.cli import main as cli
from tf_relight.errors import RelightError
from tf_relight.methods import trained
from tf_relight.methods.dpr import official
from tf_relight.methods.official import fetch_and_import, import_weights, importable
from tf_relight.weights import fetch
from tf_relight.weights import file as weights
from tf_relight.weights import record as weights_record
from tf_relight.weights.checksum import sha256_of


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TF_RELIGHT_CACHE", str(folder))
    return folder


@functools.cache
def checkpoint(size: int) -> dict[str, np.ndarray]:
    """Random tensors under every name that an official checkpoint has."""
    method = methods.get(f"dpr{size}")
    shapes = {
        name: tuple(variable.shape)
        for name, variable in trained.tensor_variables(method.build_model()).items()
    }
    rng = np.random.default_rng(size)
    tensors: dict[str, np.ndarray] = {}
    for theirs, ours in method.weight_map(method.config()).items():
        shape = shapes[ours]
        shape = (shape[3], shape[2], shape[0], shape[1]) if len(shape) == 4 else shape[:1]
        values = rng.uniform(0.5, 1.5, shape) if "running_var" in theirs else rng.normal(0, 0.1, shape)
        tensors[theirs] = values.astype(np.float32)
        if theirs.endswith(".running_mean"):
            tensors[theirs.replace("running_mean", "num_batches_tracked")] = np.ones((), np.float32)
    inner = official.INNER if size == 1024 else ""
    for block, channels in (("HG0.upper", 64), ("HG3.low1", 16)):
        unused = rng.normal(size=(channels, channels, 1, 1)).astype(np.float32)
        tensors[f"{inner}{block}.shortcuts.weight"] = unused
    for name in [name for name in tensors if name.startswith(f"{inner}HG0.")]:
        tensors[name.replace("HG0.", "HG2.middle.middle.")] = tensors[name]
    if size == 1024:
        tensors[f"{inner}conv_1.bias"] = np.zeros(16, np.float32)
        tensors[f"{inner}pre_bn.weight"] = np.zeros(16, np.float32)
    return tensors


@pytest.fixture
def small_file(tmp_path) -> Path:
    return write_checkpoint(tmp_path / "small.t7", checkpoint(512))


@pytest.mark.parametrize("size", [512, 1024])
def test_tensors_arrive_in_their_places(cache, tmp_path, size):
    tensors, method = checkpoint(size), f"dpr{size}"
    done = import_weights(method, write_checkpoint(tmp_path / "x.t7", tensors), allow_unknown=True)
    assert done.path == cache / f"{method}-official.safetensors"
    assert not done.known and done.tensors == 94
    nested = sum(".middle." in name for name in tensors)
    counters = sum("tracked" in name and ".middle." not in name for name in tensors)
    expected = {official.REPEATED: nested, official.COUNTERS: counters, official.UNUSED_SHORTCUTS: 2}
    assert done.dropped == expected | ({official.BYPASSED: 2} if size == 1024 else {})
    loaded = trained.load_model(f"{method}-official", method=method)
    assert loaded.metadata["licence"] == "research only" and loaded.metadata["source_sha256"] == done.sha256
    prefix = official.INNER if size == 1024 else ""
    block = loaded.model.hourglass.lows1[0]
    for ours, theirs in (
        (block.conv1.kernel, tensors[f"{prefix}HG3.low1.conv1.weight"].transpose(2, 3, 1, 0)),
        (block.norm2.moving_variance, tensors[f"{prefix}HG3.low1.bn2.running_var"]),
        (loaded.model.tail2.norm.gamma, tensors["bn_2.weight"]),
        (loaded.model.hourglass.light.inject_activation.alpha, tensors[f"{prefix}light.post_relu1.weight"]),
    ):
        np.testing.assert_array_equal(np.squeeze(np.array(ours)), np.squeeze(theirs))


def test_an_unknown_file_is_shown_with_both_hashes_and_taken_on_demand(cache, small_file, capsys):
    words = ["weights", "import", "dpr512", str(small_file)]
    assert cli.main(words) == 2
    message = capsys.readouterr().err
    known, found = weights_record.record_of("dpr512-official").sha256, sha256_of(small_file)
    assert known in message and found in message and "--allow-unknown" in message
    assert not cache.exists()
    assert cli.main([*words, "--allow-unknown"]) == 0
    shown = capsys.readouterr().out
    assert known in shown and found in shown and "UNKNOWN" in shown
    assert "research only" in shown and "left out" in shown and "parity: output" in shown


@pytest.mark.parametrize("size", [512, 1024])
def test_the_other_size_is_named(cache, tmp_path, size):
    file = write_checkpoint(tmp_path / "x.t7", checkpoint(size))
    other = 1536 - size
    with pytest.raises(
        RelightError, match=f"checkpoint of DPR {size}, not {other}, .* import dpr{size} FILE"
    ):
        import_weights(f"dpr{other}", file, allow_unknown=True)
    assert not cache.exists()


def changed(tmp_path, **changes: np.ndarray | None) -> Path:
    """A checkpoint with other tensors; "__" stands for a dot, None takes a tensor out."""
    tensors = dict(checkpoint(512))
    for name, value in changes.items():
        name = name.replace("__", ".")
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    return write_checkpoint(tmp_path / "changed.t7", tensors)


@pytest.mark.parametrize(
    "changes,match",
    [
        ({"HG1__low2__conv1__weight": None}, r"lacks 'HG1.low2.conv1.weight', 1 of 94 tensors"),
        ({"head__weight": np.zeros(3)}, "holds 'head.weight', which DPR 512 has not"),
        ({"HG1__low1__shortcuts__bias": np.zeros(64)}, "holds 'HG1.low1.shortcuts.bias'"),
        ({"HG2__middle__middle__low1__bn1__bias": np.ones(155)}, "should be the same tensor, but differ"),
        ({"HG2__middle__low1__x": np.ones(3)}, "should be the same tensor, but differ"),
        ({"bn_2__weight": np.zeros(8)}, "of another width"),
        ({"bn_2__weight": np.full(16, np.nan)}, "not finite"),
    ],
)
def test_checkpoints_that_do_not_fit(cache, tmp_path, changes, match):
    file = changed(tmp_path, **changes)
    with pytest.raises(RelightError, match=match) as caught:
        import_weights("dpr512", file, allow_unknown=True)
    assert "\n" not in str(caught.value)
    assert not list(cache.rglob("*.safetensors"))


def record_as_known(monkeypatch, file: Path, **changes) -> None:
    record = weights_record.record_of("dpr512-official")
    own = {"sha256": sha256_of(file), "size": file.stat().st_size}
    monkeypatch.setitem(weights_record.KNOWN, record.name, replace(record, **own, **changes))


def test_a_recorded_file_that_answers_differently_is_not_kept(cache, small_file, monkeypatch):
    """The converted network is run before anything is stored: here the tensors are not the official ones."""
    record_as_known(monkeypatch, small_file)
    with pytest.raises(RelightError, match="output differs from the official one"):
        import_weights("dpr512", small_file)
    assert not list(cache.rglob("*.safetensors"))


def test_methods_without_official_weights(small_file):
    names = {name: f"{name}-official" for name in ("dpr512", "dpr1024", "sfsnet")}
    assert importable() == names
    with pytest.raises(RelightError, match="no weights to import for 'dmshn'"):
        import_weights("dmshn", small_file)
    with pytest.raises(RelightError, match="Did you mean 'dpr512'"):
        import_weights("dpr-512", small_file)


def test_without_an_import_one_sentence_says_what_to_do(cache, capsys):
    with pytest.raises(RelightError) as caught:
        trained.load_model("dpr512-official")
    message = str(caught.value)
    assert "relight weights import dpr512 FILE" in message and "research only" in message
    assert weights_record.record_of("dpr512-official").url in message and "\n" not in message
    assert methods.get("dpr1024").info.default_weights == "dpr1024-official"
    assert not fetch.present("dpr512-official")


def test_fetch_downloads_and_imports(cache, small_file, monkeypatch):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(small_file.parent))

        def log_message(self, *_) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        # The stored answers are those of the official tensors, which these are not.
        monkeypatch.setattr(official, "parity", lambda model: {"output": 0.0})
        record_as_known(monkeypatch, small_file, url=f"{url}/{small_file.name}")
        assert cli.main(["weights", "fetch", "dpr512-official"]) == 0
        path = fetch.fetch("dpr512-official")
        assert path == cache / "dpr512-official.safetensors" and path.is_file()
        assert weights.read_weights(path).metadata["source"] == f"{url}/{small_file.name}"
        assert [file.name for file in cache.iterdir()] == [path.name], "the download is not kept"
        record_as_known(monkeypatch, small_file, url=f"{url}/gone.t7")
        with pytest.raises(RelightError, match="relight weights import dpr512 FILE"):
            fetch_and_import("dpr512-official", progress=False)
        server.shutdown()


@pytest.mark.reference
@pytest.mark.parametrize(
    "name,file", [("dpr512", "trained_model_03.t7"), ("dpr1024", "trained_model_1024_03.t7")]
)
def test_official_files(cache, reference_data, capsys, name, file):
    source = reference_data / "dpr" / "dev" / "weights" / file
    assert source.stat().st_size == weights_record.record_of(f"{name}-official").size
    assert cli.main(["weights", "import", name, str(source)]) == 0
    shown = capsys.readouterr().out
    assert "as recorded" in shown and "94 tensors taken" in shown and "research only" in shown
    loaded = trained.load_model(f"{name}-official", method=name)
    for what, difference in official.parity(loaded.model).items():
        assert difference <= official.TOLERANCE[what]
    assert cli.main(["weights", "show", f"{name}-official"]) == 0
    assert "licence: research only" in capsys.readouterr().out
