"""The small networks of MediaPipe that find faces and people: shipped, checked and run by LiteRT.

They lie in `photo/mediapipe/` as their authors published them in the package `mediapipe` 0.10.14, under
Apache-2.0. Each is read once in a process.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

from tf_relight.errors import RelightError
from tf_relight.litert import Session

FOLDER = Path(__file__).parent / "mediapipe"


@dataclass(frozen=True)
class SmallNetwork:
    """One file.

    Attributes:
        file: its name in `FOLDER`.
        sha256: of its content.
        side: of the square pictures it takes, in pixels.
        source: what to cite.
    """

    file: str
    sha256: str
    side: int
    source: str


BLAZEFACE = "Bazarevsky et al., BlazeFace, CVPR Workshop on Computer Vision for AR/VR, 2019"
NETWORKS: dict[str, SmallNetwork] = {
    "faces_near": SmallNetwork(
        "face_detection_short_range.tflite",
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        128,
        BLAZEFACE,
    ),
    "faces_far": SmallNetwork(
        "face_detection_full_range_sparse.tflite",
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        192,
        BLAZEFACE,
    ),
    "face_mesh": SmallNetwork(
        "face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        192,
        "Kartynnik et al., Real-time Facial Surface Geometry from Monocular Video, CVPR Workshop, 2019",
    ),
    "people": SmallNetwork(
        "selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        256,
        "MediaPipe Selfie Segmentation, model card of 2021",
    ),
}


def path_of(name: str) -> Path:
    """Return where the file of a name of `NETWORKS` lies."""
    return FOLDER / NETWORKS[name].file


def content_of(name: str) -> bytes:
    """Return the content of a file, checked.

    Raises:
        RelightError: it is missing, or not the recorded one.
    """
    path = path_of(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RelightError(f"Cannot read {path} ({error.strerror}): install tf_relight again.") from error
    if hashlib.sha256(content).hexdigest() != NETWORKS[name].sha256:
        raise RelightError(f"{path} is damaged or another file: install tf_relight again.")
    return content


@functools.cache
def session(name: str) -> Session:
    """Return a network ready to run; one core a call, as the calls run side by side.

    Raises:
        RelightError: as `content_of`, or LiteRT is not installed.
    """
    return Session(content_of(name), str(path_of(name)), threads=1)
