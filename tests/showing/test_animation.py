"""GIF, WebP and film files: every frame in its time, colours close, nothing half-written."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from tf_relight.errors import RelightError
from tf_relight.showing import animation
from tf_relight.showing.animation import check_animation_name, write_animation


def skin_frames(count=5, size=(48, 64)):
    """Smooth shades of skin under a light that wanders, which is what GIF finds hard."""
    rows, columns = np.mgrid[: size[0], : size[1]] / max(size)
    frames = []
    for index in range(count):
        light = 0.4 + 0.6 * np.exp(-8 * (columns - index / count) ** 2 - 4 * (rows - 0.4) ** 2)
        frames.append(np.clip(255 * light[..., None] * np.array([0.95, 0.72, 0.6]), 0, 255).astype(np.uint8))
    return frames


def read(path):
    with Image.open(path) as file:
        found, times = [], []
        for index in range(file.n_frames):
            file.seek(index)
            found.append(np.asarray(file.convert("RGB")))
            times.append(file.info["duration"])
        return found, times, file.info.get("loop")


@pytest.mark.parametrize("suffix,decibel", [(".gif", 38), (".webp", 35)])
def test_frames_come_back_in_time_and_in_colour(tmp_path, suffix, decibel):
    frames = skin_frames()
    write_animation(tmp_path / f"a{suffix}", iter(frames), 12, 5, (48, 64))
    found, times, loop = read(tmp_path / f"a{suffix}")
    assert len(found) == 5 and loop == 0
    assert sum(times) == pytest.approx(5000 / 12, abs=10)  # GIF counts in hundredths of a second
    error = np.mean((np.array(found, float) - np.array(frames)) ** 2)
    assert 10 * np.log10(255**2 / error) > decibel  # measured 40.6 and 38.8


def test_gif_has_no_flicker_where_nothing_changes(tmp_path):
    still = skin_frames()[2]
    write_animation(tmp_path / "a.gif", [still] * 3 + [255 - still], 10, 4, (48, 64))
    found, times, _ = read(tmp_path / "a.gif")
    # Equal frames may be written as one that lasts longer.
    assert all(np.array_equal(found[0], frame) for frame in found[:-1]) and sum(times) == 400


def test_gif_of_few_colours_is_exact(tmp_path):
    frames = [np.zeros((9, 7, 3), np.uint8), np.full((9, 7, 3), 255, np.uint8)]
    frames[0][2:5, 2:5] = 200, 30, 40
    write_animation(tmp_path / "a.gif", frames, 5, 2, (9, 7))
    for frame, found in zip(frames, read(tmp_path / "a.gif")[0], strict=True):
        assert np.abs(frame.astype(int) - found).max() <= animation._SHAKE / 2


@pytest.mark.parametrize(
    "name,fps,message",
    [
        ("a.png", 10, "Cannot tell the format"),
        ("a", 10, "Cannot tell the format"),
        ("a.gif", 0, "outside"),
        ("a.gif", float("nan"), "outside"),
        ("a.gif", 60, "at most 50"),
        ("folder.gif", 10, "is a folder"),
    ],
)
def test_names_and_rates_are_checked_first(tmp_path, name, fps, message):
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(RelightError, match=message):
        check_animation_name(tmp_path / name, fps)


def test_too_much_for_the_memory(tmp_path):
    with pytest.raises(RelightError, match="smaller --side"):
        write_animation(tmp_path / "a.gif", [], 10, 1000, (8000, 8000))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_a_stop_half_way_leaves_the_old_file_and_nothing_else(tmp_path, suffix):
    if suffix == ".mp4":
        pytest.importorskip("av")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")

    def stopped():
        yield from itertools.islice(skin_frames(), 3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_animation(path, stopped(), 10, 5, (48, 64))
    assert [each.name for each in tmp_path.iterdir()] == [path.name] and path.read_bytes() == b"old"


def test_durations_add_up():
    for fps in (7, 12, 24, 30, 50):
        assert sum(animation._durations(90, fps, 10)) == pytest.approx(90_000 / fps, abs=5)
        assert min(animation._durations(90, fps, 10)) >= 20
