"""What TensorBoard shows of the discriminators."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.training.toy_problem import NoiseSource, make_trainer
from tf_relight.contract.stage import Adversary, Check, Discriminator, LossTerm, Schedule, Stage
from tf_relight.training.score_pictures import score_map


def pictures_in(folder) -> dict[tuple[int, str], np.ndarray]:
    """{(step, name): (H, W, 3) uint8} of the event files in a folder."""
    import tensorflow as tf

    found = {}
    for path in folder.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "images":
                    _, _, png = tf.make_ndarray(value.tensor)
                    found[event.step, value.tag] = np.asarray(Image.open(io.BytesIO(png)))
    return found


def stage() -> list[Stage]:
    small = Discriminator(channels=6, width=4, layers=1, norm="spectral", scales=2)
    judges = (
        Adversary("judge", small, 0.1, condition="image"),
        Adversary("shadows", Discriminator(1, 2, 1), 0.1, view="shadow_region", form="log"),
    )
    return [
        Stage(
            "only",
            1.0,
            (LossTerm("l1"),),
            Schedule(1e-2, kind="constant"),
            (Check("psnr"),),
            adversaries=judges,
        )
    ]


@pytest.mark.parametrize(
    "form,aims,middle", [("lsgan", (0, 1), 0.5), ("hinge", (-1, 1), 0), ("log", (-1e4, 1e4), 0)]
)
def test_what_scores_aim_at_is_black_and_white(form, aims, middle):
    scores = np.float32([*aims, middle, 10 * aims[1] + 1]).reshape(2, 2, 1)
    grey = score_map(scores, form, (2, 2))
    np.testing.assert_allclose(grey[..., 0], [[0, 1], [0.5, 1]], atol=1e-6)


def test_log_scores_go_through_the_sigmoid():
    assert score_map(np.full((1, 1, 1), np.log(3), np.float32), "log", (1, 1)).item() == pytest.approx(0.75)


def test_each_score_fills_its_rectangle():
    scores = np.float32([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])[..., None]
    grey = score_map(scores, "lsgan", (4, 9))
    np.testing.assert_array_equal(grey, scores.repeat(2, axis=0).repeat(3, axis=1))
    assert score_map(scores, "lsgan", (5, 7)).shape == (5, 7, 1)


def test_sheets_are_read_back_from_the_events(tmp_path):
    trainer = make_trainer(
        tmp_path, stages=stage(), validation=NoiseSource(3), steps=4, validate_every=2, picture_every=4
    )
    trainer.run(progress=False)
    found = pictures_in(tmp_path / "tensorboard")
    names = {name.partition(":")[0]: (step, name) for step, name in found if not name.startswith("valid")}
    assert {key: step for key, (step, _) in names.items()} == {"judge": 4, "shadows": 4}
    sheets = {key: found[place] for key, place in names.items()}
    # Three samples of 16 pixels; input, output, target and the maps of both for two scales, or for one.
    assert sheets["judge"].shape == (48, 16 * 7, 3) and sheets["shadows"].shape == (48, 16 * 5, 3)
    sample = NoiseSource(3).read(1)
    rows = sheets["shadows"][16:32]
    np.testing.assert_array_equal(rows[:, :16], sample["image"])
    np.testing.assert_array_equal(rows[:, 32:48], sample["target"])
    judge = trainer.stages[0].adversaries[1]
    batch = {name: (array / 255).astype(np.float32)[None] for name, array in sample.items()}
    output = trainer.model.compute(batch, training=False)["relit"]
    for column, picture in ((3, output), (4, batch["target"])):
        (scores,) = trainer.model.scores(judge, picture, batch)
        expected = 255 * score_map(np.asarray(scores)[0], "log", (16, 16))
        # Rounding to 8 bit, and float32 sums in another order.
        shown = rows[:, 16 * column : 16 * (column + 1)].astype(float)
        np.testing.assert_allclose(shown, np.broadcast_to(expected, (16, 16, 3)), atol=1.01)
        assert np.ptp(shown) > 0


@pytest.mark.long
def test_looking_changes_nothing(tmp_path):
    """Spectral norm keeps a direction that moves with every call."""
    trainer = make_trainer(tmp_path, stages=stage(), steps=1)
    trainer.run(progress=False)
    (network,) = (net for name, net in trainer.model.attached.items() if name == "judge")
    before = network.get_weights()
    picture = np.random.default_rng(0).random((1, 16, 16, 3), dtype=np.float32)
    first = trainer.model.scores(trainer.stages[0].adversaries[0], picture, {"image": picture})
    again = trainer.model.scores(trainer.stages[0].adversaries[0], picture, {"image": picture})
    assert [scores.shape for scores in first] == [(1, 6, 6, 1), (1, 2, 2, 1)]
    assert network.non_trainable_variables
    for a, b in zip([*before, *first], [*network.get_weights(), *again], strict=True):
        np.testing.assert_array_equal(a, b)
