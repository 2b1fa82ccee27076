"""One training run from its config: data, network, trainer, and the weights at the end."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tf_relight import methods
from tf_relight.config.run import RunConfig, dump_config
from tf_relight.contract.stage import FOLLOWED, Stage
from tf_relight.data.fields import network_fields
from tf_relight.data.source import FormedSource, Source, Split
from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.rounding.stage import WITHOUT_ROUNDING, with_rounding
from tf_relight.terminal import note

if TYPE_CHECKING:
    from tf_relight.training.loop import Trainer


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

    if config.train.quantise is not None:
        config = config.model_copy(update={"model": {**config.model, "quantised": True}})
    cluster = read_cluster()
    strategy = make_strategy(config.train.strategy, config.train.devices, cluster)
    config = _with_precision(config, strategy, resume=resume, told=progress and cluster.chief)
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


def _with_precision(config: RunConfig, strategy: Any, *, resume: bool, told: bool) -> RunConfig:
    """Settle `precision: auto`, so that the run's config.yaml records what was computed in."""
    from tf_relight.training.precision import resolve_precision

    precision, reason = resolve_precision(config, strategy, resume=resume)
    if told and config.train.precision == "auto":
        note(f"precision {precision.removeprefix('mixed_')}: {reason}")
    return config.model_copy(update={"train": config.train.model_copy(update={"precision": precision})})


def _make_trainer(config: RunConfig, strategy: Any, cluster: Any, progress: bool) -> Trainer:
    from tf_relight.training.loop import Trainer

    method = methods.get(config.method)
    network, recipe = method.config(config.model), method.recipe(config.recipe)
    stages = method.stages(network, recipe)
    if config.train.quantise is not None:
        stages = with_rounding(stages, config.train.quantise)
    _check_start(stages, config)
    shown = progress and cluster.chief
    with strategy.scope():
        model = method.build_model(network)
        _check_side(model, stages, config)
        method.check_networks(model)
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
        streams=_streams(config, shown),
        folder=config.output,
        crop=config.data.crop,
        resources=resources,
        fields=functools.partial(network_fields, info=method.info),
    )


def _check_start(stages: list[Stage], config: RunConfig) -> None:
    """Refuse a stage whose parts nobody has trained."""
    trained: set[str] = set()
    for stage in stages:
        missing = [part for part in stage.builds_on if part not in trained]
        if missing and config.train.init_from is None:
            raise RelightError(
                f"The stage '{stage.name}' builds on trained {' and '.join(missing)}. Train them first and "
                "set train.init_from to the weights."
            )
        trained |= set(stage.trains)


def _check_side(model: Any, stages: list[Stage], config: RunConfig) -> None:
    """Refuse pictures that are too small for the network or a discriminator, before the data are read."""
    name = "data.size" if config.data.crop is None else "data.crop"
    side = config.data.size if config.data.crop is None else config.data.crop
    if side is None:
        return
    if side < model.smallest:
        raise RelightError(
            f"{name} {side} is too small for this network, which needs at least {model.smallest} pixels."
        )
    for adversary in (adversary for stage in stages for adversary in stage.adversaries):
        if adversary.network.scores(side) < 1:
            raise RelightError(
                f"{name} {side} is too small for the discriminator '{adversary.discriminator}': take larger "
                "pictures, or fewer layers or scales for it in the recipe."
            )


def _needs(config: RunConfig) -> dict[str, list[str]]:
    """The fields of the training batches by the stream that they come from; "" is the run's data.

    Raises:
        RelightError: a stage names a stream that the config does not have.
    """
    method = methods.get(config.method)
    stages = method.stages(method.config(config.model), method.recipe(config.recipe))
    found: dict[str, list[str]] = {"": [], **{name: [] for name in config.streams}}
    for name in method.needs(stages):
        stream, dot, field = name.partition(".")
        if dot and stream not in config.streams:
            raise RelightError(
                f"Method '{config.method}' learns from '{name}', but the config has no stream '{stream}': "
                f"add one in the section streams, for example streams.{stream}.name=heads."
            )
        found[stream if dot else ""].append(field if dot else name)
    return found


def _ready_source(config: RunConfig, split: Split, progress: bool) -> Source:
    """Open a split and do its slow work once: decode the pictures, or render the scenes' layers."""
    from tf_relight.data import open_source

    method, needs = methods.get(config.method), _needs(config)[""]
    inputs = [port.batch_field for port in method.info.inputs if port.in_batches]
    stages = method.stages(method.config(config.model), method.recipe(config.recipe))
    checked = {name for stage in stages for check in stage.checks for name in check.names}
    # A validation also does with less: a stage whose target is missing there is trained, and not validated.
    wanted = {"needs": needs} if split == "train" else {"needs": inputs, "wishes": {*needs, *checked}}
    source = open_source(config.data, split, _channels(config), **wanted)
    return _prepared(source, config.data.cache, split, progress)


def _streams(config: RunConfig, progress: bool) -> dict[str, Source]:
    """Open the second streams of the training batches.

    Raises:
        RelightError: a stream has fewer samples than a batch.
    """
    from tf_relight.data import open_source

    needs, streams = _needs(config), {}
    for name, options in config.streams.items():
        source = open_source(options, "train", _channels(config), needs=needs[name])
        if len(source) < config.train.batch_size:
            raise RelightError(
                f"The stream '{name}' has {len(source)} samples, fewer than a batch of "
                f"{config.train.batch_size}: give it more, or lower train.batch_size."
            )
        streams[name] = _prepared(source, options.cache, f"stream-{name}", progress)
    return streams


def _channels(config: RunConfig) -> Literal["rgb", "luminance"]:
    return "luminance" if methods.get(config.method).info.picture.kind == "lightness" else "rgb"


def _prepared(source: Source, cache: Path | None, name: str, progress: bool) -> Source:
    from tf_relight.data.pipeline import cached

    if isinstance(source, FormedSource) and source.on_the_fly:
        source.prepare(progress=progress)
        return source
    return cached(source, cache / name if cache else None, progress=progress)


def _initialise(model: Any, config: RunConfig, start: Path) -> None:
    import numpy as np

    from tf_relight.methods.trained import assign_weights, check_made_for, tensor_variables
    from tf_relight.weights.file import read_weights, resolve

    stored, method = read_weights(resolve(start)), methods.get(config.method)
    asked, tensors, share = config.model, dict(stored.tensors), config.train.quantise
    if share is not None and not stored.config.get("quantised"):
        asked = {**asked, **WITHOUT_ROUNDING}
    if share is not None and (share < 1 or not stored.config.get("quantised")):
        # There are no ranges, or steps without rounding come first, after which they no longer fit.
        tensors["ranges"] = np.zeros_like(tensor_variables(model)["ranges"])
    if stored.method not in method.info.starts_from:
        check_made_for(stored, config.method, method.config(asked))
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
    folder = config.output
    if (folder / "checkpoints").exists() and not resume:
        raise RelightError(
            f"{folder} already holds a run. Continue it with --resume, or choose another place with "
            "--set output=FOLDER, or delete it."
        )
    write_text(folder / "config.yaml", dump_config(config))


def _save_result(config: RunConfig, trainer: Trainer, path: Path) -> None:
    from tf_relight.methods.trained import save_weights
    from tf_relight.weights.fetch import sha256_of
    from tf_relight.weights.file import FOLLOWED_WEIGHTS, read_weights, resolve

    method, start = methods.get(config.method), config.train.init_from
    followed = trainer.model.attached.get(FOLLOWED)
    known: dict[str, Any] = {
        "recipe": method.recipe(config.recipe).model_dump(mode="json"),
        "data": config.data.model_dump(mode="json", exclude={"root", "cache"}),
        "train": config.train.model_dump(mode="json", exclude={"init_from", "devices"}),
        "size": config.data.size,
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(trainer.seconds()),
        "starts_from": None if start is None else read_weights(resolve(start)).metadata,
    }
    scores = trainer.last_scores()
    if followed is not None:
        plain = method.config({**config.model, **WITHOUT_ROUNDING})
        place = path.with_name(FOLLOWED_WEIGHTS)
        save_weights(followed, place, method=config.method, config=plain, **known)
        known["follows"] = sha256_of(place)
    save_weights(
        trainer.model, path, method=config.method, config=method.config(config.model), scores=scores, **known
    )
