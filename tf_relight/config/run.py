"""The config of a run: pydantic models, and one reader that reports every mistake at once.

TensorFlow is not imported here: a mistyped key is answered in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError
from pydantic import field_validator as check_field
from pydantic import model_validator as check_model

from tf_relight import methods
from tf_relight.config.file import parse_value, read_mapping
from tf_relight.config.mistakes import sentence
from tf_relight.contract.values import FrozenModel, Interval, Place, Real, Seed, Whole
from tf_relight.data.options import DataConfig, options_class
from tf_relight.errors import many, shortened, suggest

SECTIONS = ("model", "recipe", "data", "streams", "train")


class TrainConfig(FrozenModel):
    """How a run trains; what a method's paper prescribes is in the method's own recipe instead.

    Attributes:
        steps: optimiser steps of all stages together.
        batch_size: pictures per step over all devices.
        precision: "mixed_bfloat16" computes in bfloat16 and keeps float32 weights; "auto" does so where the
            hardware has it, and a resumed run stays with what it began with.
        xla: compiles the gradient functions with XLA.
        strategy: "auto" takes multi_worker with TF_CONFIG, mirrored with several devices, else one device.
        devices: such as ["GPU:0", "GPU:1"]; None takes all GPUs, or the CPU.
        clip_norm: largest global norm of the gradients; None does not clip.
        accumulate: pieces that a batch is computed in, to save memory.
        ema: decay of the averaged weights that are validated and released; None averages nothing.
        log_every, validate_every, picture_every, checkpoint_every: in steps.
        keep_checkpoints: how many of the latest stay on disk.
        validation_pictures: how many pictures a validation looks at.
        init_from: weights file, or name from `relight weights`, to start from.
        quantise: share of the steps at the end that repeats the last stage with the rounding of 8-bit
            inference, for networks that know it; 1 with init_from does nothing else. None rounds nothing.
    """

    steps: Interval
    batch_size: Annotated[Whole, Field(ge=1, le=65536)] = 2
    seed: Seed = 0
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "float32"
    xla: bool = False
    strategy: Literal["auto", "default", "one_device", "mirrored", "multi_worker"] = "auto"
    devices: Annotated[list[str], Field(min_length=1)] | None = None
    clip_norm: Annotated[Real, Field(gt=0)] | None = 1.0
    accumulate: Annotated[Whole, Field(ge=1, le=65536)] = 1
    ema: Annotated[Real, Field(gt=0, lt=1)] | None = None
    log_every: Interval = 20
    validate_every: Interval = 500
    picture_every: Interval = 500
    checkpoint_every: Interval = 500
    keep_checkpoints: Interval = 2
    validation_pictures: Interval = 45
    init_from: Place | None = None
    quantise: Annotated[Real, Field(gt=0, le=1)] | None = None

    @check_model(mode="after")
    def _quantise_fits(self) -> TrainConfig:
        if self.quantise is not None and self.precision == "mixed_bfloat16":
            raise ValueError("quantise needs precision float32: bfloat16 cannot count the steps")
        if self.quantise == 1 and self.init_from is None:
            raise ValueError("quantise 1 trains with rounding only: set init_from to trained weights")
        return self


class RunConfig(FrozenModel):
    """A whole run.

    Attributes:
        method: a name from `relight methods`.
        model: what the method's own Config takes. recipe: what its own Recipe takes.
        data: which pictures; see the `Options` of each dataset.
        streams: other data that come along with every batch, by a name of yours: their fields are then called
            "<name>.<field>".
        output: folder of the run; `load_config` sets runs/<name of the config file>.
    """

    method: str
    model: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    data: SerializeAsAny[DataConfig] = Field(default_factory=DataConfig)
    streams: dict[str, SerializeAsAny[DataConfig]] = Field(default_factory=dict)
    train: TrainConfig
    output: Place = Path("runs/run")

    @check_model(mode="after")
    def _batch_divides(self) -> RunConfig:
        # The trainer checks again, when it knows the number of devices.
        batch, pieces = self.train.batch_size, self.train.accumulate
        if batch % pieces:
            raise ValueError(f"train.batch_size {batch} is not a multiple of train.accumulate {pieces}")
        return self

    @check_model(mode="after")
    def _method_rounds(self) -> RunConfig:
        rounding = methods.get(self.method).info.rounding
        if self.train.quantise is not None and rounding is None:
            able = [name for name in methods.names() if methods.get(name).info.rounding is not None]
            raise ValueError(f"train.quantise: method '{self.method}' cannot; {', '.join(able)} can")
        asked = [name for name in (() if rounding is None else rounding.options) if self.model.get(name)]
        if asked and self.train.quantise is None:
            raise ValueError(f"model.{asked[0]} needs train.quantise, or no range would ever be set")
        return self

    @check_field("method")
    @classmethod
    def _known_method(cls, name: str) -> str:
        known = methods.names()
        if name not in known:
            raise ValueError(f"is not a method.{suggest(name, known)} Known: {', '.join(known)}")
        return name


def load_config(path: Path | str, overrides: Iterable[str] = ()) -> RunConfig:
    """Read a run's YAML file and apply `--set` overrides.

    Args:
        path: the YAML file. Paths inside it are relative to the current folder.
        overrides: "section.key=value" each; the value is read as YAML.

    Raises:
        RelightError: the file cannot be read, or one sentence per mistake in it, all together.
    """
    path = Path(path)
    values, problems = read_mapping(path)
    for name in SECTIONS:
        # A section whose lines are all commented out reads as null.
        if name in values and values[name] is None:
            values[name] = {}
    for text in overrides:
        problem = override(values, text)
        if problem:
            problems.append(problem)
    values.setdefault("output", str(Path("runs") / path.stem))
    config, mistakes = validate(values)
    problems += mistakes
    if config is None or problems:
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise many(f"{path} has {count}:", problems)
    return config


def make_data_config(values: Mapping[str, Any], overrides: Iterable[str] = ()) -> DataConfig:
    """Return a checked DataConfig without a run around it.

    Args:
        values: its fields.
        overrides: "data.key=value" each.

    Raises:
        RelightError: one sentence per mistake, all together.
    """
    whole: dict[str, Any] = {"data": dict(values)}
    problems = [problem for text in overrides if (problem := override(whole, text))]
    data = whole.pop("data")
    problems += [f"{section}: only data.* can be set here." for section in whole]
    try:
        config = DataConfig.model_validate(data)
    except ValidationError as error:
        known = _data_sections({"data": data})
        problems += [sentence(mistake, ("data",), known) for mistake in error.errors()]
    if problems:
        raise many("The data settings have mistakes:", problems)
    return config


def dump_config(config: RunConfig) -> str:
    """Return the config as YAML with every default written out, so that reading it gives the same run."""
    values = config.model_dump(mode="json")
    method = methods.get(config.method)
    values["model"] = method.config(config.model).model_dump(mode="json")
    values["recipe"] = method.recipe(config.recipe).model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False)


def override(values: dict[str, Any], text: str) -> str | None:
    """Write one "a.b=c" into `values`; return what is wrong with it, if anything."""
    shown = shortened(text)
    key, equals, raw = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        return f"--set {shown}: write it as section.key=value, for example --set train.steps=100."
    value, problem = parse_value(raw)
    if problem:
        return f"--set {shown}: {problem}"
    section = values
    for depth, part in enumerate(parts[:-1]):
        inner = section.setdefault(part, {})
        if not isinstance(inner, dict):
            return f"--set {shown}: {'.'.join(parts[: depth + 1])} is a value, not a section."
        section = inner
    section[parts[-1]] = value
    return None


def _data_sections(values: dict[str, Any]) -> dict[str, type[BaseModel]]:
    """Return the options of each section that names a dataset."""
    streams = values.get("streams")
    sections = {"data": values.get("data")}
    if isinstance(streams, dict):
        sections |= {f"streams.{name}": section for name, section in streams.items()}
    for place, section in list(sections.items()):
        parts = section.get("parts") if isinstance(section, dict) else None
        sections |= {
            f"{place}.parts.{n}": part for n, part in enumerate(parts if isinstance(parts, list) else ())
        }
    return {
        place: options_class(section.get("name", "vidit") if isinstance(section, dict) else "vidit")
        for place, section in sections.items()
    }


def validate(values: dict[str, Any]) -> tuple[RunConfig | None, list[str]]:
    """Return the checked config, and all mistakes of the run and of the method's own parts."""
    config: RunConfig | None = None
    mistakes: list[str] = []
    known: dict[str, type[BaseModel]] = {"": RunConfig, "train": TrainConfig, **_data_sections(values)}
    checks: dict[str, Any] = {}
    name = values.get("method")
    if name in methods.names():
        method = methods.get(name)
        known |= {"model": method.config_class, "recipe": method.recipe_class}
        checks = {"model": method.config, "recipe": method.recipe}
    try:
        config = RunConfig.model_validate(values)
    except ValidationError as error:
        mistakes += [sentence(mistake, (), known) for mistake in error.errors()]
    for section, check in checks.items():
        given = values.get(section, {})
        try:
            # Keys that are no words are reported already.
            words = given.items() if isinstance(given, dict) else ()
            check({key: value for key, value in words if isinstance(key, str)})
        except ValidationError as error:
            mistakes += [sentence(mistake, (section,), known) for mistake in error.errors()]
    return config, mistakes
