"""What each sub-command of `relight` does and prints. Imports are inside, to keep quick commands quick."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tf_relight.config import DataConfig


def train(*, config: str, overrides: Sequence[str], resume: bool) -> int:
    """Train as a config file says; returns the exit code, as all commands do."""
    from tf_relight.config import load_config
    from tf_relight.train import train

    weights = train(load_config(config, overrides), resume=resume)
    print(f"Weights: {weights}")
    return 0


def evaluate(
    *,
    weights: str | None,
    folders: Sequence[str] | None,
    method: str | None,
    data: str | None,
    root: str | None,
    split: Literal["train", "validation"],
    size: int | None,
    overrides: Sequence[str],
    baselines: bool,
    limit: int | None,
    run: str | None,
    out: str,
) -> int:
    """Score weights on a dataset, or one folder of pictures against another, and print the whole table."""
    from rich.console import Console

    from tf_relight.errors import RelightError
    from tf_relight.evaluate import evaluate_baselines, evaluate_folders, evaluate_weights
    from tf_relight.score_table import read_rows, terminal_table

    if folders is not None:
        given = {"--data": data, "--root": root, "--size": size, "--set": overrides, "--baselines": baselines}
        for option, value in given.items():
            if value:
                raise RelightError(f"{option} has no meaning with --folders: leave it out.")
        rows = [evaluate_folders(*folders, out=out, run=run)]
    else:
        assert weights is not None  # argparse asks for one of the two
        chosen = _evaluation_data(weights, {"name": data, "root": root, "size": size}, overrides)
        rows = [
            evaluate_weights(weights, data=chosen, split=split, method=method, out=out, run=run, limit=limit)
        ]
        if baselines:
            rows += evaluate_baselines(chosen, out=out, limit=limit)
    Console().print(terminal_table(read_rows(out)))
    print(f"Table: {out}/metrics.md and {out}/metrics.csv")
    for row in rows:
        for name in row.unmatched:
            print(f"relight: {name} has no partner and was left out.", file=sys.stderr)
    return _report_failures(failure for row in rows for failure in row.failures)


def image(
    *,
    paths: Sequence[str],
    out: str,
    method: str | None,
    weights: str | None,
    strength: float,
    size: int | None,
) -> int:
    """Relight photos and folders; broken ones are listed at the end."""
    from tf_relight.photos import relight_photos

    report = relight_photos(paths, out, method=method, weights=weights, strength=strength, size=size)
    for note in report.notes:
        print(f"relight: {note}", file=sys.stderr)
    for path in report.written:
        print(path)
    return _report_failures(report.failures)


def render_scenes(
    *,
    out: str,
    scenes: int,
    validation_scenes: int,
    size: int,
    layout: str,
    workers: int,
    seed: int,
    first: int,
    antialias: int,
    input_light: str,
    target_light: str,
    ground_truth: bool,
) -> int:
    """Render scenes into a folder."""
    from tf_relight.data.synthetic.write import render_scenes

    rendered = render_scenes(
        out,
        scenes=scenes,
        validation_scenes=validation_scenes,
        size=size,
        layout=layout,
        workers=workers,
        seed=seed,
        first=first,
        antialias=antialias,
        input_light=input_light,
        target_light=target_light,
        ground_truth=ground_truth,
    )
    print(f"Rendered {rendered} {'scene' if rendered == 1 else 'scenes'} into {out}.")
    return 0


def check_data(*, root: str, decode: bool) -> int:
    """Say what a data folder holds; the exit code is not 0 when something is missing or broken."""
    from pathlib import Path

    from tf_relight.data.check import check

    report = check(Path(root), decode)
    print(report.text())
    return report.exit_code


def methods() -> int:
    """Print the method table."""
    from tf_relight import methods

    cells = [("NAME", "TITLE", "TASK", "PARAMETERS", "PAPER")]
    for name in methods.names():
        info = methods.get(name).info
        cells.append((name, info.title, info.task, f"{info.parameters:,}", info.link))
    _print_aligned(cells)
    return 0


def list_weights() -> int:
    """Print the record of known weights."""
    from tf_relight.weights_record import KNOWN, present

    cells = [("NAME", "METHOD", "MB", "LICENCE", "HERE", "NOTE")]
    for name, record in KNOWN.items():
        here = "shipped" if record.shipped else "yes" if present(name) else "no"
        cells.append(
            (name, record.method or "-", f"{record.size / 1e6:.2f}", record.licence, here, record.note)
        )
    _print_aligned(cells)
    return 0


def fetch_weights(*, names: Sequence[str]) -> int:
    """Download weights; those that are here already are only checked."""
    from tf_relight.weights_record import fetch, record_of

    for name in names:
        record_of(name)
    for name in names:
        print(fetch(name))
    return 0


def path_weights(*, name: str) -> int:
    """Print where a known weights file is."""
    from tf_relight.weights_record import find

    print(find(name))
    return 0


def show_weights(*, weights: str) -> int:
    """Print what is known about a weights file: its record, and what it says about its making."""
    import dataclasses

    import yaml

    from tf_relight.weights_record import KNOWN, path_of

    shown: dict[str, object] = {}
    record = KNOWN.get(weights)
    if record is not None:
        shown |= dataclasses.asdict(record) | {"path": str(path_of(weights))}
    if record is None or record.method is not None:
        from tf_relight.weights import read_weights, resolve

        stored = read_weights(resolve(weights))
        count = sum(tensor.size for tensor in stored.tensors.values())
        shown |= {"method": stored.method, "numbers": count, "model": stored.config, **stored.metadata}
    print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), end="")
    return 0


def release_weights(*, weights: str, out: str, scores: str | None) -> int:
    """Write weights in half precision with the rows of an evaluation, and print what the record needs."""
    import hashlib
    from pathlib import Path

    from tf_relight.errors import RelightError
    from tf_relight.score_table import read_rows
    from tf_relight.weights import release_weights

    metadata: dict[str, object] = {}
    if scores is not None:
        rows = read_rows(scores)
        if not rows:
            raise RelightError(f"{scores} holds no metrics.csv: run `relight evaluate -o {scores}` first.")
        metadata["evaluation"] = [
            {"run": row.run, "split": row.split, "size": row.size, "pictures": row.pictures, **row.scores}
            for row in rows
        ]
    content = release_weights(weights, out, **metadata).read_bytes()
    print(f"{Path(out)}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


def _evaluation_data(weights: str, asked: dict[str, object], overrides: Sequence[str]) -> DataConfig:
    """Return the data to score on: that of the training, changed by what was asked for."""
    from tf_relight.config import make_data_config
    from tf_relight.weights import read_weights, resolve

    trained = read_weights(resolve(weights)).metadata.get("data")
    values = dict(trained) if isinstance(trained, dict) else {}
    if asked["name"] not in (None, values.get("name")):
        # Scene counts and seeds belong to the other dataset; lights and size belong to the network.
        keep = ("pairing", "input_light", "target_light", "size")
        values = {key: values[key] for key in keep if key in values}
    values |= {key: value for key, value in asked.items() if value is not None}
    return make_data_config(values, overrides)


def _report_failures(failures: Iterable[str]) -> int:
    """Print failures to stderr; return the exit code."""
    listed = list(failures)
    for failure in listed:
        print(f"relight: error: {failure}", file=sys.stderr)
    return 2 if listed else 0


def _print_aligned(rows: Sequence[Sequence[str]]) -> None:
    """Print a table without wrapping, so that it can be searched and piped."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
