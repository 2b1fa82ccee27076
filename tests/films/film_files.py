"""Films made on the spot, with and without sound, turned or damaged."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

COLOURS = np.array([(200, 60, 40), (40, 180, 60), (50, 60, 210)], np.uint8)


def picture(index: int, size: tuple[int, int]) -> np.ndarray:
    """Three stripes of colour, and a white mark at the upper left that moves down."""
    pixels = np.repeat(COLOURS[np.arange(size[1]) * 3 // size[1]][None], size[0], axis=0).copy()
    pixels[2 * index : 2 * index + 12, :12] = 255
    return pixels


def write_film(
    path: Path,
    *,
    count: int = 12,
    size: tuple[int, int] = (48, 64),
    sound: str | None = None,
    turned: int = 0,
    noise: float = 0.0,
    uneven: bool = False,
) -> Path:
    """Write a film of 10 frames per second through PyAV, not through the code under test."""
    import av

    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        if turned:
            stream.set_display_rotation(turned)
        track = file.add_stream(sound, rate=44100, layout="mono") if sound else None
        for index in range(count):
            pixels = picture(index, size).astype(float)
            pixels = np.clip(pixels + rng.normal(0, noise, pixels.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.time_base = Fraction(1, 100)
            frame.pts = 10 * index + (index % 3 if uneven else 0)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if track is not None:
            _write_tone(av, file, track, count / 10)
    return path


def _write_tone(av, file, track, seconds):
    samples = (9000 * np.sin(np.arange(round(44100 * seconds)) * 0.06)).astype(np.int16)
    resampler = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=44100)
    for start in range(0, len(samples) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 44100, Fraction(1, 44100), start
        for converted in resampler.resample(frame):
            file.mux(track.encode(converted))
    file.mux(track.encode())
