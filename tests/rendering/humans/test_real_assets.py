"""MakeHuman's own assets, where they are at hand."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight.rendering.humans.assets import AssetFolder
from tf_relight.rendering.humans.chromophores import lightness_of
from tf_relight.rendering.humans.hair import untextured
from tf_relight.rendering.humans.library import Library
from tf_relight.rendering.humans.render import render_head
from tf_relight.rendering.humans.textures import TO_LINEAR

pytest.importorskip("embreex")


@pytest.fixture(scope="module")
def library(reference_data) -> Library:
    root = reference_data / "humans"
    if not root.is_dir():
        pytest.skip("needs MakeHuman's assets in the reference data")
    return Library(AssetFolder(root))


def test_every_asset_is_free_and_every_proxy_and_target_reads(library):
    assert library.folder.left_out == {}
    folders = [
        name
        for kind in ("hair", "eyebrows", "eyelashes", "teeth", "clothes")
        for name in library.folders(f"{kind}/*")
    ]
    assert len(folders) > 35
    body = library.body.vertices
    for folder in folders:
        assert np.isfinite(library.proxy(folder).fit(body)).all(), folder
    assert set(untextured(library)) == {"hair/afro01", "hair/bob01"}


@pytest.mark.parametrize("number", [3, 7])
def test_skin_has_the_tone_it_was_drawn_with(library, number):
    head = render_head(library, 0, number, 96)
    skin = TO_LINEAR[head.albedo[head.skin == 255]]
    assert np.median(lightness_of(skin)) == pytest.approx(head.info["tone"], abs=9)
    assert 0.1 < (head.skin > 128).mean() < 0.9
