"""`relight data`: render training data (`data_render.py`), fuse shadow-free pictures, check a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_relight.cli.commands import data_render
from tf_relight.cli.commands.printing import report_failures
from tf_relight.cli.parser import add_log
from tf_relight.terminal import say, say_lines


def add(commands: Any) -> None:
    """Add the command to the parser."""
    data = commands.add_parser(
        "data",
        help="render scenes, heads or relit portraits, relight photos for training, check a folder",
        description="Make and check training data.",
        example="relight data check VIDIT",
    )
    tasks = data.add_subparsers(title="tasks", metavar="TASK", required=True)
    data_render.add(tasks)
    _add_fuse(tasks)
    _add_augment(tasks)
    check = tasks.add_parser(
        "check",
        help="say what a data folder holds and what is missing",
        description="Say what a data folder holds, what is missing and what is broken.",
        example="relight data check VIDIT",
    )
    check.set_defaults(command=check_data)
    check.add_argument("root", metavar="DIR")
    check.add_argument("--decode", action="store_true", help="decode every picture (slow)")


def _add_augment(tasks: Any) -> None:
    augment = tasks.add_parser(
        "augment",
        help="relight photos of people by random lights, for training",
        description="Relight every photo of a folder by random lights into another folder, with the same "
        "tree of folders, so that a folder per class stays one. OUT/manifest.json tells source, light and "
        "strength of each file. In Keras, `tf_relight.RandomRelight` does it while training.",
        example="relight data augment faces/ augmented/ --lights 5",
    )
    augment.set_defaults(command=augment_photos)
    augment.add_argument("root", metavar="IN", help="folder of photos")
    augment.add_argument(
        "out", metavar="OUT", help="new folder, or one that was begun with the same settings"
    )
    augment.add_argument(
        "--lights", type=int, default=5, metavar="N", help="for each photo, default: %(default)s"
    )
    augment.add_argument(
        "--distribution", metavar="FILE", help="YAML of a LightDistribution; default: random lamps"
    )
    augment.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    augment.add_argument("--keep-background", action="store_true", help="change the people only")
    augment.add_argument("--weights", metavar="W", help="of a portrait method; default: those that ship")


def augment_photos(
    *,
    root: str,
    out: str,
    lights: int,
    distribution: str | None,
    seed: int,
    keep_background: bool,
    weights: str | None,
) -> int:
    """Relight a folder for training; the exit code is 2 if a photo failed."""
    from tf_relight.pipelines.augment import augment
    from tf_relight.pipelines.distribution import LightDistribution

    chosen = LightDistribution.of(distribution)
    done = augment(
        root,
        out,
        lights=lights,
        distribution=chosen,
        seed=seed,
        keep_background=keep_background,
        weights=weights,
    )
    say(f"{out}: {done.written} pictures, {done.kept} were there; manifest.json tells the lights")
    return report_failures(done.failures)


def _add_fuse(tasks: Any) -> None:
    fuse = tasks.add_parser(
        "fuse",
        help="make a shadow-free picture of each scene of a VIDIT folder",
        description="Fuse the forty pictures of each scene of a VIDIT folder into one without shadows, as "
        "DIR/shadow_free/SPLIT/Image000.png. DRN learns from them. Run it again to go on after a stop.",
        example="relight data fuse VIDIT --workers 2",
    )
    fuse.set_defaults(command=fuse_scenes)
    add_log(fuse)
    fuse.add_argument("root", metavar="DIR")
    fuse.add_argument(
        "--weights",
        default="1,1,1",
        metavar="C,S,E",
        help="how much contrast, saturation and good exposure count, default: %(default)s; "
        "1,1,0 is OpenCV's own default",
    )
    fuse.add_argument("--size", type=int, metavar="N", help="resize to N pixels per side before")
    fuse.add_argument(
        "--track",
        choices=("auto", "aim_2", "aim_3", "ntire_2"),
        default="auto",
        help="where the folder holds several, default: %(default)s",
    )
    fuse.add_argument("--workers", type=int, default=1, help="processes, default: %(default)s")
    fuse.add_argument(
        "--compare",
        action="store_true",
        help="also score the results against the renderer's own shadow-free pictures "
        "(`relight data render scenes --ground-truth`)",
    )


def fuse_scenes(*, root: str, weights: str, size: int | None, track: str, workers: int, compare: bool) -> int:
    """Fuse the scenes of a folder; those that could not be fused are listed at the end."""
    from tf_relight.cli.commands.printing import print_aligned
    from tf_relight.data.vidit.exposure_fusion import fuse_folder, parse_weights
    from tf_relight.scoring.fusion_scores import compare_fused, fusion_table

    result = fuse_folder(root, weights=parse_weights(weights), size=size, track=track, workers=workers)
    say(
        f"Fused {result.fused} {'scene' if result.fused == 1 else 'scenes'} of {root}, kept {result.kept} "
        f"from before, {len(result.failures)} failed."
    )
    if compare and result.scenes:
        scores = compare_fused(root, result.scenes)
        say(f"Against the renderer's shadow-free picture, mean of {len(result.scenes)} scenes in dB:")
        print_aligned(fusion_table(scores))
    return report_failures(result.failures)


def check_data(*, root: str, decode: bool) -> int:
    """Say what a data folder holds; the exit code is not 0 when something is missing or broken."""
    from tf_relight.data.check import check

    report = check(Path(root), decode)
    say_lines(report.lines())
    return report.exit_code
