"""`relight image`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tf_relight.cli.commands.light_options import add_light, chosen_light
from tf_relight.cli.commands.printing import print_json, report_failures
from tf_relight.cli.commands.relight_options import add_engine
from tf_relight.cli.parser import add_log
from tf_relight.terminal import note, say

if TYPE_CHECKING:
    from tf_relight.relighting.outputs import Existing


def add(commands: Any) -> None:
    """Add the command to the parser."""
    image = commands.add_parser(
        "image",
        help="relight photos",
        description="Relight photos or folders of photos, at their full size. Where neither method nor light "
        "is named, people are lit from the upper left, and other photos by the network for scenes.",
        example="relight image portrait.jpg -o relit.jpg --from left --up 30",
    )
    image.set_defaults(command=relight_images)
    image.add_argument("paths", nargs="+", metavar="PHOTO", help="photos, and folders of photos")
    image.add_argument("-o", "--out", metavar="OUT", required=True, help="folder, or file for one photo")
    image.add_argument(
        "--method",
        help="a name from `relight methods`; without one, by what the photo shows",
    )
    image.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    image.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 = unchanged, 1 = full")
    image.add_argument("--size", type=int, help="side at which the network looks at the photo, or a face")
    image.add_argument(
        "--mode",
        help="how DRN looks at the photo: plain, polyphase4 (four views, averaged; it wants twice the "
        "--size) or released",
    )
    image.add_argument("--recursive", action="store_true", help="go into subfolders and keep their tree")
    there = image.add_mutually_exclusive_group()
    there.add_argument("--overwrite", action="store_true", help="replace results that exist already")
    there.add_argument(
        "--skip-existing",
        action="store_true",
        help="keep results that exist already; without either the command stops before it writes anything",
    )
    image.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    image.add_argument("--json", action="store_true", help="print one JSON object about the run")
    add_engine(image)
    add_log(image)
    add_light(image)
    image.add_argument("--keep-background", action="store_true", help="change the person only")
    image.add_argument("--sphere", action="store_true", help="draw a ball under the light into the corner")
    image.add_argument(
        "--paper",
        action="store_true",
        help="exactly the official demo: whole picture, 8-bit Lab, the light's file times 0.7",
    )
    image.add_argument(
        "--strip", action="store_true", help="write pixels only: no EXIF, XMP, IPTC, place, resolution"
    )


LIGHT_OPTIONS = ("direction", "up", "azimuth", "elevation", "soft", "light")
"""What `add_light` adds beside the photo to copy a light from."""


def relight_images(
    *,
    paths: Sequence[str],
    out: str,
    light_from: str | None,
    recursive: bool,
    overwrite: bool,
    skip_existing: bool,
    dry_run: bool,
    json: bool,
    **options: Any,
) -> int:
    """Relight photos and folders; broken ones are listed at the end.

    Args:
        options: those of `LIGHT_OPTIONS`, and what goes to `relight_photos` as it is.
    """
    from tf_relight.relighting.photos import relight_photos

    described = {name: options.pop(name) for name in LIGHT_OPTIONS}
    options["light"] = chosen_light(light_from=light_from, **described)
    existing: Existing = "overwrite" if overwrite else "skip" if skip_existing else "refuse"
    if dry_run:
        return _say_plan(paths, out, recursive, existing, json)
    report = relight_photos(
        paths,
        out,
        light_from=light_from,
        recursive=recursive,
        existing=existing,
        raise_for_one=not json,
        **options,
    )
    if json:
        print_json({**report.as_json(), "exit_code": report.exit_code})
        return report.exit_code
    for sentence in report.notes:
        note(sentence)
    for path in report.written:
        say(path)
    code = report_failures(report.failures)
    if len(report.written) != 1 or report.skipped or report.left_out or report.failures:
        note(report.summary)
    return code


def _say_plan(paths: Sequence[str], out: str, recursive: bool, existing: Existing, json: bool) -> int:
    """Print what a run would do."""
    from tf_relight.photo.listing import left_out_note
    from tf_relight.relighting.outputs import plan_outputs

    plan = plan_outputs(paths, out, recursive=recursive, existing=existing)
    if json:
        print_json({**plan.as_json(), "exit_code": 0})
        return 0
    for source, target in plan.jobs:
        say(f"{source} -> {target}")
    counts = [f"{len(plan.jobs)} would be written"]
    counts += [f"{len(plan.skipped)} skipped, as they exist already"] if plan.skipped else []
    note(f"{', '.join(counts)}. {left_out_note(plan.left_out)}".rstrip())
    return 0
