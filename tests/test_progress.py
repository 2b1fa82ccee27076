"""Progress without a terminal: plain lines now and then, and silence about what is short."""

import json

import pytest

from tf_relight import progress
from tf_relight.errors import RelightError
from tf_relight.progress import Bars, duration, logged, track


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def log(capsys):
    class Log:
        text = ""

        def getvalue(self):
            self.text += capsys.readouterr().err
            return self.text

    return Log()


def test_a_line_every_half_minute_and_one_at_the_end(clock, log):
    for _ in track(range(10), "Relighting a\nb.jpg"):
        clock.now += 10
    assert log.getvalue().splitlines() == [
        "Relighting a\\nb.jpg: 3 of 10, 70 s left",
        "Relighting a\\nb.jpg: 6 of 10, 40 s left",
        "Relighting a\\nb.jpg: 9 of 10, 10 s left",
        "Relighting a\\nb.jpg: 10 of 10",
    ]


def test_short_work_has_no_lines(clock, log):
    for _ in track(range(10), "Relighting"):
        clock.now += 1
    assert log.getvalue() == ""


def test_work_without_a_known_end_and_work_that_was_begun(clock, log):
    for _ in track(iter(range(4)), "Frames"):
        clock.now += 31
    assert log.getvalue().splitlines()[0] == "Frames: 1"
    with Bars() as bars:
        task = bars.add_task("Decoding", total=100, completed=90)
        clock.now += 40
        bars.advance(task)
    assert log.getvalue().splitlines()[-1] == "Decoding: 91 of 100, 6 min left"


def test_nothing_is_shown_if_nobody_looks(clock, log):
    for _ in track(range(3), "Relighting", show=False):
        clock.now += 100
    assert log.getvalue() == ""


@pytest.mark.parametrize("seconds,words", [(0, "0 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_training_tells_stage_step_loss_speed_and_time_left(clock, log):
    from tf_relight.training.summaries import StepProgress

    with StepProgress(1500, 0, visible=True) as line:
        line.stage("first")
        for step in range(1, 101):
            clock.now += 1
            line.step(step)
            if step % 20 == 0:
                line.figures(0.12345, 31.2)
    told = log.getvalue().splitlines()
    assert told[0] == "stage first, step: 20 of 1,500, loss 0.1235, 31.2 images/s, 25 min left"
    assert told[1].startswith("stage first, step: 50 of 1,500, loss 0.1235, 31.2 images/s")
    assert len(told) == 4 and "step: 100 of" in told[-1]


def test_a_run_without_a_terminal_shows_that_it_lives(tmp_path, capfd):
    from tf_relight.cli.main import main

    words = ["train", "dmshn_smoke", "--set", f"output={tmp_path / 'run'}"]
    words += ["--set", "recipe.loss=mse", "--set", "train.steps=4", "--set", "train.log_every=2"]
    words += ["--set", "train.precision=auto"]
    assert main(words) == 0
    said = capfd.readouterr()
    assert " of 4, loss 0." in said.err and "images/s" in said.err
    assert said.err.count("precision ") == 1
    assert said.out == f"Weights: {tmp_path / 'run' / 'weights.safetensors'}\n"
    assert "\x1b" not in said.err and "\r" not in said.err


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_for_machines_tells_beginning_every_half_minute_and_end(clock, tmp_path):
    path = tmp_path / "log.jsonl"
    with logged(path):
        for _ in track(range(10), "Relighting", show=False):
            clock.now += 10
    found = records(path)
    assert [each["done"] for each in found] == [0, 3, 6, 9, 10]
    assert all(each["task"] == "Relighting" and each["total"] == 10 for each in found)
    assert found[0]["left"] is None and found[1]["left"] == 70 and found[-1]["left"] == 0
    # What is done after it goes nowhere.
    list(track(range(3), "More", show=False))
    assert records(path) == found


def test_the_log_has_figures_as_numbers_and_is_added_to(clock, tmp_path):
    path = tmp_path / "log.jsonl"
    for loss in ("0.25", "nan"):
        with logged(path), Bars(False) as bars:
            task = bars.add_task("stage a, step", total=100, completed=40, loss="-", speed="-")
            clock.now += 31
            bars.reach(task, 60, tell=False)
            bars.fields(task, "loss", loss=loss, speed="3.5")
    figures = [each["figures"] for each in records(path)]
    assert {"loss": 0.25, "speed": 3.5} in figures and {"loss": "nan", "speed": 3.5} in figures


def test_a_log_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    refused = pytest.raises(RelightError, match=r"Cannot write the log .*\. Choose another name")
    with refused, logged(tmp_path):
        raise AssertionError("the work began")


def test_every_long_command_has_the_log():
    from tf_relight.cli.main import make_parser

    words = [
        ["train"],
        ["image"],
        ["video"],
        ["bulk"],
        ["evaluate"],
        ["compare"],
        ["data", "render", "scenes"],
    ]
    for command in words:
        parser = make_parser()
        for word in command:
            action = next(each for each in parser._actions if isinstance(each.choices, dict))
            parser = action.choices[word]
        assert "--log-json" in parser.format_help(), command
