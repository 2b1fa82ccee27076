"""The loop: stages, exact resume, signals, errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.training.toy_models import build_toy_gan, gan_stages
from tests.training.toy_problem import NoiseSource, largest_difference, make_trainer, weights_of
from tf_relight.contract.stage import Adversary, Check, Discriminator, LossTerm, Schedule, Stage
from tf_relight.errors import RelightError

ROOT = Path(__file__).parent.parent.parent

CHECKS = (Check("psnr"),)


def two_stages() -> list[Stage]:
    curve = Schedule(1e-3, 1e-4, kind="cosine")
    return [
        Stage("first", 0.5, (LossTerm("l2"),), curve, CHECKS),
        Stage("second", 0.5, (LossTerm("l1"), LossTerm("ssim", -5e-3)), curve, CHECKS),
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    trainer = make_trainer(folder, stages=two_stages(), validation=NoiseSource(2))
    trainer.run(progress=False)
    return trainer


class Cut(Exception):
    """Stands for a kill between two steps."""


def cut_after(trainer, steps: int) -> None:
    """Make the trainer raise Cut instead of taking step number `steps`."""
    make = trainer._step_function
    done = 0

    def function():
        step = make()

        def limited(batch):
            nonlocal done
            if done >= steps:
                raise Cut
            done += 1
            return step(batch)

        return limited

    trainer._step_function = function


def test_plan_divides_the_steps():
    from tf_relight.training.spans import plan

    stages = two_stages()
    assert [(s.first, s.last) for s in plan(stages, 10)] == [(0, 5), (5, 10)]
    assert [(s.first, s.last) for s in plan(stages, 2)] == [(0, 1), (1, 2)]
    tiny = [Stage("a", 1e-6, (), Schedule(1.0)), Stage("b", 1.0, (), Schedule(1.0))]
    assert [(s.first, s.last) for s in plan(tiny, 3)] == [(0, 1), (1, 3)]
    with pytest.raises(RelightError, match="2 stages"):
        plan(stages, 1)


def test_curve_has_a_row_per_logging_step_and_scores(uninterrupted):
    rows = uninterrupted._curve.rows
    assert [int(row["step"]) for row in rows] == [2, 4, 5, 6, 8, 10]
    assert [row["stage"] for row in rows] == ["first"] * 3 + ["second"] * 3
    assert rows[1]["validation_psnr"] and not rows[0]["validation_psnr"]
    assert uninterrupted.last_scores()["step"] == 10


def test_inputs_that_show_the_target_do_not_count_as_unchanged(tmp_path):
    """One of forty input lights is the target's; its infinite PSNR made the mean infinite."""

    class OneEqual(NoiseSource):
        def read(self, index):
            sample = super().read(index)
            return {**sample, "target": sample["image"]} if index == 0 else sample

    trainer = make_trainer(tmp_path, validation=OneEqual(3), steps=2, log_every=2, validate_every=2)
    trainer.run(progress=False)
    plain = [10 * np.log10(255**2 / _squared_error(NoiseSource(3).read(index))) for index in (1, 2)]
    assert float(trainer._curve.rows[-1]["validation_input_psnr"]) == pytest.approx(np.mean(plain))


def _squared_error(sample) -> float:
    return float(np.mean((sample["image"].astype(float) - sample["target"]) ** 2))


def test_validation_uses_the_switches_of_its_stage(tmp_path):
    """The network's function was traced once, so every stage was scored with the switches of the first."""
    from tests.training.toy_models import SwitchedNet

    still = Schedule(1e-12, kind="constant")
    stages = [
        Stage("halved", 0.5, (LossTerm("l2"),), still, CHECKS, switches={"halve": True}),
        Stage("whole", 0.5, (LossTerm("l2"),), still, CHECKS),
    ]
    model = SwitchedNet(4, name="switched")
    model.build((None, None, None, 3))
    trainer = make_trainer(
        tmp_path,
        model=model,
        stages=stages,
        validation=NoiseSource(2),
        steps=4,
        log_every=2,
        validate_every=2,
    )
    trainer.run(progress=False)
    halved, whole = (float(row["validation_psnr"]) for row in trainer._curve.rows)
    assert abs(halved - whole) > 0.01


@pytest.mark.parametrize("steps", [1, 4, 5, 8])
def test_resumed_run_gives_the_same_weights_and_curve(uninterrupted, tmp_path, steps):
    """Cut before the first checkpoint, inside stage one, at the border and inside stage two."""
    cut = make_trainer(tmp_path, stages=two_stages(), validation=NoiseSource(2))
    cut_after(cut, steps)
    with pytest.raises(Cut):
        cut.run(progress=False)
    resumed = make_trainer(tmp_path, stages=two_stages(), validation=NoiseSource(2))
    resumed.run(resume=True, progress=False)
    assert largest_difference(weights_of(uninterrupted), weights_of(resumed)) == 0.0
    for whole, row in zip(uninterrupted._curve.rows, resumed._curve.rows, strict=True):
        assert {**whole, "images_per_second": ""} == {**row, "images_per_second": ""}


def test_adversarial_run_resumes_with_both_optimisers(tmp_path):
    import keras

    def trainer(folder):
        keras.utils.set_random_seed(2)
        return make_trainer(
            folder, model=build_toy_gan(), stages=gan_stages("adam", 1e-2), steps=6, accumulate=2, ema=0.9
        )

    whole = trainer(tmp_path / "whole")
    whole.run(progress=False)
    cut = trainer(tmp_path / "cut")
    cut_after(cut, 4)
    with pytest.raises(Cut):
        cut.run(progress=False)
    resumed = trainer(tmp_path / "cut")
    resumed.run(resume=True, progress=False)
    assert largest_difference(weights_of(whole), weights_of(resumed)) == 0.0


@pytest.mark.long
def test_drn_resumes_in_the_middle_of_its_second_stage(tmp_path):
    from tests.training.small_drn import ShadowFreeNoise, build_small_drn, drn_stages

    def trainer(folder):
        import keras

        keras.utils.set_random_seed(2)
        return make_trainer(
            folder, model=build_small_drn(), stages=drn_stages(), source=ShadowFreeNoise(), steps=9
        )

    whole = trainer(tmp_path / "whole")
    whole.run(progress=False)
    cut = trainer(tmp_path / "cut")
    cut_after(cut, 5)
    with pytest.raises(Cut):
        cut.run(progress=False)
    resumed = trainer(tmp_path / "cut")
    resumed.run(resume=True, progress=False)
    assert [row["stage"] for row in resumed._curve.rows][-1] == "re_renderer"
    assert largest_difference(weights_of(whole), weights_of(resumed)) == 0.0


@pytest.mark.slow  # a minute: two stages, one of them a GAN, traced three times
def test_residue_method_6_resumes_in_the_middle_of_its_second_stage(tmp_path):
    """A GAN whose network learns first, a second stream, then a stage whose frozen parts keep statistics."""
    from tests.training.small_residue import FaceNoise, build_small_residue, residue_stages

    def trainer(folder):
        import keras

        keras.utils.set_random_seed(2)
        return make_trainer(
            folder,
            model=build_small_residue(),
            stages=residue_stages(),
            source=FaceNoise(),
            streams={"synthetic": FaceNoise(8)},
            steps=12,
        )

    whole = trainer(tmp_path / "whole")
    whole.run(progress=False)
    cut = trainer(tmp_path / "cut")
    cut_after(cut, 9)
    with pytest.raises(Cut):
        cut.run(progress=False)
    resumed = trainer(tmp_path / "cut")
    resumed.run(resume=True, progress=False)
    assert [row["stage"] for row in resumed._curve.rows][-1] == "residue"
    assert largest_difference(weights_of(whole), weights_of(resumed)) == 0.0


def test_discriminators_of_the_training_resume_too(tmp_path):
    import keras

    judge = Adversary("made", Discriminator(channels=6, width=4, layers=1), 0.1, condition="image")
    stages = [
        Stage(name, 0.5, (LossTerm("l1"),), Schedule(1e-2, 1e-3, kind="cosine"), adversaries=(judge,))
        for name in ("first", "second")
    ]

    def trainer(folder):
        keras.utils.set_random_seed(2)
        return make_trainer(folder, stages=stages, steps=6)

    def all_weights(trainer):
        return weights_of(trainer) + [v.numpy() for v in trainer.model.attached["made"].variables]

    whole = trainer(tmp_path / "whole")
    start = all_weights(whole)
    whole.run(progress=False)
    assert len(weights_of(whole)) == 4  # two convolutions: the discriminator is not part of the network
    assert all(np.abs(a - b).max() > 0 for a, b in zip(start, all_weights(whole), strict=True))
    cut = trainer(tmp_path / "cut")
    cut_after(cut, 5)
    with pytest.raises(Cut):
        cut.run(progress=False)
    resumed = trainer(tmp_path / "cut")
    resumed.run(resume=True, progress=False)
    assert largest_difference(all_weights(whole), all_weights(resumed)) == 0.0


def test_average_follows_the_weights(tmp_path):
    trainer = make_trainer(tmp_path, steps=4, ema=0.5, validation=NoiseSource(1))
    start = [average.numpy() for average in trainer._average.averages]
    history = []
    make = trainer._step_function

    def recording():
        step = make()

        def run(batch):
            logs = step(batch)
            history.append([weight.numpy() for weight in trainer._average.weights])
            return logs

        return run

    trainer._step_function = recording
    trainer.run(progress=False)
    expected = start
    for weights in history:
        expected = [0.5 * e + 0.5 * w for e, w in zip(expected, weights, strict=True)]
    # The run ends with the averages in the model; float32 rounding of four steps.
    assert largest_difference(expected, weights_of(trainer)) < 1e-6
    assert largest_difference(history[-1], weights_of(trainer)) > 1e-6


def test_accumulation_equals_the_whole_batch(tmp_path):
    def stages():
        return [Stage("sgd", 1.0, (LossTerm("l2"),), Schedule(0.05, kind="constant"), optimizer="sgd")]

    whole = make_trainer(tmp_path / "a", stages=stages(), steps=3)
    whole.run(progress=False)
    pieces = make_trainer(tmp_path / "b", stages=stages(), steps=3, accumulate=4)
    pieces.run(progress=False)
    # The mean of four means is the mean of all, up to the order of float32 sums.
    assert largest_difference(weights_of(whole), weights_of(pieces)) < 1e-6


def test_batch_must_divide(tmp_path):
    with pytest.raises(RelightError, match="accumulate"):
        make_trainer(tmp_path, batch_size=6, accumulate=4)


def test_signal_saves_a_checkpoint_and_stops(tmp_path):
    from tf_relight.training.loop import TrainingStopped

    trainer = make_trainer(tmp_path, stages=two_stages())
    make = trainer._step_function

    def signalling():
        step = make()
        calls = []

        def run(batch):
            calls.append(batch)
            if len(calls) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(batch)

        return run

    trainer._step_function = signalling
    with pytest.raises(TrainingStopped, match="--resume") as stopped:
        trainer.run(progress=False)
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert trainer._checkpoints.steps() == [2]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_nan_loss_ends_the_run_with_a_sentence(tmp_path):
    trainer = make_trainer(tmp_path)
    bias = trainer.model.last.bias
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(RelightError, match="nan at step"):
        trainer.run(progress=False)


def test_full_disk_names_the_folder_and_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    import tensorflow as tf

    trainer = make_trainer(tmp_path, stages=two_stages())
    save = tf.train.CheckpointManager.save

    def full(self, checkpoint_number=None, **kwargs):
        if checkpoint_number > 3:
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
        return save(self, checkpoint_number=checkpoint_number, **kwargs)

    monkeypatch.setattr(tf.train.CheckpointManager, "save", full)
    with pytest.raises(RelightError, match="No space left"):
        trainer.run(progress=False)
    assert trainer._checkpoints.steps() == [3]


def test_checkpoint_of_another_width_is_refused(uninterrupted):
    other = make_trainer(uninterrupted.folder, stages=two_stages(), width=8)
    with pytest.raises(RelightError, match="another network"):
        other.run(resume=True, progress=False)


def test_damaged_checkpoint_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, stages=two_stages())
    trainer.run(progress=False)
    data = next((tmp_path / "checkpoints").glob("ckpt-10.data*"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(RelightError, match="damaged|another network"):
        make_trainer(tmp_path, stages=two_stages()).run(resume=True, progress=False)


KILLED = """
import sys, os
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.training.test_loop import two_stages
from tests.training.toy_problem import make_trainer, weights_of
import numpy as np
trainer = make_trainer(Path({folder!r}), stages=two_stages(), checkpoint_every=1)
trainer.run(resume="resume" in sys.argv, progress=False)
np.savez(Path({folder!r}) / "end.npz", *weights_of(trainer))
"""


@pytest.mark.long
def test_kill_9_and_resume(uninterrupted, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(KILLED.format(root=str(ROOT), folder=str(tmp_path)))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, str(script)], **quiet)
    deadline = time.time() + 120
    while not list((tmp_path / "checkpoints").glob("ckpt-*.index")) and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "end.npz").exists()
    subprocess.run([sys.executable, str(script), "resume"], check=True, timeout=240, **quiet)
    with np.load(tmp_path / "end.npz") as file:
        assert largest_difference(weights_of(uninterrupted), [file[n] for n in file.files]) == 0.0
