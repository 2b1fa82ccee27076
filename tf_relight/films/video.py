"""Relighting films: a light that moves smoothly, on faces that are followed smoothly.

A film is read twice: first to see where the faces are over time, then to relight frame by frame.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.films.ahead import ahead
from tf_relight.films.face_tracks import THUMBNAIL, FaceFinder, Shot
from tf_relight.films.film import Film, FilmWriter, Frame, check_film_name
from tf_relight.films.film_relighter import FilmRelighter
from tf_relight.films.light_path import LightPath
from tf_relight.films.said import tags_for_copy
from tf_relight.photo.picture import Picture, to_u8
from tf_relight.progress import track
from tf_relight.relighting.photos import Job, load_for
from tf_relight.relighting.request import RelightOptions

if TYPE_CHECKING:
    from tf_relight.relighting.network import Engine


def relight_video(
    film: Path | str,
    out: Path | str,
    options: RelightOptions,
    *,
    path: LightPath | None = None,
    method: str | None = None,
    weights: Path | str | None = None,
    light_from: Path | str | None = None,
    skip_broken: bool = False,
    strip: bool = False,
    progress: bool = True,
    engine: Engine = "auto",
) -> tuple[str, ...]:
    """Relight a film; its size, times and sound are kept, and nothing half-written is left behind.

    Args:
        film: anything FFmpeg decodes.
        out: .mp4, .mov or .mkv, written as H.264.
        options: with a light that stays, unless there is a path.
        path: the light over time.
        method, weights, light_from, engine: as in `photos.relight_photos`.
        skip_broken: leave out frames that cannot be decoded, instead of refusing the film.
        strip: leave out title, times, place and the like, which are kept otherwise.

    Returns:
        sentences for the user.

    Raises:
        RelightError: a film that cannot be read, has no or broken frames, an output that cannot be written or
            would overwrite the film, two lights, or a light that does not fit the method.
    """
    out = check_film_name(out)
    if path is not None and (options.light is not None or light_from is not None):
        raise RelightError("Give the light once: leave out either --light-path or the other light options.")
    if options.paper:
        raise RelightError("--paper is for single photos.")
    source = Film(film, skip_broken=skip_broken)
    if out.exists() and out.samefile(source.path):
        raise RelightError(f"The output {out} would overwrite the film. Choose another name.")
    loaded = load_for(method, weights, engine)
    if path is not None:
        options = replace(options, light=path.lights[0])
    job = Job.of(loaded, options, light_from)
    options, relit = job.options, loaded.method.info.output("relit")
    notes: list[str] = list(source.notes)
    relighter: FilmRelighter | _FrameByFrame
    if not loaded.method.info.takes_light or (relit is not None and relit.kind == "srgb"):
        relighter = _FrameByFrame(job)
    else:
        shots = find_shots(source, progress=progress)
        if not any(shot.tracks for shot in shots):
            if options.keep_background:
                raise RelightError(
                    "No face was found in the film, so the background cannot be told from the person. Leave "
                    "out --keep-background."
                )
            notes.append("No face was found; the whole pictures were relit, which may look wrong.")
        relighter = FilmRelighter(source.size, shots, loaded, options, path)
    with (
        atomic_path(out) as temporary,
        FilmWriter(
            temporary,
            source.size,
            source.rate,
            time_base=source.time_base,
            sound_from=source.path,
            tags=None if strip else tags_for_copy(source.tags),
        ) as writer,
    ):
        # Reading, relighting and writing go on at the same time.
        relit_frames = ahead(Frame(frame.time, relighter.relight(frame)) for frame in ahead(source))
        words = f"Relighting {source.path.name}"
        for frame in track(relit_frames, words, total=source.count, show=progress):
            writer.write(frame)
    notes += writer.notes
    if source.broken:
        notes.append(f"{source.path.name}: {source.broken} broken parts were left out.")
    return tuple(notes)


def find_shots(film: Film, *, progress: bool = True) -> list[Shot]:
    """Return the shots of a film with the faces in them; reads it once."""
    finder = FaceFinder(float(film.rate))
    glances = ahead(film.glances(THUMBNAIL))
    for glance in track(glances, "Looking for faces", total=film.count, show=progress):
        finder.look(glance)
    return finder.shots()


class _FrameByFrame:
    """For methods that do not relight the lightness of faces."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def relight(self, frame: Frame) -> np.ndarray:
        picture = Picture(frame.pixels.astype(np.float32) / 255)
        return to_u8(self._job.relight(picture).pixels)
