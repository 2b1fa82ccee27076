"""The dataset of rendered humans: pairs whose light and picture agree."""

from __future__ import annotations

import numpy as np
import pytest

from tests.rendering.humans.tiny_assets import write_assets
from tf_relight.config.run import make_data_config
from tf_relight.data import human_pairs, open_source
from tf_relight.data.pipeline import batches
from tf_relight.errors import RelightError
from tf_relight.light.spherical_harmonics import basis
from tf_relight.rendering.humans.gbuffers import GBuffers
from tf_relight.rendering.humans.lamps import Lamps, draw_flash, draw_lamps, mixed, told_in_lightness
from tf_relight.rendering.humans.maps import HumanMaps, Surface, _roughly, roll_off
from tf_relight.rendering.humans.render import spread_directions
from tf_relight.rendering.humans.write import render_humans

pytest.importorskip("embreex")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("humans")
    render_humans(write_assets(root / "assets"), root / "set", heads=3, size=64, progress=False)
    return root / "set"


@pytest.fixture(scope="module")
def maps(folder) -> HumanMaps:
    return HumanMaps(GBuffers.load(folder / "00001.npz"), colours=True)


def source(folder, split="train", channels="lightness", **options):
    values = {"name": "humans", "root": str(folder), "size": 32, "light_pairs": 200, **options}
    return open_source(make_data_config(values), split, channels)


def test_samples_are_lightness_with_nine_numbers_and_repeat_exactly(folder):
    first, second = source(folder), source(folder)
    second.prepare(progress=False)
    assert len(first) == 2 * 200  # head 0 is held out
    assert first.key(0) == "00001_0000"
    for index in (0, 57, 399):
        sample, again = first.read(index), second.read(index)
        assert tuple(sample) == first.fields
        assert sample["image"].shape == (32, 32, 1) and sample["image"].dtype == np.uint8
        assert sample["light"].shape == (9,) and sample["light"].dtype == np.float32
        assert all(np.array_equal(sample[name], again[name]) for name in sample)
    assert not np.array_equal(first.read(0)["target"], first.read(1)["target"])
    assert not np.array_equal(first.read(0)["image"], source(folder, seed=1).read(0)["image"])


def test_every_25th_head_is_held_out(folder):
    assert source(folder, "validation").key(0) == "00000_0000"
    assert len(source(folder, "validation")) == 4


def test_in_colour_the_lightness_is_the_same(folder):
    grey, colour = source(folder).read(3), source(folder, channels="rgb").read(3)
    assert colour["image"].shape == (32, 32, 3)
    linear = np.where(colour["target"] <= 10, 0, ((colour["target"] / 255 + 0.055) / 1.055) ** 2.4)
    lightness = (linear @ [0.2126, 0.7152, 0.0722]) ** 0.42
    middle = (grey["target"][..., 0] > 60) & (grey["target"][..., 0] < 200)
    assert np.abs(lightness - grey["target"][..., 0] / 255)[middle].mean() < 0.02
    assert np.array_equal(grey["light"], colour["light"])


def test_normals_and_mask_come_when_asked_for(folder):
    sample = source(folder, ground_truth=True).read(5)
    mask = sample["mask"][..., 0] > 0.99
    assert np.linalg.norm(sample["normal"][mask], axis=-1) == pytest.approx(np.ones(mask.sum()), abs=1e-3)
    assert sample["normal"][mask][:, 2].mean() > 0.3


@pytest.mark.parametrize("channels", ["rgb", "lightness"])
def test_what_nobody_needs_is_not_formed_and_changes_nothing_else(folder, channels):
    options = make_data_config(
        {"name": "humans", "root": str(folder), "size": 32, "light_pairs": 40, "coloured_light": True}
    )
    whole = open_source(options, "train", channels, wishes=["target", "original", "normal", "mask"])
    part = open_source(options, "train", channels, needs=["image", "normal"])
    assert part.fields == ("image", "light", "target_light", "normal")
    for index in range(0, 80, 7):
        sample, few = whole.read(index), part.read(index)
        assert tuple(few) == part.fields
        assert all(np.array_equal(few[name], sample[name]) for name in few)


def test_the_mask_of_the_face_leaves_out_hair_and_clothes(folder, maps):
    person, face = (source(folder, ground_truth=True, mask=name).read(5) for name in ("person", "face"))
    assert np.all(face["mask"] <= person["mask"] + 1e-6) and face["mask"].sum() < person["mask"].sum()
    assert np.array_equal(face["normal"], person["normal"])
    whole = (slice(0, maps.size), slice(0, maps.size))
    truth = maps.truth(whole)
    assert truth["face"][maps._skin == 255].min() > 0.99 and truth["face"].sum() < truth["mask"].sum()


@pytest.mark.parametrize("azimuth", [-60.0, 0.0, 60.0])
def test_a_picture_follows_the_nine_numbers_of_its_lamps(maps, azimuth):
    turn = np.radians(azimuth)
    toward = np.array([np.sin(turn) * 0.9, -np.cos(turn) * 0.9, 0.43])
    lobe = np.exp(15 * (maps.directions @ toward - 1))
    lamps = Lamps((lobe / lobe.sum()).astype(np.float32), 0.1, np.zeros(3))
    light, exposure = told_in_lightness(lamps, maps.directions, 0.7)
    whole = (slice(0, maps.size), slice(0, maps.size))
    picture = maps.lightness(lamps, exposure, whole, None, 0.0)
    truth = maps.truth(whole)
    skin = maps._skin == 255
    normal = truth["normal"] @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    shading = (basis(normal) @ light)[skin]
    relit = (picture / np.maximum(maps._albedo.astype(float), 1e-3) ** 0.42)[skin]
    assert np.corrcoef(shading, relit)[0, 1] > 0.85
    assert np.median(relit / np.maximum(shading, 0.1)) == pytest.approx(1.0, abs=0.2)


def test_mirrored_pictures_have_mirrored_lights(maps, monkeypatch):
    drawn = {}
    for mirror in (0.0, 1.0):
        rng = _Scripted(np.random.default_rng(4), mirror)
        monkeypatch.setattr(human_pairs, "photographed", lambda image, target, same, rng: (image, target))
        drawn[mirror] = human_pairs.draw_pair(maps, 32, rng)
    kept, flipped = drawn[1.0], drawn[0.0]
    assert flipped.mirror and not kept.mirror
    assert np.allclose(flipped.image, kept.image[:, ::-1], atol=1e-6)
    normals = np.random.default_rng(0).normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mirrored = basis(normals * [-1, 1, 1]) @ flipped.target_light
    assert mirrored == pytest.approx(basis(normals) @ kept.target_light, abs=1e-5)


class _Scripted:
    """A generator whose last `random()` before the camera, the mirror's, is given."""

    def __init__(self, rng, mirror):
        self._rng, self._mirror = rng, mirror

    def __getattr__(self, name):
        return getattr(self._rng, name)

    def random(self, *args):
        import inspect

        value = self._rng.random(*args)
        line = inspect.stack()[1].code_context[0]
        return self._mirror if "mirror" in line else value


def test_some_pairs_ask_for_the_source_itself(folder):
    samples = [source(folder).read(index) for index in range(120)]
    same = [np.array_equal(s["image"], s["target"]) for s in samples]
    assert 0.03 < np.mean(same) < 0.2
    assert all(
        np.array_equal(s["light"], s["target_light"]) for s, yes in zip(samples, same, strict=True) if yes
    )


def test_lamps_are_weights_over_the_directions():
    rng = np.random.default_rng(0)
    directions = spread_directions(64, rng)
    above = 0
    for _ in range(300):
        lamps = draw_lamps(rng, directions)
        weights = lamps.weights(directions)
        assert weights.min() >= 0 and 1.0 < weights.sum() < 10
        light, exposure = told_in_lightness(lamps, directions, 0.8)
        assert light[0] <= 0.8 + 1e-5 and exposure > 0
        toward = lamps.lamps @ directions
        above += abs(toward[0]) < 0.3 * abs(toward[2])
    assert above > 60
    flash = draw_flash(rng, directions)
    assert (flash.lamps @ directions)[1] < -0.6


def test_highlights_roll_off_and_never_burn():
    values = np.linspace(0, 4, 200, dtype=np.float32)
    rolled = roll_off(values)
    assert (np.diff(rolled) >= 0).all() and rolled.max() <= 1
    assert rolled[values < 0.85] == pytest.approx(values[values < 0.85])


def test_sheen_brightens_and_shadows_darken(maps):
    toward = np.array([0.0, -0.8, 0.6])
    lobe = np.exp(15 * (maps.directions @ toward - 1))
    lamps = Lamps((lobe / lobe.sum()).astype(np.float32), 0.0, np.zeros(3))
    whole = (slice(0, maps.size), slice(0, maps.size))
    matt = maps.lightness(lamps, 0.8, whole, None, 0.0)
    shiny = maps.lightness(lamps, 0.8, whole, Surface(0.5, 20.0), 0.0)
    bounced = maps.lightness(lamps, 0.8, whole, None, 0.5)
    assert (shiny >= matt - 1e-6).all() and shiny.sum() > matt.sum() * 1.001
    assert (bounced >= matt - 1e-6).all() and bounced.sum() > matt.sum()


def test_what_is_missing_is_said(folder, tmp_path):
    with pytest.raises(RelightError, match="data.root is not set"):
        source(folder, root=None)
    with pytest.raises(RelightError, match="data.size is not set"):
        source(folder, size=None)
    with pytest.raises(RelightError, match="has no train heads"):
        source(tmp_path)


def test_a_resumed_training_sees_the_batches_it_would_have_seen(folder):
    whole = [batch for batch, _ in zip(batches(source(folder), 4, seed=5), range(3), strict=False)]
    resumed = next(iter(batches(source(folder), 4, seed=5, start_step=2)))
    assert set(resumed) == set(whole[2])
    for name, value in resumed.items():
        assert np.array_equal(value.numpy(), whole[2][name].numpy()), name


def test_lights_on_the_way_between_two_are_their_mean():
    directions = np.random.default_rng(0).normal(size=(64, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    first, second = (draw_lamps(np.random.default_rng(seed), directions) for seed in (1, 2))
    for share in (0.0, 0.3, 1.0):
        expected = (1 - share) * first.weights(directions) + share * second.weights(directions)
        np.testing.assert_allclose(mixed(first, second, share).weights(directions), expected, atol=1e-6)


def test_a_rough_face_stays_bright_to_its_edges_under_a_flash():
    angles = np.radians([0, 30, 60, 80])
    normals = np.stack([np.sin(angles), -np.cos(angles), 0 * angles], axis=1)
    flash = np.array([[0.0, -1, 0]])
    lit = np.maximum(normals @ flash.T, 0)
    stored = np.round(normals * 127).astype(np.int8)
    smooth, rough = (_roughly(lit.copy(), stored, flash, roughness)[:, 0] for roughness in (1e-6, 0.5))
    np.testing.assert_allclose(smooth, lit[:, 0], atol=0.01)
    assert rough[0] == pytest.approx(1, abs=0.02) and (rough[1:] > 1.05 * smooth[1:]).all()


def test_a_decomposition_is_scored_by_all_that_it_gives(folder):
    from tf_relight.scoring.evaluate import evaluate_weights

    data = make_data_config({"name": "humans", "root": str(folder), "size": 32, "coloured_light": True})
    row = evaluate_weights("sfsnet-humans-64-v3", data=data, limit=2, progress=False)
    assert row.pictures == 2 and not row.failures
    assert {"psnr", "normal_degrees", "albedo_l1", "light_degrees"} <= {
        name for name, value in row.scores.items() if value is not None
    }
