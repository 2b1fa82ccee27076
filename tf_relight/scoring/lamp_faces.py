"""Portrait methods against the truth: faces photographed, or rendered, under lamps whose places are known.

A folder of subjects, each a folder of pictures under one lamp each, named by where the lamp stands:

    kim/azimuth_+000_elevation_+00.png      from the camera: the picture that is relit
    kim/azimuth_-060_elevation_+20.png      from the picture's left, raised: a truth

The frontal picture is relit to every other lamp. Of the change of light, the logarithm of the ratio of two
blurred pictures, the correlation with the true change counts; of the pictures the error against the truth,
whose scale is free, as exposures are. `A+035E+15` in a name, as in the cropped Extended Yale faces, is
understood too: azimuth grows to the left there, and stored values are linear.

A subject's folder may have a person.json that tells the tone of the skin (L of Lab, 0..100), as rendered ones
have; the scores are then also told by tone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tf_relight.errors import RelightError
from tf_relight.guarded.structured import read_json
from tf_relight.light.directions import direction
from tf_relight.light.light import Light
from tf_relight.photo.colour import linear_to_srgb, luminance, srgb_to_linear
from tf_relight.photo.picture import Picture
from tf_relight.photo.reading import read_picture
from tf_relight.progress import track
from tf_relight.relighting.photos import Job
from tf_relight.relighting.request import RelightOptions
from tf_relight.scoring.score_table import write_csv

if TYPE_CHECKING:
    from tf_relight.methods.trained import LoadedModel

Lamp = tuple[float, float]
"""Azimuth, to the picture's right, and elevation in degrees."""
AMBIENT = 0.1
"""Share of even light that is told beside a lamp in a dark room."""
BLUR = 5 / 192
"""Standard deviation of the blur, of the picture's height."""
BLACK = 0.01
"""Linear light added before the logarithm."""
PERSON_FILE = "person.json"
_OURS = re.compile(r"azimuth_([+-]?\d{1,3})_elevation_([+-]?\d{1,2})")
_YALE = re.compile(r"A([+-]\d{3})E([+-]\d{2})")
TONES = {"dark": (0.0, 42.0), "middle": (42.0, 60.0), "light": (60.0, math.inf)}
"""L of Lab of the skin's albedo; thirds of what is rendered."""
_COLUMNS = ("azimuth", "elevation", "subjects", "correlation", "error", "unchanged")


@dataclass(frozen=True)
class Subject:
    """The pictures of one subject.

    Attributes:
        name: of its folder. pictures: file of each lamp. linear: whether the stored values are linear light.
        tone: L of Lab of the skin's albedo, 0..100, where it is known.
    """

    name: str
    pictures: dict[Lamp, Path]
    linear: bool
    tone: float | None = None


@dataclass(frozen=True)
class LampScores:
    """How well the light of one lamp is met, in the mean over subjects.

    Attributes:
        correlation: of the change of light with the true one, -1..1.
        error: root mean square of the difference to the truth, linear, after the best gain.
        unchanged: the same of the frontal picture as it is.
    """

    lamp: Lamp
    subjects: int
    correlation: float
    error: float
    unchanged: float


@dataclass(frozen=True)
class ToneScores:
    """How well the light is met on skin of one tone.

    Attributes:
        tone: one of TONES. correlation, error_share: as of `LampFaces`.
    """

    tone: str
    subjects: int
    correlation: float
    error_share: float


@dataclass(frozen=True)
class LampFaces:
    """The scores of one method on a folder of faces under known lamps.

    Attributes:
        lamps: by lamp. correlation: the mean over all pictures.
        error_share: mean error over that of the unchanged pictures; above 1 is worse than doing nothing.
        degrees: median angle between the lamp and the light read from its picture; None where none is read.
        pictures: how many truths.
        tones: by tone of the skin, of the subjects whose tone is known.
    """

    lamps: tuple[LampScores, ...]
    correlation: float
    error_share: float
    degrees: float | None
    pictures: int
    tones: tuple[ToneScores, ...] = ()

    def tone_lines(self) -> list[Sequence[str]]:
        """Return the table by tone, empty where there are not two of them."""
        if len(self.tones) < 2:
            return []
        best = min(each.error_share for each in self.tones)
        rows: list[Sequence[str]] = [("SKIN", "CORRELATION", "ERROR", "WORSE THAN THE BEST")]
        for each in self.tones:
            subjects = f"{each.subjects} {'subject' if each.subjects == 1 else 'subjects'}"
            more = f"{100 * (each.error_share / best - 1):.0f} %, {subjects}"
            rows.append((each.tone, f"{each.correlation:.3f}", f"{each.error_share:.3f} of unchanged", more))
        return rows

    def lines(self) -> list[Sequence[str]]:
        """Return the table as people read it."""
        rows: list[Sequence[str]] = [("LAMP", "CORRELATION", "ERROR", "UNCHANGED")]
        for each in self.lamps:
            azimuth, elevation = each.lamp
            numbers = (f"{each.correlation:.3f}", f"{each.error:.4f}", f"{each.unchanged:.4f}")
            rows.append((f"{azimuth:+.0f} {elevation:+.0f}", *numbers))
        degrees = "no light is read" if self.degrees is None else f"light off by {self.degrees:.1f} degrees"
        share = f"{self.error_share:.3f} of unchanged"
        rows.append(("mean", f"{self.correlation:.3f}", share, f"{degrees}, {self.pictures} pictures"))
        return rows


def find_subjects(folder: Path | str) -> list[Subject]:
    """Return the subjects of a folder, by name.

    Raises:
        RelightError: no such folder, or no subject with a frontal picture and another one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RelightError(f"There is no folder {folder} of faces under known lamps.")
    found = [_subject(each) for each in sorted(folder.iterdir()) if each.is_dir()]
    whole = [each for each in found if (0.0, 0.0) in each.pictures and len(each.pictures) > 1]
    if not whole:
        raise RelightError(
            f"{folder} holds no faces under known lamps: give each subject a folder of pictures such as "
            "azimuth_+000_elevation_+00.png (from the camera) and azimuth_-060_elevation_+20.png."
        )
    return whole


def _subject(folder: Path) -> Subject:
    pictures: dict[Lamp, Path] = {}
    linear = False
    for path in sorted(folder.iterdir()):
        ours, yale = _OURS.search(path.stem), _YALE.search(path.stem)
        if ours is not None:
            pictures[float(ours[1]), float(ours[2])] = path
        elif yale is not None:
            pictures[0.0 - float(yale[1]), float(yale[2])] = path
            linear = True
    return Subject(folder.name, pictures, linear, _tone(folder / PERSON_FILE))


def _tone(path: Path) -> float | None:
    if not path.is_file():
        return None
    advice = 'give it {"tone": L of Lab of the skin, 0..100}, or remove it'
    told = read_json(path, what="who a subject is", advice=advice)
    tone = told.get("tone") if isinstance(told, dict) else None
    if isinstance(tone, bool) or not isinstance(tone, int | float) or not 0 <= tone <= 100:
        raise RelightError(f"{path} tells no tone of the skin: {advice}.")
    return float(tone)


def _by_tone(rows: Sequence[tuple[Subject, np.ndarray]]) -> tuple[ToneScores, ...]:
    """Return the scores by tone of (subject, (lamps, 3) scores)."""
    known = [(subject.tone, each) for subject, each in rows if subject.tone is not None]
    found = []
    for name, (low, high) in TONES.items():
        own = [each for tone, each in known if low <= tone < high]
        if own:
            every = np.concatenate(own)
            share = float(every[:, 1].mean() / every[:, 2].mean())
            found.append(ToneScores(name, len(own), float(every[:, 0].mean()), share))
    return tuple(found)


def score_lamp_faces(
    loaded: LoadedModel, folder: Path | str, *, progress: bool = True, out: Path | str | None = None
) -> LampFaces:
    """Score a portrait method on faces under known lamps.

    Args:
        loaded: of a method that takes a light.
        out: folder for lamp_faces.csv; None writes nothing.

    Raises:
        RelightError: the method takes no light, or the folder holds no such faces.
    """
    if not loaded.method.info.takes_light:
        raise RelightError(f"Method '{loaded.method.name}' takes no light: there is nothing to compare.")
    subjects = find_subjects(folder)
    rows: dict[Lamp, list[tuple[float, float, float]]] = {}
    angles: list[float] = []
    people: list[tuple[Subject, np.ndarray]] = []
    for subject in track(subjects, lambda each: f"Scoring {each.name}", show=progress):
        own = list(_score(subject, loaded))
        for lamp, scores, angle in own:
            rows.setdefault(lamp, []).append(scores)
            angles += [] if angle is None else [angle]
        people.append((subject, np.array([scores for _, scores, _ in own])))
    means = {lamp: np.mean(values, axis=0) for lamp, values in rows.items()}
    every = np.array([each for values in rows.values() for each in values])
    scored = LampFaces(
        tuple(LampScores(lamp, len(rows[lamp]), *map(float, means[lamp])) for lamp in sorted(rows)),
        float(every[:, 0].mean()),
        float(every[:, 1].mean() / every[:, 2].mean()),
        float(np.median(angles)) if angles else None,
        len(every),
        _by_tone(people),
    )
    if out is not None:
        cells = [
            dict(
                zip(
                    _COLUMNS,
                    map(repr, (*each.lamp, each.subjects, each.correlation, each.error, each.unchanged)),
                    strict=True,
                )
            )
            for each in scored.lamps
        ]
        write_csv(Path(out) / "lamp_faces.csv", _COLUMNS, cells)
    return scored


def _score(
    subject: Subject, loaded: LoadedModel
) -> Iterator[tuple[Lamp, tuple[float, float, float], float | None]]:
    """Yield each lamp with its scores and the angle by which its light is read wrongly."""
    source = _encoded(subject, (0.0, 0.0))
    before = luminance(srgb_to_linear(source))
    frontal = Picture(source)
    for lamp in sorted(subject.pictures.keys() - {(0.0, 0.0)}):
        encoded = _encoded(subject, lamp)
        if encoded.shape != source.shape:
            raise RelightError(f"{subject.pictures[lamp]} is not as large as the frontal picture.")
        truth = luminance(srgb_to_linear(encoded))
        job = Job.of(loaded, RelightOptions(light=Light.from_direction(*lamp, ambient=AMBIENT)))
        relit = luminance(srgb_to_linear(job.relight(frontal, faces=[]).pixels))
        scores = (_correlation(before, relit, truth), _error(relit, truth), _error(before, truth))
        yield lamp, scores, _degrees(loaded, encoded, lamp)


def _encoded(subject: Subject, lamp: Lamp) -> np.ndarray:
    pixels = read_picture(subject.pictures[lamp]).pixels
    return linear_to_srgb(pixels).astype(np.float32) if subject.linear else pixels


def _correlation(before: np.ndarray, relit: np.ndarray, truth: np.ndarray) -> float:
    sigma = BLUR * before.shape[0]

    def log(linear: np.ndarray) -> np.ndarray:
        return np.log(cv2.GaussianBlur(linear.astype(np.float32), (0, 0), sigma) + BLACK)

    first, second = log(relit) - log(before), log(truth) - log(before)
    if min(float(first.std()), float(second.std())) < 1e-9:
        return 0.0  # nothing changes
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _error(picture: np.ndarray, truth: np.ndarray) -> float:
    gain = float((picture * truth).sum()) / max(float((picture * picture).sum()), 1e-9)
    return math.sqrt(float(np.square(gain * picture - truth).mean()))


def _degrees(loaded: LoadedModel, image: np.ndarray, lamp: Lamp) -> float | None:
    if loaded.method.info.source_light is None:
        return None
    y, z, x = Light.from_photo(loaded, image).luminance[1:4]
    read = np.array([x, y, z])
    cosine = float(read @ direction(*lamp)) / max(float(np.linalg.norm(read)), 1e-9)
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
