"""`relight data render`: scenes, heads, people, and portraits relit by ratio images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tf_relight.cli.commands.printing import report_failures
from tf_relight.cli.parser import add_log
from tf_relight.errors import RelightError
from tf_relight.terminal import say, say_lines

LAYOUT_NAMES = ("gbuffers", "tfrecord", "dpr", "sfsnet", "lamps")
"""Of rendered humans."""


def add(tasks: Any) -> None:
    """Add the task to the parser."""
    render = tasks.add_parser(
        "render",
        help="render data",
        description="Render training data.",
        example="relight data render scenes --out scenes --scenes 300",
    )
    kinds = render.add_subparsers(title="kinds", metavar="KIND", required=True)
    _add_scenes(kinds)
    _add_heads(kinds)
    _add_humans(kinds)
    _add_ratio_images(kinds)


def _add_scenes(kinds: Any) -> None:
    scenes = kinds.add_parser(
        "scenes",
        help="scenes under the forty lights of VIDIT",
        description="Render scenes under the forty lights of VIDIT. Run it again to go on after a stop.",
        example="relight data render scenes --out scenes --scenes 300 --size 512 --workers 2",
    )
    scenes.set_defaults(command=render_scenes)
    add_log(scenes)
    scenes.add_argument("-o", "--out", metavar="DIR", required=True)
    scenes.add_argument("--scenes", type=int, default=300, help="default: %(default)s")
    scenes.add_argument("--validation-scenes", type=int, default=0, help="default: %(default)s")
    scenes.add_argument("--size", type=int, default=512, help="pixels per side, default: %(default)s")
    scenes.add_argument("--layout", choices=("vidit", "one2one", "tfrecord"), default="vidit")
    _add_workers(scenes)
    scenes.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    scenes.add_argument("--first", type=int, default=0, help="number of the first scene")
    scenes.add_argument("--antialias", type=int, default=1, metavar="N", help="N x N rays per pixel")
    scenes.add_argument("--input-light", default="N_6500", help="for one2one, default: %(default)s")
    scenes.add_argument("--target-light", default="E_4500", help="for one2one, default: %(default)s")
    scenes.add_argument(
        "--ground-truth",
        action="store_true",
        help="also write albedo, normals, depth in metres, the light of each direction and its shadows, "
        "and the shadow-free picture, as DIR/ground_truth/SPLIT/Image000.npz",
    )


def _add_heads(kinds: Any) -> None:
    heads = kinds.add_parser(
        "heads",
        help="portrait heads under random lights",
        description="Render portrait heads under random lights, in the folders of DPR or SfSNet. "
        "Run it again to go on after a stop.",
        example="relight data render heads --out heads --heads 500 --validation-heads 50 --workers 2",
    )
    heads.set_defaults(command=render_heads)
    add_log(heads)
    heads.add_argument("-o", "--out", metavar="DIR", required=True)
    heads.add_argument("--heads", type=int, default=500, help="default: %(default)s")
    heads.add_argument("--validation-heads", type=int, default=0, help="default: %(default)s")
    heads.add_argument("--size", type=int, default=256, help="pixels per side, default: %(default)s")
    heads.add_argument("--layout", choices=("dpr", "sfsnet"), default="dpr")
    _add_workers(heads)
    heads.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    heads.add_argument("--first", type=int, default=0, help="number of the first head")


def _add_humans(kinds: Any) -> None:
    humans = kinds.add_parser(
        "humans",
        help="people from MakeHuman's free assets",
        description="Render people who do not exist from a folder of MakeHuman's assets, with exact normals, "
        "albedo, masks and shadows. Needs the extra tf_relight[humans]. Run it again to go on after a stop.",
        example="relight data render humans --assets makehuman/data --out humans --heads 1600 --size 192",
    )
    humans.set_defaults(command=render_humans)
    add_log(humans)
    humans.add_argument("--assets", metavar="DIR", required=True, help="MakeHuman's or MPFB's data folder")
    humans.add_argument("-o", "--out", metavar="DIR", required=True)
    humans.add_argument("--heads", type=int, default=1600, help="default: %(default)s")
    humans.add_argument("--size", type=int, default=192, help="pixels per side, default: %(default)s")
    humans.add_argument("--layout", choices=LAYOUT_NAMES, default="gbuffers")
    _add_workers(humans)
    humans.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    humans.add_argument("--first", type=int, default=0, help="number of the first head")
    humans.add_argument(
        "--held-out",
        action="store_true",
        dest="only_held_out",
        help="only heads that networks are not trained on, every 25th",
    )
    humans.add_argument(
        "--sheet", metavar="FILE", help="also draw people of every gender, age and skin tone, and count them"
    )


def _add_ratio_images(kinds: Any) -> None:
    relit = kinds.add_parser(
        "ratio-images",
        help="your own portraits under random lights",
        description="Relight portraits by the ratio of two shadings, as the DPR dataset was made, in the "
        "folders of DPR. Normals and skin come from the mesh of the largest face, smooth and without "
        "wrinkles. Finer ones come from a face model fitted elsewhere, such as 3DDFA: PNG files coded as "
        "DPR's (blue x to the right, green y down, red z into the picture, black where there is no face). "
        "Run it again to go on after a stop.",
        example="relight data render ratio-images --portraits photos -o relit",
    )
    relit.set_defaults(command=render_ratio_images)
    add_log(relit)
    relit.add_argument("-o", "--out", metavar="DIR", required=True)
    relit.add_argument("--portraits", metavar="DIR", required=True, help="the photos, NAME.jpg or .png")
    relit.add_argument("--normals", metavar="DIR", help="their normals, NAME.png, as large")
    known = relit.add_mutually_exclusive_group()
    known.add_argument(
        "--masks", metavar="DIR", help="NAME.png, skin white: the photo's light is fitted to it"
    )
    known.add_argument("--source-lights", metavar="DIR", help="NAME.txt, the photo's light (9 or 27 numbers)")
    relit.add_argument(
        "--landmarks",
        metavar="DIR",
        help="NAME.txt, a line of x y x y for each landmark, in the normal map and in the photo; bends the "
        "normals to fit",
    )
    relit.add_argument(
        "--lights", metavar="DIR", help="light files (.txt, .hdr, .exr) to draw from; default: random lamps"
    )
    relit.add_argument("--per-portrait", type=int, default=5, metavar="N", help="default: %(default)s")
    relit.add_argument("--validation-portraits", type=int, default=0, help="default: %(default)s")
    _add_workers(relit)
    relit.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def _add_workers(kind: Any) -> None:
    kind.add_argument(
        "--workers", type=int, metavar="N", help="processes; 1 unless given, with --ray a core each"
    )
    kind.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="render on a Ray cluster, host:port or auto, whose machines share the folders",
    )


def _absolute(folder: str, ray: str | None) -> str:
    """Workers on other machines do not stand in this folder."""
    return folder if ray is None else str(Path(folder).absolute())


def _by(ray: str | None, workers: int | None, out: str, *folders: str) -> dict[str, Any]:
    """Return what runs the jobs, processes of this machine or a cluster, and how many."""
    from tf_relight.rendering.parallel import run

    if workers is not None and workers < 1:
        raise RelightError(f"{workers} workers cannot be: give at least 1.")
    if ray is None:
        return {"runner": run, "workers": workers or 1}
    from tf_relight.wide.rendering import on_ray

    runner = on_ray(ray, workers, out=_absolute(out, ray), folders=[_absolute(each, ray) for each in folders])
    return {"runner": runner, "workers": workers or 1}


def render_scenes(*, out: str, workers: int | None, ray: str | None, **options: Any) -> int:
    """Render scenes into a folder."""
    from tf_relight.rendering.scenes.write import render_scenes

    out, by = _absolute(out, ray), _by(ray, workers, out)
    rendered = render_scenes(out, **by, **options)
    say(f"Rendered {rendered} {'scene' if rendered == 1 else 'scenes'} into {out}.")
    return 0


def render_heads(*, out: str, workers: int | None, ray: str | None, **options: Any) -> int:
    """Render portrait heads into a folder."""
    from tf_relight.rendering.heads.write import render_heads

    out, by = _absolute(out, ray), _by(ray, workers, out)
    rendered = render_heads(out, **by, **options)
    say(f"Rendered {rendered} {'head' if rendered == 1 else 'heads'} into {out}.")
    return 0


def render_humans(
    *,
    assets: str,
    out: str,
    layout: str,
    workers: int | None,
    ray: str | None,
    sheet: str | None,
    **options: Any,
) -> int:
    """Render people into a folder; heads and assets that could not be used are listed at the end."""
    from tf_relight.rendering.humans.sheet import draw_sheet
    from tf_relight.rendering.humans.write import render_humans

    if sheet is not None and layout != "gbuffers":
        raise RelightError(f"--sheet needs --layout gbuffers, not {layout}.")
    assets, out, by = _absolute(assets, ray), _absolute(out, ray), _by(ray, workers, out, assets)
    result = render_humans(assets, out, layout=layout, **by, **options)
    say(
        f"Rendered {result.heads} {'head' if result.heads == 1 else 'heads'} into {out}; "
        f"{result.rejected} were drawn again because hair hid the face."
    )
    for name, reason in result.left_out.items():
        say(f"Left out {name}: {reason}.")
    if sheet is not None:
        say_lines(draw_sheet(out, sheet).text())
    return report_failures(f"Head {number} was left out: {why}" for number, why in result.failures.items())


def render_ratio_images(*, out: str, workers: int | None, ray: str | None, **options: Any) -> int:
    """Relight portraits into a folder; those that could not be used are listed at the end."""
    from tf_relight.data.portraits.ratio_image_write import render_ratio_images

    names = ("portraits", "normals", "masks", "source_lights", "landmarks")
    folders = {name: _absolute(options[name], ray) for name in names if options[name] is not None}
    out, by = _absolute(out, ray), _by(ray, workers, out, *folders.values())
    result = render_ratio_images(out, **by, **{**options, **folders})
    say(
        f"Relit {result.relit} {'portrait' if result.relit == 1 else 'portraits'} into {out}, "
        f"which now holds {result.complete}."
    )
    return report_failures(result.discarded)
