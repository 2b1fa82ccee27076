"""`relight weights`: list, fetch, import, show and release weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tf_relight.cli.commands.printing import print_aligned
from tf_relight.terminal import say, say_lines

if TYPE_CHECKING:
    from tf_relight.methods.official import Imported


def add(commands: Any) -> None:
    """Add the command to the parser."""
    weights = commands.add_parser(
        "weights",
        help="list, fetch and show weights",
        description="List the known weights; fetch, locate or show some.",
        example="relight weights fetch lpips-alex-v0.1",
    )
    weights.set_defaults(command=list_weights)
    tasks = weights.add_subparsers(title="tasks", metavar="TASK")
    _task(tasks, list_weights, "list the known weights, their licence and whether they are here", "list")
    fetch = _task(tasks, fetch_weights, "download weights and check their sha256", "fetch vgg16-torchvision")
    fetch.add_argument("names", nargs="+", metavar="NAME")
    imported = _task(
        tasks,
        import_official,
        "convert an official checkpoint, after checking what it is",
        "import dpr512 trained_model_03.t7",
    )
    imported.add_argument("method", metavar="METHOD", help="dpr512, dpr1024 or sfsnet")
    imported.add_argument("file", metavar="FILE", help="the file as its authors publish it")
    imported.add_argument(
        "--allow-unknown", action="store_true", help="take a file that is not the recorded one"
    )
    prepared = _task(
        tasks,
        prepare_weights,
        "make weights ready for LiteRT, which starts in milliseconds",
        "prepare runs/dpr_heads_128/weights.safetensors",
    )
    prepared.add_argument("names", nargs="+", metavar="W", help="weights file, or a name from the list")
    prepared.add_argument(
        "--size", type=int, action="append", default=[], help="side at which it works; may be repeated"
    )
    path = _task(tasks, path_weights, "print where a weights file is", "path dmshn-scenes-256-v2")
    path.add_argument("name", metavar="NAME")
    show = _task(
        tasks, show_weights, "say what made a weights file", "show runs/dmshn_vidit/weights.safetensors"
    )
    show.add_argument("weights", metavar="W", help="weights file, or a name from the list")
    release = _task(
        tasks,
        release_weights,
        "write a float16 copy for passing on, with its scores inside",
        "release runs/x/weights.safetensors -o x-v1.safetensors --scores runs/evaluation",
    )
    release.add_argument("weights", metavar="W", help="weights file, or a name from the list")
    release.add_argument("-o", "--out", required=True, metavar="FILE")
    release.add_argument("--scores", metavar="DIR", help="folder of an evaluation whose table goes along")


def _task(tasks: Any, run: Callable[..., int], text: str, example: str) -> Any:
    """Add one task, named by the first word of its example, and return its parser."""
    task = tasks.add_parser(
        example.split()[0],
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        example=f"relight weights {example}",
    )
    task.set_defaults(command=run)
    return task


def list_weights() -> int:
    """Print the record of known weights."""
    from tf_relight.weights.fetch import present
    from tf_relight.weights.record import KNOWN

    cells = [("NAME", "METHOD", "MB", "LICENCE", "HERE", "NOTE")]
    for name, record in KNOWN.items():
        here = "shipped" if record.shipped else "yes" if present(name) else "no"
        cells.append(
            (name, record.method or "-", f"{record.size / 1e6:.2f}", record.licence, here, record.note)
        )
    print_aligned(cells)
    return 0


def fetch_weights(*, names: Sequence[str]) -> int:
    """Download weights; those that are here already are only checked."""
    from tf_relight.weights.fetch import fetch, present
    from tf_relight.weights.record import record_of

    for name in names:
        record_of(name)
    for name in names:
        if record_of(name).imported and not present(name):
            from tf_relight.methods.official import fetch_and_import

            _tell_import(fetch_and_import(name))
        else:
            say(fetch(name))
    return 0


def import_official(*, method: str, file: str, allow_unknown: bool) -> int:
    """Convert an official checkpoint and say what was found."""
    from tf_relight.methods.official import import_weights

    _tell_import(import_weights(method, file, allow_unknown=allow_unknown))
    return 0


def _tell_import(done: Imported) -> None:
    record = done.record
    if done.known:
        say(f"sha256 {done.sha256}, {'as recorded' if done.record.sha256 else 'nothing recorded to compare'}")
    else:
        say(f"sha256 {done.sha256}, UNKNOWN: the record of {record.name} says {record.sha256}")
    say(f"{done.tensors} tensors taken")
    for reason, count in done.dropped.items():
        say(f"{count} left out: {reason}")
    for what, difference in done.parity.items():
        allowed = f"allowed {done.allowed[what]:.0e}"
        say(f"parity: {what} differs from the official network's by {difference:.1e} ({allowed})")
    say(f"licence: {record.licence}; please cite {record.paper}")
    say(f"{done.path}: use it as --weights {record.name} or --method {record.method}")


def prepare_weights(*, names: Sequence[str], size: Sequence[int]) -> int:
    """Make weights ready for LiteRT and say how near to Keras it comes."""
    from tf_relight.relighting.network import prepare_weights

    for name in names:
        done = prepare_weights(name, size)
        sides = ", ".join(map(str, done.record.sizes))
        say(f"{done.path}: squares of {sides} pixels, within {done.record.difference:.1e} of Keras")
    return 0


def path_weights(*, name: str) -> int:
    """Print where a known weights file is."""
    from tf_relight.weights.fetch import find

    say(find(name))
    return 0


def show_weights(*, weights: str) -> int:
    """Print what is known about a weights file: its record, and what it says about its making."""
    import dataclasses

    import yaml

    from tf_relight.weights.record import KNOWN, path_of

    known: dict[str, object] = {}
    record = KNOWN.get(weights)
    if record is not None:
        known |= dataclasses.asdict(record) | {"path": str(path_of(weights))}
    if record is None or record.method is not None:
        from tf_relight.weights.file import read_weights, resolve

        stored = read_weights(resolve(weights))
        count = sum(tensor.size for tensor in stored.tensors.values())
        known |= {"method": stored.method, "numbers": count, "model": stored.config, **stored.metadata}
    say_lines(yaml.safe_dump(known, sort_keys=False, allow_unicode=True).rstrip("\n").split("\n"))
    return 0


def release_weights(*, weights: str, out: str, scores: str | None) -> int:
    """Write weights in half precision with the rows of an evaluation, and print what the record needs."""
    import hashlib
    from pathlib import Path

    from tf_relight.errors import RelightError
    from tf_relight.methods.trained import release_weights
    from tf_relight.scoring.score_table import read_rows

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
    say(f"{Path(out)}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0
