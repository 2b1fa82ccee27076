"""The config of a comparison: rows of methods under one budget; every mistake in it is reported at once.

TensorFlow is not imported here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic import field_validator as check_field
from pydantic import model_validator as check_model

from tf_relight import methods
from tf_relight.config.file import read_mapping
from tf_relight.config.mistakes import sentence
from tf_relight.config.run import RunConfig, TrainConfig, override, validate
from tf_relight.contract.values import FrozenModel, Interval, Place, Real
from tf_relight.data.options import DataConfig, options_class
from tf_relight.errors import many, shortened, suggest

SECTIONS = ("data", "train", "evaluation")
BASELINES = "baselines"
"""Folder of the simple baselines, beside those of the rows."""


class Published(FrozenModel):
    """A row of a paper's table, on the paper's data.

    Attributes:
        psnr: dB. ssim, lpips: 0..1.
        source: where the numbers were read.
    """

    psnr: Real | None = None
    ssim: Real | None = None
    lpips: Real | None = None
    source: Annotated[str, Field(min_length=1)]


class RowConfig(FrozenModel):
    """One row of the table: a method to train, or weights to load.

    Attributes:
        name: of the row and its folder.
        method: a name from `relight methods`; with `weights` it may be left out.
        model, recipe: what the method's own Config and Recipe take.
        train: what differs from the common budget, for example {init_from: FILE}.
        streams: second streams of the row's batches, as in a run's config.
        weights: file, or name from `relight weights`, that is scored in place of training.
        published: numbers to print beside.
    """

    name: str
    method: str | None = None
    model: dict[str, Any] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    streams: dict[str, Any] = Field(default_factory=dict)
    weights: Annotated[str, Field(min_length=1)] | None = None
    published: Published | None = None

    @check_field("name")
    @classmethod
    def _is_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 +()_-]{0,59}", name):
            raise ValueError(
                "is no name for a row: use letters, digits, spaces and + - _ ( ), a letter or digit first"
            )
        if name.lower() == BASELINES:
            raise ValueError("is the name of the baselines: choose another")
        return name

    @check_field("method")
    @classmethod
    def _known_method(cls, name: str | None) -> str | None:
        known = methods.names()
        if name is not None and name not in known:
            raise ValueError(f"is not a method.{suggest(name, known)} Known: {', '.join(known)}")
        return name

    @check_model(mode="after")
    def _trains_or_loads(self) -> RowConfig:
        if self.weights is None and self.method is None:
            raise ValueError(f"row '{self.name}' has neither a method to train nor weights to load")
        if self.weights is not None:
            given = [name for name in ("model", "recipe", "train", "streams") if getattr(self, name)]
            if given:
                raise ValueError(
                    f"row '{self.name}' loads weights, so {' and '.join(given)} would change nothing: "
                    "leave out one or the other"
                )
        return self


class EvaluationConfig(FrozenModel):
    """On which pictures all rows are scored.

    Attributes:
        data: what differs from the common data, for example {size: 256}.
        split: of the data.
        limit: only the first so many pictures.
        samples: pictures in the grid, spread over the data.
        by_light: scores by direction and temperature of the input's light for each row, too.
        baselines: also score the three simple baselines.
    """

    data: dict[str, Any] = Field(default_factory=dict)
    split: Literal["train", "validation"] = "validation"
    limit: Interval | None = None
    samples: Annotated[int, Field(ge=1, le=64)] = 6
    by_light: bool = False
    baselines: bool = False

    @check_model(mode="after")
    def _baselines_are_held_out(self) -> EvaluationConfig:
        if self.baselines and self.split != "validation":
            raise ValueError(
                "the baselines are fitted to the training split: set evaluation.split=validation"
            )
        return self


class TableConfig(FrozenModel):
    """A whole comparison.

    Attributes:
        title: heading of the table.
        published_on: the dataset of the published numbers, which is not the one scored here.
        data, train: common to all rows; `train` may be missing if all rows load weights.
        output: folder of the table, with a folder for each row; default runs/<name of the config file>.
    """

    title: str = ""
    published_on: str = ""
    rows: Annotated[list[RowConfig], Field(min_length=1)]
    data: DataConfig = Field(default_factory=DataConfig)
    train: TrainConfig | None = None
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    output: Place

    @check_model(mode="after")
    def _says_where_numbers_are_from(self) -> TableConfig:
        if any(row.published for row in self.rows) and not self.published_on:
            raise ValueError("published_on is missing: name the dataset of the published numbers")
        return self


@dataclass(frozen=True)
class TableRow:
    """A row, ready to run.

    Attributes:
        folder: gets the run and its scores.
        run: what to train; None loads `weights`.
        method: expected of the weights; None takes any.
    """

    name: str
    folder: Path
    run: RunConfig | None
    weights: str | None
    method: str | None
    published: Published | None


@dataclass(frozen=True)
class Table:
    """A checked comparison; `evaluation_data` are the data that all rows are scored on."""

    config: TableConfig
    rows: tuple[TableRow, ...]
    evaluation_data: DataConfig


def load_table(path: Path | str, overrides: Iterable[str] = (), output: Path | str | None = None) -> Table:
    """Read the YAML file of a comparison and apply `--set` overrides.

    Args:
        path: the YAML file. Paths inside it are relative to the current folder.
        overrides: "section.key=value" each, or "rows.NAME.section.key=value" for one row.
        output: folder of the table in place of the config's.

    Raises:
        RelightError: the file cannot be read, or one sentence per mistake in it, all together.
    """
    path = Path(path)
    values, problems = read_mapping(path, what="a table", needs="'rows', 'data' and 'train.steps'")
    values = _unshared(values)
    for name in SECTIONS:
        # A section whose lines are all commented out reads as null.
        if name in values and values[name] is None:
            del values[name]
    problems += [problem for text in overrides if (problem := _override(values, text))]
    if output is not None:
        values["output"] = str(output)
    values.setdefault("output", str(Path("runs") / path.stem))
    config, mistakes = _check_table(values)
    problems += mistakes
    rows = [row for row in _listed(values) if isinstance(row, dict)]
    problems += _repeated(rows)
    common = _common(values)
    for row in rows:
        problems += _check_row(row, *common)
    data, mistakes = _evaluation_data(values, common[0])
    problems += mistakes
    if config is None or data is None or problems:
        problems = list(dict.fromkeys(problems))
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise many(f"{path} has {count}:", problems)
    return Table(config, tuple(_ready(row, config) for row in config.rows), data)


def _unshared(value: Any) -> Any:
    """Return a copy in which nothing is the same object twice, as YAML's aliases make it."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value


def _override(values: dict[str, Any], text: str) -> str | None:
    """Write one override into `values` or the row it names; return what is wrong with it, if anything."""
    head, _, rest = text.partition(".")
    if head.strip() != "rows":
        return override(values, text)
    rows = {str(row.get("name")): row for row in _listed(values) if isinstance(row, dict)}
    name, dot, inner = rest.partition(".")
    if not dot or "=" in name:
        example = "write it as rows.NAME.key=value, for example rows.DRN.train.batch_size=2."
        return f"--set {shortened(text)}: {example}"
    if name not in rows:
        return f"--set {shortened(text)}: there is no row '{shortened(name, 60)}'.{suggest(name, rows)}"
    problem = override(rows[name], inner)
    return problem.replace(f"--set {shortened(inner)}", f"--set {shortened(text)}", 1) if problem else None


def _listed(values: Mapping[str, Any]) -> list[Any]:
    rows = values.get("rows")
    return rows if isinstance(rows, list) else []


def _check_table(values: dict[str, Any]) -> tuple[TableConfig | None, list[str]]:
    """Return the checked config and its mistakes, those inside a row under the row's name."""
    known: dict[str, type[BaseModel]] = {
        "": TableConfig,
        "data": DataConfig,
        "train": TrainConfig,
        "evaluation": EvaluationConfig,
    }
    titles = {str(place): _title(row, place) for place, row in enumerate(_listed(values))}
    known |= {f"rows.{place}": RowConfig for place in titles}
    try:
        return TableConfig.model_validate(values), []
    except ValidationError as error:
        mistakes = []
        for mistake in error.errors():
            text = sentence(mistake, (), known)
            place = str(mistake["loc"][1]) if len(mistake["loc"]) > 1 else ""
            if mistake["loc"][:1] == ("rows",) and place in titles:
                text = text.replace(f"rows.{place}.", f"{titles[place]}: ")
                # What concerns a row as a whole names it already.
                text = re.sub(rf"^rows\.{place}: row", "row", text)
                text = text.replace(f"rows.{place} =", f"{titles[place]} =")
            mistakes.append(text)
        return None, mistakes


def _title(row: Any, place: int) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return f"row '{name}'" if name else f"row {place + 1}"


def _repeated(rows: list[dict[str, Any]]) -> list[str]:
    """Return a sentence for each name that two rows have; their folders may not differ by case only."""
    seen: dict[str, str] = {}
    mistakes = []
    for row in rows:
        name = str(row.get("name", ""))
        key = _folder_name(name).lower()
        if name and key in seen:
            same = "" if seen[key] == name else f" (as '{seen[key]}')"
            mistakes.append(f"Two rows are called '{name}'{same}: rename one.")
        seen.setdefault(key, name)
    return mistakes


def _folder_name(name: str) -> str:
    return name.replace(" ", "_")


def _common(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the common data and budget, or what is good enough to check the rows if these are wrong.

    The budget is None where the config has none.
    """
    try:
        data = DataConfig.model_validate(values.get("data", {})).model_dump(mode="json")
    except ValidationError:
        data = {}
    if not values.get("train"):
        return data, None
    try:
        return data, TrainConfig.model_validate(values["train"]).model_dump(mode="json")
    except ValidationError:
        return data, {"steps": 10**6}


def _check_row(row: dict[str, Any], data: dict[str, Any], train: dict[str, Any] | None) -> list[str]:
    """Return the mistakes of a row that only its method, or the common budget, can tell."""
    name = row.get("method")
    if row.get("weights") is not None or name not in methods.names():
        return []  # reported already, or nothing to train
    sections = {key: row.get(key) or {} for key in ("model", "recipe", "train", "streams")}
    title = f"row '{row.get('name', name)}'"
    if any(not isinstance(section, dict) for section in sections.values()):
        return []
    if train is None and "steps" not in sections["train"]:
        return [f"{title}: train.steps is missing: give all rows a budget in the section train."]
    merged = {**(train or {}), **sections["train"]}
    run = {"method": name, **{key: sections[key] for key in ("model", "recipe", "streams")}}
    config, mistakes = validate({**run, "data": data, "train": merged})
    if config is not None and not mistakes:
        method = methods.get(config.method)
        stages = method.stages(method.config(config.model), method.recipe(config.recipe))
        if config.train.steps < len(stages):
            mistakes = [f"train.steps is {config.train.steps}, but the recipe has {len(stages)} stages."]
    return [f"{title}: {mistake}" for mistake in mistakes]


def _evaluation_data(values: Mapping[str, Any], data: dict[str, Any]) -> tuple[DataConfig | None, list[str]]:
    """Return the data to score on: the common data, changed by evaluation.data."""
    evaluation = values.get("evaluation", {})
    changes = evaluation.get("data", {}) if isinstance(evaluation, dict) else {}
    if not isinstance(changes, dict):
        return None, []  # reported already
    try:
        return DataConfig.model_validate({**_for_dataset(data, changes), **changes}), []
    except ValidationError as error:
        own = options_class({**data, **changes}.get("name", "vidit"))
        known: dict[str, type[BaseModel]] = {"evaluation.data": own}
        return None, [sentence(mistake, ("evaluation", "data"), known) for mistake in error.errors()]


def _for_dataset(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the common data for the changes: of another dataset's options only those that all data have."""
    if changes.get("name", data.get("name")) == data.get("name"):
        return data
    return {key: value for key, value in data.items() if key in DataConfig.model_fields}


def _ready(row: RowConfig, config: TableConfig) -> TableRow:
    folder = config.output / _folder_name(row.name)
    run = None
    if row.weights is None:
        common = {} if config.train is None else config.train.model_dump()
        run = RunConfig(
            method=row.method or "",
            model=row.model,
            recipe=row.recipe,
            data=config.data,
            streams={name: DataConfig.model_validate(values) for name, values in row.streams.items()},
            train=TrainConfig.model_validate({**common, **row.train}),
            output=folder,
        )
    return TableRow(row.name, folder, run, row.weights, row.method, row.published)
