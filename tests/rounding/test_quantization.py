"""Rounding to 8 bits: steps, ranges, gradients and the network; it is off by default."""

from __future__ import annotations

import numpy as np
import pytest

from tests.rounding.small_rounding import float_twin, network, pictures, psnr, uneven_network

# -- Scales and ranges ---------------------------------------------------------------------------------------


def test_short_scales_have_sixteen_bits_and_lose_nothing_of_the_range():
    from tf_relight.rounding.quantization import short_scale

    scales = np.exp(np.random.default_rng(0).uniform(-12, 3, 1000)).astype(np.float32)
    short = np.asarray(short_scale(scales))
    assert (short >= scales).all() and (short <= scales * (1 + 2.0**-15)).all()
    assert not (short.view(np.int32) & 0xFF).any()
    for steps in (127, 255):
        bounds = short * np.float32(steps)
        assert (bounds.astype(np.float64) == short.astype(np.float64) * steps).all()


def ranges_of_one_layer():
    import keras

    from tf_relight.rounding.quantization import Int8, Sum

    int8 = Int8(on=True)
    layer = Sum()
    learned = layer.make_int8(int8.unit_range(), int8.unit_range())
    int8.build(keras.layers.Layer())
    return int8, layer, learned


def test_zero_is_a_step_of_every_range():
    int8, _, learned = ranges_of_one_layer()
    for low, high in ((-0.3, 1.1), (0.0, 5.0), (-2.0, 0.0), (-1e-3, 7.0)):
        int8.limits.assign([[low, high]])
        with int8.running():
            steps = learned.steps
            first, last, scale = float(steps.first), float(steps.last), float(steps.scale)
            values = np.asarray(learned.enter(np.float32([0.0, -100.0, 100.0])))
        assert first == round(first) and last - first == 255 and first <= 0 <= last
        assert values[0] == 0.0
        assert values[1] == pytest.approx(low, abs=scale) and values[2] == pytest.approx(high, abs=scale)


def test_gradients_pass_the_rounding_and_stop_at_the_ends_of_the_range():
    import tensorflow as tf

    int8, _, _ = ranges_of_one_layer()
    unit = int8.unit_range()
    values = tf.Variable([-0.5, 0.3, 0.301, 1.5])
    with tf.GradientTape() as tape, int8.running(training=True):
        rounded = unit.enter(values)
    np.testing.assert_allclose(rounded * 255, [0, 76, 77, 255], atol=1e-4)
    np.testing.assert_allclose(tape.gradient(rounded, values), [0, 1, 1, 0], atol=1e-6)


# -- The network ---------------------------------------------------------------------------------------------


def test_off_by_default_and_then_nothing_changes():
    from tf_relight.methods.trained import tensor_variables

    plain, able = network(), network(quantised=True)
    extra = set(tensor_variables(able)) - set(tensor_variables(plain))
    assert extra == {"ranges"} and set(tensor_variables(plain)) < set(tensor_variables(able))
    assert plain.count_params() == network(quantised=False).count_params()
    able.set_switches(quantise=False)
    image = pictures()
    np.testing.assert_array_equal(np.asarray(able(image)), np.asarray(float_twin(able)(image)))
    with pytest.raises(TypeError, match="quantised"):
        plain.set_switches(quantise=True)


@pytest.mark.parametrize("stacks", [1, 2])
def test_the_rounded_network_is_close_to_the_float_one_and_gives_whole_steps(stacks):
    model = network(quantised=True, stacks=stacks)
    image = pictures()
    for bias in (v for v in model.trainable_variables if v.name == "bias"):
        bias.assign(np.random.default_rng(1).normal(scale=0.05, size=bias.shape))
    model.calibrate([image])
    assert model.int8.on
    rounded, in_training = np.asarray(model(image)), np.asarray(model(image, training=True))
    model.set_switches(quantise=False)
    exact = np.clip(np.asarray(model(image)), 0, 1)
    # Training adds residuals without the runtime's fixed point: a step more or less.
    assert psnr(rounded, exact) > 38 and np.abs(rounded - in_training).mean() < 1 / 255
    assert exact.std() > 0.01 and rounded.max() <= 1 and rounded.min() >= 0
    np.testing.assert_allclose(rounded * 255, np.rint(rounded * 255), atol=1e-4)


def test_a_dynamic_tail_has_no_ranges_and_loses_less():
    image = pictures()
    found = {}
    for tail in (0, 24):
        model = uneven_network(dynamic_tail=tail)
        exact = np.clip(np.asarray(float_twin(model)(image)), 0, 1)
        model.calibrate([image])
        assert model.int8.started and model.int8.tail == tail
        found[tail] = psnr(np.clip(np.asarray(model(image)), 0, 1), exact), model.int8.limits.shape[0]
    scores, counts = zip(*found.values(), strict=True)
    assert counts[1] < counts[0] and scores[1] > scores[0]


def test_steps_of_a_picture_span_it_and_have_one_for_zero():
    from tf_relight.rounding.quantization import _steps_of_picture

    generator = np.random.default_rng(0)
    values = generator.normal(size=(4, 5, 6, 3)).astype(np.float32) * [[[[1]]], [[[9]]], [[[0]]], [[[1e-3]]]]
    values[1] = np.abs(values[1])
    per_step, zero = (np.asarray(each) for each in _steps_of_picture(values))
    steps = np.rint(values * per_step) + zero
    assert steps.min() >= -128 and steps.max() <= 127 and (zero == np.rint(zero)).all()
    assert np.abs((steps - zero) / per_step - values).max(axis=(1, 2, 3)) == pytest.approx(
        [0.5 / per_step[0, 0, 0, 0], 0.5 / per_step[1, 0, 0, 0], 0, 0.5 / per_step[3, 0, 0, 0]], rel=0.05
    )
    assert zero[1, 0, 0, 0] == -128


def test_odd_sizes_go_through_the_rounded_network():
    model = network(quantised=True)
    model.calibrate([pictures()])
    odd = pictures(1, 32)[:, :20, :27]
    assert np.asarray(model(odd)).shape == (1, 20, 27, 3)


def test_without_ranges_there_is_no_result():
    assert np.isnan(np.asarray(network(quantised=True)(pictures()))).all()
