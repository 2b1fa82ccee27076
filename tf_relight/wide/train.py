"""`relight train --ray`: one run on several machines by Ray Train, which goes on when one of them is lost.

Ray Train places a process on each machine and tells TensorFlow of the others (TF_CONFIG); each runs the usual
trainer under `MultiWorkerMirroredStrategy`. When one dies, Ray ends the others, as a broken collective cannot
be mended, and starts all anew; they continue from the last checkpoint in the run's folder.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Any

from tf_relight.config.run import RunConfig
from tf_relight.errors import RelightError, shortened
from tf_relight.guarded.structured import read_csv
from tf_relight.progress import Bars
from tf_relight.terminal import note
from tf_relight.wide.ray_cluster import check_seen, joined

TRIES_WITHOUT_PROGRESS = 3
"""How often workers may die one after the other without a new checkpoint."""
LOOK_SECONDS = 2.0
STORE = ".ray"
"""Folder in the run's that Ray Train keeps its own notes in while it works."""


def train_on_ray(
    config: RunConfig,
    *,
    address: str | None,
    workers: int,
    gpus: float | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Train as `config` says on a cluster and return the path of the final weights.

    Args:
        config: its output, and the folders of its data, lie on a disk that all machines share.
        address: of the cluster; None starts one on this machine.
        workers: processes, one a machine where there are as many.
        gpus: of each worker; None takes one where the cluster has GPUs.
        resume: continue from the latest checkpoint. After the loss of a worker that is done anyway.

    Raises:
        RelightError: no cluster, another version of the package there, too few cores or GPUs, a folder that
            not all machines see, workers that die again and again, and all that training itself refuses.
    """
    from tf_relight.training.run import check_unused

    config = _everywhere(config)
    check_unused(config.output, resume=resume)
    if config.train.batch_size % (workers * config.train.accumulate):
        raise RelightError(
            f"train.batch_size {config.train.batch_size} must be a multiple of {workers} workers x "
            f"accumulate {config.train.accumulate}."
        )
    if workers > 1 and config.train.strategy not in ("auto", "multi_worker"):
        raise RelightError(
            f"With train.strategy {config.train.strategy} each of {workers} workers would train a network of "
            "its own: set train.strategy=auto."
        )
    with joined(address, workers) as ray:
        gpus = _enough(ray, workers, gpus)
        read = [each.root for each in (config.data, *config.streams.values()) if each.root is not None]
        check_seen(ray, [config.output, *(root for root in read if root.exists())])
        told = ray.remote(_Told).options(num_cpus=0).remote()
        with _Watch(ray, config, progress, need={"CPU": workers, "GPU": workers * gpus}):
            _run(ray, {"config": config, "told": told}, workers, gpus)
        error = ray.get(told.error.remote())
        if error is not None:
            raise RelightError(error)
    return config.output / "weights.safetensors"


def _run(ray: Any, loop: dict[str, Any], workers: int, gpus: float) -> None:
    # On a busy machine TensorFlow takes longer to be imported than Ray Train's usual minute.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.tensorflow import TensorflowTrainer

    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    store = loop["config"].output / STORE
    resources = {"CPU": 1.0, **({"GPU": gpus} if gpus else {})}
    trainer = TensorflowTrainer(
        _work,
        train_loop_config=loop,
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpus > 0,
            resources_per_worker=resources,
            placement_strategy="SPREAD",
        ),
        run_config=RunConfig(
            name="train", storage_path=str(store), failure_config=FailureConfig(max_failures=-1)
        ),
    )
    try:
        trainer.fit()
    except (TrainingFailedError, ray.exceptions.RayError) as error:
        reason = shortened(str(error).strip().splitlines()[-1])
        raise RelightError(
            f"Training on the cluster was broken off ({reason}): continue it with --resume."
        ) from error
    finally:
        shutil.rmtree(store, ignore_errors=True)


def _work(loop: dict[str, Any]) -> None:
    """Train, as one of the workers."""
    import ray
    from ray.train import get_context

    # Ray Train asks for Keras 2, which this package does not use.
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    config, told, rank = loop["config"], loop["told"], get_context().get_world_rank()
    if not ray.get(told.begin.remote(rank, _newest(config.output))):
        return
    from tf_relight.training.run import train
    from tf_relight.training.soundness import WorkerLost

    try:
        train(config, resume=True, progress=False)
    except WorkerLost:
        raise
    except RelightError as error:
        # Said to the driver; then all are begun again by Ray, and end at once.
        ray.get(told.say.remote(str(error)))
        raise


class _Told:
    """What workers tell each other and the driver over all tries of a run."""

    def __init__(self) -> None:
        self._error: str | None = None
        self._newest: int | None = None
        self._tries = 0

    def begin(self, rank: int, newest: int) -> bool:
        """Say that a worker begins at the checkpoint of a step; return whether it shall."""
        if rank == 0:
            self._tries = self._tries + 1 if newest == self._newest else 1
            self._newest = newest
        if self._tries > TRIES_WITHOUT_PROGRESS and self._error is None:
            self._error = (
                f"The workers died {TRIES_WITHOUT_PROGRESS} times in a row before a new checkpoint, perhaps "
                "for lack of memory: lower train.batch_size or train.checkpoint_every, then continue with "
                "--resume."
            )
        return self._error is None

    def say(self, error: str) -> None:
        """Say why the run cannot go on; the first word counts."""
        self._error = self._error or error

    def error(self) -> str | None:
        """Return why the run cannot go on."""
        return self._error


class _Watch:
    """Shows how far a run is, from its curve, and says when the cluster has become too small for it."""

    def __init__(self, ray: Any, config: RunConfig, progress: bool, need: dict[str, float]) -> None:
        self._ray, self._config, self._progress, self._need = ray, config, progress, need
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: Any) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        waits = False
        with Bars(self._progress, at_once=True) as bars:
            task = bars.add_task("training", total=self._config.train.steps)
            while True:
                ended = self._stop.wait(LOOK_SECONDS)
                row = _last_row(self._config.output / "curve.csv")
                if row is not None:
                    bars.describe(task, f"stage {row['stage']}, step")
                    bars.reach(task, int(row["step"]), tell=False)
                    speed = f"{float(row['images_per_second']):.3g}"
                    bars.fields(task, f"loss {row['loss']}, {speed} images/s", loss=row["loss"], speed=speed)
                if ended:
                    return
                lacking = _lacking(self._ray, self._need)
                if lacking and not waits and self._progress:
                    note(f"the cluster has become too small ({lacking}): the run waits for a machine")
                waits = bool(lacking)


def _last_row(path: Path) -> dict[str, str] | None:
    try:
        _, rows = read_csv(path, what="the curve", advice="the run writes it anew")
    except RelightError:  # not there yet
        return None
    return rows[-1] if rows else None


def _newest(output: Path) -> int:
    """Return the step of the newest checkpoint, 0 where there is none."""
    found = [path.stem.rpartition("-")[2] for path in (output / "checkpoints").glob("ckpt-*.index")]
    return max(map(int, filter(str.isdecimal, found)), default=0)


def _enough(ray: Any, workers: int, gpus: float | None) -> float:
    """Return the GPUs of each worker.

    Raises:
        RelightError: the cluster has too few cores or GPUs.
    """
    there = ray.cluster_resources()
    if gpus is None:
        gpus = 1.0 if there.get("GPU", 0) else 0.0
    lacking = _lacking(ray, {"CPU": workers, "GPU": workers * gpus})
    if lacking:
        more = " or, to train without GPUs, --gpus 0" if lacking.endswith("GPUs") else ""
        raise RelightError(
            f"{workers} workers are too many for this cluster ({lacking}): give fewer --workers{more}."
        )
    return gpus


def _lacking(ray: Any, need: dict[str, float]) -> str:
    there = ray.cluster_resources()
    for name, what in (("CPU", "cores"), ("GPU", "GPUs")):
        if there.get(name, 0) < need[name]:
            return f"it has {there.get(name, 0):g} of {need[name]:g} {what}"
    return ""


def _everywhere(config: RunConfig) -> RunConfig:
    """Return the config with whole paths: workers stand in other folders."""
    values = _whole(config.model_dump())
    values["output"] = str(config.output.absolute())
    return RunConfig.model_validate(values)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(each) for each in value]
    # A name of weights is no path, though it is kept as one.
    return str(value.absolute() if value.exists() else value) if isinstance(value, Path) else value
