"""What a comparison writes: the table as csv and Markdown, and a grid of pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tf_relight.comparing.config import Published, Table
from tf_relight.data.vidit.options import PairedOptions
from tf_relight.errors import RelightError
from tf_relight.files import atomic_path, write_text
from tf_relight.guarded.arrays import read_npz
from tf_relight.guarded.structured import read_json
from tf_relight.photo.lettering import FAINT, INK, PAPER, font, shortened, write_sheet
from tf_relight.scoring import metrics
from tf_relight.scoring.evaluate import Sample
from tf_relight.scoring.score_table import Row, append_row, exact, write_csv

MEASURED = ("psnr", "ssim", "lpips_alex_v0.1", "mps", "runtime")
"""Scores of table.csv, keys as in `metrics.TABLE`; metrics.csv has all."""

_FORMS = {"psnr": ".2f", "ssim": ".4f", "lpips_alex_v0.1": ".4f", "mps": ".4f", "runtime": ".3g"}
_HEADS = {"psnr": "PSNR", "ssim": "SSIM", "lpips_alex_v0.1": "LPIPS", "mps": "MPS", "runtime": "s/picture"}


@dataclass(frozen=True)
class Result:
    """The scores of one row.

    Attributes:
        row: its line of metrics.csv.
        gain: mean dB over the unchanged input, without inputs that equal their target.
        input_psnr: mean PSNR in dB of these unchanged inputs.
        steps: optimiser steps of its training. seconds: time spent in them. None = not known.
        samples: pictures for the grid.
        published: numbers of the paper.
    """

    row: Row
    gain: float | None = None
    input_psnr: float | None = None
    steps: int | None = None
    seconds: float | None = None
    samples: tuple[Sample, ...] = ()
    published: Published | None = None


def save_result(result: Result, folder: Path, settings: dict[str, Any]) -> None:
    """Write result.json and samples.npz; `settings` is what the scores depend on.

    Raises:
        RelightError: they cannot be written.
    """
    arrays: dict[str, Any] = {"keys": np.array([sample.key for sample in result.samples])}
    for number, sample in enumerate(result.samples):
        for name in ("image", "output", "target"):
            arrays[f"{name}_{number}"] = getattr(sample, name)
    with atomic_path(folder / "samples.npz") as temporary:
        np.savez_compressed(temporary, **arrays)
    known = {
        "gain": result.gain,
        "input_psnr": result.input_psnr,
        "steps": result.steps,
        "seconds": result.seconds,
    }
    content = {"settings": settings, "row": asdict(result.row), **known}
    write_text(folder / "result.json", json.dumps(content, indent=1))


def read_result(folder: Path, settings: dict[str, Any], published: Published | None) -> Result | None:
    """Return the scores in a row's folder if they were made with these settings, else None."""
    try:
        content = read_json(folder / "result.json", what="the scores", advice="delete it")
        if content["settings"] != settings:
            return None
        arrays = read_npz(folder / "samples.npz", what="the pictures", advice="delete it")
        samples = [
            Sample(str(key), *(arrays[f"{name}_{number}"] for name in ("image", "output", "target")))
            for number, key in enumerate(arrays["keys"])
        ]
        fields: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in content["row"].items()
        }
        gain, unchanged = content["gain"], content["input_psnr"]
        steps, seconds = content["steps"], content["seconds"]
        return Result(Row(**fields), gain, unchanged, steps, seconds, tuple(samples), published)
    except (RelightError, ValueError, KeyError, TypeError, AttributeError):
        return None  # cut off or of another version: it is made again


def write_table(table: Table, results: Sequence[Result], missing: Sequence[str]) -> None:
    """Write table.csv, table.md, metrics.csv, metrics.md and grid.png into the table's folder.

    Args:
        results: rows in order, baselines first or last.
        missing: sentences about rows that are not in the table.

    Raises:
        RelightError: a file cannot be written.
    """
    folder = table.config.output
    own = _own_columns(results)
    cells = [_cells(result, table.config.published_on, own) for result in results]
    write_csv(folder / "table.csv", list(cells[0]), cells)
    write_text(folder / "table.md", _markdown(table, results, missing))
    for name in ("metrics.csv", "metrics.md"):
        (folder / name).unlink(missing_ok=True)
    for result in results:
        append_row(result.row, folder)
    shown = [result for result in results if result.samples]
    if shown:
        grid([(result.row.run, result.samples) for result in shown], folder / "grid.png", title=_title(table))


def grid(
    columns: Sequence[tuple[str, Sequence[Sample]]], path: Path | str, *, tile: int = 192, title: str = ""
) -> Path:
    """Write a sheet with a line per sample: the input, each column's output with its PSNR, the target.

    Args:
        columns: name and samples of each; the samples of all are of the same pictures, in the same order.
        path: a .png or .jpg file.
        tile: width in pixels of a picture on the sheet; its height follows.

    Raises:
        RelightError: no samples, columns of different pictures, or the file cannot be written.
    """
    first = columns[0][1] if columns else ()
    if not first:
        raise RelightError("There are no samples to show.")
    keys = [sample.key for sample in first]
    if any([sample.key for sample in samples] != keys for _, samples in columns):
        raise RelightError("The rows of the table show different pictures: score them on the same data.")
    gap, caption, header = 8, 22, 32 + (32 if title else 0)
    heights = [max(1, round(tile * sample.image.shape[0] / sample.image.shape[1])) for sample in first]
    names = ["input", *(name for name, _ in columns), "target"]
    width = len(names) * (tile + gap) + gap
    sheet = Image.new("RGB", (width, header + sum(heights) + caption * len(keys) + gap), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((gap, 8), shortened(title, font(18), width - 2 * gap), INK, font(18))
    for place, name in enumerate(names):
        text = shortened(name, font(16), tile)
        draw.text((gap + place * (tile + gap) + tile / 2, header - 8), text, INK, font(16), anchor="ms")
    top = header
    for number, (sample, height) in enumerate(zip(first, heights, strict=True)):
        outputs = [samples[number].output for _, samples in columns]
        texts = [f"{metrics.psnr(output, sample.target):.2f} dB" for output in outputs]
        unchanged = f"{sample.key}  {metrics.psnr(sample.image, sample.target):.2f} dB"
        tiles = zip(
            [sample.image, *outputs, sample.target], [unchanged, *texts, ""], range(len(names)), strict=True
        )
        for pixels, text, place in tiles:
            left = gap + place * (tile + gap)
            kind = Image.Resampling.LANCZOS if pixels.shape[1] > tile else Image.Resampling.BICUBIC
            sheet.paste(Image.fromarray(pixels).resize((tile, height), kind), (left, top))
            draw.text((left + 2, top + height + 3), shortened(text, font(13), tile), FAINT, font(13))
        top += height + caption
    return write_sheet(sheet, path)


def _own_columns(results: Sequence[Result]) -> tuple[str, ...]:
    """Return the scores beyond those that every method has, such as normals and albedo, in their order.

    The angle of the light that a method reads counts among them.
    """
    known = set(metrics.TABLE) - {"light_degrees"}
    found = {
        name: None
        for result in results
        for name, value in result.row.scores.items()
        if name not in known and value is not None
    }
    return tuple(found)


def _form(name: str) -> str:
    return _FORMS.get(name) or (".2f" if name.endswith(("degrees", "psnr")) else ".4f")


def _head(name: str) -> str:
    words = name.replace("_", " ").replace("psnr", "PSNR")
    return _HEADS.get(name) or words.removesuffix(" degrees") + (", degrees" if "degrees" in name else "")


def _cells(result: Result, published_on: str, own: Sequence[str]) -> dict[str, str]:
    """Return a line of table.csv."""
    row, paper = result.row, result.published
    cells = {"row": row.run, "method": row.method, "data": row.data, "pictures": str(row.pictures)}
    cells |= {name: exact(row.scores.get(name)) for name in (*MEASURED, *own)}
    cells["gain"] = exact(result.gain)
    numbers = {"parameters": row.parameters, "steps": result.steps, "train_seconds": result.seconds}
    cells |= {name: "n/a" if value is None else f"{value:.0f}" for name, value in numbers.items()}
    for name in ("psnr", "ssim", "lpips"):
        cells[f"published_{name}"] = exact(getattr(paper, name)) if paper else ""
    return cells | {
        "published_on": published_on if paper else "",
        "published_source": paper.source if paper else "",
    }


def _title(table: Table) -> str:
    data = table.evaluation_data
    where = f"{data.name}, {table.config.evaluation.split}"
    if isinstance(data, PairedOptions):
        where += f", {data.pairing.replace('_', '-')}"
    return f"{table.config.title or 'Comparison'} ({where})"


def _markdown(table: Table, results: Sequence[Result], missing: Sequence[str]) -> str:
    measured = [
        name for name in MEASURED if any(result.row.scores.get(name) is not None for result in results)
    ]
    measured += _own_columns(results)
    heads = ["", *(_head(name) for name in measured), "gain, dB", "parameters", "steps", "training, min"]
    lines = []
    for result in results:
        scores = [_number(result.row.scores.get(name), _form(name)) for name in measured]
        minutes = None if result.seconds is None else result.seconds / 60
        numbers = [_number(result.gain, "+.2f"), _number(result.row.parameters, ",")]
        lines.append([result.row.run, *scores, *numbers, _number(result.steps, ","), _number(minutes, ".1f")])
    parts = [f"# {_title(table)}", _budget(table, results), _table(heads, lines), _notes(results)]
    published = [result for result in results if result.published]
    if published:
        parts += [
            f"## Published, on another dataset: {table.config.published_on}",
            "These numbers were not measured here, and on other pictures: compare the order of the rows, not "
            "the values.",
            _table(["", "PSNR", "SSIM", "LPIPS", "source"], [_paper(result) for result in published]),
            _orders(published),
        ]
    if missing:
        parts += ["## Not in the table", "\n".join(f"- {sentence}" for sentence in missing)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _budget(table: Table, results: Sequence[Result]) -> str:
    """Return on what the rows were trained and scored."""
    config, data, train = table.config, table.evaluation_data, table.config.train
    sentences = []
    if train is not None:
        sentences.append(
            f"Each row has the same budget: {train.steps:,} steps of {train.batch_size} pictures, "
            f"seed {train.seed}, on the data '{config.data.name}' at {config.data.size} px."
        )
    changed = [
        f"{row.name} ({', '.join(f'{name} {value}' for name, value in values.items())})"
        for row, values in zip(table.rows, (row.train for row in config.rows), strict=True)
        if values
    ]
    if changed:
        sentences.append(f"Other settings: {'; '.join(changed)}.")
    pictures = sorted({result.row.pictures for result in results})
    sentences.append(
        f"Scored on {' or '.join(map(str, pictures))} {config.evaluation.split} pictures of '{data.name}'."
    )
    return " ".join(sentences)


def _notes(results: Sequence[Result]) -> str:
    text = "The gain is the mean over pictures of what the PSNR rises above that of the unchanged input"
    if any(result.row.scores.get("psnr") == float("inf") for result in results):
        text += "; inputs that already are their target, with an infinite PSNR, are left out"
    unchanged = {f"{result.input_psnr:.2f}" for result in results if result.input_psnr is not None}
    if unchanged:
        text += f". Unchanged, the inputs have {' or '.join(sorted(unchanged))} dB on average"
    return f"{text}."


def _paper(result: Result) -> list[str]:
    paper = result.published
    assert paper is not None
    numbers = [_number(paper.psnr, ".2f"), _number(paper.ssim, ".3f"), _number(paper.lpips, ".3f")]
    return [result.row.run, *numbers, paper.source]


def _orders(published: Sequence[Result]) -> str:
    """Return who comes before whom in PSNR, published and here, best first."""
    known = [result for result in published if result.published and result.published.psnr is not None]
    if len(known) < 2:
        return ""
    theirs = sorted(known, key=lambda result: -(result.published.psnr or 0.0) if result.published else 0.0)
    ours = sorted(known, key=lambda result: -(result.row.scores.get("psnr") or 0.0))
    names = [" > ".join(result.row.run for result in order) for order in (theirs, ours)]
    return f"By PSNR, published: {names[0]}. Here: {names[1]}."


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = "|---|" + "---:|" * (len(heads) - 1)
    return "\n".join(["| " + " | ".join(heads) + " |", rule, *("| " + " | ".join(x) + " |" for x in lines)])


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
