"""The one training loop: `strategy.run(model.train_step)` over a method's stages, with exact resume."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_relight.config.run import TrainConfig
from tf_relight.contract.stage import Stage
from tf_relight.data.pipeline import batches, reader_errors
from tf_relight.data.source import Source
from tf_relight.errors import RelightError
from tf_relight.networks.relight_model import RelightModel, StepOptions
from tf_relight.training.average import WeightAverage
from tf_relight.training.calibration_pictures import CalibrationPictures
from tf_relight.training.checkpoint import RunCheckpoints
from tf_relight.training.early_check import check_stages
from tf_relight.training.held_out import curve_columns, held_out_scores, scaled, shown
from tf_relight.training.optimizers import make_optimizers
from tf_relight.training.score_pictures import ScoreSheets
from tf_relight.training.soundness import Diverged, LossBound, StopNow, advice, run_errors
from tf_relight.training.spans import StageSpan, plan
from tf_relight.training.strategy import Cluster, replicas_per_worker
from tf_relight.training.summaries import Board, Curve, StepProgress

SAMPLE_ROWS = 4
_LOG = logging.getLogger("tf_relight.training")


class TrainingStopped(RelightError):
    """A signal ended the run after a checkpoint; `exit_code` is 128 plus the signal's number."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


@dataclass
class Trainer:
    """Trains one model on one dataset.

    Attributes:
        model: built inside `strategy.scope()`.
        train_source, validation_source: samples as `source.Source` describes; validation may be None.
        folder: the run's folder; gets `checkpoints/`, `tensorboard/` and `curve.csv`.
        resources: options of losses that need more than pictures, {loss: {option: value}}.
        fields: makes of a source's sample what the networks take, such as lights (9, C).
        streams: other sources whose fields every batch holds as "<name>.<field>".
    """

    model: RelightModel
    stages: list[Stage]
    config: TrainConfig
    strategy: tf.distribute.Strategy
    cluster: Cluster
    train_source: Source
    validation_source: Source | None
    folder: Path
    crop: int | None = None
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    fields: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = dict
    streams: Mapping[str, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.config
        pieces = self.strategy.num_replicas_in_sync * config.accumulate
        if config.batch_size % pieces:
            raise RelightError(
                f"train.batch_size {config.batch_size} must be a multiple of {pieces} "
                f"({self.strategy.num_replicas_in_sync} replicas x accumulate {config.accumulate})."
            )
        self._spans = plan(self.stages, config.steps)
        self._options = StepOptions(config.clip_norm, config.accumulate, config.xla)
        with self.strategy.scope():
            self.model.attach_networks(self.stages)
            self._average = WeightAverage(self.model, config.ema) if config.ema else None
            self._pending = tf.Variable(tf.zeros(2), trainable=False)  # loss sum and count since the last row
        self._checkpoints = RunCheckpoints(
            self.folder / "checkpoints",
            self.model,
            self._average,
            keep=config.keep_checkpoints,
            cluster=self.cluster,
        )
        self._stop_signal: int | None = None
        self._unvalidated: set[str] = set()
        self._resumed: int | None = None
        self._moved = False  # whether there is anything to save
        self._bound = LossBound()

    # -- the run ---------------------------------------------------------------------------------------------

    def run(self, *, resume: bool = False, progress: bool = True) -> None:
        """Train to the end.

        With `resume` the run continues from its last checkpoint; on one device the weights then equal those
        of a run that was never cut off. At the end the model carries the averaged weights if `ema` is set.

        Raises:
            Diverged: the loss or the weights are no longer finite, or the loss has left all bounds; the last
                finite checkpoint stays.
            WorkerLost: with several workers, one of the others went away.
            RelightError: the disk is full, or the checkpoint does not fit.
            TrainingStopped: SIGINT or SIGTERM; a checkpoint was written first.
        """
        check_stages(
            self.model,
            self.stages,
            self._dataset(0).element_spec,
            strategy=self.strategy,
            resources=self.resources,
        )
        step = self._restore() if resume else 0
        if step == 0:
            self._begin(self._spans[0])
        self._curve = Curve(self.folder / "curve.csv", step, curve_columns(self.stages))
        self._board = Board(self.folder / "tensorboard", chief=self.cluster.chief)
        visible = progress and self.cluster.chief
        try:
            with (
                self._signals(),
                run_errors(self._checkpoints.folder, self.cluster.workers),
                reader_errors(),
                StepProgress(self.config.steps, step, visible=visible) as line,
            ):
                for span in self._spans:
                    if step < span.last:
                        step = self._run_stage(span, step, line)
        finally:
            self._board.close()
            self._checkpoints.close()
        if self._average is not None:
            self._average.install()

    def _run_stage(self, span: StageSpan, step: int, line: StepProgress) -> int:
        line.stage(span.stage.name)
        step_function = self._step_function()
        samples = iter(self._dataset(step))
        self._bound.start()
        config = self.config
        clock = _Clock()
        terms: dict[str, list[Any]] = {}
        while step < span.last:
            logs = step_function(next(samples))
            step += 1
            self._moved = True
            for name, value in logs.items():
                terms.setdefault(name, []).append(value)
            line.step(step)
            if step % config.log_every == 0 or step == span.last:
                self._log(step, span, terms, clock, line)
                terms = {}
            if step < span.last and (step % config.checkpoint_every == 0 or self._stop_signal is not None):
                self._save(step)
            if self._stop_signal is not None and step < span.last:
                raise TrainingStopped(
                    f"Stopped after step {step}; continue with --resume.", int(self._stop_signal)
                )
        if span is not self._spans[-1]:
            self._begin(self._spans[self._spans.index(span) + 1])
        self._save(step)
        return step

    def _begin(self, span: StageSpan) -> None:
        """Enter a stage at its first step; rounding begins with the weights that would be released."""
        self._prepare(span)
        if not self.model.needs_calibration:
            return
        with self.strategy.scope():
            if self._average is not None:
                self._average.install()
            self.model.calibrate(CalibrationPictures(self.train_source))
            if self._average is not None:
                self._average.reset()

    def _prepare(self, span: StageSpan) -> None:
        """Set the model up for a stage with fresh optimisers."""
        with self.strategy.scope():
            self._optimizers = make_optimizers(span.stage, span.last - span.first)
            self.model.prepare_stage(span.stage, self._optimizers, self._options, self.resources)
        # Traced anew for every stage: a trace keeps the switches of the stage it was made in.
        self._forward = tf.function(
            lambda batch: self.model.compute(batch, training=False), reduce_retracing=True, autograph=False
        )

    def _step_function(self) -> Any:
        def step(batch: dict[str, Any]) -> dict[str, Any]:
            shares = self.strategy.run(self.model.train_step, args=(batch,))
            logs = {name: self.strategy.reduce("SUM", value, axis=None) for name, value in shares.items()}
            if self._average is not None:
                self._average.update()
            self._pending.assign_add(tf.stack([tf.cast(logs["loss"], tf.float32), 1.0]))
            return logs

        # Nothing here branches on tensors, and without autograph a step is traced faster.
        return tf.function(step, autograph=False)

    def _dataset(self, step: int) -> Any:
        def per_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return batches(
                self.train_source,
                self.config.batch_size,
                seed=self.config.seed,
                start_step=step,
                crop=self.crop,
                worker=context.input_pipeline_id,
                workers=context.num_input_pipelines,
                replicas=replicas_per_worker(self.strategy, self.cluster),
                prepare=self.fields,
                streams=self.streams,
            )

        return self.strategy.distribute_datasets_from_function(per_worker)

    def last_scores(self) -> dict[str, float]:
        """Return the newest validation scores of the curve, with the step they were taken at."""
        columns = curve_columns(self.stages)
        rows = [row for row in self._curve.rows if any(row.get(column) for column in columns)]
        if not rows:
            return {}
        names = ("step", "loss", *curve_columns(self.stages))
        return {name: float(rows[-1][name]) for name in names if rows[-1].get(name)}

    def seconds(self) -> float:
        """Return the time spent in training steps, over all stretches of a resumed run."""
        total, last = 0.0, 0
        for row in self._curve.rows:
            step = int(row["step"])
            total += (step - last) * self.config.batch_size / float(row["images_per_second"])
            last = step
        return total

    # -- checkpoints -----------------------------------------------------------------------------------------

    def _save(self, step: int) -> None:
        wrong = self._checkpoints.unsound(self._optimizers, self._pending)
        if wrong is not None:
            raise self._diverged(f"Values of {wrong} are no longer finite", step)
        self._checkpoints.save(step, self._optimizers, self._pending)

    def _diverged(self, what: str, step: int) -> Diverged:
        known = self._checkpoints.steps()
        told = advice(self._checkpoints.folder, known[-1] if known else None, self._resumed)
        return Diverged(f"{what} at step {step}, so nothing of it was kept. {told}")

    def _restore(self) -> int:
        """Take up the newest checkpoint whose values are finite; later ones are of no use and removed."""
        known = self._checkpoints.steps()
        for step in reversed(known):
            following = [span for span in self._spans if step < span.last]
            self._prepare(following[0] if following else self._spans[-1])
            with self.strategy.scope():
                self._checkpoints.restore(step, self._optimizers, self._pending)
            wrong = self._checkpoints.unsound(self._optimizers, self._pending)
            if wrong is None:
                self._checkpoints.drop(each for each in known if each > step)
                self._resumed = step
                return step
            _LOG.warning("values of %s in the checkpoint of step %d are not finite: left out", wrong, step)
        if known:
            raise Diverged(
                f"No checkpoint in {self._checkpoints.folder} has finite values. Start in a new output "
                "folder, with a lower recipe.learning_rate."
            )
        return 0

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the run after the current step, with a checkpoint.

        Before the first step there is nothing to save, and who asks twice does not want to wait: then the
        run ends at once.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def remember(number: int, frame: Any) -> None:
            if self._stop_signal is not None or not self._moved:
                raise StopNow(number)
            self._stop_signal = number

        old = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        except StopNow as stop:
            known = self._checkpoints.steps()
            kept = f"the last checkpoint is of step {known[-1]}" if known else "there is no checkpoint yet"
            raise TrainingStopped(f"Stopped at once; {kept}. Continue with --resume.", stop.number) from None
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    # -- figures ---------------------------------------------------------------------------------------------

    def _log(
        self, step: int, span: StageSpan, terms: dict[str, list[Any]], clock: _Clock, line: StepProgress
    ) -> None:
        total, count = self._pending.numpy()
        self._pending.assign(tf.zeros(2))
        loss = float(total / count)
        wrong = self._bound.check(float(terms["loss"][0]), loss)
        if wrong is not None:
            raise self._diverged(wrong, step)
        seconds = clock.lap()
        speed = len(terms["loss"]) * self.config.batch_size / seconds
        line.figures(loss, speed)
        means = {f"train/{name}": float(np.mean([float(v) for v in terms[name]])) for name in terms}
        rate = float(self._optimizers["model"].learning_rate)
        scores = self._validate(step, span)
        row = {"loss": loss, "learning_rate": rate, "images_per_second": speed, **scores}
        self._board.scalars(step, {**means, **{k: v for k, v in row.items() if v is not None}})
        if self.cluster.chief:
            self._curve.add(step=step, stage=span.stage.name, **row)
        clock.restart()

    def _validate(self, step: int, span: StageSpan) -> dict[str, float | None]:
        """Mean of the stage's checks on held-out samples, and the PSNR of the unchanged input.

        The samples are spread evenly over the split. Inputs that already show the target are left out of the
        PSNR of the unchanged input, which would be infinite. Every worker computes them, so nobody waits.
        """
        source, config = self.validation_source, self.config
        last = step == self._spans[-1].last
        score, show = (
            last or step // every != (step - config.log_every) // every
            for every in (config.validate_every, config.picture_every)
        )
        if source is None or not (score or show) or not self._can_validate(span.stage, source):
            return {}
        count = min(len(source), config.validation_pictures)
        found: dict[str, list[float]] = {}
        rows = []
        sheets = ScoreSheets(self.model, span.stage)
        with self._average.applied() if self._average is not None else contextlib.nullcontext():
            for row, index in enumerate(np.linspace(0, len(source) - 1, count).round().astype(int)):
                sample = {name: scaled(a) for name, a in self.fields(source.read(int(index))).items()}
                batch = {name: tf.constant(array[None]) for name, array in sample.items()}
                outputs = {name: value.numpy()[0] for name, value in self._forward(batch).items()}
                for column, value in held_out_scores(span.stage, outputs, sample):
                    found.setdefault(column, []).append(value)
                if row < SAMPLE_ROWS:
                    rows.append(shown(span.stage, outputs, sample))
                    if show:
                        sheets.add(batch, {name: value[None] for name, value in outputs.items()})
        if rows[0]:
            self._board.pictures(step, "validation: input, output, target", rows)
        sheets.write(self._board, step)
        return {column: float(np.mean(values)) for column, values in found.items()}

    def _can_validate(self, stage: Stage, source: Source) -> bool:
        """Whether the data hold what the stage's checks compare with; says once where they do not."""
        lacking = {check.target for check in stage.checks} - set(source.fields)
        if lacking == {check.target for check in stage.checks}:
            if stage.name not in self._unvalidated:
                self._unvalidated.add(stage.name)
                what = (
                    f"the validation data have no {' and no '.join(sorted(lacking))}"
                    if lacking
                    else "it has no checks"
                )
                _LOG.warning("The stage '%s' is not validated: %s.", stage.name, what)
            return False
        return True


class _Clock:
    """Time spent training since the last row, without what the row itself takes."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._start = time.perf_counter()

    def lap(self) -> float:
        return max(time.perf_counter() - self._start, 1e-9)
