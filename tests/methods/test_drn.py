"""DRN: its parts, its three stages as data, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.methods.drn.networks import BPAE, DRN, DownBackProjection, UpBackProjection
from tf_relight.methods.drn.polyphase import relight_polyphase

CONFIGS = Path(__file__).parent.parent.parent / "configs"
SMALL = {"width": 4, "levels": 2, "blocks": 1}


@pytest.fixture
def drn():
    import keras

    keras.utils.set_random_seed(4)
    method = methods.get("drn")
    return method.build_model(method.config(SMALL))


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def stages_of(name: str = "drn", **recipe):
    method = methods.get(name)
    return method.stages(method.config(), method.recipe(recipe))


def test_parts_have_the_parameters_of_the_release():
    model = methods.get("drn").build_model()
    counts = [getattr(model, part).count_params() for part in DRN.PARTS]
    assert counts == [58_527_011, 58_508_547, 353_923]


def test_back_projection_halves_and_doubles():
    down, up = DownBackProjection(6, name="down"), UpBackProjection(6, name="up")
    down.build()
    up.build()
    x = picture(1, 8, 12, 6)
    assert down(x).shape == (1, 4, 6, 12) and up(x).shape == (1, 16, 24, 3)


def test_each_part_gives_a_picture_of_its_own(drn):
    x = picture(1, 24, 20, 3)
    outputs = []
    for part in DRN.PARTS:
        drn.set_switches(part=part)
        outputs.append(np.asarray(drn(x)))
        assert outputs[-1].shape == x.shape and 0 <= outputs[-1].min() and outputs[-1].max() <= 1
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(outputs, outputs[1:], strict=False))
    with pytest.raises(ValueError, match="not one of"):
        drn.set_switches(part="painter")


def test_prediction_follows_the_part(drn):
    x = picture(1, 16, 16, 3)
    found = []
    for part in ("shadow_prior", "re_renderer"):
        drn.set_switches(part=part)
        found.append(methods.get("drn").predict(drn, image=x[0])["relit"])
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_pictures_too_small_to_mirror_are_refused(drn):
    for relit in (
        lambda: drn(picture(1, 12, 30, 3)),
        lambda: methods.get("drn").relight(drn, picture(8, 8, 3)),
    ):
        with pytest.raises(RelightError) as refused:
            relit()
        # One sentence, without what Keras adds to errors of layers.
        assert "at least 13" in str(refused.value) and "\n" not in str(refused.value)
    assert drn(picture(1, 13, 13, 3)).shape == (1, 13, 13, 3)


def test_three_stages_as_in_the_paper():
    first, second, third = stages_of()
    assert [s.name for s in (first, second, third)] == list(DRN.PARTS)
    assert [s.share for s in (first, second, third)] == pytest.approx([1 / 3] * 3)
    assert [s.trains for s in (first, second, third)] == [(part,) for part in DRN.PARTS]
    assert [stage.checks[0].target for stage in (first, second, third)] == ["shadow_free", "target", "target"]
    # L1 times 10 of pictures in -1..1 is L1 times 20 of pictures in 0..1.
    assert [(t.loss, t.weight) for t in second.losses] == [("l1", 20.0)]
    assert [(t.loss, t.weight) for t in third.losses] == [("l1", 2.0), ("vgg19", 0.01)]
    assert not third.adversaries and all(s.betas == (0.5, 0.999) for s in (first, second, third))


def test_only_the_shadow_prior_has_a_shadow_discriminator():
    first, second, _ = stages_of()
    assert [(a.view, a.real, a.network.channels) for a in first.adversaries] == [
        ("picture", "shadow_free", 6)
    ]
    assert [(a.view, a.real, a.network.channels) for a in second.adversaries] == [
        ("picture", "target", 6),
        ("shadow_region", "target", 4),
    ]
    assert len({a.discriminator for s in (first, second) for a in s.adversaries}) == 3
    released = stages_of(shadow_view="released")[1].adversaries[1]
    assert released.view == "shadow_region_released"
    assert [a.view for a in stages_of(shadow_adversarial=0)[1].adversaries] == ["picture"]
    assert not stages_of(adversarial=0)[0].adversaries
    assert [a.view for a in stages_of("bpae")[0].adversaries] == ["picture", "shadow_region"]


def test_shares_must_leave_the_re_renderer_something():
    with pytest.raises(ValueError, match="no steps"):
        stages_of(reconversion_share=0.5, shadow_prior_share=0.5)


def test_one_stage_alone_needs_the_weights_of_those_before(tmp_path):
    from tf_relight.config.run import load_config
    from tf_relight.training.run import train

    (stage,) = stages_of(only="re_renderer")
    assert (stage.name, stage.share) == ("re_renderer", 1.0)
    changes = ["recipe.only=re_renderer", f"output={tmp_path / 'run'}"]
    with pytest.raises(RelightError, match="builds on trained scene_reconversion and shadow_prior"):
        train(load_config(CONFIGS / "drn_smoke.yaml", changes), progress=False)


def test_bpae_is_the_shadow_prior_network():
    method = methods.get("bpae")
    model = method.build_model(method.config(SMALL))
    drn = methods.get("drn").build_model(methods.get("drn").config(SMALL))
    assert isinstance(model, BPAE) and model.count_params() == drn.shadow_prior.count_params()


def brighten(picture: np.ndarray) -> np.ndarray:
    return np.clip(1.2 * picture, 0, 1)


def test_true_phases_give_back_what_is_linear():
    """A plane relit by a factor comes back exactly, but for the borders, which are repeated."""
    rows, columns = np.mgrid[:32, :24].astype(np.float32)
    image = np.repeat((0.2 + 0.01 * rows + 0.005 * columns)[..., None], 3, axis=2)
    relit = relight_polyphase(brighten, image)
    assert relit.shape == image.shape and relit.dtype == np.float32
    np.testing.assert_allclose(relit[1:-1, 1:-1], brighten(image)[1:-1, 1:-1], atol=1e-6)


def test_every_phase_is_seen_once():
    image = np.random.default_rng(0).random((8, 6, 3), dtype=np.float32)
    seen = []
    relight_polyphase(lambda picture: seen.append(picture) or picture, image)
    assert sorted(float(p[0, 0, 0]) for p in seen) == sorted(image[:2, :2, 0].ravel().tolist())
    seen.clear()
    relight_polyphase(lambda picture: seen.append(picture) or picture, image, "released")
    starts = [(0, 0), (0, 1), (0, 0), (1, 0)]
    assert [float(p[0, 0, 0]) for p in seen] == [float(image[start][0]) for start in starts]


def test_released_mode_is_close_but_not_equal():
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    image = np.repeat((0.3 + 0.2 * np.sin(rows / 9) * np.cos(columns / 7))[..., None], 3, axis=2)
    true, released = (relight_polyphase(brighten, image, mode) for mode in ("polyphase4", "released"))
    # Linear interpolation of waves of 44 to 57 pixels; at the borders one pixel is repeated.
    assert np.abs(true - brighten(image))[1:-1, 1:-1].max() < 0.01
    assert 1e-4 < np.abs(true - released).max() < 0.05


def test_modes(drn):
    method = methods.get("drn")
    image = picture(32, 32, 3)
    plain = method.relight(drn, image)
    np.testing.assert_array_equal(plain, method.relight(drn, image, mode="plain"))
    assert np.abs(plain - method.relight(drn, image, mode="polyphase4")).max() > 1e-4
    with pytest.raises(RelightError, match="knows the modes plain, polyphase4, released, not 'tiled'"):
        method.relight(drn, image, mode="tiled")
    with pytest.raises(RelightError, match="has no modes"):
        methods.get("dmshn").relight(drn, image, mode="plain")
    # An odd side gets its last row twice, on the way.
    odd = picture(33, 32, 3)
    wanted = method.relight(drn, np.concatenate([odd, odd[-1:]]), mode="polyphase4")[:33]
    np.testing.assert_array_equal(method.relight(drn, odd, mode="polyphase4"), wanted)


def refused(capsys, *words: object) -> str:
    """The one sentence with which the command line refuses."""
    from tf_relight.cli.main import main

    assert main([str(word) for word in words]) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line and line.startswith("relight: error: ")
    return line


@pytest.mark.parametrize(
    "changes,message",
    [
        (["data.size=8"], "data.size 8 is too small for this network, which needs at least 13 pixels"),
        (["data.crop=12"], "data.crop 12 is too small for this network"),
        (["recipe.only=shadow_prior", "data.size=8"], "data.size 8 is too small for this network"),
    ],
)
def test_trainings_on_too_small_pictures_end_before_the_data_are_made(tmp_path, capsys, changes, message):
    sets = [word for change in (*changes, f"output={tmp_path / 'run'}") for word in ("--set", change)]
    assert message in refused(capsys, "train", CONFIGS / "drn_smoke.yaml", *sets)


def test_pictures_too_small_for_a_discriminator_are_refused():
    from dataclasses import replace

    from tf_relight.config.run import load_config
    from tf_relight.training.run import Run, _check_side

    run = Run.of(load_config(CONFIGS / "drn_smoke.yaml", ["data.size=16"]))
    method = methods.get("drn")
    stage = stages_of(discriminator_layers=3)[0]
    (judge,) = stage.adversaries
    model = method.build_model(method.config(SMALL))
    _check_side(model, replace(run, stages=[stage]))
    small = replace(judge, network=replace(judge.network, padding=1))
    with pytest.raises(RelightError, match="16 is too small for the discriminator 'scene_reconversion_disc"):
        _check_side(model, replace(run, stages=[replace(stage, adversaries=(small,))]))


@pytest.mark.long
def test_a_discriminator_is_not_taken_for_a_generator(tmp_path, capsys):
    from tf_relight.contract.stage import Discriminator
    from tf_relight.methods.trained import save_weights
    from tf_relight.networks.discriminators import build_discriminator

    judge = build_discriminator(Discriminator(channels=6, width=4, layers=1), "judge")
    path = tmp_path / "judge.safetensors"
    save_weights(judge, path, method="drn", config=methods.get("drn").config(SMALL))
    start = ["train", CONFIGS / "drn_smoke.yaml", "--set", f"output={tmp_path / 'run'}", "--set"]
    score = ["evaluate", "--data", "scenes", "--size", "32", "-o", tmp_path / "out", "--weights"]
    for words in ([*start, f"train.init_from={path}"], [*score, path]):
        assert "does not fit the model drn: it lacks 'scene_reconversion/" in refused(capsys, *words)
    checkpoint = tmp_path / "ckpt-15"
    for ending in (".index", ".data-00000-of-00001"):
        Path(f"{checkpoint}{ending}").write_bytes(b"tensors")
    for name in (checkpoint, f"{checkpoint}.index", f"{checkpoint}.data-00000-of-00001"):
        for words in ([*start, f"train.init_from={name}"], [*score, name]):
            assert "is a checkpoint of a training" in refused(capsys, *words)
