"""The whole command with DPR's official weights: the demo's own picture, and what users see by default."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.cli import main as cli
from tf_relight.photo.colour import srgb_to_linear
from tf_relight.photo.lightness import lightness
from tf_relight.photo.picture import to_u8
from tf_relight.photo.reading import read_picture

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def imported(tmp_path_factory, reference_data):
    """A cache with the official 512 weights, and the folder of DPR's files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_RELIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = reference_data / "dpr" / "dev"
        assert cli.main(["weights", "import", "dpr512", str(folder / "weights" / "trained_model_03.t7")]) == 0
        yield folder


@pytest.mark.parametrize("number", [0, 1, 2])
def test_paper_mode_reproduces_the_official_pictures(imported, tmp_path, number):
    light = imported / "example_light" / f"rotate_light_0{number}.txt"
    out = tmp_path / "out.jpg"
    command = f"image {imported / 'obama.jpg'} --method dpr512 --light {light} --paper -o {out}"
    assert cli.main(command.split()) == 0
    official = read_picture(imported / "official_result" / f"obama_0{number}.jpg").pixels
    error = to_u8(read_picture(out).pixels).astype(float) - to_u8(official)
    # Measured 79.4, 80.0 and 94.6 dB.
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 75


@pytest.mark.parametrize("name", ["demo_input.png", "ffhq_00110.png"])
def test_light_comes_from_the_side_that_was_asked_for_and_skin_stays_skin(
    imported, reference_data, tmp_path, name
):
    source = reference_data / "portraits" / "dev" / name
    before = read_picture(source).pixels
    left, right = np.s_[420:640, 330:430], np.s_[420:640, 690:790]  # cheeks, on the picture's sides
    for side, lit, dark in (("left", left, right), ("right", right, left)):
        out = tmp_path / f"{side}.png"
        command = f"image {source} --weights dpr512-official --from {side} --up 20 -o {out}"
        assert cli.main(command.split()) == 0
        relit = read_picture(out).pixels
        change = lightness(relit) - lightness(before)
        assert change[lit].mean() > change[dark].mean() + 0.1
        # Share of red in linear light: skin that turns grey or orange would move it by more.
        for place in (left, right):
            shares = [srgb_to_linear(p[place]).mean((0, 1)) for p in (before, relit)]
            red = [values[0] / values.sum() for values in shares]
            assert abs(red[0] - red[1]) < 0.06  # measured 0.058 where the cheek is darkest
