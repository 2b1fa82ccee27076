"""`python -m tf_relight.train CONFIG [--set a.b=c] [--resume]`: one training run from one config file."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tf_relight import methods
from tf_relight.config import RunConfig, dump_config
from tf_relight.data.source import FormedSource, Source
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path

if TYPE_CHECKING:
    from tf_relight.training.loop import Trainer


def train(config: RunConfig, *, resume: bool = False, progress: bool = True) -> Path:
    """Train as `config` says and return the path of the final weights.

    The run's folder gets config.yaml (resolved), curve.csv, checkpoints/, tensorboard/ and
    weights.safetensors.

    Raises:
        RelightError: anything in the config, the data or the folder that the user can mend.
    """
    # TensorFlow takes seconds to import, so the config is complete and checked before.
    import keras

    from tf_relight.training.strategy import make_strategy, read_cluster

    cluster = read_cluster()
    strategy = make_strategy(config.train.strategy, config.train.devices, cluster)
    keras.config.set_dtype_policy(config.train.precision)
    keras.utils.set_random_seed(config.train.seed)
    try:
        if cluster.chief:
            _open_folder(config, resume=resume)
        trainer = _make_trainer(config, strategy, cluster, progress)
        trainer.run(resume=resume, progress=progress)
        path = config.output / "weights.safetensors"
        if cluster.chief:
            _save_result(config, trainer, path)
        return path
    finally:
        keras.config.set_dtype_policy("float32")


def _make_trainer(config: RunConfig, strategy: Any, cluster: Any, progress: bool) -> Trainer:
    from tf_relight.training.loop import Trainer

    method = methods.get(config.method)
    network, recipe = method.config(config.model), method.recipe(config.recipe)
    stages = method.stages(network, recipe)
    shown = progress and cluster.chief
    with strategy.scope():
        model = method.build_model(network)
        resources = _loss_resources(stages)
        if config.train.init_from is not None:
            _initialise(model, config, config.train.init_from)
    return Trainer(
        model=model,
        stages=stages,
        config=config.train,
        strategy=strategy,
        cluster=cluster,
        train_source=_ready_source(config, "train", shown),
        validation_source=_ready_source(config, "validation", shown),
        folder=config.output,
        crop=config.data.crop,
        resources=resources,
    )


def _ready_source(config: RunConfig, split: Literal["train", "validation"], progress: bool) -> Source:
    """Open a split and do its slow work once: decode the pictures, or render the scenes' layers."""
    from tf_relight.data import open_source
    from tf_relight.data.pipeline import cached

    info = methods.get(config.method).info
    source = open_source(config.data, split, info.channels)
    lacking = set(info.batch_fields) - set(source.fields)
    if lacking:
        raise RelightError(
            f"Method '{config.method}' needs {', '.join(info.batch_fields)}, but the data "
            f"'{config.data.name}' have no {' and no '.join(sorted(lacking))}."
        )
    if isinstance(source, FormedSource) and source.on_the_fly:
        source.prepare(progress=progress)
        return source
    return cached(source, config.data.cache / split if config.data.cache else None, progress=progress)


def _initialise(model: Any, config: RunConfig, start: Path) -> None:
    from tf_relight.weights import assign_weights, check_made_for, read_weights, resolve

    stored, method = read_weights(resolve(start)), methods.get(config.method)
    if stored.method not in method.info.starts_from:
        check_made_for(stored, config.method, method.config(config.model))
    assign_weights(model, stored.tensors, source=str(stored.path))


def _loss_resources(stages: list[Any]) -> dict[str, dict[str, Any]]:
    """Load the VGG-16 features when a loss of the recipe looks through them."""
    if not any(term.loss == "vgg16" for stage in stages for term in stage.losses):
        return {}
    from tf_relight.perceptual import vgg16_features

    return {"vgg16": {"features": vgg16_features()}}


def _open_folder(config: RunConfig, *, resume: bool) -> None:
    """Write config.yaml; refuse to mix a new run into an old one."""
    folder = config.output
    if (folder / "checkpoints").exists() and not resume:
        raise RelightError(
            f"{folder} already holds a run. Continue it with --resume, or choose another place with "
            "--set output=FOLDER, or delete it."
        )
    with atomic_path(folder / "config.yaml") as temporary:
        temporary.write_text(dump_config(config), encoding="utf-8")


def _save_result(config: RunConfig, trainer: Trainer, path: Path) -> None:
    from tf_relight.weights import read_weights, resolve, save_weights

    start = config.train.init_from
    save_weights(
        trainer.model,
        path,
        method=config.method,
        config=methods.get(config.method).config(config.model),
        recipe=methods.get(config.method).recipe(config.recipe).model_dump(mode="json"),
        data=config.data.model_dump(mode="json", exclude={"root", "cache"}),
        train=config.train.model_dump(mode="json", exclude={"init_from", "devices"}),
        size=config.data.size,
        hardware=f"{platform.machine()}, {os.cpu_count()} cores",
        seconds=round(trainer.seconds()),
        starts_from=None if start is None else read_weights(resolve(start)).metadata,
        scores=trainer.last_scores(),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; the same as `relight train`."""
    import sys

    from tf_relight.cli import main as command

    return command(["train", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    raise SystemExit(main())
