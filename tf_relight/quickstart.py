"""`make quickstart`: render scenes, train DMSHN, score it beside simple baselines, relight two photos.

Everything lands in `runs/quickstart/`. Interrupted, it goes on where it was when called again. `make try`
does the last step alone: a portrait under three lights, by the weights that ship.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tf_relight.carried import CONFIGS, EXAMPLES, carried_folder
from tf_relight.config.run import RunConfig, load_config
from tf_relight.data.vidit.options import PairedOptions
from tf_relight.errors import RelightError
from tf_relight.quiet import quiet_tensorflow
from tf_relight.terminal import complain, console, note, say, steady_streams

if TYPE_CHECKING:
    from rich.table import Table

CONFIG = carried_folder(CONFIGS) / "dmshn_quickstart.yaml"
PHOTO = carried_folder(EXAMPLES) / "coffee.jpg"
PORTRAIT = carried_folder(EXAMPLES) / "astronaut.jpg"
PORTRAIT_LIGHTS = "left,right,above"
PORTRAIT_PAGE = "portrait.html"
TRY = "try"
"""The one word that asks for the portrait alone."""
SCENES, VALIDATION_SCENES = 600, 40


def quickstart(
    overrides: list[str], *, scenes: int = SCENES, validation_scenes: int = VALIDATION_SCENES
) -> Path:
    """Run all steps and return the folder with the results.

    Args:
        overrides: "section.key=value" for the config, for example "train.steps=20".

    Raises:
        RelightError: the config or the photo is missing, or a step cannot be done.
    """
    log = console(stderr=True)
    started = time.monotonic()
    for needed in (CONFIG, PHOTO):
        if not needed.exists():
            raise RelightError(f"{needed} is missing: install tf_relight again.")
    config = load_config(CONFIG, overrides)
    folder = config.output
    weights = folder / "weights.safetensors"

    log.rule("1. Render scenes")
    _render(config, scenes, validation_scenes)
    log.rule("2. Train DMSHN: the light moves from north, 6500 K, to east, 4500 K")
    if weights.exists():
        note(f"{weights} is there already; delete {folder} to train again.", program="quickstart")
    else:
        from tf_relight.training.run import train

        train(config, resume=(folder / "checkpoints").exists())
    log.rule("3. Score held-out scenes")
    tables = _score(config, weights)
    log.rule("4. Relight a photo")
    from tf_relight.relighting.photos import relight_photos

    report = relight_photos(
        [PHOTO], folder / "relit.png", method=config.method, weights=weights, existing="overwrite"
    )
    if report.failures:
        raise RelightError(str(report.failures[0]))
    log.rule("5. Relight a portrait with the weights that ship")
    relight_portrait(folder)
    console().print(*tables)
    _show_places(folder, time.monotonic() - started)
    return folder


def relight_portrait(folder: Path) -> list[Path]:
    """Relight the portrait of the examples from three sides, and write a page with a divider to compare.

    Returns:
        the pictures, and the page last.

    Raises:
        RelightError: the portrait is missing, or something cannot be written.
    """
    from tf_relight.contract.usual import PORTRAIT_METHOD
    from tf_relight.photo.reading import read_picture
    from tf_relight.photo.writing import write_picture
    from tf_relight.relighting.light_series import named_lights, prepare
    from tf_relight.relighting.photos import load_for
    from tf_relight.relighting.request import RelightOptions
    from tf_relight.showing.before_after import before_after_page

    if not PORTRAIT.exists():
        raise RelightError(f"{PORTRAIT} is missing: install tf_relight again.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RelightError(f"Cannot make the folder {folder}: {error.strerror}.") from error
    lights, options = named_lights(PORTRAIT_LIGHTS), RelightOptions()
    relight, _ = prepare(read_picture(PORTRAIT), load_for(PORTRAIT_METHOD, None, "auto"), options)
    made = []
    for named in lights:
        path = folder / f"portrait_{named.name}.jpg"
        write_picture(path, relight(named.light))
        made.append(path)
    page = folder / PORTRAIT_PAGE
    before_after_page([PORTRAIT], page, lights, options, method=PORTRAIT_METHOD, title="Under another light")
    return [*made, page]


def _render(config: RunConfig, scenes: int, validation_scenes: int) -> None:
    from tf_relight.rendering.scenes.write import render_scenes

    assert config.data.root is not None  # the quickstart's config sets it
    assert isinstance(config.data, PairedOptions)
    render_scenes(
        config.data.root,
        scenes=scenes,
        validation_scenes=validation_scenes,
        size=config.data.size or 96,
        layout="one2one",
        workers=2,
        input_light=config.data.input_light,
        target_light=config.data.target_light,
    )


def _score(config: RunConfig, weights: Path) -> Sequence[Table]:
    """Write metrics.csv, metrics.md, samples.png and curve.png; return the tables for the terminal."""
    from tf_relight.scoring.evaluate import evaluate_baselines, evaluate_weights
    from tf_relight.scoring.score_table import read_rows, terminal_tables
    from tf_relight.training.curve_file import read_curve
    from tf_relight.training.curve_plot import curve_plot

    folder = config.output
    evaluate_baselines(config.data, out=folder)
    evaluate_weights(weights, data=config.data, out=folder, run="DMSHN, trained now")
    curve_plot(read_curve(folder / "curve.csv"), folder / "curve.png", title="DMSHN on embedded scenes")
    return terminal_tables(read_rows(folder), "Held-out scenes", width=console().width)


def _show_places(folder: Path, seconds: float) -> None:
    places = {
        "metrics.md, metrics.csv": "the table above",
        "samples.png": "input, output, target and error of held-out scenes",
        "curve.png, curve.csv": "loss and held-out PSNR over the steps",
        "weights.safetensors": "the network: relight image PHOTO -o OUT --weights ...",
        "relit.png": f"{PHOTO.name} relit by that network",
        PORTRAIT_PAGE: f"{PORTRAIT.name} under three lights, with a divider: open it in a browser",
        "tensorboard": f"tensorboard --logdir {folder}/tensorboard",
    }
    for name, meaning in places.items():
        say(f"{folder}/{name:<24} {meaning}")
    say(f"Took {seconds / 60:.1f} minutes.")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; arguments are overrides such as train.steps=20, or `TRY` alone."""
    quiet_tensorflow()
    steady_streams()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        if given == [TRY]:
            for path in relight_portrait(load_config(CONFIG, []).output):
                say(path)
        else:
            quickstart(given)
    except RelightError as error:
        complain(error, program="quickstart")
        return error.exit_code
    except KeyboardInterrupt:
        note("stopped; `make quickstart` goes on from here.", program="quickstart")
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
