"""One training run from its config: data, network, trainer, and the weights at the end."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from tf_relight import methods
from tf_relight.config.run import RunConfig, dump_config
from tf_relight.contract.stage import FOLLOWED, Stage
from tf_relight.data.fields import network_fields
from tf_relight.data.options import DataConfig
from tf_relight.data.source import FormedSource, Source, Split
from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.methods.method import Method
from tf_relight.rounding.stage import with_rounding
from tf_relight.terminal import note

if TYPE_CHECKING:
    from tf_relight.training.loop import Trainer


@dataclass(frozen=True)
class Run:
    """A config and what it names, looked up once.

    Attributes:
        network, recipe: the method's own Config and Recipe.
        stages: of the recipe, and the one with rounding where the config asks for it.
    """

    config: RunConfig
    method: Method
    network: BaseModel
    recipe: BaseModel
    stages: list[Stage]

    @classmethod
    def of(cls, config: RunConfig) -> Run:
        """Look up what a config names."""
        method = methods.get(config.method)
        network, recipe = method.config(config.model), method.recipe(config.recipe)
        stages = method.stages(network, recipe)
        if config.train.quantise is not None:
            stages = with_rounding(stages, config.train.quantise)
        return cls(config, method, network, recipe, stages)


def train(config: RunConfig, *, resume: bool = False, progress: bool = True) -> Path:
    """Train as `config` says and return the path of the final weights.

    The run's folder gets config.yaml (resolved), curve.csv, checkpoints/, tensorboard/ and
    weights.safetensors; with 8-bit rounding also the float network that was followed, `FOLLOWED_WEIGHTS`.

    Raises:
        RelightError: anything in the config, the data or the folder that the user can mend.
    """
    # TensorFlow takes seconds to import, so the config is complete and checked before.
    import keras

    from tf_relight.training.strategy import make_strategy, read_cluster

    rounding = methods.get(config.method).info.rounding
    if config.train.quantise is not None and rounding is not None:
        config = config.model_copy(update={"model": {**config.model, **rounding.on}})
    cluster = read_cluster()
    strategy = make_strategy(config.train.strategy, config.train.devices, cluster)
    config = _with_precision(config, strategy, resume=resume, told=progress and cluster.chief)
    keras.config.set_dtype_policy(config.train.precision)
    keras.utils.set_random_seed(config.train.seed)
    try:
        if cluster.chief:
            _open_folder(config, resume=resume)
        run = Run.of(config)
        trainer = _make_trainer(run, strategy, cluster, progress)
        trainer.run(resume=resume, progress=progress)
        path = config.output / "weights.safetensors"
        if cluster.chief:
            _save_result(run, trainer, path)
        return path
    finally:
        keras.config.set_dtype_policy("float32")


def _with_precision(config: RunConfig, strategy: Any, *, resume: bool, told: bool) -> RunConfig:
    """Settle `precision: auto`, so that the run's config.yaml records what was computed in."""
    from tf_relight.training.precision import resolve_precision

    precision, reason = resolve_precision(config, strategy, resume=resume)
    if told and config.train.precision == "auto":
        note(f"precision {precision.removeprefix('mixed_')}: {reason}")
    return config.model_copy(update={"train": config.train.model_copy(update={"precision": precision})})


def _make_trainer(run: Run, strategy: Any, cluster: Any, progress: bool) -> Trainer:
    from tf_relight.training.loop import Trainer

    config, method = run.config, run.method
    _check_start(run)
    shown = progress and cluster.chief
    with strategy.scope():
        model = method.build_model(run.network)
        _check_side(model, run)
        method.check_networks(model)
        resources = _loss_resources(run.stages)
        if config.train.init_from is not None:
            _initialise(model, run, config.train.init_from)
    return Trainer(
        model=model,
        stages=run.stages,
        config=config.train,
        strategy=strategy,
        cluster=cluster,
        train_source=_ready_source(run, "train", shown),
        validation_source=_ready_source(run, "validation", shown),
        streams=_streams(run, shown),
        folder=config.output,
        crop=config.data.crop,
        resources=resources,
        fields=functools.partial(network_fields, info=method.info),
    )


def _check_start(run: Run) -> None:
    """Refuse a stage whose parts nobody has trained."""
    trained: set[str] = set()
    for stage in run.stages:
        missing = [part for part in stage.builds_on if part not in trained]
        if missing and run.config.train.init_from is None:
            raise RelightError(
                f"The stage '{stage.name}' builds on trained {' and '.join(missing)}. Train them first and "
                "set train.init_from to the weights."
            )
        trained |= set(stage.trains)


def _check_side(model: Any, run: Run) -> None:
    """Refuse pictures that are too small for the network or a discriminator, before the data are read."""
    config = run.config
    name = "data.size" if config.data.crop is None else "data.crop"
    side = config.data.size if config.data.crop is None else config.data.crop
    if side is None:
        return
    if side < model.smallest:
        raise RelightError(
            f"{name} {side} is too small for this network, which needs at least {model.smallest} pixels."
        )
    for adversary in (adversary for stage in run.stages for adversary in stage.adversaries):
        if adversary.network.scores(side) < 1:
            raise RelightError(
                f"{name} {side} is too small for the discriminator '{adversary.discriminator}': take larger "
                "pictures, or fewer layers or scales for it in the recipe."
            )


def _needs(run: Run) -> dict[str, list[str]]:
    """The fields of the training batches by the stream that they come from; "" is the run's data.

    Raises:
        RelightError: a stage names a stream that the config does not have.
    """
    streams = run.config.streams
    found: dict[str, list[str]] = {"": [], **{name: [] for name in streams}}
    for name in run.method.needs(run.stages):
        stream, dot, field = name.partition(".")
        if dot and stream not in streams:
            raise RelightError(
                f"Method '{run.method.name}' learns from '{name}', but the config has no stream '{stream}': "
                f"add one in the section streams, for example streams.{stream}.name=heads."
            )
        found[stream if dot else ""].append(field if dot else name)
    return found


def _ready_source(run: Run, split: Split, progress: bool) -> Source:
    """Open a split and do its slow work once: decode the pictures, or render the scenes' layers."""
    from tf_relight.data import open_source

    data, needs = run.config.data, _needs(run)[""]
    inputs = [port.batch_field for port in run.method.info.inputs if port.in_batches]
    checked = {name for stage in run.stages for check in stage.checks for name in check.names}
    # A validation also does with less: a stage whose target is missing there is trained, and not validated.
    wanted = {"needs": needs} if split == "train" else {"needs": inputs, "wishes": {*needs, *checked}}
    return _prepared(open_source(data, split, _channels(run), **wanted), data.cache, split, progress)


def _streams(run: Run, progress: bool) -> dict[str, Source]:
    """Open the second streams of the training batches.

    Raises:
        RelightError: a stream has fewer samples than a batch.
    """
    from tf_relight.data import open_source

    needs, batch, streams = _needs(run), run.config.train.batch_size, {}
    for name, options in run.config.streams.items():
        source = open_source(options, "train", _channels(run), needs=needs[name])
        if len(source) < batch:
            raise RelightError(
                f"The stream '{name}' has {len(source)} samples, fewer than a batch of {batch}: give it "
                "more, or lower train.batch_size."
            )
        streams[name] = _prepared(source, options.cache, f"stream-{name}", progress)
    return streams


def _channels(run: Run) -> Literal["rgb", "lightness"]:
    return "lightness" if run.method.info.picture.kind == "lightness" else "rgb"


def _prepared(source: Source, cache: Path | None, name: str, progress: bool) -> Source:
    from tf_relight.data.pipeline import cached

    if isinstance(source, FormedSource) and source.on_the_fly:
        source.prepare(progress=progress)
        return source
    return cached(source, cache / name if cache else None, progress=progress)


def _initialise(model: Any, run: Run, start: Path) -> None:
    import numpy as np

    from tf_relight.methods.trained import assign_weights, check_made_for, tensor_variables
    from tf_relight.weights.file import read_weights, resolve

    config, method, rounding = run.config, run.method, run.method.info.rounding
    stored = read_weights(resolve(start))
    asked, tensors, share = config.model, dict(stored.tensors), config.train.quantise
    if share is not None and rounding is not None:
        rounds = rounding.is_on(stored.config)
        if not rounds:
            asked = {**asked, **rounding.off}
        if share < 1 or not rounds:
            # There are no ranges, or steps without rounding come first, after which they no longer fit.
            tensors[rounding.ranges] = np.zeros_like(tensor_variables(model)[rounding.ranges])
    if stored.method not in method.info.starts_from:
        check_made_for(stored, method.name, method.config(asked))
    elif stored.method != method.name:
        fresh = {name: np.asarray(variable) for name, variable in tensor_variables(model).items()}
        tensors = method.begin_from(tensors, stored.config, run.network, fresh)
    assign_weights(model, tensors, source=str(stored.path))


def _loss_resources(stages: list[Stage]) -> dict[str, dict[str, Any]]:
    """Load the networks that losses of the recipe look through."""
    used = {term.loss for stage in stages for term in stage.losses} & {"vgg16", "vgg16_shallow", "vgg19"}
    if not used:
        return {}
    from tf_relight.networks import perceptual

    load = {
        "vgg16": perceptual.vgg16_features,
        "vgg16_shallow": perceptual.vgg16_shallow_features,
        "vgg19": perceptual.vgg19_features,
    }
    return {loss: {"features": load[loss]()} for loss in sorted(used)}


def _open_folder(config: RunConfig, *, resume: bool) -> None:
    """Write config.yaml; refuse to mix a new run into an old one."""
    check_unused(config.output, resume=resume)
    write_text(config.output / "config.yaml", dump_config(config))


def check_unused(folder: Path, *, resume: bool) -> None:
    """Raise RelightError where a run's folder holds a run that is not to be continued."""
    if (folder / "checkpoints").exists() and not resume:
        raise RelightError(
            f"{folder} already holds a run. Continue it with --resume, or choose another place with "
            "--set output=FOLDER, or delete it."
        )


def _save_result(run: Run, trainer: Trainer, path: Path) -> None:
    from tf_relight.methods.trained import save_weights
    from tf_relight.weights.checksum import sha256_of
    from tf_relight.weights.file import FOLLOWED_WEIGHTS, read_weights, resolve

    config, method, start = run.config, run.method, run.config.train.init_from
    followed = trainer.model.attached.get(FOLLOWED)
    known: dict[str, Any] = {
        "recipe": run.recipe.model_dump(mode="json"),
        "data": _told(config.data),
        "train": config.train.model_dump(mode="json", exclude={"init_from", "devices"}),
        "size": config.data.size,
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(trainer.seconds()),
        "starts_from": None if start is None else read_weights(resolve(start)).metadata,
    }
    if config.streams:
        known["streams"] = {name: _told(stream) for name, stream in config.streams.items()}
    scores = trainer.last_scores()
    if followed is not None and method.info.rounding is not None:
        plain = method.config({**config.model, **method.info.rounding.off})
        place = path.with_name(FOLLOWED_WEIGHTS)
        save_weights(followed, place, method=method.name, config=plain, **known)
        known["follows"] = sha256_of(place)
    save_weights(trainer.model, path, method=method.name, config=run.network, scores=scores, **known)


def _told(data: DataConfig) -> dict[str, Any]:
    """Return a dataset's options without the folders of this machine, those of a mixture's parts neither."""
    told = data.model_dump(mode="json", exclude={"root", "cache"})
    if "parts" in told:
        told["parts"] = [
            {key: value for key, value in part.items() if key not in ("root", "cache")}
            for part in told["parts"]
        ]
    return told
