"""`relight data augment`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tf_relight.carried import EXAMPLES, carried_folder
from tf_relight.cli.main import main
from tf_relight.errors import RelightError
from tf_relight.light.light import Light
from tf_relight.photo.reading import read_picture
from tf_relight.pipelines.augment import augment


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(carried_folder(EXAMPLES) / "astronaut.jpg") as photo:
        small = photo.convert("RGB").resize((128, 128))
    for person in ("anna", "berta"):
        (folder / person).mkdir()
        small.save(folder / person / "one.png")
    return folder


def test_a_folder_is_relit_with_a_manifest_and_goes_on_where_it_was(photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["data", "augment", str(photos), str(out), "--lights", "2"]) == 0
    assert "4 pictures, 0 were there" in capsys.readouterr().out
    manifest = json.loads((out / "manifest.json").read_text())
    assert sorted(manifest["files"]) == sorted(
        f"{person}/one_light00{number}.png" for person in ("anna", "berta") for number in (0, 1)
    )
    told = manifest["files"]["anna/one_light000.png"]
    assert told["source"] == "anna/one.png" and told["faces"] == 1
    light = Light.from_array(np.array(told["light"]))
    assert np.allclose(light.angles, (told["azimuth"], told["elevation"]), atol=0.1)
    before = (out / "berta" / "one_light001.png").read_bytes()
    (out / "berta" / "one_light001.png").unlink()
    again = augment(photos, out, lights=2, progress=False)
    assert (again.written, again.kept) == (1, 3)
    assert (out / "berta" / "one_light001.png").read_bytes() == before
    source = read_picture(photos / "anna" / "one.png").pixels
    assert np.abs(read_picture(out / "anna" / "one_light000.png").pixels - source).mean() > 0.01
    with pytest.raises(RelightError, match=r"begun with other settings \(seed\)"):
        augment(photos, out, lights=2, seed=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lights": 0}, "--lights 0 is not a number from 1"),
        ({"root": "gone"}, "There is no folder"),
        ({"out": "here"}, "holds other files"),
    ],
)
def test_wrong_settings_are_told(photos, tmp_path, arguments, said):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("x")
    given = {"root": photos, "out": tmp_path / "out", "lights": 1} | arguments
    given |= {name: tmp_path / given[name] for name in ("root", "out")}
    with pytest.raises(RelightError, match=said):
        augment(given.pop("root"), given.pop("out"), **given)
