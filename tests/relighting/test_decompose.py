"""`relight decompose`: faces taken apart, written as pictures, a light and a sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tf_relight import methods
from tf_relight.cli.main import main
from tf_relight.light.spherical_harmonics import shading
from tf_relight.methods.trained import load_model, save_weights
from tf_relight.photo.picture import Picture
from tf_relight.photo.reading import read_picture
from tf_relight.photo.writing import write_picture
from tf_relight.relighting.decompose import decompose, fit_light


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, Path]:
    """Untrained networks: what is written does not hang on what was learnt."""
    folder, made = tmp_path_factory.mktemp("weights"), {}
    for name in ("sfsnet", "sfsnet_residue_2"):
        import keras

        keras.utils.set_random_seed(3)
        method = methods.get(name)
        config = method.config({"width": 2})
        path = folder / f"{name}.safetensors"
        made[name] = save_weights(method.build_model(config), path, method=name, config=config, size=32)
    return made


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    write_picture(path, Picture(np.random.default_rng(1).random((48, 40, 3), dtype=np.float32)))
    return path


def run(weights: Path, out: Path, *paths: Path) -> int:
    return main(["decompose", *map(str, paths), "-o", str(out), "--weights", str(weights)])


@pytest.mark.parametrize("name", ["sfsnet", "sfsnet_residue_2"])
def test_each_part_is_a_file_at_the_photos_size(weights, photo, tmp_path, capsys, name):
    from tf_relight.light.files import read_light

    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    out = tmp_path / "parts"
    assert run(weights[name], out, broken, photo) == 2
    told = capsys.readouterr()
    assert "broken.png" in told.err and "no face was found; the whole picture was taken apart" in told.err
    assert told.out.strip().endswith("sheet.png")
    made = {path.name for path in (out / "photo").iterdir()}
    expected = {"normal.png", "albedo.png", "shading.png", "mask.png", "light.png", "light.txt", "sheet.png"}
    assert made == expected | ({"residue.png"} if name != "sfsnet" else set())
    for part in ("normal", "albedo", "shading", "mask"):
        assert read_picture(out / "photo" / f"{part}.png").size == (48, 40)
    light, frame = read_light(out / "photo" / "light.txt", "sfsnet")
    assert light.shape == (9, 3) and frame == "sfsnet" and np.isfinite(light).all()
    assert run(weights[name], out, photo) == 2
    assert "exists already" in capsys.readouterr().err


def test_albedo_times_shading_is_the_rebuilt_picture(weights, photo):
    loaded = load_model(weights["sfsnet"])
    (part,) = decompose(read_picture(photo), loaded)
    np.testing.assert_allclose(part.rebuilt, np.clip(part.albedo * part.shading, 0, 1), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(part.normal, axis=-1), 1, atol=1e-4)
    assert part.residue is None and part.light.shape == (9, 3)


def test_a_light_is_found_again_from_normals_and_shading():
    rng = np.random.default_rng(5)
    normal = rng.normal(size=(20, 30, 3))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = rng.normal(0, 0.3, (9, 3))
    lit = shading(np.stack([normal[..., 0], -normal[..., 2], normal[..., 1]], axis=-1), light)
    found = fit_light(normal, lit, np.ones((20, 30), bool))
    np.testing.assert_allclose(found, light, atol=0.02)  # a ridge of a thousandth


def test_what_cannot_be_is_refused_in_one_sentence(photo, tmp_path, capsys):
    out = str(tmp_path / "parts")
    assert main(["decompose", str(photo), "-o", out, "--method", "dmshn"]) == 2
    assert "gives no normal and no albedo and no shading. Methods that do: sfsnet" in capsys.readouterr().err
    assert main(["decompose", str(photo), "-o", out, "--method", "sfsnet", "--size", "1"]) == 2
    assert "--size 1 is too small" in capsys.readouterr().err
