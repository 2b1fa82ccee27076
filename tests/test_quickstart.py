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
    [
        "metrics.csv",
        "metrics.md",
        "samples.png",
        "curve.png",
        "weights.safetensors",
        "relit.png",
        "portrait_left.jpg",
        "portrait.html",
    ],
)
def test_quickstart_leaves(folder, name):
    assert (folder / name).stat().st_size > 0


def test_try_relights_the_portrait_alone(tmp_path, monkeypatch, capsys):
    from tf_relight import quickstart

    monkeypatch.chdir(tmp_path)
    assert quickstart.main(["try"]) == 0
    said = capsys.readouterr().out.split()
    assert [path.rpartition("/")[2] for path in said] == [
        "portrait_left.jpg",
        "portrait_right.jpg",
        "portrait_above.jpg",
        "portrait.html",
    ]
    assert not list(tmp_path.rglob("*.safetensors")) and all(
        (tmp_path / path).stat().st_size for path in said
    )


def test_table_holds_the_network_and_three_baselines(folder):
    table = (folder / "metrics.md").read_text()
    for row in ("DMSHN, trained now", "input unchanged", "best affine colour", "mean training image"):
        assert row in table


def test_relit_photo_has_the_size_of_the_photo(folder):
    from tf_relight.photo.reading import read_picture
    from tf_relight.quickstart import PHOTO

    assert read_picture(folder / "relit.png").pixels.shape == read_picture(PHOTO).pixels.shape
