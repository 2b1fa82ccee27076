"""Relighting photo files, with stand-ins for the method and the network so that no TensorFlow is needed."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.networks.running import working_size
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture
from tf_relight.relighting.in_python import relight
from tf_relight.relighting.outputs import make_folder, plan_outputs
from tf_relight.relighting.photos import relight_photos, relight_picture
from tf_relight.relighting.request import RelightOptions

RNG = np.random.default_rng(0)


class Dimmer:
    """A stand-in for a method: it dims the picture and remembers what it was given."""

    name = "dimmer"
    info = replace(methods.get("dmshn").info, native_size=512)

    def __init__(self, result=lambda image: image * np.float32(0.5)):
        self.seen: list[tuple[int, ...]] = []
        self.result = result

    @staticmethod
    def check_mode(mode):
        if mode not in (None, "slow"):
            raise RelightError(f"Method 'dimmer' knows the modes slow, not '{mode}'.")

    def relight(self, model, image, mode=None):
        self.mode = mode
        assert model == "the model" and image.dtype == np.float32 and image.max() <= 1
        self.seen.append(image.shape)
        return self.result(image)


def loaded_with(method, **metadata):
    return SimpleNamespace(model="the model", method=method, metadata=metadata)


@pytest.fixture
def dimmer(monkeypatch):
    """Replaces the loading of weights; `.calls` holds what was asked for."""
    method = Dimmer()
    method.calls = []

    def load_network(weights, method=None, engine="auto"):
        fake.calls.append((str(weights), method))
        return loaded_with(fake, size="64")

    fake = method
    loader = SimpleNamespace(load_network=load_network)
    monkeypatch.setitem(sys.modules, "tf_relight.relighting.network", loader)
    return method


def photo(path, size=(40, 60), **options):
    pixels = cv2.GaussianBlur(RNG.random((*size, 3), dtype=np.float32), (0, 0), 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, Picture(pixels, **options))
    return path


def run(paths, out, **options):
    options = {"method": "dmshn", "weights": "w.safetensors", "progress": False, **options}
    options = {"existing": "overwrite", **options}
    return relight_photos(paths, out, **options)


def test_one_photo_to_a_file(tmp_path, dimmer):
    source = photo(tmp_path / "a.png", size=(100, 200))
    report = run([source], tmp_path / "new" / "b.png")
    assert report.written == [tmp_path / "new" / "b.png"] and report.failures == [] and report.exit_code == 0
    assert dimmer.seen == [(64, 64, 3)] and dimmer.calls == [("w.safetensors", "dmshn")]
    before, after = read_picture(source).pixels, read_picture(report.written[0]).pixels
    assert after.shape == before.shape
    # The stand-in halves stored values; the full-size result follows to a few 8-bit steps.
    assert np.abs(after - before / 2).mean() < 0.01


def test_many_photos_go_to_a_folder_and_the_network_is_loaded_once(tmp_path, dimmer):
    for name in ("in/a.png", "in/b.jpg", "c.png"):
        photo(tmp_path / name)
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "d.gif")
    report = run([tmp_path / "in", tmp_path / "c.png"], tmp_path / "out")
    assert [path.name for path in report.written] == ["a.png", "b.jpg", "d.png", "c.png"]
    assert all(path.parent == tmp_path / "out" and path.is_file() for path in report.written)
    assert len(dimmer.calls) == 1 and report.seconds > 0


def test_a_broken_file_does_not_stop_the_others(tmp_path, dimmer):
    for name in ("a.png", "b.png", "c.png"):
        photo(tmp_path / "in" / name)
    (tmp_path / "in" / "b.png").write_bytes((tmp_path / "in" / "b.png").read_bytes()[:400])
    report = run([tmp_path / "in"], tmp_path / "out")
    assert [path.name for path in report.written] == ["a.png", "c.png"]
    assert len(report.failures) == 1 and str(tmp_path / "in" / "b.png") in report.failures[0]
    assert report.exit_code == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_network_that_returns_nan_is_a_failure_of_each_photo(tmp_path, dimmer):
    dimmer.result = lambda image: image * np.nan
    for name in ("a.png", "b.png"):
        photo(tmp_path / "in" / name)
    report = run([tmp_path / "in"], tmp_path / "out")
    assert report.written == [] and len(report.failures) == 2
    assert "a.png" in report.failures[0] and "not numbers" in report.failures[0]


def test_the_only_photo_fails_with_the_error_itself(tmp_path, dimmer):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(RelightError, match="empty"):
        run([tmp_path / "a.png"], tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


def test_bits_alpha_and_notes_pass_through(tmp_path, dimmer):
    alpha = np.linspace(0, 1, 40 * 60, dtype=np.float32).reshape(40, 60, 1)
    source = photo(tmp_path / "a.png", alpha=alpha, bits=16)
    run([source], tmp_path / "b.png")
    back = read_picture(tmp_path / "b.png")
    assert back.bits == 16
    np.testing.assert_allclose(back.alpha, alpha, atol=1e-5)
    report = run([source], tmp_path / "b.jpg")
    assert any("white" in note for note in report.notes) and any("8 bits" in note for note in report.notes)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (63, 64), (65, 64)])
def test_any_shape(tmp_path, dimmer, size):
    source = photo(tmp_path / "a.png", size=size)
    report = run([source], tmp_path / "b.png")
    assert read_picture(report.written[0]).size == size
    assert max(dimmer.seen[0][:2]) == min(64, max(size)) and min(dimmer.seen[0][:2]) >= 1


def test_a_small_photo_is_the_networks_own_output():
    method = Dimmer(lambda image: np.flip(image, axis=0))
    pixels = RNG.random((30, 40, 3), dtype=np.float32)
    result = relight_picture(Picture(pixels), loaded_with(method))
    np.testing.assert_array_equal(result.pixels, pixels[::-1])
    half = relight_picture(Picture(pixels), loaded_with(method), RelightOptions(strength=0.5))
    np.testing.assert_allclose(half.pixels, (pixels + pixels[::-1]) / 2, atol=1e-6)


def test_modes(tmp_path, dimmer):
    run([photo(tmp_path / "a.png")], tmp_path / "b.png", method=None, mode="slow")
    assert dimmer.mode == "slow"
    with pytest.raises(RelightError, match="knows the modes slow, not 'fast'"):
        run([photo(tmp_path / "a.png")], tmp_path / "b.png", method=None, mode="fast")
    assert len(dimmer.calls) == 2
    for name in ("dmshn", "dpr512"):
        with pytest.raises(RelightError, match=f"'{name}' has no modes: leave out 'slow'"):
            relight_photos([photo(tmp_path / "a.png")], tmp_path / "b.png", method=name, mode="slow")
    assert len(dimmer.calls) == 2


def test_working_size():
    assert working_size((3000, 4000), 512) == (384, 512)
    assert working_size((4000, 3000), 512) == (512, 384)
    assert working_size((100, 50), 512) == (100, 50)
    assert working_size((3, 5000), 512) == (1, 512)


@pytest.mark.parametrize(
    "metadata, size, expected", [({}, None, 512), ({"size": "256"}, None, 256), ({}, 100, 100)]
)
def test_the_network_works_at_the_size_of_its_training(metadata, size, expected):
    method = Dimmer()
    picture = Picture(np.zeros((600, 300, 3), np.float32))
    relight_picture(picture, loaded_with(method, **metadata), RelightOptions(size=size))
    assert method.seen == [(expected, expected, 3)]


def test_memory_that_runs_out_is_explained():
    class ResourceExhaustedError(Exception):
        pass

    for kind in (MemoryError, ResourceExhaustedError):

        def exhausted(image, kind=kind):
            raise kind("OOM")

        with pytest.raises(RelightError, match="smaller --size"):
            relight_picture(Picture(np.zeros((4, 4, 3), np.float32)), loaded_with(Dimmer(exhausted)))


def test_equal_names_and_unwritable_formats_get_distinct_names(tmp_path):
    for name in ("x/a.png", "y/a.png", "y/A.PNG", "z/a.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    sources = [tmp_path / "x" / "a.png", tmp_path / "y" / "a.png", tmp_path / "z" / "a.gif"]
    targets = [target.name for _, target in plan_outputs(sources, tmp_path / "out").jobs]
    assert targets == ["a.png", "a-2.png", "a-3.png"]
    cased = [target.name for _, target in plan_outputs([tmp_path / "y"], tmp_path / "out").jobs]
    assert cased == ["A.PNG", "a-2.png"]


def test_outputs_that_do_not_fit(tmp_path):
    first, second = photo(tmp_path / "in" / "a.png"), photo(tmp_path / "in" / "b.png")
    occupied = tmp_path / "file"
    occupied.write_text("")
    (tmp_path / "full" / "a.png").mkdir(parents=True)
    (tmp_path / "link.png").symlink_to(first)
    cases = [
        ([first, second], tmp_path / "out.png", "need a folder"),
        ([tmp_path / "in"], tmp_path / "out.jpg", "need a folder"),
        ([first], tmp_path / "out.gif", "Cannot tell the format"),
        ([first], first, "overwrite"),
        ([first], tmp_path / "link.png", "overwrite"),
        ([tmp_path / "in"], tmp_path / "in", "overwrite"),
        ([first], tmp_path / "in", "overwrite"),
        ([first, second], occupied, "Cannot make the folder"),
        ([first], occupied / "a.png", "Cannot make the folder"),
        ([first, second], tmp_path / "full", "is a folder already"),
        ([tmp_path / "gone.png"], tmp_path / "out", "no file or folder"),
        ([], tmp_path / "out", "No photos"),
    ]
    for paths, out, words in cases:
        with pytest.raises(RelightError, match=words):
            make_folder(plan_outputs(paths, out), out)
    assert first.stat().st_size > 0 and not (tmp_path / "out").exists()


def test_a_photo_in_the_current_folder(tmp_path, dimmer, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "a.png")
    run(["a.png"], "b.png")
    run(["a.png"], "out")
    assert (tmp_path / "b.png").is_file() and (tmp_path / "out" / "a.png").is_file()


def test_bad_arguments_come_before_the_network_is_loaded(tmp_path, dimmer):
    source = photo(tmp_path / "a.png")
    for options, words in [
        ({"strength": 1.5}, "outside 0..1"),
        ({"strength": float("nan")}, "outside 0..1"),
        ({"size": 3}, "at least 16"),
        ({"method": "dmshm"}, "Did you mean 'dmshn'"),
        ({"temperature": 3000}, "takes no --temperature"),
        ({"light_from": __file__}, "takes no light"),
        ({"light_from": "gone.jpg"}, "no file gone.jpg"),
    ]:
        with pytest.raises(RelightError, match=words):
            run([source], tmp_path / "out", **options)
    assert dimmer.calls == []


def test_weights_that_ship_are_the_default(tmp_path, dimmer, monkeypatch):
    shipped = {"dmshn": "dmshn-test-v1", "stacked_dmshn": None}
    monkeypatch.setattr(
        methods,
        "get",
        lambda name: SimpleNamespace(
            info=replace(Dimmer.info, default_weights=shipped.get(name)),
            check_mode=Dimmer.check_mode,
        ),
    )
    source = photo(tmp_path / "a.png")
    run([source], tmp_path / "out", weights=None)
    assert dimmer.calls == [("dmshn-test-v1", "dmshn")]
    with pytest.raises(RelightError, match="No weights ship with method 'stacked_dmshn'.*dmshn"):
        run([source], tmp_path / "out", method="stacked_dmshn", weights=None)


def test_an_interrupted_run_leaves_whole_files_only(tmp_path, dimmer):
    for name in ("a.png", "b.png", "c.png"):
        photo(tmp_path / "in" / name)

    def interrupted(image):
        if len(dimmer.seen) == 2:
            raise KeyboardInterrupt
        return image

    dimmer.result = interrupted
    with pytest.raises(KeyboardInterrupt):
        run([tmp_path / "in"], tmp_path / "out")
    # Photos are relit side by side, so that any but the interrupted one may be there.
    written = list((tmp_path / "out").iterdir())
    assert 1 <= len(written) <= 2
    for path in written:
        read_picture(path)


def test_progress_leaves_stdout_alone(tmp_path, dimmer, capsys):
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "in" / "b.png")
    run([tmp_path / "in"], tmp_path / "out", progress=True)
    captured = capsys.readouterr()
    # Without a terminal a line comes only now and then; tests/test_progress.py looks at those.
    assert captured.out == ""


def test_relight_takes_files_and_arrays(tmp_path, dimmer):
    path = photo(tmp_path / "a.png", size=(90, 128))
    from_file = relight(path, weights="w")
    pixels = read_picture(path).pixels
    from_bytes = relight(np.rint(pixels * 255).astype(np.uint8), weights="w")
    np.testing.assert_array_equal(from_file, from_bytes)
    np.testing.assert_array_equal(from_file, relight(pixels, weights="w"))
    assert from_file.shape == (90, 128, 3) and from_file.pixels.dtype == np.float32
    assert np.abs(from_file.pixels - pixels / 2).mean() < 0.01
    for wrong, words in [
        (np.zeros((4, 4)), "shape"),
        (np.zeros((4, 4, 4)), "shape"),
        (np.zeros((4, 4, 3), np.int32), "uint8 or floating"),
        (np.full((4, 4, 3), 200.0), "within 0..1"),
        (np.full((4, 4, 3), np.nan), "within 0..1"),
    ]:
        with pytest.raises(RelightError, match=words):
            relight(wrong, weights="w")


def test_full_size_detail_is_that_of_the_photo(dimmer):
    pixels = np.clip(0.5 + 0.1 * RNG.standard_normal((256, 256, 3)), 0, 1).astype(np.float32)
    relit = relight(pixels, weights="w")
    enlarged = resize(resize(pixels, (64, 64)) / 2, (256, 256))
    assert relit.pixels.std() > 4 * enlarged.std()
