"""The quickstart from end to end, with a few steps and scenes."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tf_relight.quickstart import quickstart

    place = tmp_path_factory.mktemp("quick") / "quickstart"
    settings = [
        "model.width=4",
        "train.steps=6",
        "train.log_every=2",
        "data.size=32",
        "train.precision=float32",
    ]
    places = [f"output={place}", f"data.root={place / 'scenes'}"]
    return quickstart([*settings, *places, "train.precision=float32"], scenes=8, validation_scenes=2)


@pytest.mark.parametrize(
    "name",
    ["metrics.csv", "metrics.md", "samples.png", "curve.png", "weights.safetensors", "relit.png"],
)
def test_quickstart_leaves(folder, name):
    assert (folder / name).stat().st_size > 0


def test_table_holds_the_network_and_three_baselines(folder):
    table = (folder / "metrics.md").read_text()
    for row in ("DMSHN, trained now", "input unchanged", "best affine colour", "mean training image"):
        assert row in table


def test_relit_photo_has_the_size_of_the_photo(folder):
    from tf_relight.photo.reading import read_picture
    from tf_relight.quickstart import PHOTO

    assert read_picture(folder / "relit.png").pixels.shape == read_picture(PHOTO).pixels.shape
