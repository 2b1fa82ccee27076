"""`relight predict`: named outputs of a method for photos, and labels for another network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tf_relight.cli.main import main
from tf_relight.contract.card import Port
from tf_relight.errors import RelightError
from tf_relight.photo.picture import Picture
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos, one in a subfolder, and a broken file."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(1)
    for name, size in (("a.png", (48, 64)), ("sub/b.png", (70, 50))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(folder / name, Picture(rng.random((*size, 3), dtype=np.float32)))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    return folder


def predict(runs: Path, photos: Path, out: Path, *more: str, method: str = "toy_sfsnet") -> int:
    weights = str(runs / method / "weights.safetensors")
    return main(["predict", str(photos), "-o", str(out), "--weights", weights, *more])


def test_outputs_are_written_by_name_and_a_broken_photo_does_not_stop_the_others(
    runs,
    photos,
    tmp_path,
    capsys,
):
    from tf_relight.light.files import read_light

    out = tmp_path / "out"
    code = predict(runs, photos, out, "--recursive", "--outputs", "normal,albedo,shading,light")
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    ends = ("normal.png", "albedo.png", "shading.png", "light.txt")
    assert names == {f"{stem}_{end}" for stem in ("a", "sub/b") for end in ends}
    assert code == 2 and "broken.jpg" in capsys.readouterr().err
    normals = read_picture(out / "a_normal.png").pixels * 2 - 1
    assert np.allclose(np.linalg.norm(normals, axis=-1), 1, atol=0.02)  # 8 bits a channel
    light, frame = read_light(out / "a_light.txt", "sfsnet")
    assert light.shape == (9, 3) and frame == "sfsnet" and np.isfinite(light).all()


def test_labels_are_what_the_dataset_sfsnet_reads(runs, photos, tmp_path):
    from tf_relight.config.run import make_data_config
    from tf_relight.data import open_source
    from tf_relight.light.lamps import light_as
    from tf_relight.light.spherical_harmonics import convert
    from tf_relight.methods.trained import load_model
    from tf_relight.relighting.predict import see

    (photos / "broken.jpg").rename(photos / "aa_broken.jpg")  # between the two others
    out = tmp_path / "labels"
    assert predict(runs, photos, out, "--recursive", "--layout", "sfsnet", "--size", "32") == 2
    assert {path.name[:3] for path in out.iterdir()} == {"0_0", "0_1"}
    wishes = {"name": "sfsnet", "root": str(out), "size": 32, "validation_scenes": 1}
    config = make_data_config(wishes)
    samples = [
        sample
        for split in ("train", "validation")
        for source in [open_source(config, split)]
        for sample in (source.read(index) for index in range(len(source)))
    ]
    assert len(samples) == 2
    loaded = load_model(runs / "toy_sfsnet" / "weights.safetensors")
    for sample in samples:
        found = see(loaded, np.asarray(sample["image"], np.float32) / np.float32(255))
        inside = np.asarray(sample["mask"])[..., 0] > 0
        degrees = np.degrees(
            np.arccos(np.clip(np.sum(unit(found["normal"]) * unit(sample["normal"]), -1), -1, 1))
        )
        assert degrees[inside].max() < 1  # 8 bits a channel
        np.testing.assert_allclose(
            light_as(sample["light"], 3), found["source_light"], atol=1e-3
        )  # the photo in 8 bits
    assert convert(samples[0]["light"], "dpr", "sfsnet").shape == (9, 3)


def unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


@pytest.mark.parametrize(
    "method,more,said",
    [
        ("toy_sfsnet", (), "Name at least one output with --outputs: relit, normal, albedo"),
        ("toy_sfsnet", ("--outputs", "normals"), "gives no 'normals'. Did you mean 'normal'?"),
        ("toy_sfsnet", ("--outputs", "albedo", "--layout", "sfsnet"), "leave out --outputs"),
        ("toy_siamese", ("--layout", "sfsnet"), "it gives no normal and no albedo"),
        ("toy_sfsnet", ("--outputs", "albedo", "--size", "0"), "--size"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    runs,
    photos,
    tmp_path,
    capsys,
    method,
    more,
    said,
):
    out = tmp_path / "out"
    assert predict(runs, photos, out, *more, method=method) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and not out.exists()


def test_an_out_that_is_a_file_is_refused(runs, photos, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert predict(runs, photos, tmp_path / "out", "--outputs", "albedo") == 2
    assert "Cannot make the folder" in capsys.readouterr().err


def test_no_file_is_ever_replaced(runs, photos, tmp_path, capsys):
    out = tmp_path / "out"
    write_picture(photos / "a.tif", read_picture(photos / "a.png"))
    assert predict(runs, photos, out, "--outputs", "albedo") == 2
    assert "would both become" in capsys.readouterr().err and not list(out.iterdir())
    (photos / "a.tif").unlink()
    (photos / "a_albedo.png").write_bytes((photos / "a.png").read_bytes())
    before = (photos / "a_albedo.png").read_bytes()
    assert predict(runs, photos, photos, "--outputs", "albedo") == 2
    assert "exists already" in capsys.readouterr().err
    assert (photos / "a_albedo.png").read_bytes() == before


def test_labels_are_not_written_beside_older_ones(runs, photos, tmp_path, capsys):
    out = tmp_path / "labels"
    out.mkdir()
    (out / "0_0_face.png").write_bytes(b"mine")
    assert predict(runs, photos, out, "--layout", "sfsnet") == 2
    assert "holds labels already" in capsys.readouterr().err
    assert (out / "0_0_face.png").read_bytes() == b"mine"


def test_a_grey_light_is_read_back_as_the_network_read_it(tmp_path):
    from tf_relight.light.files import read_light
    from tf_relight.relighting.predict import _light_text

    grey = np.random.default_rng(2).normal(size=(9, 1)).astype(np.float32)
    (tmp_path / "light.txt").write_text(_light_text(grey))
    light, frame = read_light(tmp_path / "light.txt", "dpr")
    assert frame == "dpr"
    np.testing.assert_allclose(
        np.reshape(light, (9, -1)), np.repeat(grey, light.size // 9, axis=1), rtol=1e-5
    )


def without(card, name):
    return replace(card, outputs=tuple(port for port in card.outputs if port.name != name))


def with_a_grey_light(card):
    outputs = (replace(port, channels=1) if port.kind == "light" else port for port in card.outputs)
    return replace(card, inputs=(card.picture,), outputs=tuple(outputs))


class _Card:
    """A method by its card alone: nothing but the card is looked at before the weights are."""

    def __init__(self, info):
        self.info = info


@pytest.mark.parametrize(
    "change,outputs,layout,said",
    [
        (
            lambda card: without(card, card.source_light.name),
            ("albedo",),
            "plain",
            "it does not read from photos",
        ),
        (lambda card: without(card, "shading"), (), "sfsnet", "it gives no shading."),
        (
            with_a_grey_light,
            (),
            "sfsnet",
            "it gives no light in colour.",
        ),
        (
            lambda card: replace(card, outputs=(*card.outputs, Port("deep", "features", channels=8))),
            ("deep",),
            "plain",
            "'deep' of method 'carded' is features",
        ),
    ],
)
def test_a_method_that_lacks_something_is_refused_by_its_card(
    monkeypatch, tmp_path, change, outputs, layout, said
):
    from tf_relight import methods
    from tf_relight.relighting.predict import predict_photos

    card = methods.get("toy_sfsnet").info
    monkeypatch.setattr(methods, "get", lambda name: _Card(change(card)))
    with pytest.raises(RelightError, match=re.escape(said)):
        predict_photos([tmp_path], tmp_path / "out", method="carded", outputs=outputs, layout=layout)
    assert not (tmp_path / "out").exists()
