"""The networks that papers compare with: what the common contract does not see."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from keras import ops

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.networks.relight_model import StepOptions

NARROW = {
    "pix2pix": {"width": 4, "levels": 2, "blocks": 1},
    "shadadv": {"width": 4, "levels": 2, "blocks": 1, "variant": "shadadv"},
    "unet": {"width": 4, "levels": 2},
    "srn": {"width": 4, "blocks": 1},
    "dense_gridnet": {"width": 4, "dense_layers": 1, "growth": 4},
}


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def made(name: str):
    import keras

    keras.utils.set_random_seed(4)
    method = methods.get(name)
    return method.build_model(method.config(NARROW[name]))


def stages_of(name: str, **recipe):
    method = methods.get(name)
    return method.stages(method.config(), method.recipe(recipe))


def ready(model, stage) -> None:
    from tf_relight.training.optimizers import make_optimizers

    model.attach_networks([stage])
    model.prepare_stage(stage, make_optimizers(stage, 10), StepOptions())


# -- Pix2Pix and ShadAdv -------------------------------------------------------------------------------------


def test_pix2pix_has_one_discriminator_that_sees_the_input():
    (stage,) = stages_of("pix2pix")
    (term,), (judge,) = stage.losses, stage.adversaries
    # 10 times the distance of pictures in -1..1.
    assert (term.loss, term.weight) == ("l1", 20.0)
    assert (judge.condition, judge.view, judge.form) == ("image", "picture", "lsgan")
    assert (judge.network.channels, judge.network.width, judge.network.layers) == (6, 64, 3)
    assert stage.betas == (0.5, 0.999)
    assert stages_of("pix2pix", adversarial=0)[0].adversaries == ()


def test_shadadv_adds_a_discriminator_of_the_shadows():
    plain, shadows = stages_of("shadadv")[0].adversaries
    assert plain == stages_of("pix2pix")[0].adversaries[0]
    assert (shadows.condition, shadows.view, shadows.network.channels) == ("image", "shadow_region", 4)
    released = stages_of("shadadv", shadow_view="released")[0].adversaries[1]
    assert released.view == "shadow_region_released"
    assert len(stages_of("shadadv", shadow_adversarial=0)[0].adversaries) == 1


def test_shadadv_trains_both_discriminators():
    model = made("shadadv")
    (stage,) = stages_of("shadadv", discriminator_width=2, discriminator_layers=1)
    ready(model, stage)
    before = {name: judge.get_weights() for name, judge in model.attached.items()}
    batch = {"image": picture(2, 32, 32, 3), "target": picture(2, 32, 32, 3, seed=1)}
    logs = model.train_step(batch)
    assert set(before) == {"discriminator", "shadow_discriminator"}
    for name, judge in model.attached.items():
        assert f"{name}_fool" in logs and f"{name}_real" in logs
        assert any(np.abs(a - b).max() > 0 for a, b in zip(before[name], judge.get_weights(), strict=True))


def test_pix2pix_refuses_pictures_whose_bottleneck_cannot_be_mirrored():
    method = methods.get("pix2pix")
    model = made("pix2pix")
    assert method.relight(model, picture(5, 9, 3)).shape == (5, 9, 3)
    with pytest.raises(RelightError, match="a side of 4 pixels, this network needs at least 5"):
        method.relight(model, picture(4, 9, 3))
    with pytest.raises(RelightError, match="at least 5 pixels"):
        model(picture(1, 4, 9, 3))


@pytest.mark.parametrize("name", ["unet", "srn", "dense_gridnet"])
def test_the_others_take_a_single_pixel(name):
    assert methods.get(name).relight(made(name), picture(1, 1, 3)).shape == (1, 1, 3)


# -- U-Net ---------------------------------------------------------------------------------------------------


def test_unet_normalises_with_the_batch_in_training_only():
    model, x = made("unet"), picture(2, 16, 16, 3)
    alone = np.asarray(model(x[:1], training=False))
    np.testing.assert_allclose(alone, np.asarray(model(x, training=False))[:1], atol=1e-5)
    assert np.abs(alone - np.asarray(model(x, training=True))[:1]).max() > 1e-3


def test_unet_of_2015_has_biases_instead_of_normalisation():
    method = methods.get("unet")
    config = method.config({"normalise": False})
    # 31,037,763 weights learn with normalisation, two per channel of it; a bias is one.
    learnt = sum(int(np.prod(v.shape)) for v in method.build_model().trainable_variables)
    channels = 2 * (64 + 128 + 256 + 512 + 1024) + 2 * (64 + 128 + 256 + 512)
    assert learnt == 31_037_763
    assert method.build_model(config).count_params() == learnt - channels


# -- SRN -----------------------------------------------------------------------------------------------------


def test_srn_adds_the_squared_errors_of_three_scales():
    model = made("srn")
    (stage,) = stages_of("srn")
    ready(model, stage)
    batch = {"image": picture(2, 32, 48, 3), "target": picture(2, 32, 48, 3, seed=1)}
    loss, terms = model.stage_loss(batch, training=True)
    results = [np.asarray(result) for result in model.at_all_scales(batch["image"])]
    assert [result.shape[1:3] for result in results] == [(32, 48), (16, 24), (8, 12)]
    expected, target = 0.0, batch["target"]
    for result in results:
        expected += np.square(result - target).mean()
        height, width = target.shape[1] // 2, target.shape[2] // 2
        target = target.reshape(2, height, 2, width, 2, 3).mean((2, 4))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert set(terms) == {"relit_l2", "relit_2_l2", "relit_4_l2"}


def test_srn_keeps_the_size_of_pictures_that_do_not_divide():
    model = made("srn")
    batch = {"image": picture(1, 20, 9, 3), "target": picture(1, 20, 9, 3, seed=1)}
    outputs = model.compute(batch, training=False)
    assert outputs["relit"].shape == (1, 20, 9, 3)
    assert outputs["relit_4"].shape == outputs["target_4"].shape == (1, 8, 4, 3)
    np.testing.assert_allclose(outputs["relit"], model(batch["image"]), atol=1e-6)


def test_a_scale_of_srn_gets_no_gradient_through_the_one_above():
    import tensorflow as tf

    model, x = made("srn"), tf.constant(picture(1, 16, 16, 3))
    guess = tf.Variable(picture(1, 16, 16, 3, seed=1))
    with tf.GradientTape() as tape:
        direct = ops.sum(model._pass(x, guess))
    assert np.abs(tape.gradient(direct, guess)).max() > 0
    model._pass = lambda picture, guess: guess + 0.0 * picture
    with tf.GradientTape() as tape:
        tape.watch(x)
        finest = ops.sum(model.at_all_scales(x)[0])
    assert np.abs(tape.gradient(finest, x)).max() == 0


# -- Dense-GridNet -------------------------------------------------------------------------------------------


def test_dense_gridnet_halves_its_rate_four_times_and_drops_the_perceptual_term():
    from tf_relight.training.optimizers import StageCurve

    (stage,) = stages_of("dense_gridnet")
    assert [(t.loss, t.weight) for t in stage.losses] == [("smooth_l1", 1.0), ("vgg16_shallow", 0.04)]
    curve = StageCurve(stage.learning_rate, 100)
    rates = [float(curve(step)) for step in (0, 19, 21, 41, 61, 81, 99)]
    assert rates == pytest.approx([1e-3, 1e-3, 5e-4, 2.5e-4, 1.25e-4, 6.25e-5, 6.25e-5], rel=1e-5)
    (plain,) = stages_of("dense_gridnet", perceptual=0, halvings=0)
    assert [t.loss for t in plain.losses] == ["smooth_l1"] and plain.learning_rate.kind == "constant"


def test_dense_gridnet_weighs_two_ways_where_they_meet_and_nowhere_else():
    import tensorflow as tf

    model = made("dense_gridnet")
    with tf.GradientTape() as tape:
        loss = ops.sum(model(picture(1, 16, 16, 3)))
    gradient = np.abs(tape.gradient(loss, model.attention.value).numpy()).max((2, 3))
    met = np.array([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1], [0, 1, 1, 0, 0, 0]], bool)
    # A dead unit may leave a meeting place without a gradient, but none may have one elsewhere.
    assert (gradient[~met] == 0).all() and (gradient[met] > 0).mean() > 0.8
    assert np.asarray(model(picture(1, 16, 16, 3))).min() >= 0


def test_dense_gridnet_starts_as_pytorch_does():
    model = methods.get("dense_gridnet").build_model()
    up = model.ups[0][0].resize
    for conv, fan_in in ((model.first.conv, 27), (up.conv, 32 * 9)):
        for values in conv.get_weights():
            bound = fan_in**-0.5
            assert 0.8 * bound < np.abs(values).max() <= bound


def test_names_of_one_family_do_not_collide():
    model = methods.get("dense_gridnet").build_model()
    paths = sorted(variable.path for variable in model.variables)
    assert all(a != b for a, b in pairwise(paths))
