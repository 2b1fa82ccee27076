"""Relighting a folder of portraits into the layout of the DPR dataset: parallel by processes, resumable.

    out/NAME/NAME_00.png ... NAME_04.png             the portrait under random lights
    out/NAME/NAME_light_00.txt ... NAME_light_04.txt those lights: 9 numbers, frame "dpr"
    out/NAME/NAME.png, ori_sh.txt                    the photo as it was, and its light
    out/NAME/full_normal_faceRegion_faceBoundary_extend.png   the normals, refined where need be
    out/train.lst, val.lst                           pairs: NAME NAME_00.png NAME_01.png

`portraits.dataset` reads it. The normals of a fitted face model are brought as files, with landmarks where a
map does not lie on the face yet. Without them, normals and skin come from the mesh of the largest face.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from tf_relight.data.pictures import PICTURE_SUFFIXES, read_rgb
from tf_relight.data.portraits.mesh_normals import mesh_normals, mesh_skin
from tf_relight.data.portraits.normal_refinement import fill_normals, refine_normals
from tf_relight.data.portraits.ratio_images import (
    RatioPortrait,
    has_holes,
    prepare,
    random_lights,
    read_lights,
    read_normals,
)
from tf_relight.data.splits import held_out_groups
from tf_relight.errors import RelightError
from tf_relight.files import write_text
from tf_relight.guarded.reading import read_text
from tf_relight.light.files import LARGEST_TEXT, format_light
from tf_relight.light.light import Light
from tf_relight.photo.faces import find_faces
from tf_relight.photo.listing import list_pictures
from tf_relight.progress import Bars
from tf_relight.rendering.heads.layouts import DPR_NORMALS
from tf_relight.rendering.heads.write import LISTS
from tf_relight.rendering.parallel import Runner, run
from tf_relight.rendering.scenes.layouts import write_png
from tf_relight.rendering.scenes.write import check_count, claim_folder

SETTINGS_FILE = "ratio_images.json"
FORMAT_VERSION = 1
"""Rises when the same settings give other bytes."""
LOSSLESS = (".png", ".tif", ".tiff")
MOST_PER_PORTRAIT = 100
_WHITE = 127  # a mask is white above


@dataclass(frozen=True)
class Inputs:
    """The files of one portrait; what tells normals, or skin and light, may be left to the face's mesh."""

    name: str
    photo: Path
    normals: Path | None
    mask: Path | None
    source_light: Path | None
    landmarks: Path | None


@dataclass(frozen=True, eq=False)
class RatioJob:
    """One portrait that one process relights in one go."""

    out: Path
    inputs: Inputs
    lights: np.ndarray
    seed: int

    def paths(self) -> list[Path]:
        """All files of the portrait: photo, its light, normals, then pictures, then lights."""
        name = self.inputs.name
        files = [f"{name}.png", "ori_sh.txt", DPR_NORMALS]
        files += [f"{name}_{k:02d}.png" for k in range(len(self.lights))]
        files += [f"{name}_light_{k:02d}.txt" for k in range(len(self.lights))]
        return [self.out / name / file for file in files]

    def is_done(self) -> bool:
        """A job is done when all its files are there, because none appears before it is whole."""
        return all(path.is_file() for path in self.paths())


@dataclass(frozen=True)
class RatioResult:
    """What a run did.

    Attributes:
        relit: number of portraits relit now.
        complete: number of portraits in the folder that are complete.
        discarded: a sentence for each portrait that could not be used.
    """

    relit: int
    complete: int
    discarded: tuple[str, ...]


def render_ratio_images(
    out: Path | str,
    *,
    portraits: Path | str,
    normals: Path | str | None = None,
    masks: Path | str | None = None,
    source_lights: Path | str | None = None,
    landmarks: Path | str | None = None,
    lights: Path | str | None = None,
    per_portrait: int = 5,
    validation_portraits: int = 0,
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
    runner: Runner = run,
) -> RatioResult:
    """Relight portraits into a folder. Call it again after an interruption: only what is missing is made.

    A portrait that cannot be used (no face, too little skin, face not in the middle, a broken file) is
    discarded and named in the result, as DPR's data preparation did. The lights of a portrait depend on its
    name, the seed and the collection of lights only.

    Args:
        out: the folder, made if need be. It remembers its settings in ratio_images.json.
        portraits: folder of photos; a file name without its ending is the name of the portrait.
        normals: folder with NAME.png for each: normals coded as DPR's (see `read_normals`), as large as the
            portrait. They come from a face model fitted elsewhere. A map with holes, such as one of a face
            only, is filled. None takes them from the mesh of the largest face (`mesh_normals`): smooth ones.
        masks: folder with NAME.png: white skin, all else black. From it the light of the photo is fitted.
            None, without source lights: the mesh tells where skin is.
        source_lights: in place of masks, folder with NAME.txt: the light of each photo (9 or 27 numbers).
        landmarks: folder with NAME.txt, four numbers a line: x and y of a landmark in the normal map, x and
            y in the portrait, in pixels. Normals are bent to fit; None where they fit already.
        lights: folder of light files or environment maps to draw from; None draws lamps.
        per_portrait: number of relit pictures of each.
        validation_portraits: how many portraits go to val.lst in place of train.lst.
        seed: of the whole set.
        workers: number of processes; the bytes written do not depend on it.
        progress: show a progress bar.
        runner: runs the jobs; `wide.rendering` has one for clusters.

    Raises:
        RelightError: a wrong argument, a missing folder or file, a folder `out` that cannot be written or
            holds a set with other settings, or no portrait that can be used.
    """
    _check_numbers(workers, seed, per_portrait, validation_portraits)
    found = find_inputs(portraits, normals, masks, source_lights, landmarks)
    if validation_portraits >= len(found):
        raise RelightError(
            f"validation_portraits is {validation_portraits} of {len(found)} portraits; at least one must "
            "be left to train on."
        )
    collection = None if lights is None else read_lights(Path(lights))
    out = Path(out)
    _claim(out, per_portrait, seed, collection, by_mesh=normals is None)
    jobs = [
        RatioJob(out, inputs, random_lights(_generator(seed, inputs.name), per_portrait, collection), seed)
        for inputs in found
    ]
    missing = [job for job in jobs if not job.is_done()]
    discarded = _run_jobs(missing, workers, progress, runner)
    complete = [job.inputs.name for job in jobs if job.is_done()]
    if not complete:
        raise RelightError(f"No portrait could be used. The first: {discarded[0]}")
    _write_lists(out, complete, per_portrait, validation_portraits, seed)
    return RatioResult(len(missing) - len(discarded), len(complete), discarded)


def find_inputs(
    portraits: Path | str,
    normals: Path | str | None,
    masks: Path | str | None,
    source_lights: Path | str | None,
    landmarks: Path | str | None,
) -> list[Inputs]:
    """Return the files of each portrait in a folder, in the order of their names.

    Raises:
        RelightError: a missing folder, a portrait without its files, two with one name, both masks and source
            lights, or landmarks of normals that are not given.
    """
    if masks is not None and source_lights is not None:
        raise RelightError("Give either masks of the skin or the lights of the portraits, not both.")
    if landmarks is not None and normals is None:
        raise RelightError("Landmarks bend normals that are given: give normals, too, or leave them out.")
    photos: dict[str, Path] = {}
    for photo in list_pictures([portraits]):
        if photo.stem in photos:
            raise RelightError(f"{photos[photo.stem]} and {photo} have one name; rename one of them.")
        if len(photo.stem.split()) != 1:
            raise RelightError(
                f"{photo} has a space in its name, which lists of pairs cannot hold; rename it."
            )
        photos[photo.stem] = photo
    sides = {
        "normal map": (normals, LOSSLESS),
        "mask": (masks, PICTURE_SUFFIXES),
        "light": (source_lights, (".txt",)),
        "landmarks": (landmarks, (".txt",)),
    }
    listed: dict[str, dict[str, Path]] = {}
    for thing, (folder, suffixes) in sides.items():
        listed[thing] = {} if folder is None else _by_name(Path(folder), suffixes, thing)
        lacking = [name for name in photos if folder is not None and name not in listed[thing]]
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            hint = " Fit a face model such as 3DDFA first; it is not part of this package."
            raise RelightError(
                f"{folder} has no {thing} for {', '.join(lacking[:3])}{more}: wanted is {lacking[0]}"
                f"{suffixes[0]}.{hint if thing in ('normal map', 'landmarks') else ''}"
            )
    return [
        Inputs(
            name,
            photo,
            *(listed[thing].get(name) for thing in ("normal map", "mask", "light", "landmarks")),
        )
        for name, photo in photos.items()
    ]


def read_landmarks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return landmarks in the normal map and in the portrait, (N, 2) each, from four numbers a line.

    Raises:
        RelightError: the file cannot be read or holds something else.
    """
    text = read_text(path, LARGEST_TEXT, what="a file of landmarks", advice="write four numbers a line")
    try:
        rows = [line.split() for line in text.splitlines() if line.strip()]
        values = np.array([[float(word) for word in row] for row in rows])
    except ValueError as error:
        raise RelightError(f"{path} is no file of landmarks: it must hold four numbers a line.") from error
    if values.ndim != 2 or values.shape[1] != 4:
        raise RelightError(
            f"{path} is no file of landmarks: every line needs four numbers, x and y in the normal map, then "
            "x and y in the portrait."
        )
    return values[:, :2], values[:, 2:]


def load_portrait(inputs: Inputs, seed: int = 0) -> tuple[np.ndarray, RatioPortrait]:
    """Return a photo (H, W, 3) uint8 sRGB, and it made ready to be relit.

    Raises:
        RelightError: a file that cannot be read, or a portrait that cannot be used.
    """
    photo = read_rgb(inputs.photo)
    told = inputs.mask is not None or inputs.source_light is not None
    mesh = None if inputs.normals is not None and told else _mesh(photo)
    if inputs.normals is None:
        assert mesh is not None
        found = mesh_normals(mesh, photo.shape[:2])
        normals = fill_normals(found, np.any(found, axis=-1))
    else:
        normals = read_normals(inputs.normals)
        if inputs.landmarks is not None:
            source, target = read_landmarks(inputs.landmarks)
            normals = refine_normals(normals, source=source, target=target)
        elif has_holes(normals):
            normals = refine_normals(normals)
    light = None if inputs.source_light is None else Light.from_file(inputs.source_light).grey("lightness")
    skin = None if inputs.mask is None else read_rgb(inputs.mask)[..., 0] > _WHITE
    if not told:
        assert mesh is not None
        skin = mesh_skin(mesh, photo.shape[:2])
    return photo, prepare(photo, normals, skin=skin, source_light=light, seed=seed)


def _mesh(photo: np.ndarray) -> np.ndarray:
    """Return the mesh of the largest face that has one."""
    for face in find_faces(photo):
        if face.mesh is not None:
            return face.mesh
    raise RelightError("no face was found whose surface can be told; give its normals and its skin or light.")


def _check_numbers(workers: int, seed: int, per_portrait: int, validation_portraits: int) -> None:
    check_count("workers", workers, 1)
    check_count("seed", seed, 0)
    check_count("per_portrait", per_portrait, 2)
    check_count("validation_portraits", validation_portraits, 0)
    if per_portrait > MOST_PER_PORTRAIT:
        raise RelightError(f"per_portrait is {per_portrait}; at most {MOST_PER_PORTRAIT} are possible.")


def _by_name(folder: Path, suffixes: Sequence[str], thing: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise RelightError(f"There is no folder {folder} (of each portrait's {thing}).")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    return {path.stem: path for path in reversed(files)}


def _claim(out: Path, per_portrait: int, seed: int, collection: np.ndarray | None, *, by_mesh: bool) -> None:
    """Note in the folder what decides its bytes besides the portraits, or refuse one that differs."""
    lights = None if collection is None else hashlib.sha256(collection.tobytes()).hexdigest()
    settings: dict[str, object] = {
        "per_portrait": per_portrait,
        "seed": seed,
        "lights": lights,
        "version": FORMAT_VERSION,
    }
    if by_mesh:
        settings["normals"] = "of the mesh"
    claim_folder(out / SETTINGS_FILE, settings, "relit portraits")


def _run_jobs(jobs: Sequence[RatioJob], workers: int, progress: bool, runner: Runner) -> tuple[str, ...]:
    """Relight portraits; return why some were discarded."""
    reasons = []
    with Bars(progress and bool(jobs)) as bar:
        task = bar.add_task("Relighting portraits", total=len(jobs))
        for reason in runner(_run_job, jobs, workers):
            reasons += [reason] if reason else []
            bar.advance(task)
    return tuple(sorted(reasons))


def _generator(seed: int, name: str) -> np.random.Generator:
    """Numbers of a portrait; others may come and go without changing them."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()[:8]])


def _run_job(job: RatioJob) -> str | None:
    """Relight and write one portrait; return why it was discarded, if it was."""
    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(1)  # the processes share the cores already
    try:
        photo, portrait = load_portrait(job.inputs, job.seed)
        pictures = [portrait.relight(light) for light in job.lights]
    except RelightError as error:
        return f"{job.inputs.name}: {error}"
    photo_path, photo_light, normals_path, *files = job.paths()
    x, inward, up = np.moveaxis(portrait.normals, -1, 0)
    coded = np.clip(np.rint(np.stack([inward, -up, x], axis=-1) * 127.5 + 127.5), 0, 255)
    write_png(photo_path, photo)
    write_png(normals_path, coded.astype(np.uint8))
    for path, picture in zip(files, pictures, strict=False):
        write_png(path, picture)
    texts = zip([photo_light, *files[len(pictures) :]], [portrait.light, *job.lights], strict=True)
    for path, light in texts:
        write_text(path, format_light(np.repeat(light[:, None], 3, axis=1), "dpr"))
    return None


def _write_lists(out: Path, names: Sequence[str], per_portrait: int, held_out: int, seed: int) -> None:
    """DPR's lists: a line "subject picture picture" for each pair of relit pictures of a subject."""
    validation = held_out_groups(list(names), held_out, seed) if held_out else set()
    for split, members in (("train", set(names) - validation), ("validation", validation)):
        lines = [
            f"{name} {name}_{one:02d}.png {name}_{other:02d}.png\n"
            for name in sorted(members)
            for one, other in combinations(range(per_portrait), 2)
        ]
        if lines:
            write_text(out / LISTS[split], "".join(lines))
        else:
            (out / LISTS[split]).unlink(missing_ok=True)
