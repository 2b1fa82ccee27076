"""Writing a short sequence of pictures that repeats: GIF, WebP or film."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tf_relight.errors import RelightError
from tf_relight.files import atomic_path
from tf_relight.films.film import WRITTEN_FILMS, FilmWriter, Frame, av_package

ANIMATIONS = (".gif", ".webp", *WRITTEN_FILMS)
FASTEST_GIF = 50
"""Frames per second; viewers slow down anything faster."""
LARGEST_BYTES = 2 << 30  # of all frames of a GIF or WebP, which are held in memory
_COLOURS = 256
_PALETTE_PIXELS = 1 << 16  # looked at to choose the colours of a GIF
_ROUNDS = 6
_SHAKE = 4.0  # levels of 255 over which the pattern that hides the steps of skin goes


def _bayer(order: int) -> np.ndarray:
    """Return the ordered dither pattern of side 2**order, -0.5 to 0.5."""
    pattern = np.zeros((1, 1))
    for _ in range(order):
        pattern = np.block([[4 * pattern, 4 * pattern + 2], [4 * pattern + 3, 4 * pattern + 1]])
    return (pattern + 0.5) / pattern.size - 0.5


_ORDERED = _bayer(3)


def check_animation_name(path: Path | str, fps: float) -> Path:
    """Return the path of an animation to write, before any work is done.

    Raises:
        RelightError: an ending that is not known, a folder, a rate that the format cannot show, or the
            package for films is missing.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in ANIMATIONS:
        raise RelightError(f"Cannot tell the format of {path}. Use one of {', '.join(ANIMATIONS)}.")
    if path.is_dir():
        raise RelightError(f"The output {path} is a folder. Choose another name.")
    if not 0.1 <= fps <= 240:
        raise RelightError(f"{fps:g} frames per second are outside 0.1..240.")
    if suffix == ".gif" and fps > FASTEST_GIF:
        raise RelightError(f"A GIF shows at most {FASTEST_GIF} frames per second. Use .webp or .mp4.")
    if suffix in WRITTEN_FILMS:
        av_package()
    return path


def write_animation(
    path: Path | str, frames: Iterable[np.ndarray], fps: float, count: int, size: tuple[int, int]
) -> None:
    """Write frames, (H, W, 3) uint8 sRGB, as the ending of `path` says; on failure nothing is left behind.

    Args:
        count, size: how many frames there will be, and their height and width.

    Raises:
        RelightError: as `check_animation_name`, too many frames for the memory, or a file that cannot be
            written.
    """
    path = check_animation_name(path, fps)
    if path.suffix.lower() in WRITTEN_FILMS:
        _write_film(path, frames, fps, size)
        return
    if count * size[0] * size[1] * 3 > LARGEST_BYTES:
        raise RelightError(f"{count} frames of {size[1]} x {size[0]} are too many. Give a smaller --side.")
    encode = _gif if path.suffix.lower() == ".gif" else _webp
    encoded = encode(list(frames), fps)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)


def _write_film(path: Path, frames: Iterable[np.ndarray], fps: float, size: tuple[int, int]) -> None:
    rate = Fraction(fps).limit_denominator(1000)
    with atomic_path(path) as temporary, FilmWriter(temporary, size, rate) as writer:
        for index, pixels in enumerate(frames):
            writer.write(Frame(index / rate, pixels))


def _webp(frames: list[np.ndarray], fps: float) -> bytes:
    pictures = [Image.fromarray(frame) for frame in frames]
    stream = io.BytesIO()
    options = {"duration": _durations(len(frames), fps, 1), "loop": 0, "quality": 85, "method": 4}
    pictures[0].save(stream, "WEBP", save_all=True, append_images=pictures[1:], **options)
    return stream.getvalue()


def _gif(frames: list[np.ndarray], fps: float) -> bytes:
    palette = _palette(frames)
    height, width = frames[0].shape[:2]
    tiles = np.tile(_ORDERED, (height // 8 + 1, width // 8 + 1))[:height, :width, None]
    pictures = []
    for frame in frames:
        # The pattern stands still, so that skin does not crawl as it does with error diffusion.
        shaken = np.clip(np.rint(frame + _SHAKE * tiles), 0, 255).astype(np.uint8)
        pictures.append(Image.fromarray(shaken).quantize(palette=palette, dither=Image.Dither.NONE))
    stream = io.BytesIO()
    options = {"duration": _durations(len(frames), fps, 10), "loop": 0, "optimize": False}
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], **options)
    return stream.getvalue()


def _palette(frames: list[np.ndarray]) -> Image.Image:
    """Return 256 colours that suit all frames together; one palette keeps them from flickering."""
    step = max(1, math.ceil(math.sqrt(sum(frame[..., 0].size for frame in frames) / _PALETTE_PIXELS)))
    pixels = np.concatenate([frame[::step, ::step].reshape(-1, 3) for frame in frames])
    first = Image.fromarray(pixels[None]).quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    labels = np.asarray(first, np.int32).reshape(-1, 1)
    colours: np.ndarray = np.array(first.getpalette(), np.float32).reshape(-1, 3)
    if len(np.unique(labels)) == _COLOURS:
        # Median cut divides the space; moving its colours to the middle of their pixels gains 1 dB.
        rounds = (cv2.TERM_CRITERIA_COUNT, _ROUNDS, 0)
        start = cv2.KMEANS_USE_INITIAL_LABELS
        colours = cv2.kmeans(pixels.astype(np.float32), _COLOURS, labels.copy(), rounds, 1, start)[2]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(colours).astype(np.uint8).ravel().tolist())
    return palette


def _durations(count: int, fps: float, unit: int) -> list[int]:
    """Return the milliseconds of each frame in steps of `unit`, so that the sum is right."""
    ends = [round((index + 1) * 1000 / fps / unit) * unit for index in range(count)]
    return [max(unit, end - begin) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
