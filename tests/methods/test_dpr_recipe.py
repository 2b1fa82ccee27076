"""DPR's training as data: the recovered schedule, its switches, and what a stage computes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tf_relight import methods


def stages_of(name: str = "dpr512", **recipe):
    method = methods.get(name)
    return method.stages(method.config(), method.recipe(recipe))


def test_the_schedule_is_that_of_the_released_networks():
    # Epochs recovered from the counters in the official checkpoints: 5 + 1 + 1 + 1 + 1 + 4.
    found = [
        (round(13 * s.share, 6), s.switches["skip_count"], s.switches["match_features"]) for s in stages_of()
    ]
    assert found == [(5, 4, False), (1, 3, False), (1, 2, False), (1, 1, False), (1, 0, False), (4, 0, True)]
    assert [s.name for s in stages_of("dpr1024")] == ["feature_matching"]


def test_skip_training_is_a_switch():
    plain = stages_of(skip_training=False)
    assert [s.name for s in plain] == ["all_skips", "feature_matching"]
    assert sum(s.share for s in plain) == pytest.approx(1)
    assert all(s.switches["skip_count"] == 0 for s in plain)


def test_losses_and_weights():
    first, *_, last = stages_of()
    assert [(t.loss, t.prediction, t.target, t.weight) for t in last.losses] == [
        ("l1", "relit", "target", 1.0),
        ("gradient", "relit", "target", 1.0),
        ("l2", "source_light", "light", 1.0),
        ("l2", "features", "original_features", 0.5),
    ]
    assert len(first.losses) == 3
    judge = last.adversaries[0]
    assert (judge.weight, judge.form, judge.real, judge.condition) == (0.5, "lsgan", "original", None)
    assert judge.network.channels == 1 and judge.network.layers == 3
    assert stages_of("dpr1024")[0].adversaries[0].network.layers == 4


def test_parts_can_be_left_out():
    assert all(not s.adversaries for s in stages_of(adversarial=0))
    assert all(not s.switches["match_features"] for s in stages_of(feature_matching=0))
    assert sum(s.share for s in stages_of(feature_matching=0)) == pytest.approx(1)
    rates = [s.learning_rate for s in stages_of(final_learning_rate=1e-4)]
    assert rates[-1].final == 1e-4 and all(r.kind == "constant" for r in rates[:-1])


@pytest.mark.long
def test_released_weights_hold_no_discriminator_and_checkpoints_do(tmp_path):
    from tf_relight.config.run import load_config
    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    config = load_config(
        "configs/dpr512_smoke.yaml",
        [
            f"output={tmp_path / 'run'}",
            "train.steps=4",
            "train.log_every=4",
            "data.size=32",
            "recipe.skip_training=false",
        ],
    )
    stored = read_weights(train(config, progress=False))
    assert stored.tensors and not any("discriminator" in name for name in stored.tensors)
    import tensorflow as tf

    names = [n for n, _ in tf.train.list_variables(str(tmp_path / "run" / "checkpoints"))]
    assert any(n.startswith("attached/discriminator/") for n in names)
    assert np.isfinite(float(stored.metadata["scores"]["validation_light_degrees"]))


@pytest.mark.long
def test_the_1024_network_starts_from_the_512_one(tmp_path):
    from tf_relight.config.run import load_config
    from tf_relight.methods.trained import save_weights
    from tf_relight.training.run import train
    from tf_relight.weights.file import read_weights

    method = methods.get("dpr512")
    config = method.config({"width": 4})
    start = save_weights(
        method.build_model(config), tmp_path / "w.safetensors", method="dpr512", config=config
    )
    run = load_config(
        "configs/dpr512_smoke.yaml",
        [
            "method=dpr1024",
            f"train.init_from={start}",
            f"output={tmp_path / 'run'}",
            "train.steps=1",
            "train.log_every=1",
            "recipe.learning_rate=1e-12",
            "data.size=32",
        ],
    )
    before, after = read_weights(start).tensors, read_weights(train(run, progress=False)).tensors
    moved = max(np.abs(before[n] - after[n]).max() for n in before if "moving" not in n)
    assert moved < 1e-9


def test_the_log_ratio_joins_the_losses_where_it_is_asked_for():
    assert all(term.loss != "log_ratio" for stage in stages_of() for term in stage.losses)
    stages = stages_of(log_ratio=0.25, adversarial=0, feature_matching=0, skip_training=False)
    assert [term.weight for term in stages[0].losses if term.loss == "log_ratio"] == [0.25]
    assert len(stages) == 1 and not stages[0].adversaries


def test_pictures_relit_to_themselves_take_the_light_that_is_read_from_them():
    keras.utils.set_random_seed(0)  # some narrow networks begin dead: grey, whatever they are given
    from tf_relight.methods.dpr import Config
    from tf_relight.methods.dpr.networks import build_model

    model = build_model(Config(width=2))
    rng = np.random.default_rng(0)
    image, other = rng.random((2, 2, 64, 64, 1), np.float32)
    target = np.stack([image[0], other[1]])
    batch = {"image": image, "target": target, "target_light": rng.random((2, 9, 1), np.float32)}
    changed = {**batch, "target_light": batch["target_light"] + 1}

    def outputs(which):
        return model.compute(which, training=False)["relit"].numpy()

    assert (np.abs(outputs(batch) - outputs(changed)).max(axis=(1, 2, 3)) > 1e-4).all()
    model.set_switches(own_light=True)
    moved = np.abs(outputs(batch) - outputs(changed)).max(axis=(1, 2, 3))
    assert moved[0] == 0 and moved[1] > 1e-4
    read = model.forward(image, batch["target_light"][..., 0])["light"]
    assert outputs(batch)[0] == pytest.approx(model.forward(image, read)["output"].numpy()[0], abs=1e-6)
    assert stages_of(own_light=True)[-1].switches["own_light"] is True
