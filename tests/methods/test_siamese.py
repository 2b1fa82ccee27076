"""The Siamese auto-encoder: augmentations and what they do to a light, the calibration, the losses."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight import methods
from tf_relight.light.light import Light
from tf_relight.methods.siamese.networks import AUGMENTATIONS, Calibration, augmented, light_maps


def network(**more):
    import keras

    keras.utils.set_random_seed(1)
    method = methods.get("siamese")
    return method, method.build_model(method.config({"width": 4, "halvings": 2, "content": 8, **more}))


@pytest.mark.parametrize("operation", AUGMENTATIONS)
def test_an_augmented_ball_is_a_ball_under_the_light_that_the_map_says(operation):
    """Told by its picture: what is lit from elsewhere is compared where the ball is."""
    from tf_relight.light.spherical_harmonics import shading

    side = 48
    across = (np.arange(side) + 0.5) / side * 2 - 1
    x, z = np.meshgrid(across, -across)
    inside = x**2 + z**2 < 0.95
    y = -np.sqrt(np.maximum(1 - x**2 - z**2, 0))
    normal = np.stack([x, y, z], axis=-1)
    light = np.random.default_rng(3).normal(0, 0.1, 9)
    light[0] = 0.5642  # half of what makes a shading of 1, so that inverting keeps the mean
    ball = shading(normal, light)
    found = np.asarray(augmented(ball[None, ..., None].astype(np.float32), operation))[0, ..., 0]
    expected = shading(normal, light_maps()[AUGMENTATIONS.index(operation)] @ light)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_the_calibration_can_be_undone_and_turns_left_to_right():
    calibration = Calibration()
    calibration.build()
    lights = np.random.default_rng(4).normal(size=(2, 9, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(calibration(lights)), lights, atol=1e-6)
    calibration.factors.assign([1.0, -2.0, 3.0, 0.5, -1.0])
    calibration.depth.assign([[0.5, 0.2], [-0.3, 2.0]])
    back = np.asarray(calibration.undone(calibration(lights)))
    np.testing.assert_allclose(back, lights, atol=1e-5)
    left = Light.from_direction(-60, 0, ambient=0.5).coefficients.astype(np.float32)
    turned = np.asarray(calibration(np.repeat(left.reshape(1, 9, -1), 3, axis=2)[..., :3]))
    assert turned[0, 3, 0] > 0 > left.reshape(9, -1)[3, 0]  # x to the right


def test_augmenting_by_the_number_of_the_sample_and_teaching_without_a_label():
    method, model = network()
    rng = np.random.default_rng(5)
    image = rng.random((6, 16, 16, 3)).astype(np.float32)
    found = model.compute({"image": image, "sample": np.arange(6)}, training=True)
    found = {name: np.asarray(value) for name, value in found.items()}
    for number, operation in enumerate(AUGMENTATIONS):
        expected = np.asarray(augmented(found["relit_raw"][number : number + 1], operation))[0]
        np.testing.assert_allclose(found["augmented_relit"][number], expected, atol=1e-6)
        light = light_maps()[number] @ np.asarray(model.encoder(image)[2])[number]
        np.testing.assert_allclose(found["augmented_light"][number], light, atol=1e-5)
    learning, fitting = method.stages(method.small_config(), method.recipe())
    assert learning.needs(["image"]) == {"image"}
    assert fitting.trains == ("calibration",)
    assert fitting.needs(()) == {"rendered.light", "rendered.image"}


def test_parts_can_be_left_out():
    method = methods.get("siamese")
    (only,) = method.stages(
        method.config(), method.recipe({"harmonics": 0, "adversarial": 0, "calibration": 0})
    )
    assert not only.adversaries
    assert all(term.prediction != "light_of_augmented" for term in only.losses)
