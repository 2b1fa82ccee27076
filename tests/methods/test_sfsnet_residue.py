"""The seven residue methods: what each computes, trains and freezes, and their discriminators."""

from __future__ import annotations

import numpy as np
import pytest

from tf_relight import methods
from tf_relight.errors import RelightError
from tf_relight.methods.sfsnet_residue.recipe import Dcgan, FacePatch

NUMBERS = range(1, 8)


def network(number: int, **more):
    import keras

    keras.utils.set_random_seed(number)
    method = methods.get(f"sfsnet_residue_{number}")
    return method, method.build_model(method.config({"width": 4, **more}))


def answers(model, **more) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    light = np.concatenate([np.ones((1, 1, 3)), rng.normal(0, 0.2, (1, 8, 3))], axis=1)
    batch = {"image": rng.random((1, 16, 16, 3)), "light": light, **more}
    batch = {name: np.asarray(value, np.float32) for name, value in batch.items()}
    return {name: np.asarray(value) for name, value in model.compute(batch, training=False).items()}


def harmonic(found: dict[str, np.ndarray], normal: np.ndarray) -> np.ndarray:
    from tf_relight.light.spherical_harmonics import shading

    facing = np.stack([normal[..., 0], -normal[..., 2], normal[..., 1]], axis=-1)
    return shading(facing, found["source_light"][0])


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7])
def test_the_residue_is_added_to_the_shading_of_the_harmonics(number):
    _, model = network(number)
    found = answers(model)
    expected = harmonic(found, found["normal"]) + found["residue"]
    np.testing.assert_allclose(found["shading"], expected, atol=1e-4)
    np.testing.assert_allclose(found["rebuilt"], found["shading"] * found["albedo"], atol=1e-5)


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7])
def test_an_untrained_residue_leaves_the_picture_as_sfsnet_rebuilds_it(number):
    _, model = network(number)
    found = answers(model)
    assert 0 < np.abs(found["residue"]).max() < 0.02


def test_number_4_takes_the_residue_from_the_albedo_and_its_release_forgets_to():
    _, model = network(4)
    _, released = network(4, as_released=True)
    for each in (model, released):
        each.head.last.kernel.assign(1000 * each.head.last.kernel)  # a residue as after training
    found, other = answers(model), answers(released)
    np.testing.assert_allclose(found["albedo"], other["albedo"], atol=1e-6)
    whole = other["albedo"] + other["residue"]
    np.testing.assert_allclose(other["rebuilt"], other["shading"] * whole, atol=1e-5)
    assert np.abs(found["rebuilt"] - other["rebuilt"]).max() > 1e-3


def test_number_1_corrects_the_shading_and_number_2_makes_its_own():
    _, correcting = network(1)
    _, latent = network(2)
    for model in (correcting, latent):
        found = answers(model)
        first = harmonic(found, found["normal"]) if model is correcting else found["normal"]
        pair = np.concatenate([first, found["residue"]], axis=-1).astype(np.float32)
        np.testing.assert_allclose(found["shading"], np.asarray(model.corrector(pair)), atol=1e-4)
    assert methods.get("sfsnet_residue_2").info.source_light is None


@pytest.mark.parametrize("number", NUMBERS)
def test_trained_and_frozen_parts_are_those_of_the_table(number):
    method, model = network(number)
    stages = method.stages(method.small_config(), method.recipe())
    learns = {
        1: [{"head", "corrector", "body.albedo_generator"}],
        2: [
            {
                *(f"body.{part}" for part in ("conv1", "conv2", "conv3", "normal_stack", "normal_generator")),
                "body.albedo_generator",
                "albedo_stack_2",
                "head",
                "corrector",
            }
        ],
        3: [{"head", "albedo_stack_2", "body.albedo_generator"}],
        4: [{"head"}],
        5: [{"head", "body.albedo_generator"}],
        6: [{"body.albedo_generator"}, {"head"}],
        7: [{"body.albedo_generator"}, {"head"}],
    }[number]
    assert [set(stage.trains) for stage in stages] == learns
    for stage in stages:
        parts = [*stage.trains, *stage.inference]
        named = [v.path for part in parts for v in model.find_part(part).trainable_variables]
        assert sorted(named) == sorted(v.path for v in model.trainable_variables)
        assert stage.weight_decay == (5e-4 if number <= 4 else 0.0)


def test_orders_labels_and_real_pictures_of_the_discriminators():
    def judge(number):
        method = methods.get(f"sfsnet_residue_{number}")
        return method.stages(method.config(), method.recipe())[0].adversaries[0]

    assert judge(5).order == "discriminator_first" and judge(5).real == "synthetic.albedo"
    assert judge(6).order == "generator_first" and judge(6).real == "synthetic.albedo"
    assert judge(7).order == "generator_first" and (judge(7).real, judge(7).labels) == ("albedo", "part")
    assert isinstance(judge(5).network, FacePatch) and isinstance(judge(7).network, Dcgan)


@pytest.mark.parametrize("side", [32, 64, 128])
def test_discriminators_give_one_answer_for_a_face(side):
    from tf_relight.methods.sfsnet_residue.networks import SfSNetResidue
    from tf_relight.networks.discriminators import build_discriminator

    picture = np.random.default_rng(1).random((2, side, side, 3)).astype(np.float32)
    for spec in (FacePatch(side, 2), Dcgan(side, 2)):
        built = build_discriminator(spec, "judge", SfSNetResidue.own_discriminators)
        scores = np.asarray(built(picture, training=True)["scores"])
        assert scores.shape == (2, 1, 1, 1) and spec.scores(side) == 1 and spec.scores(side // 2) < 1
    assert (scores > 0).all() and (scores < 1).all()  # the DCGAN ends in a sigmoid
    assert FacePatch().kernel == 11 and Dcgan().halvings == 5


def test_corners_stay_corners_where_the_head_upsamples():
    from tf_relight.methods.sfsnet_residue.networks import Upsample2xCorners

    x = np.random.default_rng(2).random((1, 5, 7, 2)).astype(np.float32)
    found = np.asarray(Upsample2xCorners()(x))[0]
    rows, columns = np.linspace(0, 4, 10), np.linspace(0, 6, 14)
    for channel in range(2):
        along = np.stack([np.interp(columns, np.arange(7), row) for row in x[0, ..., channel]])
        expected = np.stack([np.interp(rows, np.arange(5), column) for column in along.T], axis=1)
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-6)


def test_a_second_stack_begins_as_the_trained_one_and_heads_begin_anew():
    from tf_relight.methods.trained import tensor_variables

    first = methods.get("sfsnet")
    source = first.build_model(first.config({"width": 4}))
    tensors = {name: np.asarray(v) + 0.5 for name, v in tensor_variables(source).items()}
    method, model = network(3)
    fresh = {name: np.asarray(v) for name, v in tensor_variables(model).items()}
    begun = method.begin_from(tensors, {"width": 4}, method.config({"width": 4}), fresh)
    assert begun.keys() == fresh.keys()
    for name, values in begun.items():
        if name.startswith("head/"):
            np.testing.assert_array_equal(values, fresh[name])
        else:
            theirs = name.replace("albedo_stack_2/", "body/albedo_stack/")
            np.testing.assert_array_equal(values, tensors[theirs])
    with pytest.raises(RelightError, match=r"model.width=4, but this run asks for 8"):
        method.begin_from(tensors, {"width": 4}, method.config({"width": 8}), fresh)
    with pytest.raises(RelightError, match="not from SkipNet"):
        method.begin_from(tensors, {"network": "skipnet"}, method.config(), fresh)
