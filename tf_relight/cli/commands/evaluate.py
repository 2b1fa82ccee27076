"""`relight evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tf_relight.cli.commands.printing import print_aligned, report_failures
from tf_relight.cli.parser import add_log, add_set
from tf_relight.terminal import console, note, say

if TYPE_CHECKING:
    from tf_relight.data.options import DataConfig


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "evaluate",
        help="score weights on a dataset, or two folders of pictures",
        description="Score weights on a dataset, or two folders of pictures with equal names. Each run is "
        "one row of metrics.csv and metrics.md. Without --data, the data of the training is used.",
        example="relight evaluate --weights runs/dmshn_vidit/weights.safetensors --data vidit --root VIDIT\n"
        "  relight evaluate --weights runs/drn_vidit/weights.safetensors --by-light\n"
        "  relight evaluate --folders results/ targets/\n"
        "  relight evaluate --weights lit-unet-humans-128-v1 --real-lights examples/lamp_faces",
    )
    parser.set_defaults(command=evaluate)
    add_log(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    what.add_argument("--folders", nargs=2, metavar=("RESULTS", "TARGETS"), help="two folders of pictures")
    parser.add_argument(
        "--real-lights",
        metavar="DIR",
        help="score a portrait method on faces under known lamps instead: a folder of subjects, each with "
        "pictures such as azimuth_-060_elevation_+20.png",
    )
    parser.add_argument("--method", help="fail if the weights are for another method")
    parser.add_argument(
        "--mode", help="how pictures go through the network: plain, polyphase4 or released (DRN)"
    )
    parser.add_argument("--data", metavar="NAME", help="vidit, folder, portraits, scenes, heads or shards")
    parser.add_argument("--root", metavar="DIR", help="folder of the data")
    parser.add_argument("--split", choices=("train", "validation"), default="validation")
    parser.add_argument("--size", type=int, help="side that pictures are resized to before scoring")
    add_set(parser, "any other value of the config's data section, for example data.target_light=E_4500")
    parser.add_argument("--baselines", action="store_true", help="also score the three simple baselines")
    parser.add_argument(
        "--by-light",
        action="store_true",
        help="also list the scores by direction and colour temperature of the input's light: by_light.csv, "
        "by_light.md and the heat map by_light.png",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
    parser.add_argument("--run", metavar="NAME", help="name of the row")
    parser.add_argument("-o", "--out", metavar="DIR", default="runs/evaluation", help="default: %(default)s")


def evaluate(
    *,
    weights: str | None,
    folders: Sequence[str] | None,
    real_lights: str | None,
    method: str | None,
    mode: str | None,
    data: str | None,
    root: str | None,
    split: Literal["train", "validation"],
    size: int | None,
    overrides: Sequence[str],
    baselines: bool,
    by_light: bool,
    limit: int | None,
    run: str | None,
    out: str,
) -> int:
    """Score weights on a dataset, or one folder of pictures against another, and print the whole table."""

    from tf_relight.errors import RelightError
    from tf_relight.scoring.evaluate import evaluate_baselines, evaluate_folders, evaluate_weights
    from tf_relight.scoring.score_table import read_rows, terminal_tables

    if real_lights is not None and weights is not None:
        asked = {"--data": data, "--root": root, "--size": size, "--set": overrides, "--mode": mode}
        asked |= {"--baselines": baselines, "--by-light": by_light, "--limit": limit, "--run": run}
        for option, value in asked.items():
            if value:
                raise RelightError(f"{option} has no meaning with --real-lights: leave it out.")
        return _evaluate_real_lights(weights, method, real_lights, out)
    if folders is not None:
        given = {"--data": data, "--root": root, "--size": size, "--set": overrides}
        given |= {"--mode": mode, "--baselines": baselines, "--by-light": by_light}
        given |= {"--real-lights": real_lights}
        for option, value in given.items():
            if value:
                raise RelightError(f"{option} has no meaning with --folders: leave it out.")
        rows = [evaluate_folders(*folders, out=out, run=run)]
    else:
        assert weights is not None  # argparse asks for one of the two
        chosen = _evaluation_data(weights, {"name": data, "root": root, "size": size}, overrides)
        rows = [
            evaluate_weights(
                weights,
                data=chosen,
                split=split,
                method=method,
                out=out,
                run=run,
                limit=limit,
                by_light=by_light,
                mode=mode,
            )
        ]
        if baselines:
            rows += evaluate_baselines(chosen, out=out, limit=limit)
    lines = console()
    lines.print(*terminal_tables(read_rows(out), width=lines.width))
    say(f"Table: {out}/metrics.md and {out}/metrics.csv")
    if by_light:
        say(f"By light: {out}/by_light.png, {out}/by_light.md and {out}/by_light.csv")
    for row in rows:
        for name in row.unmatched:
            note(f"{name} has no partner and was left out.")
    return report_failures(failure for row in rows for failure in row.failures)


def _evaluate_real_lights(weights: str, method: str | None, folder: str, out: str) -> int:
    from tf_relight.methods.trained import load_model
    from tf_relight.scoring.lamp_faces import find_subjects, score_lamp_faces

    find_subjects(folder)  # before Keras is imported
    scores = score_lamp_faces(load_model(weights, method), folder, out=out)
    print_aligned(scores.lines())
    if by_tone := scores.tone_lines():
        print_aligned(by_tone)
    say(f"Table: {out}/lamp_faces.csv")
    return 0


def _evaluation_data(weights: str, asked: dict[str, object], overrides: Sequence[str]) -> DataConfig:
    """Return the data to score on: that of the training, changed by what was asked for."""
    from tf_relight.config.run import make_data_config
    from tf_relight.data.options import options_class
    from tf_relight.weights.file import read_weights, resolve

    trained = read_weights(resolve(weights)).metadata.get("data")
    # A stranger's header must not choose a folder that is read or written.
    values = {key: each for key, each in (trained or {}).items() if key not in ("root", "cache")}
    if asked["name"] not in (None, values.get("name")):
        # Scene counts and seeds belong to the other dataset; lights and size belong to the network.
        known = options_class(asked["name"]).model_fields
        keep = ("pairing", "input_light", "target_light", "size")
        values = {key: values[key] for key in keep if key in values and key in known}
    values |= {key: value for key, value in asked.items() if value is not None}
    return make_data_config(values, overrides)
