"""`relight image`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tf_relight.cli.commands.light_options import add_light, chosen_light
from tf_relight.cli.commands.printing import report_failures
from tf_relight.terminal import note, say


def add(commands: Any) -> None:
    """Add the command to the parser."""
    image = commands.add_parser(
        "image",
        help="relight photos",
        description="Relight photos or folders of photos, at their full size.",
        example="relight image portrait.jpg -o relit.jpg --method dpr512 --from left --up 30",
    )
    image.set_defaults(command=relight_images)
    image.add_argument("paths", nargs="+", metavar="PHOTO", help="photos, and folders of photos")
    image.add_argument("-o", "--out", metavar="OUT", required=True, help="folder, or file for one photo")
    image.add_argument("--method", help="a name from `relight methods`; its own weights are used")
    image.add_argument("--weights", metavar="W", help="weights file, or a name from `relight weights`")
    image.add_argument("--strength", type=float, default=1.0, metavar="S", help="0 = unchanged, 1 = full")
    image.add_argument("--size", type=int, help="side at which the network looks at the photo, or a face")
    image.add_argument(
        "--mode",
        help="how DRN looks at the photo: plain, polyphase4 (four views, averaged; it wants twice the "
        "--size) or released",
    )
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


def relight_images(
    *,
    paths: Sequence[str],
    out: str,
    method: str | None,
    weights: str | None,
    strength: float,
    size: int | None,
    mode: str | None,
    temperature: float | None,
    keep_background: bool,
    sphere: bool,
    paper: bool,
    strip: bool,
    light_from: str | None,
    **direction: Any,
) -> int:
    """Relight photos and folders; broken ones are listed at the end.

    Args:
        direction: the other options of `add_light`.
    """
    from tf_relight.relighting.photos import relight_photos

    report = relight_photos(
        paths,
        out,
        method=method,
        weights=weights,
        light_from=light_from,
        light=chosen_light(light_from=light_from, **direction),
        strength=strength,
        size=size,
        mode=mode,
        temperature=temperature,
        keep_background=keep_background,
        sphere=sphere,
        paper=paper,
        strip=strip,
    )
    for sentence in report.notes:
        note(sentence)
    for path in report.written:
        say(path)
    return report_failures(report.failures)
