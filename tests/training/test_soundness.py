"""A run that diverges: the last finite checkpoint stays, the advice works, the exit code tells."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.training.toy_problem import make_trainer, weights_of
from tf_relight.errors import RelightError
from tf_relight.training.soundness import LossBound

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def spoil(trainer, step, value=np.nan, part="weights"):
    """Let the values of a part become NaN in one step, as an overflow would, without a sign in the loss."""
    make = trainer._step_function

    def spoiling():
        function = make()
        count = 0

        def run(batch):
            nonlocal count
            logs = function(batch)
            count += 1
            if count == step:
                if part == "weights":
                    target = trainer.model.last.bias.value
                elif part == "optimiser":
                    target = trainer._optimizers["model"].variables[-1].value
                else:
                    target = trainer._average.averages[0].value
                target.assign(np.full(target.shape, value, np.float32))
            return logs

        return run

    trainer._step_function = spoiling
    return trainer


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["weights", "optimiser", "average"])
def test_the_last_finite_checkpoint_is_never_overwritten(tmp_path, value, part):
    options = {"ema": 0.9, "log_every": 100, "keep_checkpoints": 1}
    with pytest.raises(RelightError, match="no longer finite at step 6.*checkpoint of step 3 with --resume"):
        spoil(make_trainer(tmp_path, **options), 5, value, part).run(progress=False)
    assert make_trainer(tmp_path, **options)._checkpoints.steps() == [3]
    resumed = make_trainer(tmp_path, **options)
    resumed.run(resume=True, progress=False)
    assert resumed._checkpoints.steps() == [10]
    assert all(np.isfinite(values).all() for values in weights_of(resumed))


def test_a_signal_saves_nothing_that_is_not_finite(tmp_path):
    trainer = spoil(make_trainer(tmp_path, log_every=100), 4)
    make = trainer._step_function

    def signalling():
        function, count = make(), []

        def run(batch):
            count.append(1)
            logs = function(batch)
            if len(count) == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            return logs

        return run

    trainer._step_function = signalling
    with pytest.raises(RelightError, match="no longer finite at step 4.*step 3"):
        trainer.run(progress=False)
    assert trainer._checkpoints.steps() == [3]


def test_checkpoints_that_are_not_finite_already_are_passed_over(tmp_path, caplog, monkeypatch):
    """Runs of earlier versions kept them."""
    trainer = spoil(make_trainer(tmp_path, log_every=100, keep_checkpoints=3), 5)
    monkeypatch.setattr(trainer._checkpoints, "unsound", lambda *_: None)
    with pytest.raises(RelightError, match="The loss is nan"):
        trainer.run(progress=False)
    assert trainer._checkpoints.steps() == [3, 6, 9]
    resumed = make_trainer(tmp_path)
    assert resumed._restore() == 3
    assert "step 9" in caplog.text and "step 6" in caplog.text
    assert resumed._checkpoints.steps() == [3]
    resumed.run(resume=True, progress=False)
    assert all(np.isfinite(values).all() for values in weights_of(resumed))


def test_a_run_without_a_finite_checkpoint_says_so(tmp_path, monkeypatch):
    trainer = spoil(make_trainer(tmp_path, log_every=100), 1)
    monkeypatch.setattr(trainer._checkpoints, "unsound", lambda *_: None)
    with pytest.raises(RelightError):
        trainer.run(progress=False)
    with pytest.raises(RelightError, match="No checkpoint in .* has finite values"):
        make_trainer(tmp_path).run(resume=True, progress=False)


def test_before_the_first_checkpoint_there_is_nothing_to_resume(tmp_path):
    with pytest.raises(RelightError, match="then run again; .* holds no checkpoint yet"):
        spoil(make_trainer(tmp_path), 1).run(progress=False)


@pytest.mark.parametrize(
    "losses,wrong",
    [
        ([(0.5, 0.4), (0.3, 0.2)], None),
        ([(0.5, 0.4), (0.9, 3.0)], None),  # wanders
        ([(1e-6, 1e-6), (0.5, 0.5)], None),  # another part of the network joins
        ([(50.0, 50.0), (4e3, 4e3)], None),  # a loss over features is larger
        ([(0.5, 7e13)], "has grown from 0.5 to 7e\\+13"),
        ([(0.5, 0.4), (0.4, 501.0)], "has grown"),
        ([(0.5, -7e13)], "has grown"),
        ([(0.5, float("nan"))], "is nan"),
        ([(float("nan"), float("nan"))], "is nan"),
        ([(0.5, float("inf"))], "is inf"),
    ],
)
def test_what_counts_as_divergence(losses, wrong):
    import re

    bound = LossBound()
    found = [bound.check(first, mean) for first, mean in losses]
    assert all(each is None for each in found[:-1])
    assert found[-1] is None if wrong is None else re.search(wrong, found[-1])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_command_ends_with_a_sentence_and_goes_on_as_advised(tmp_path):
    weights = tmp_path / "run" / "weights.safetensors"

    def run(steps, *words):
        settings = [f"output={tmp_path / 'run'}", "recipe.loss=mse", f"train.steps={steps}", *words]
        settings += ["train.log_every=1", "train.checkpoint_every=100", "data.scenes=2"]
        command = [sys.executable, "-m", "tf_relight", "train", "configs/dmshn_smoke.yaml", "--resume"]
        command += [word for setting in settings for word in ("--set", setting)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)

    calm = run(2)
    assert calm.returncode == 0, calm.stderr
    weights.unlink()
    # Adam moves every weight by the rate: nothing is left of the network after one step.
    wild = run(8, "recipe.learning_rate=0.9", "train.clip_norm=null")
    assert wild.returncode == 2 and "Traceback" not in wild.stderr
    assert "the checkpoint of step 2" in wild.stderr and not weights.exists()
    mended = run(8)
    assert mended.returncode == 0, mended.stderr
    assert weights.exists()


def test_a_run_that_diverges_again_is_not_sent_in_a_circle(tmp_path):
    make_trainer(tmp_path, steps=3).run(progress=False)
    again = spoil(make_trainer(tmp_path, steps=8, log_every=100), 1)
    with pytest.raises(RelightError, match=r"went on from the checkpoint of step 3 .* deleting .*ckpt-3\.\*"):
        again.run(resume=True, progress=False)


def test_a_killed_save_leaves_nothing_for_the_next_run(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.run(progress=False)
    folder, steps = tmp_path / "checkpoints", trainer._checkpoints.steps()
    (folder / "ckpt-12_temp").mkdir()
    (folder / "ckpt-12_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"x")
    (folder / "ckpt-11.data-00000-of-00001").write_bytes(b"x")
    (folder / "checkpoint.tmp1234").write_bytes(b"x")
    again = make_trainer(tmp_path)
    names = {path.name for path in folder.iterdir()}
    assert not any("_temp" in name or ".tmp" in name or "ckpt-11" in name for name in names)
    assert again._checkpoints.steps() == steps
    again.run(resume=True, progress=False)


def test_a_second_signal_and_one_before_the_first_step_end_at_once(tmp_path):
    from tf_relight.training.loop import TrainingStopped

    for step, words in ((1, "no checkpoint yet"), (5, "checkpoint is of step 3")):
        trainer = make_trainer(tmp_path / str(step))
        make = trainer._step_function

        def signalling(make=make, step=step):
            function, count = make(), []

            def run(batch):
                count.append(1)
                if len(count) == step:
                    try:  # neither is swallowed on its way
                        os.kill(os.getpid(), signal.SIGTERM)
                        os.kill(os.getpid(), signal.SIGTERM)
                        raise AssertionError("went on")
                    except Exception:
                        raise AssertionError("swallowed") from None
                return function(batch)

            return run

        trainer._step_function = signalling
        with pytest.raises(TrainingStopped, match=words) as told:
            trainer.run(progress=False)
        assert told.value.exit_code == 128 + signal.SIGTERM
