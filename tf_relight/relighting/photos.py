"""Relighting photos of any size: what `relight image` and `tf_relight.relight` do.

Each photo is made as small as the pictures the network was trained on, relit there, and the change of light
is brought back to full size (`transfer.py`); portraits go their own way (`portraits.py`). A broken file among
many is reported at the end; it does not stop the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from tf_relight import methods
from tf_relight.contract import usual
from tf_relight.errors import RelightError
from tf_relight.litert import cores
from tf_relight.networks.running import run_network, training_size, working_size
from tf_relight.photo.picture import Picture, resize
from tf_relight.photo.reading import read_picture
from tf_relight.photo.strips import SharedRoom
from tf_relight.photo.transfer import transfer
from tf_relight.photo.writing import check_can_write, write_picture
from tf_relight.progress import track
from tf_relight.relighting.outputs import Existing, Report, make_folder, plan_outputs
from tf_relight.relighting.request import NamedOptions, RelightOptions
from tf_relight.relighting.squares import as_square
from tf_relight.weights.record import KNOWN

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel
    from tf_relight.photo.faces import Face
    from tf_relight.relighting.network import Engine

PHOTOS_AT_ONCE = 4
PIXELS_AT_ONCE = 40_000_000
"""Of the photos that are relit at the same time, which bounds the memory; a larger photo has it alone."""
PORTRAIT_LIGHT = "loop"
"""The preset that people are relit by when no light is asked for."""


def relight(
    picture: Picture,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    light_from: Path | str | None = None,
    engine: Engine = "auto",
    **options: Unpack[NamedOptions],
) -> Picture:
    """Return one photo relit, at full size; `in_python.relight` takes photos in other forms.

    The network is loaded for each call; for many photos use `relight_photos`, or load once with `load_model`
    and call `relight_picture`; for many lights of one portrait use `portraits.PortraitRelighter`.

    Args:
        method, weights, light_from, engine: as in `relight_photos`.
        options: the fields of `RelightOptions`: light, strength, size, temperature and so on.

    Raises:
        RelightError: as in `relight_photos`.
    """
    wanted = RelightOptions(**options)
    method = usual_method(method, weights, wanted, light_from)
    check_light(method, wanted, light_from)
    return job_for(method, weights, wanted, light_from, engine).relight(picture)


def relight_photos(
    paths: Sequence[Path | str],
    out: Path | str,
    *,
    method: str | None = None,
    weights: Path | str | None = None,
    light_from: Path | str | None = None,
    recursive: bool = False,
    existing: Existing = "refuse",
    raise_for_one: bool = True,
    progress: bool = True,
    engine: Engine = "auto",
    **options: Unpack[NamedOptions],
) -> Report:
    """Relight photo files and folders of photos.

    Args:
        paths: files and folders.
        out: a file name for one photo, else a folder, made when missing; see `outputs.plan_outputs`.
        method: name from the method table. None takes the method the weights belong to; without weights
            `usual.PORTRAIT_METHOD` if a light is asked for or the photo shows a face, which is then relit
            by the preset `PORTRAIT_LIGHT`, and `usual.SCENE_METHOD` if not.
        weights: a weights file or name; None takes those that ship with the method.
        light_from: another photo whose light is copied.
        recursive: go into the folders' subfolders; the results have the same tree.
        existing: what is done about results that exist already: "refuse" the run, "overwrite" or "skip".
        raise_for_one: raise the error of a photo when it is the only one and was named itself.
        progress: show a progress bar on stderr.
        engine: what runs the network, see `network.load_network`.
        options: the fields of `RelightOptions`: light, strength, size, temperature and so on.

    Returns:
        the report. A photo that fails is listed there, and the run goes on.

    Raises:
        RelightError: a mistake that concerns every photo (arguments, weights, output folder), or the only
            photo failed.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (48, 32), (90, 120, 150)).save(f"{folder}/photo.png")
        ...     report = relight_photos([folder], f"{folder}/relit", method="dmshn", progress=False)
        ...     [path.name for path in report.written]
        ['photo.png']
        >>> report.failures
        []
    """
    wanted = RelightOptions(**options)
    method = usual_method(method, weights, wanted, light_from)
    check_light(method, wanted, light_from)
    plan = plan_outputs(paths, out, recursive=recursive, existing=existing)
    report = Report(skipped=plan.skipped, left_out=plan.left_out)
    if not plan.jobs:
        return report
    make_folder(plan, out)
    job = job_for(method, weights, wanted, light_from, engine)
    is_one = raise_for_one and len(plan.jobs) == len(paths) == 1 and not Path(paths[0]).is_dir()
    started = time.monotonic()
    room = SharedRoom(PIXELS_AT_ONCE)
    pool = ThreadPoolExecutor(1 if len(plan.jobs) == 1 else min(cores(), PHOTOS_AT_ONCE))
    try:
        running = [pool.submit(relight_file, source, target, job, room) for source, target in plan.jobs]
        pairs = zip(plan.jobs, running, strict=True)
        for (source, target), done in track(
            pairs, lambda pair: f"Relighting {pair[0][0].name}", total=len(running), show=progress
        ):
            try:
                report.notes += done.result()
                report.written.append(target)
                report.sources.append(source)
            except RelightError as error:
                if is_one:
                    raise
                sentence = str(error)
                report.failures.append(sentence if str(source) in sentence else f"{source}: {sentence}")
                report.failed.append(source)
    finally:
        pool.shutdown(cancel_futures=True)
    report.seconds = time.monotonic() - started
    return report


def relight_picture(picture: Picture, loaded: LoadedModel, options: RelightOptions | None = None) -> Picture:
    """Return the picture relit by a loaded network, at its own size, with its alpha and bit depth.

    Methods that take a light go by `portraits.PortraitRelighter`. For the others, a picture no larger than
    the network's size is relit as it is and is the network's own output; a larger one is relit small, and the
    change of light is transferred.

    Args:
        options: None relights in full, with a method that takes no light.

    Returns:
        the picture; its notes hold what there is to say about it, for example that no face was found.

    Raises:
        RelightError: a light for a method that takes none, or none for one that needs it; the network
            returned values that are not finite, or ran out of memory.
    """
    return Job.of(loaded, options or RelightOptions()).relight(picture)


@dataclass(frozen=True)
class Job:
    """A loaded network and what is asked of it; made once, it relights any number of pictures."""

    loaded: LoadedModel
    options: RelightOptions

    @classmethod
    def of(cls, loaded: LoadedModel, options: RelightOptions, light_from: Path | str | None = None) -> Job:
        """Return the job with the light of another photo, if one is given.

        Raises:
            RelightError: light or mode do not fit the method, or the other photo cannot be read.
        """
        if light_from is not None:
            from tf_relight.relighting.portraits import light_of_photo

            options = replace(options, light=light_of_photo(light_from, loaded))
        options.check_method(loaded.method.name, loaded.method.info)
        loaded.method.check_mode(options.mode)
        return cls(loaded, options)

    def relight(self, picture: Picture, faces: Sequence[Face] | None = None) -> Picture:
        """Return the picture relit; see `relight_picture`.

        Args:
            faces: those of a portrait; None looks for them.
        """
        loaded, options = self.loaded, self.options
        if loaded.method.info.takes_light:
            given = loaded.method.info.output("relit")
            if given is not None and given.kind == "srgb" and not options.paper:
                from tf_relight.relighting.coloured import relight_in_colour

                return relight_in_colour(picture, loaded, options, faces)
            from tf_relight.relighting.portraits import relight_portrait

            return relight_portrait(picture, loaded, options, faces)
        pixels, strength = picture.pixels, options.strength
        small = resize(pixels, working_size(picture.size, options.size or training_size(loaded)))
        square, place = (
            as_square(small) if small.shape != pixels.shape and options.mode is None else (small, ...)
        )
        relit = run_network(lambda: loaded.method.relight(loaded.model, square, mode=options.mode))[place]
        if small.shape == pixels.shape:
            return picture.with_pixels(np.clip(pixels + np.float32(strength) * (relit - pixels), 0, 1))
        return picture.with_pixels(transfer(pixels, small, relit, strength))


class UsualJob:
    """What is done with a photo of which the user has said nothing: people by a portrait light, scenes so."""

    def __init__(self, options: RelightOptions, engine: Engine = "auto") -> None:
        self.options, self._engine = options, engine
        self._jobs: dict[str, Job] = {}
        self._loading = threading.Lock()

    def relight(self, picture: Picture) -> Picture:
        """Return the picture relit; the first note says how."""
        from tf_relight.light.light import Light
        from tf_relight.photo.faces import find_faces

        faces = find_faces(picture.stored)
        name = usual.PORTRAIT_METHOD if faces else usual.SCENE_METHOD
        with self._loading:
            if name not in self._jobs:
                options = self.options
                if faces:
                    options = replace(options, light=Light.from_preset(PORTRAIT_LIGHT))
                self._jobs[name] = Job.of(load_for(name, None, self._engine), options)
        if not faces:
            return self._jobs[name].relight(picture)
        relit = self._jobs[name].relight(picture, faces)
        said = f"Relit as a portrait, by the light '{PORTRAIT_LIGHT}'; choose another with --from or --light."
        return replace(relit, notes=(said, *relit.notes))


def usual_method(
    method: str | None,
    weights: Path | str | None,
    options: RelightOptions,
    light_from: Path | str | None,
) -> str | None:
    """Return the method, or that of portraits where none is named and something of a light is asked for."""
    if method is not None or weights is not None:
        return method
    if options.paper:
        return usual.DEMO_METHOD
    asked = (options.light, options.temperature, light_from)
    if any(each is not None for each in asked) or options.keep_background or options.sphere:
        return usual.PORTRAIT_METHOD
    return usual.SCENE_METHOD if options.mode is not None else None


def job_for(
    method: str | None,
    weights: Path | str | None,
    options: RelightOptions,
    light_from: Path | str | None = None,
    engine: Engine = "auto",
) -> Job | UsualJob:
    """Return what relights photos, with its network loaded; raises as `load_for` and `Job.of`."""
    if method is None and weights is None:
        return UsualJob(options, engine)
    if options.paper and weights is None and f"{method}-official" in KNOWN:
        weights = f"{method}-official"  # the demo's own
    return Job.of(load_for(method, weights, engine), options, light_from)


def check_light(method: str | None, options: RelightOptions, light_from: Path | str | None) -> None:
    """Raise RelightError where light or mode do not fit the method, before the network is loaded."""
    if options.light is not None and light_from is not None:
        raise RelightError("Give the light once: leave out either --light-from or the other light options.")
    if light_from is not None and not Path(light_from).is_file():
        raise RelightError(f"There is no file {light_from} to take the light from. Check the name.")
    if method is not None:
        methods.get(method).check_mode(options.mode)
        info = methods.get(method).info
        if light_from is not None and not info.takes_light:
            raise RelightError(f"Method '{method}' takes no light. Leave out --light-from.")
        if light_from is None:
            options.check_method(method, info)


def load_for(method: str | None, weights: Path | str | None, engine: Engine = "keras") -> LoadedModel:
    """Return the model of `--method` and `--weights`; either may be None.

    Args:
        engine: see `network.load_network`; with "keras" the result holds a `keras.Model`.

    Raises:
        RelightError: neither is given, they do not fit, or the weights are not here.
    """
    if weights is None:
        if method is None:
            raise RelightError(f"Give a method or a weights file (--method, --weights).{_with_weights()}")
        weights = methods.get(method).info.default_weights
        if weights is None:
            raise RelightError(
                f"No weights ship with method '{method}'. Give a file with --weights.{_with_weights()}"
            )
    elif method is not None:
        methods.get(method)
    from tf_relight.relighting.network import load_network

    return load_network(weights, method, engine)


def _with_weights() -> str:
    """Return a sentence with the methods that have weights; it loads the data side of all of them."""
    shipped = [name for name in methods.names() if methods.get(name).info.default_weights]
    return f" Methods with weights: {', '.join(shipped)}." if shipped else ""


def relight_file(source: Path, target: Path, job: Job | UsualJob, room: SharedRoom) -> tuple[str, ...]:
    """Relight one photo file into another, and return sentences about it.

    Args:
        room: that photos share which are worked on at the same time.

    Raises:
        RelightError: the photo cannot be read, relit or written.
    """
    options = job.options
    try:
        picture = read_picture(source)
        with room.taken(picture.size[0] * picture.size[1]):
            relit = job.relight(replace(picture, notes=()))
            notes = picture.notes + tuple(f"{source.name}: {note}" for note in relit.notes)
            if options.paper and check_can_write(target) == "JPEG":
                from tf_relight.relighting.official_demo import write_as_paper

                return notes + write_as_paper(target, relit, strip=options.strip)
            return notes + write_picture(target, relit, strip=options.strip)
    except MemoryError as error:
        raise RelightError(f"Not enough memory for {source}. Make it smaller first.") from error
